# SPDX-License-Identifier: Apache-2.0
"""Control flow in one another, with gradients, and what feeds cut."""
import numpy as np
import tensorflow.compat.v1 as tf

from op_cases.control import both
from op_sweep_steps import Steps

LOOSE = (1e-4, 1e-5)


def loop(n, body, *start, **kw):
    out = tf.while_loop(lambda i, *a: i < n, lambda i, *a: (i + 1,) + tuple(body(i, *a)), [tf.constant(0)] + list(start), **kw)
    return out[1:]


def cases(s):
    nested(s)
    variables(s)
    lists(s)
    functions(s)


def nested(s):
    for value in (True, False):
        def inside(value=value):
            x, p = s.rand([2], low=0.5), s.arg(value, "bool")
            y = tf.cond(p, lambda: loop(3, lambda i, y: [tf.cond(i % 2 < 1, lambda: y * x, lambda: y + tf.sin(x))], x)[0],
                        lambda: loop(2, lambda i, y: [loop(i + 1, lambda j, z: [z * 0.5 * x], y)[0]], x + 1.0)[0])
            return s.with_grads(y, [x])
        both(s, "loops_in_cond_%s" % value, inside, LOOSE)
        def twice(value=value):
            x, p = s.rand([3], low=0.3), s.arg(value, "bool")
            y = tf.cond(p, lambda: tf.exp(x), lambda: x * x * x)
            g = tf.gradients(y, x)[0]
            return [g, tf.gradients(g, x)[0]]
        both(s, "cond_second_%s" % value, twice, LOOSE)
        def unused(value=value):
            x, z, p = s.rand([3]), s.rand([2], seed=2), s.arg(value, "bool")
            y, _ = tf.cond(p, lambda: (x, tf.constant(1.0)), lambda: (tf.stop_gradient(x), tf.constant(2.0)))
            return s.with_grads(tf.reduce_sum(y) + tf.reduce_sum(z), [x, z])
        both(s, "cond_unused_%s" % value, unused)
    def second():
        x = s.rand([2], low=0.5)
        y = loop(3, lambda i, y: [y * x], tf.ones_like(x))[0]
        g = tf.gradients(y, x)[0]
        return [y, g]
    both(s, "loop_gradient", second, LOOSE)
    def many():
        x, w = s.rand([2, 3], known=True), s.rand([3, 3], seed=2, known=True)
        a, b, c = loop(4, lambda i, a, b, c: (tf.tanh(tf.matmul(a, w)), b + tf.reduce_sum(a), c + 2), x, tf.constant(0.0), tf.constant(1))
        return s.with_grads([a, b], [x, w]) + [c]
    both(s, "loop_many", many, LOOSE)
    def ragged():
        x = s.rand([1, 2], known=True)
        y = loop(3, lambda i, y: [tf.concat([y, x * tf.cast(i, tf.float32)], 0)], x, shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 2])])[0]
        return s.with_grads(y, [x])
    both(s, "loop_ragged", ragged, LOOSE)
    def conditions():
        x = s.arg([0.5, 0.7])
        return tf.while_loop(lambda y, n: tf.reduce_any(y < 10.0) & (n < 20), lambda y, n: (y * 2.0, n + 1), [x, tf.constant(0)])
    both(s, "loop_condition", conditions)
    def parallel():
        return [loop(5, lambda i, y: [y + tf.cast(i, tf.float32)], tf.constant(0.0), parallel_iterations=1)[0],
                loop(5, lambda i, y: [y * 2], tf.constant(1), back_prop=False, swap_memory=True)[0]]
    both(s, "loop_options", parallel)
    def none():
        x = s.rand([2])
        y = loop(s.arg(0, "int32"), lambda i, y: [y * x], x)[0]
        return s.with_grads(y, [x])
    both(s, "loop_never", none)
    def stopped():
        x, z = s.rand([2]), s.rand([2], seed=2)
        y = loop(3, lambda i, y: [tf.stop_gradient(y) * x + z], x)[0]
        return s.with_grads(y, [x, z])
    both(s, "loop_stopped", stopped, LOOSE)
    def predicate():
        x = s.rand([4], known=False)
        return tf.cond(s.arg([True], "bool", known=False)[0], lambda: tf.reduce_sum(x), lambda: x[0])
    both(s, "cond_predicate", predicate)


