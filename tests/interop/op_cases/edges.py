# SPDX-License-Identifier: Apache-2.0
"""Attributes drawn at random: slices, reductions, products, windows, axes, broadcasts;
empty tensors and single elements among them, with gradients."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops
PROTO = type(tf.make_tensor_proto(0))
ATTR = type(tf.NodeDef().attr["T"])
LOOSE = (2e-4, 2e-4)


def cases(s):
    slices(s)
    axes(s)
    windows(s)
    constants(s)
    empties(s)


def picked(rng, values):
    return values[rng.randint(len(values))]


def slices(s):
    for i in range(60):
        def strided(i=i):
            rng = np.random.RandomState(i)
            shape = [int(rng.randint(0 if i % 9 == 0 else 1, 6)) for _ in range(rng.randint(1, 5))]
            spec, used = [], 0
            while used < len(shape):
                kind = rng.randint(6)
                if kind == 0 and Ellipsis not in spec:
                    spec.append(Ellipsis)
                    used += rng.randint(0, 3)
                elif kind == 1:
                    spec.append(tf.newaxis)
                elif kind == 2 and shape[used]:
                    spec.append(int(rng.randint(-shape[used], shape[used])))
                    used += 1
                else:
                    a, b = [None if rng.rand() < 0.4 else int(rng.randint(-7, 8)) for _ in range(2)]
                    spec.append(slice(a, b, picked(rng, [None, 1, 2, -1, -2, 3])))
                    used += 1
                if rng.rand() < 0.15:
                    break
            if Ellipsis in spec:  # numbers before and behind it are of other axes
                spec = [Ellipsis] + [v for v in spec if isinstance(v, slice)][:len(shape)]
            x = s.rand(shape, picked(rng, ["float32", "float64"]), seed=i)
            return s.with_grads(x[tuple(spec)], [x])
        s.add("strided%d" % i, strided)
    for i in range(10):
        def masked(i=i):
            rng = np.random.RandomState(100 + i)
            x = s.rand([4, 3, 5])
            n = rng.randint(1, 4)
            masks = {m: int(rng.randint(1 << n)) for m in ("begin_mask", "end_mask", "shrink_axis_mask")}
            begin, end = rng.randint(-3, 3, n), rng.randint(-2, 5, n)
            y = R.StridedSlice(input=x, begin=s.arg(begin, "int64", known=True), end=s.arg(end, "int64", known=True),
                               strides=tf.constant([1] * n, tf.int64), **masks)
            return s.with_grads(y, [x])
        s.add("masked%d" % i, masked)


def axes(s):
    for i in range(40):
        def reduced(i=i):
            rng = np.random.RandomState(i)
            rank = rng.randint(0, 6)
            shape = [int(rng.randint(0 if i % 7 == 0 else 1, 5)) for _ in range(rank)]
            chosen = [int(a) - (rank if rng.rand() < 0.5 else 0) for a in rng.permutation(rank)[:rng.randint(0, rank + 1)]]
            x = s.rand(shape, picked(rng, ["float32", "float64"]), low=0.5, seed=i)
            f = picked(rng, [tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min, tf.reduce_prod, tf.reduce_logsumexp,
                             tf.math.reduce_euclidean_norm, tf.math.reduce_std])
            keep = bool(rng.randint(2))
            return s.with_grads(f(x, chosen if rng.rand() < 0.8 else None, keepdims=keep), [x])
        s.add("reduced%d" % i, reduced, LOOSE)
    for i in range(30):
        def broadcast(i=i):
            rng = np.random.RandomState(200 + i)
            full = [int(rng.randint(0 if i % 8 == 0 else 1, 4)) for _ in range(rng.randint(0, 7))]
            def smaller():
                return [1 if rng.rand() < 0.4 else d for d in full][rng.randint(0, len(full) + 1):]
            x, y = s.rand(smaller(), low=0.5, seed=i), s.rand(smaller(), low=0.5, seed=i + 1)
            f = picked(rng, [tf.add, tf.subtract, tf.multiply, tf.divide, tf.pow, tf.maximum, tf.math.squared_difference,
                             tf.atan2, tf.floormod, tf.math.xlogy, tf.math.divide_no_nan])
            return s.with_grads(f(x, y), [x, y])
        s.add("broadcast%d" % i, broadcast, LOOSE)
    for i in range(20):
        def moved(i=i):
            rng = np.random.RandomState(300 + i)
            rank = int(rng.randint(1, 8))
            shape = [int(rng.randint(1, 4)) for _ in range(rank)]
            x = s.rand(shape, seed=i)
            y = tf.transpose(x, rng.permutation(rank).tolist())
            y = tf.tile(y, rng.randint(1, 3, rank).tolist()) if rank < 6 else y
            y = tf.concat([y, y * 2], int(rng.randint(-rank, rank)))
            y = tf.reverse(y, [int(rng.randint(-rank, rank))])
            y = tf.roll(y, [1, -2], [0, -1])
            return s.with_grads(tf.stack([y, -y], int(rng.randint(-rank - 1, rank + 1))), [x])
        s.add("moved%d" % i, moved)
    for i in range(20):
        def gathered(i=i):
            rng = np.random.RandomState(400 + i)
            batch = int(rng.randint(0, 3))
            lead = [int(rng.randint(1, 4)) for _ in range(batch)]
            x = s.rand(lead + [4, 3, 2], seed=i)
            axis = int(rng.randint(batch, batch + 3))
            size = (lead + [4, 3, 2])[axis]
            ids = s.arg(rng.randint(0, size, lead + [2] * rng.randint(0, 3)), picked(rng, ["int32", "int64"]))
            y = tf.gather(x, ids, axis=axis - (len(lead) + 3 if rng.rand() < 0.5 else 0), batch_dims=batch)
            return s.with_grads(y, [x])
        s.add("gathered%d" % i, gathered)
    for i in range(12):
        def scanned(i=i):
            rng = np.random.RandomState(500 + i)
            x = s.rand([3, 4, 2], low=0.3, seed=i)
            f = tf.cumsum if i % 2 else tf.cumprod
            y = f(x, int(rng.randint(-3, 3)), exclusive=bool(rng.randint(2)), reverse=bool(rng.randint(2)))
            return s.with_grads(y, [x])
        s.add("scanned%d" % i, scanned, LOOSE)
    for axis in (0, 1, 2, -1):
        for dt in ("float32", "int32", "bool", "uint8", "complex64", "string"):
            values = {"bool": (True, False), "string": ("on", "off"), "complex64": (1j, 2)}.get(dt, (5, 2))
            s.add("one_hot_%s_%d" % (dt, axis), lambda axis=axis, dt=dt, values=values: tf.one_hot(
                s.arg([[0, 2], [-1, 7]], "int64"), s.arg(3, "int32"), s.arg(values[0], dt), s.arg(values[1], dt), axis=axis))
    for a in (False, True):
        for b in (False, True):
            for shapes in (([2, 3], [3, 4]), ([5, 2, 3], [5, 3, 4]), ([2, 0], [0, 3]), ([0, 2, 3], [0, 3, 1]), ([1, 1], [1, 1])):
                for dt in ("float32", "float64", "complex64"):
                    def product(a=a, b=b, shapes=shapes, dt=dt):
                        x, y = [s.rand(q[:-2] + (q[:-3:-1] if t else q[-2:]), dt, seed=3 + t) for q, t in zip(shapes, (a, b))]
                        z = tf.matmul(x, y, adjoint_a=a, adjoint_b=b)
                        return z if dt == "complex64" else s.with_grads(z, [x, y])
                    s.add("product_%s%s_%s_%s" % (a, b, "x".join(map(str, shapes[0])), dt), product, (1e-4, 1e-5))


def windows(s):
    for i in range(40):
        def conv(i=i):
            rng = np.random.RandomState(600 + i)
            h, w, k, l = [int(v) for v in (rng.randint(3, 9), rng.randint(3, 9), rng.randint(1, 4), rng.randint(1, 4))]
            groups = picked(rng, [1, 1, 1, 2])
            stride = [1, int(rng.randint(1, 4)), int(rng.randint(1, 4)), 1]
            dilation = [1, int(rng.randint(1, 3)), int(rng.randint(1, 3)), 1] if stride == [1, 1, 1, 1] or i % 3 == 0 else [1] * 4
            padding = picked(rng, ["SAME", "VALID", [[0, 0], [2, 1], [0, 2], [0, 0]]])
            x = s.rand([2, h + 4, w + 4, 2 * groups], seed=i)
            f = s.rand([k, l, 2, 3 * groups], seed=i + 1)
            y = tf.nn.conv2d(x, f, stride, padding, dilations=dilation)
            return y if groups > 1 or max(dilation) > 1 else s.with_grads(y, [x, f])
        s.add("conv%d" % i, conv, LOOSE)
    for i in range(16):
        def depthwise(i=i):
            rng = np.random.RandomState(700 + i)
            n = int(rng.randint(1, 3))
            padding = picked(rng, ["SAME", "VALID", [[0, 0], [1, 1], [0, 2], [0, 0]]])
            x, f = s.rand([2, 7, 8, 3], seed=i), s.rand([int(rng.randint(1, 4)), int(rng.randint(1, 4)), 3, int(rng.randint(1, 3))], seed=i + 1)
            return s.with_grads(tf.nn.depthwise_conv2d(x, f, [1, n, n, 1], padding), [x, f])
        s.add("depthwise%d" % i, depthwise, LOOSE)
    for i in range(30):
        def pool(i=i):
            rng = np.random.RandomState(800 + i)
            k = [1, int(rng.randint(1, 5)), int(rng.randint(1, 5)), 1]
            n = [1, int(rng.randint(1, 4)), int(rng.randint(1, 4)), 1]
            x = s.rand([2, 8, 7, 3], seed=i)
            if i % 3 == 0:
                padding = [[0, 0], [0, k[1] - 1], [k[2] - 1, 0], [0, 0]]
                return s.with_grads(tf.nn.max_pool2d(x, k, n, padding), [x])
            f = tf.nn.max_pool2d if i % 3 == 1 else tf.nn.avg_pool2d
            return s.with_grads(f(x, k, n, picked(rng, ["SAME", "VALID"])), [x])
        s.add("pool%d" % i, pool, LOOSE)
    for name in ("Conv2D", "MaxPool", "AvgPool", "FusedBatchNormV3", "DepthwiseConv2dNative", "BiasAdd"):
        s.add("nchw_%s" % name, lambda name=name: nchw(s, name), LOOSE)
    for padding in ("SAME", "VALID"):
        for n in (1, 2):
            def sizes(padding=padding, n=n):
                y = s.rand([2, 3, 4, 3])
                f = s.rand([3, 2, 2, 3], seed=2)
                full = (3 * n, 4 * n) if padding == "SAME" else (2 * n + 3, 3 * n + 2)
                x = R.Conv2DBackpropInput(input_sizes=s.arg([2, full[0], full[1], 2], "int32"), filter=f, out_backprop=y, strides=[1, n, n, 1], padding=padding)
                g = R.Conv2DBackpropFilter(input=x, filter_sizes=s.arg([3, 2, 2, 3], "int32"), out_backprop=y, strides=[1, n, n, 1], padding=padding)
                return s.with_grads([x, g], [y, f])
            s.add("backprop_%s_%d" % (padding, n), sizes, LOOSE)


def nchw(s, name):
    x = s.rand([2, 4, 5, 6], known=True)
    if name == "Conv2D":
        return R.Conv2D(input=x, filter=s.rand([2, 2, 4, 3]), strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW")
    if name == "MaxPool":
        return R.MaxPool(input=x, ksize=[1, 1, 2, 2], strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW")
    if name == "AvgPool":
        return R.AvgPool(value=x, ksize=[1, 1, 2, 2], strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW")
    if name == "FusedBatchNormV3":
        return R.FusedBatchNormV3(x=x, scale=s.rand([4]), offset=s.rand([4]), mean=s.arg([]), variance=s.arg([]), data_format="NCHW").y
    if name == "BiasAdd":
        return R.BiasAdd(value=x, bias=s.rand([4]), data_format="NCHW")
    return R.DepthwiseConv2dNative(input=x, filter=s.rand([2, 2, 4, 1]), strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW")


def constants(s):
    """Const nodes in every form that a TensorProto has."""
    for dt in s.numbers + ["bool", "string"]:
        numbers = {"string": ["a", "\0\xff", "", "z", "z", "z"], "bool": [True, False, True, True, True, True]}.get(dt, [1, 0, 1, 1, 1, 1])
        for shape in ([6], [2, 3], [1, 6, 1]):
            s.add("const_%s_%d" % (dt, len(shape)), lambda dt=dt, numbers=numbers, shape=shape: [
                tf.constant(numbers, dt, shape), tf.constant(numbers[0], dt), tf.fill(shape, tf.constant(numbers[0], dt)),
                tf.constant(numbers[0], dt, [0, 2])])
        if dt != "string":
            def fields(dt=dt, numbers=numbers):
                proto = tf.make_tensor_proto([[numbers[0], numbers[1], numbers[0]]], tf.as_dtype(dt))
                short = PROTO(dtype=proto.dtype, tensor_shape=tf.TensorShape([2, 3]).as_proto())
                field = {"float16": "half_val", "bfloat16": "half_val", "float32": "float_val", "float64": "double_val", "bool": "bool_val",
                         "int64": "int64_val", "uint32": "uint32_val", "uint64": "uint64_val", "complex64": "scomplex_val",
                         "complex128": "dcomplex_val"}.get(dt, "int_val")
                one = {"half_val": 15360 if dt == "float16" else 16256}.get(field, 1)
                getattr(short, field).extend([one, 0] * (2 if "complex" in dt else 1))  # the last one is repeated
                zero = PROTO(dtype=proto.dtype, tensor_shape=tf.TensorShape([3]).as_proto())
                return [const(v, dt) for v in (proto, short, zero)]
            s.add("const_fields_%s" % dt, fields)


def const(proto, dt):
    return tf.get_default_graph().create_op("Const", [], [tf.as_dtype(dt)], attrs={
        "value": ATTR(tensor=proto), "dtype": ATTR(type=tf.as_dtype(dt).as_datatype_enum)}).outputs[0]


def empties(s):
    x = lambda *shape: s.arg(np.zeros(shape))
    forms = {
        "concat": lambda: [tf.concat([x(0, 3), x(2, 3)], 0), tf.concat([x(0, 3), x(0, 3)], 1)], "split": lambda: tf.split(x(0, 4), 2, 1),
        "stack": lambda: [tf.stack([x(0), x(0)]), *tf.unstack(x(2, 0), 2)], "reshape": lambda: tf.reshape(x(0, 3), [-1, 3]),
        "pad": lambda: tf.pad(x(0, 2), [[1, 1], [0, 0]]), "tile": lambda: [tf.tile(x(2, 2), [0, 1]), tf.tile(x(0), [3])],
        "gather": lambda: [tf.gather(x(3, 2), tf.constant([], tf.int32)), tf.gather(x(3, 0), [1])], "transpose": lambda: tf.transpose(x(0, 3, 2)),
        "matmul": lambda: [tf.matmul(x(3, 0), x(0, 2)), tf.matmul(x(0, 2), x(2, 3))], "one_hot": lambda: tf.one_hot(s.arg([], "int32"), 3),
        "softmax": lambda: [tf.nn.softmax(x(0, 3)), tf.nn.log_softmax(x(0, 3))], "cumsum": lambda: tf.cumsum(x(0, 2), 0),
        "xent": lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=s.arg([], "int64"), logits=x(0, 3)),
        "where": lambda: [tf.where(s.arg([], "bool")), tf.where(s.arg(np.zeros([2, 0]), "bool"))], "unique": lambda: tf.unique(s.arg([], "int32")),
        "top_k": lambda: tf.nn.top_k(x(0, 3), 2), "partition": lambda: tf.dynamic_partition(x(0, 2), s.arg([], "int32"), 2),
        "segment": lambda: tf.math.unsorted_segment_sum(x(0, 2), s.arg([], "int32"), 3), "range": lambda: [tf.range(3, 3), tf.range(0)],
        "scatter": lambda: tf.scatter_nd(s.arg(np.zeros([0, 1]), "int32"), x(0, 2), [3, 2]), "mean": lambda: [tf.reduce_mean(x(0)), tf.reduce_max(x(0))],
        "bias": lambda: tf.nn.bias_add(x(0, 3), s.rand([3])),
        "map": lambda: tf.map_fn(lambda v: v * 2, x(0, 2)), "slice": lambda: [x(0, 3)[:, 1:], tf.slice(x(2, 3), [2, 0], [0, 3])],
        "add_n": lambda: tf.add_n([x(0), x(0)]), "l2": lambda: tf.nn.l2_loss(x(0)), "diag": lambda: [tf.linalg.diag(x(0)), tf.linalg.diag_part(x(0, 0))],
        "strings": lambda: [tf.strings.join([s.arg([], "string"), "a"]), tf.strings.as_string(x(0))], "stitch": lambda: tf.dynamic_stitch(
            [s.arg([], "int32"), s.arg([0], "int32")], [x(0, 2), x(1, 2)]), "norm": lambda: tf.nn.moments(x(0, 3), [0]),
        "gradients": lambda: tf.gradients(tf.reduce_mean(tf.square(tf.matmul(x(0, 3), s.rand([3, 2])))), [tf.get_default_graph().get_tensor_by_name("arg1:0")])}
    for name, f in forms.items():
        s.add("empty_%s" % name, f)
