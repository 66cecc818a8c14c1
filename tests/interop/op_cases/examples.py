# SPDX-License-Identifier: Apache-2.0
"""Serialised tf.train.Examples, as input pipelines and served models parse them."""
import tensorflow.compat.v1 as tf

R = tf.raw_ops


def example(**features):
    out = tf.train.Example()
    for key, values in features.items():
        f = out.features.feature[key]
        if values is None:
            continue  # the key alone
        kind = type(values[0]) if values else float
        if kind is bytes:
            f.bytes_list.value.extend(values)
        elif kind is int:
            f.int64_list.value.extend(values)
        else:
            f.float_list.SetInParent()
            f.float_list.value.extend(values)
    return out.SerializeToString()


def cases(s):
    one, two, none = example(a=[1.0, 2.0], s=[b"x"], i=[3]), example(a=[4.0, 5.0], s=[b"y", b"\xff"], i=[7, 8]), example()
    floats, ints, strings = (lambda v: s.arg(v, "float32", True)), (lambda v: s.arg(v, "int64", True)), (lambda v: s.arg(v, "string", True))
    fixed, varies = tf.io.FixedLenFeature, tf.io.VarLenFeature
    def flat(outs):
        return [x for o in outs for x in (o if isinstance(o, list) else [o])]
    def v2(serialized, dense=(), sparse=(), ragged=(), names=(), known=True):
        return flat(R.ParseExampleV2(
            serialized=s.arg(serialized, "string", known), names=tf.constant(list(names), tf.string),
            sparse_keys=tf.constant([k for k, _ in sparse], tf.string), dense_keys=tf.constant([k for k, _, _ in dense], tf.string),
            ragged_keys=tf.constant([k for k, _, _ in ragged], tf.string), dense_defaults=[d for _, d, _ in dense],
            num_sparse=len(sparse), sparse_types=[t for _, t in sparse], ragged_value_types=[t for _, t, _ in ragged],
            ragged_split_types=[t for _, _, t in ragged], dense_shapes=[h for _, _, h in dense]))
    empty = lambda dtype="float32": s.arg([], dtype, True)
    forms = {
        "dense": lambda: v2([one, two], [("a", empty(), [2])]), "missing": lambda: v2([one, none], [("a", empty(), [2])], names=["p", "q"]),
        "default": lambda: v2([one, none], [("a", floats([9.0, 8.0]), [2])]), "default_bad": lambda: v2([one], [("a", floats([9.0, 8, 7]), [2])]),
        "type": lambda: v2([one], [("s", empty(), [1])]), "size": lambda: v2([one], [("a", empty(), [3])]),
        "scalar_shape": lambda: v2([one], [("i", empty("int64"), [])]), "kindless": lambda: v2([example(a=None)], [("a", floats([9.0, 8.0]), [2])]),
        "empty_list": lambda: v2([example(a=[])], [("a", floats([9.0, 8.0]), [2])]),
        "varying": lambda: v2([one, two, none], [("i", ints([-1]), [None]), ("s", strings(["p"]), [None]), ("a", floats([0.0]), [None])]),
        "varying_rows": lambda: v2([example(a=[1.0, 2]), example(a=[1.0, 2, 3, 4]), none], [("a", floats([0.5]), [None, 2])]),
        "varying_bad": lambda: v2([example(a=[1.0, 2, 3])], [("a", floats([0.5]), [None, 2])]),
        "varying_none": lambda: v2([none, none], [("a", floats([0.5]), [None, 2])]),
        "varying_default": lambda: v2([one], [("a", empty(), [None])]),
        "sparse": lambda: v2([one, none, two], sparse=[("s", tf.string), ("i", tf.int64), ("a", tf.float32), ("z", tf.int64)]),
        "sparse_type": lambda: v2([one], sparse=[("s", tf.int64)]),
        "sparse_empty_type": lambda: v2([example(a=[])], sparse=[("a", tf.int64)]),
        "ragged": lambda: v2([one, none, two], ragged=[("s", tf.string, tf.int64), ("i", tf.int64, tf.int32)]),
        "ragged_type": lambda: v2([one], ragged=[("s", tf.float32, tf.int64)]),
        "no_examples": lambda: v2([], [("a", empty(), [2]), ("i", ints([0]), [None])], [("s", tf.string)], [("i", tf.int64, tf.int64)]),
        "one": lambda: v2(two, [("a", empty(), [2])], [("s", tf.string)], [("i", tf.int64, tf.int64)]),
        "one_missing": lambda: v2(none, [("i", ints([0]), [None])], [("s", tf.string)], [("r", tf.int64, tf.int32)]),
        "truncated": lambda: v2([one, one[:-3]], [("a", empty(), [2])]),
        "names_bad": lambda: v2([one, two], [("a", empty(), [2])], names=["n"], known=False),
        "twice": lambda: v2([one + example(a=[7.0, 7.0])], [("a", empty(), [2])]),
        "v1": lambda: flat(R.ParseExample(serialized=strings([one, two]), names=tf.constant([], tf.string), sparse_keys=["s"], dense_keys=["a", "i"],
                                          dense_defaults=[empty(), ints([0])], sparse_types=[tf.string], dense_shapes=[[2], [None]])),
        "v1_bad": lambda: flat(R.ParseExample(serialized=strings([one]), names=tf.constant([], tf.string), sparse_keys=["a"], dense_keys=[],
                                              dense_defaults=[], sparse_types=[tf.string], dense_shapes=[])),
        "single": lambda: single(s, two, tf.io.parse_single_example, {"a": fixed([2], tf.float32), "s": varies(tf.string), "i": varies(tf.int64)}),
        "single_default": lambda: single(s, none, tf.io.parse_single_example, {"a": fixed([2], tf.float32, [3.0, 4.0]), "i": fixed([], tf.int64, 5)}),
        "single_missing": lambda: single(s, none, tf.io.parse_single_example, {"a": fixed([2], tf.float32)}),
        "single_type": lambda: single(s, one, tf.io.parse_single_example, {"a": varies(tf.int64)}),
        "single_size": lambda: single(s, one, tf.io.parse_single_example, {"a": fixed([3], tf.float32)}),
        "parse": lambda: single(s, [one, two, none], tf.io.parse_example, {
            "a": fixed([2], tf.float32, [0.0, 0.0]), "i": tf.io.FixedLenSequenceFeature([], tf.int64, True), "s": varies(tf.string),
            "none": varies(tf.float32)})}
    for name, form in forms.items():
        s.add(name, form)


def single(s, serialized, parse, features):
    out = parse(s.arg(serialized, "string", True), features)
    flat = []
    for key in sorted(out):
        x = out[key]
        flat += [x.indices, x.values, x.dense_shape] if isinstance(x, tf.SparseTensor) else [x]
    return flat