def variables(s):
    for resource in (False, True):
        def counted(resource=resource):
            v = tf.get_variable("v", initializer=tf.constant([1.0, 2]), use_resource=resource)
            def body(i):
                with tf.control_dependencies([tf.assign_add(v, [1.0, tf.cast(i, tf.float32)])]):
                    return i + 1
            end = tf.while_loop(lambda i: i < 3, body, [tf.constant(0)], parallel_iterations=1)
            return Steps([[v.initializer], [end], [tf.identity(v)]])
        if resource:
            both(s, "loop_updates", counted)
        def weights(resource=resource):
            w = tf.get_variable("w", initializer=tf.constant([[0.5, 0.1], [0.2, 0.3]]), use_resource=resource)
            x, p = s.rand([3, 2]), s.arg(True, "bool")
            h = tf.cond(p, lambda: tf.matmul(x, w), lambda: tf.matmul(x, w * 2.0))
            h = loop(2, lambda i, h: [tf.tanh(tf.matmul(h, w))], h)[0]
            train = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_mean(tf.square(h)))
            return Steps([[tf.global_variables_initializer()], [train], [train], [tf.identity(w)]])
        both(s, "trained_%s" % resource, weights, LOOSE)
        def rows(resource=resource):
            table = tf.get_variable("t", initializer=tf.constant(np.arange(8.0).reshape(4, 2), tf.float32), use_resource=resource)
            ids = s.arg([1, 3, 1], "int32", known=True)
            y = loop(3, lambda i, y: [y + tf.nn.embedding_lookup(table, ids[i])], tf.zeros([2]))[0]
            train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(y * y))
            return Steps([[tf.global_variables_initializer()], [train], [tf.identity(table)]])
        both(s, "rows_in_loop_%s" % resource, rows, LOOSE)


def lists(s):
    def maps():
        x = s.rand([4, 3])
        y = tf.map_fn(lambda r: tf.map_fn(lambda v: v * v + 1.0, r), x)
        return s.with_grads(y, [x])
    both(s, "map_in_map", maps, LOOSE)
    def scans():
        x, w = s.rand([5, 2], known=True), s.rand([2, 2], seed=2, low=-0.5, high=0.5, known=True)
        y = tf.scan(lambda h, e: tf.tanh(tf.matmul(h[None], w)[0] + e), x, initializer=tf.zeros([2]))
        z = tf.scan(lambda a, e: (a[0] + e, a[1] * e), x, initializer=(tf.zeros([2]), tf.ones([2])), reverse=True)
        return s.with_grads([y] + list(z), [x, w])
    both(s, "scans", scans, LOOSE)
    def structure():
        x = s.rand([3, 2])
        out = tf.map_fn(lambda e: {"a": e[0] + e[1], "b": tf.reduce_max(e)}, x, dtype={"a": tf.float32, "b": tf.float32})
        return s.with_grads([out["a"], out["b"]], [x])
    both(s, "map_structure", structure, LOOSE)
    def arrays():
        x = s.rand([3, 2])
        ta = tf.TensorArray(tf.float32, 3, clear_after_read=False).unstack(x)
        out = tf.TensorArray(tf.float32, 0, dynamic_size=True)
        _, out = tf.while_loop(lambda i, o: i < 3, lambda i, o: (i + 1, o.write(i, ta.read(i) * ta.read(2 - i))), [tf.constant(0), out])
        return s.with_grads([out.concat() if False else out.stack(), tf.cast(out.size(), tf.float32), out.gather([1, 1])], [x])
    both(s, "arrays", arrays, LOOSE)
    def strings():
        x = s.arg(["a", "bc", ""], "string")
        return [tf.map_fn(tf.strings.length, x, dtype=tf.int32), tf.foldl(lambda a, e: a + e, x)]
    both(s, "strings", strings)
    def concatenated():
        x = s.rand([4])
        ta = tf.TensorArray(tf.float32, 3, infer_shape=False)
        ta = ta.write(0, x[:1]).write(1, x[1:3]).write(2, x[3:] * 2.0)
        return s.with_grads(ta.concat(), [x])
    both(s, "concatenated", concatenated)


def functions(s):
    def custom():
        @tf.custom_gradient
        def clip(x):
            return tf.identity(x) * 2.0, lambda dy: tf.clip_by_value(dy, -0.1, 0.1)
        x = s.rand([3])
        return s.with_grads(clip(x) * 3.0, [x])
    s.add("custom_gradient", custom)
    def recompute():
        @tf.function
        def f(x):
            y = x
            for i in tf.range(3):
                if i % 2 == 0:
                    y = y * x
                else:
                    y = tf.sin(y)
            return y
        x = s.rand([3], low=0.5)
        return s.with_grads(f(x), [x])
    s.add("autograph_gradient", recompute, LOOSE)
    def returned():
        @tf.function
        def f(x):
            if tf.reduce_sum(x) > 0.0:
                return x, tf.size(x)
            return -x, tf.constant(0)
        a, b = f(s.arg([1.0, 2]))
        c, d = f(s.arg([-1.0, -2]))
        return [a, b, c, d]
    s.add("early_return", returned)
    def break_out():
        @tf.function
        def f(n):
            total = tf.constant(0)
            for i in tf.range(n):
                if i == 3:
                    continue
                if i > 6:
                    break
                total += i
            return total
        return [f(s.arg(10, "int32")), f(s.arg(2, "int32"))]
    s.add("break_continue", break_out)
    def linear():
        @tf.function(autograph=False)
        def f(x, w):
            return tf.matmul(x, w), tf.reduce_sum(w)
        x, w = s.rand([2, 3]), s.rand([3, 2], seed=2)
        a, b = f(x, w)
        g = tf.gradients([tf.reduce_sum(tf.square(a)), b], [x, w])
        return [a, b] + g
    s.add("function_two", linear)
