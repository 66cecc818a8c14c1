# SPDX-License-Identifier: Apache-2.0
"""Conditions, loops, functions and tensor arrays in the forms of TensorFlow 1 and 2."""
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import function as defun

from op_sweep_steps import Steps


def both(s, name, build, tolerance=None):
    """One case with Switch and Merge or frames, one with If and While."""
    for version in (1, 2):
        def made(version=version):
            (tf.enable_control_flow_v2 if version == 2 else tf.disable_control_flow_v2)()
            try:
                return build()
            finally:
                tf.disable_control_flow_v2()
        s.add("%s_v%d" % (name, version), made, tolerance)


def cases(s):
    conditions(s)
    loops(s)
    arrays(s)
    functions(s)


def conditions(s):
    for value in (True, False):
        def simple(value=value):
            x, p = s.rand([3]), s.arg(value, "bool")
            y = tf.cond(p, lambda: x * 2.0, lambda: tf.exp(x))
            return s.with_grads(y, [x])
        both(s, "cond_%s" % value, simple)
        def several(value=value):
            x, z, p = s.rand([3]), s.rand([2], seed=2), s.arg(value, "bool")
            a, b = tf.cond(p, lambda: (x * 2.0, tf.reduce_sum(z)), lambda: (x - 1.0, tf.reduce_sum(x)))
            return s.with_grads([a, b], [x, z])
        both(s, "cond_several_%s" % value, several)
        def nested(value=value):
            x, p, q = s.rand([]), s.arg(value, "bool"), s.arg(True, "bool")
            y = tf.cond(p, lambda: tf.cond(q, lambda: x * x, lambda: x), lambda: tf.cond(q, lambda: -x, lambda: x * 3.0))
            return s.with_grads(y, [x])
        both(s, "cond_nested_%s" % value, nested)
        def shapes(value=value):
            x, p = s.rand([4]), s.arg(value, "bool")
            return tf.cond(p, lambda: x[:2], lambda: x[1:])
        both(s, "cond_shapes_%s" % value, shapes)
        def effects(value=value):
            v = tf.get_variable("v", initializer=tf.constant(1.0), use_resource=True)
            p = s.arg(value, "bool")
            up = tf.cond(p, lambda: tf.identity(tf.assign_add(v, 2.0)), lambda: tf.identity(tf.assign_sub(v, 5.0)))
            return Steps([[v.initializer], [up], [tf.identity(v)]])
        both(s, "cond_effects_%s" % value, effects)
        def failing(value=value):
            x, p = s.arg([1.0, float("nan")]), s.arg(value, "bool")
            return tf.cond(p, lambda: tf.debugging.check_numerics(x, "bad"), lambda: x + 1.0)
        both(s, "cond_failing_%s" % value, failing)
    wrong = {
        "reshape": lambda x: tf.reshape(x, [7]), "concat": lambda x: tf.concat([x, tf.zeros([9, 9])], 0)[0],
        "matmul": lambda x: tf.matmul(x, tf.zeros([9, 2])), "slice": lambda x: tf.slice(x, [9, 0], [1, 1]),
        "strided": lambda x: tf.raw_ops.StridedSlice(input=x, begin=[9], end=[10], strides=[1], shrink_axis_mask=1),
        "split": lambda x: tf.split(x, 5)[0], "gather": lambda x: tf.gather(x, [9]), "gather_nd": lambda x: tf.gather_nd(x, [[9, 9]]),
        "conv": lambda x: tf.nn.conv2d(x[None, :, :, None], tf.zeros([1, 1, 3, 1]), 1, "SAME"), "pad": lambda x: tf.pad(x, [[1, 1]]),
        "top_k": lambda x: tf.nn.top_k(x, 99)[0],
        "segment": lambda x: tf.math.segment_sum(x, [1, 0]), "reduce": lambda x: tf.reduce_sum(x, 5),
        "sparse": lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[9, 9], logits=x)}
    for name, f in wrong.items():
        for value in (True, False):
            def branch(f=f, value=value):
                x, p = s.rand([2, 3], known=False), s.arg(value, "bool")
                return tf.cond(p, lambda: tf.reshape(f(x), [-1]), lambda: tf.reshape(x, [-1]))
            both(s, "cond_wrong_%s_%s" % (name, value), branch)
    for index in (0, 1, 2, 7, -1):
        both(s, "switch_case_%d" % index, lambda index=index: tf.switch_case(
            s.arg(index, "int32"), [lambda: tf.constant(1.0), lambda: tf.constant(2.0), lambda: tf.constant(3.0)]))
    def case():
        x = s.arg(2.5)
        return tf.case([(x < 1.0, lambda: tf.constant(1)), (x < 3.0, lambda: tf.constant(3))], default=lambda: tf.constant(9))
    both(s, "case", case)


def loops(s):
    def count():
        i, total = tf.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a + tf.cast(i, tf.float32)), [tf.constant(0), tf.constant(0.0)])
        return [i, total]
    both(s, "while_count", count)
    for n in (0, 1, 6):
        def power(n=n):
            x, limit = s.rand([3], low=0.5, high=1.5), s.arg(n, "int32")
            y = tf.while_loop(lambda i, y: i < limit, lambda i, y: (i + 1, y * x), [tf.constant(0), tf.ones_like(x)])[1]
            return s.with_grads(y, [x])
        both(s, "while_power_%d" % n, power)
    def nested():
        x = s.rand([2], low=0.5)
        def outer(i, y):
            inner = tf.while_loop(lambda j, z: j < 3, lambda j, z: (j + 1, z * x + 0.1), [tf.constant(0), y])[1]
            return i + 1, inner + 1.0
        y = tf.while_loop(lambda i, y: i < 2, outer, [tf.constant(0), tf.ones_like(x)])[1]
        return s.with_grads(y, [x])
    both(s, "while_nested", nested, (1e-4, 1e-5))
    def cond_in_loop():
        x = s.rand([])
        def body(i, y):
            return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: y * x, lambda: y + x)
        y = tf.while_loop(lambda i, y: i < 5, body, [tf.constant(0), x])[1]
        return s.with_grads(y, [x])
    both(s, "while_cond", cond_in_loop, (1e-4, 1e-5))
    def loop_in_cond():
        x, p = s.rand([]), s.arg(True, "bool")
        y = tf.cond(p, lambda: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), [tf.constant(0), x])[1], lambda: x)
        return s.with_grads(y, [x])
    both(s, "cond_while", loop_in_cond, (1e-4, 1e-5))
    def growing():
        x = s.rand([1])
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.concat([y, y], 0)), [tf.constant(0), x],
                             shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])])
    both(s, "while_growing", growing)
    def variable():
        v = tf.get_variable("v", initializer=tf.constant(1.0), use_resource=True)
        def body(i):
            with tf.control_dependencies([tf.assign_add(v, tf.cast(i, tf.float32))]):
                return i + 1
        i = tf.while_loop(lambda i: i < 4, body, [tf.constant(0)])
        return Steps([[v.initializer], [i], [tf.identity(v)]])
    both(s, "while_variable", variable)
    def failing():
        x = s.arg([1.0, 2.0])
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.debugging.check_numerics(y / (y - 1.0), "loop")), [tf.constant(0), x])
    both(s, "while_failing", failing)
    def collatz():
        n = s.arg(27, "int64")
        return tf.while_loop(lambda n, i: n > 1, lambda n, i: (tf.where(tf.equal(n % 2, 0), n // 2, 3 * n + 1), i + 1), [n, tf.constant(0)])
    both(s, "while_collatz", collatz)
    def maximum():
        return tf.while_loop(lambda i: i < 100, lambda i: i + 1, [s.arg(0, "int32")], maximum_iterations=7)
    both(s, "while_maximum", maximum)


def arrays(s):
    def mapped():
        x = s.rand([4, 3])
        return s.with_grads(tf.map_fn(lambda r: tf.reduce_sum(r * r), x), [x])
    both(s, "map_fn", mapped, (1e-4, 1e-5))
    def mapped_pairs():
        x, y = s.rand([4, 3]), s.arg([1, 2, 3, 4], "int32")
        return tf.map_fn(lambda e: (e[0] * tf.cast(e[1], tf.float32), e[1] + 1), (x, y), dtype=(tf.float32, tf.int32))
    both(s, "map_fn_pairs", mapped_pairs)
    def scanned():
        x = s.rand([5, 2])
        return s.with_grads(tf.scan(lambda a, e: a * 0.5 + e, x), [x])
    both(s, "scan", scanned, (1e-4, 1e-5))
    def folded():
        x = s.rand([5, 2])
        return s.with_grads(tf.foldl(lambda a, e: a * e, x), [x])
    both(s, "foldl", folded, (1e-4, 1e-5))
    both(s, "foldr", lambda: tf.foldr(lambda a, e: a - e, s.rand([5])))
    def array():
        ta = tf.TensorArray(tf.float32, size=3, clear_after_read=False)
        x = s.rand([2])
        ta = ta.write(0, x).write(2, x * 3.0).write(1, x + 1.0)
        return s.with_grads([ta.stack(), ta.read(1), ta.gather([2, 0]), tf.cast(ta.size(), tf.float32)], [x])
    both(s, "tensor_array", array)
    def concat():
        ta = tf.TensorArray(tf.float32, size=2, infer_shape=False, element_shape=[None])
        ta = ta.write(0, s.rand([2])).write(1, s.rand([3], seed=2))
        return ta.concat()
    both(s, "tensor_array_concat", concat)
    def split():
        x = s.rand([5, 2])
        ta = tf.TensorArray(tf.float32, size=2, infer_shape=False, element_shape=[None, 2]).split(x, [2, 3])
        return [ta.read(0), ta.read(1)]
    both(s, "tensor_array_split", split)
    def dynamic():
        ta = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
        ta = tf.while_loop(lambda i, t: i < 4, lambda i, t: (i + 1, t.write(i, i * i)), [tf.constant(0), ta])[1]
        return [ta.stack(), ta.size()]
    both(s, "tensor_array_dynamic", dynamic)
    def unread():
        return tf.TensorArray(tf.float32, size=2).write(0, [1.0]).read(s.arg(5, "int32"))
    both(s, "tensor_array_out_of_range", unread)
    def rnn():
        x, w, u = s.rand([3, 2, 4], known=True), s.rand([4, 5], seed=2, low=-0.5, high=0.5, known=True), s.rand([5, 5], seed=3, low=-0.5, high=0.5, known=True)
        ta = tf.TensorArray(tf.float32, size=3, element_shape=[2, 4]).unstack(x)
        out = tf.TensorArray(tf.float32, size=3)
        def body(t, h, out):
            h = tf.tanh(tf.matmul(ta.read(t), w) + tf.matmul(h, u))
            return t + 1, h, out.write(t, h)
        _, h, out = tf.while_loop(lambda t, h, o: t < 3, body, [tf.constant(0), tf.zeros([2, 5]), out])
        return s.with_grads([out.stack(), h], [x, w, u])
    both(s, "rnn", rnn, (1e-4, 1e-5))


def functions(s):
    def called():
        @tf.function
        def f(x, y):
            return x * y + 1.0
        x, y = s.rand([3]), s.rand([3], seed=2)
        return s.with_grads(f(f(x, y), y), [x, y])
    s.add("function", called)
    def nested():
        @tf.function
        def g(x):
            return tf.exp(x)
        @tf.function
        def f(x):
            return g(x) + g(x * 2.0)
        x = s.rand([3])
        return s.with_grads(f(x), [x])
    s.add("function_nested", nested, (1e-4, 1e-5))
    def stateful():
        v = tf.get_variable("v", initializer=tf.constant(1.0), use_resource=True)
        @tf.function
        def f(x):
            v.assign_add(x)
            return v * 2.0
        return Steps([[v.initializer], [f(s.arg(3.0))], [tf.identity(v)]])
    s.add("function_stateful", stateful)
    def autograph():
        @tf.function
        def f(n):
            a, b = tf.constant(0), tf.constant(1)
            for _ in tf.range(n):
                a, b = b, a + b
            if tf.greater(a, 10):
                return a
            return -a
        return [f(s.arg(10, "int32")), f(s.arg(4, "int32"))]
    s.add("function_autograph", autograph)
    def defined():
        @defun.Defun(tf.float32, tf.float32)
        def f(x, y):
            return x + y, x * y
        x, y = s.rand([2]), s.rand([2], seed=2)
        return list(f(x, y))
    s.add("defun", defined)
    def gradients_of_defuns():
        @defun.Defun(tf.float32)
        def inner(x):
            return tf.sin(x) * 2.0
        @defun.Defun(tf.float32, tf.float32)
        def outer(x, w):
            return tf.matmul(inner(x), w), tf.reduce_sum(w)
        @defun.Defun(tf.float32, tf.float32)
        def three(x, dy):
            return dy * x * 3.0
        @defun.Defun(tf.float32, grad_func=three)
        def given(x):
            return x * x
        x, w = s.rand([2, 3], known=True), s.rand([3, 2], seed=2, known=True)
        a, b = outer(x, w)
        return [a, b] + tf.gradients([a, b], [x, w]) + tf.gradients(given(x), x)
    s.add("defun_gradients", gradients_of_defuns)
    def unwritten():
        ta = tf.TensorArray(tf.float32, 2).write(0, s.rand([3]))
        return ta.read(1)
    s.add("array_unwritten", unwritten)
    def lists():
        x = s.rand([3, 2])
        items = tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=tf.constant([2]))
        more = tf.raw_ops.TensorListPushBack(input_handle=items, tensor=tf.constant([9.0, 8]))
        changed = tf.raw_ops.TensorListSetItem(input_handle=more, index=tf.constant(1), item=tf.constant([5.0, 5]))
        shorter, last = tf.raw_ops.TensorListPopBack(input_handle=changed, element_shape=tf.constant([2]), element_dtype=tf.float32)
        return [tf.raw_ops.TensorListStack(input_handle=shorter, element_shape=tf.constant([2]), element_dtype=tf.float32), last,
                tf.raw_ops.TensorListLength(input_handle=more),
                tf.raw_ops.TensorListGetItem(input_handle=changed, index=tf.constant(1), element_shape=tf.constant([2]), element_dtype=tf.float32)]
    s.add("tensor_list", lists)
    def asserted(value):
        x = s.arg(value)
        with tf.control_dependencies([tf.debugging.Assert(x > 1.0, ["x is", x, tf.constant("small")])]):
            return tf.identity(x)
    for value in (2.0, 0.5):
        s.add("assert_%g" % value, lambda value=value: asserted(value))
    s.add("assert_equal", lambda: [tf.debugging.assert_equal(s.arg([1, 2], "int32"), s.arg([1, 3], "int32"))])
    def dependencies():
        v = tf.get_variable("v", initializer=tf.constant(1.0), use_resource=False)
        with tf.control_dependencies([v.assign(5.0)]):
            y = tf.identity(v)
        return Steps([[v.initializer], [y], [tf.group(v.assign_add(1.0))], [tf.identity(v)], [tf.tuple([v, v * 2.0])[1]]])
    s.add("control_dependencies", dependencies)
