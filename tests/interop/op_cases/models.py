# SPDX-License-Identifier: Apache-2.0
"""Larger graphs as users write them: layers, recurrence, attention, metrics, functions."""
import numpy as np
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

LOOSE = (2e-3, 2e-4)


def variables_of(s, shapes, resource):
    rng = np.random.RandomState(5)
    return [tf.get_variable("p%d" % i, initializer=tf.constant(rng.uniform(-0.5, 0.5, shape), tf.float32), use_resource=resource)
            for i, shape in enumerate(shapes)]


def trained(s, loss, optimizer, extra=()):
    train = optimizer.minimize(loss)
    steps = [[tf.global_variables_initializer(), tf.local_variables_initializer()]]
    for _ in range(3):
        steps.append([loss, train])
    return Steps(steps + [[loss] + list(extra)])


def cases(s):
    for resource in (False, True):
        suffix = "resource" if resource else "ref"
        def cnn(resource=resource):
            x, y = s.rand([4, 8, 8, 2], known=True), s.arg([0, 1, 2, 1], "int32")
            k, b, w = variables_of(s, [[3, 3, 2, 4], [4], [4 * 4 * 4, 3]], resource)
            h = tf.nn.max_pool2d(tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, k, 1, "SAME"), b)), 2, 2, "SAME")
            logits = tf.matmul(tf.reshape(h, [-1, 64]), w)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
            return trained(s, loss, tf.train.AdamOptimizer(0.01), [logits])
        s.add("cnn_%s" % suffix, cnn, LOOSE)
        def normed(resource=resource):
            x, y = s.rand([6, 5], known=True), s.rand([6, 1], seed=2)
            w1, g, b, w2 = variables_of(s, [[5, 7], [7], [7], [7, 1]], resource)
            mean = tf.get_variable("mean", initializer=tf.zeros([7]), trainable=False, use_resource=resource)
            h = tf.matmul(x, w1)
            m, v = tf.nn.moments(h, [0])
            update = tf.assign(mean, mean * 0.9 + m * 0.1)
            h = tf.nn.elu(tf.nn.batch_normalization(h, m, v, b, g, 1e-3))
            loss = tf.reduce_mean(tf.square(tf.matmul(h, w2) - y)) + 0.01 * tf.add_n([tf.nn.l2_loss(w1), tf.nn.l2_loss(w2)])
            with tf.control_dependencies([update]):
                train = tf.train.MomentumOptimizer(0.05, 0.9).minimize(loss)
            return Steps([[tf.global_variables_initializer()], [train], [train], [loss, tf.identity(mean)]])
        s.add("normed_%s" % suffix, normed, LOOSE)
        def recurrent(resource=resource):
            x = s.rand([3, 4, 5], known=True)
            w, b = variables_of(s, [[5 + 6, 24], [24]], resource)
            def body(t, h, c, out):
                gates = tf.matmul(tf.concat([x[:, t], h], 1), w) + b
                i, j, f, o = tf.split(gates, 4, 1)
                c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
                h = tf.sigmoid(o) * tf.tanh(c)
                return t + 1, h, c, out.write(t, h)
            out = tf.TensorArray(tf.float32, 4)
            _, h, _, out = tf.while_loop(lambda t, h, c, o: t < 4, body, [tf.constant(0), tf.zeros([3, 6]), tf.zeros([3, 6]), out],
                                         shape_invariants=[tf.TensorShape([]), tf.TensorShape([3, 6]), tf.TensorShape([3, 6]), tf.TensorShape(None)])
            loss = tf.reduce_mean(tf.square(h)) + tf.reduce_mean(out.stack())
            return trained(s, loss, tf.train.RMSPropOptimizer(0.01), [h])
        s.add("lstm_%s" % suffix, recurrent, LOOSE)
        def attention(resource=resource):
            x = s.rand([2, 5, 8], known=True)
            wq, wk, wv = variables_of(s, [[8, 8]] * 3, resource)
            heads = lambda w: tf.transpose(tf.reshape(tf.tensordot(x, w, 1), [2, 5, 2, 4]), [0, 2, 1, 3])
            scores = tf.matmul(heads(wq), heads(wk), transpose_b=True) / 2.0
            mask = tf.linalg.band_part(tf.ones([5, 5]), -1, 0)
            y = tf.matmul(tf.nn.softmax(scores + (1.0 - mask) * -1e9), heads(wv))
            y = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [2, 5, 8]) + x
            m, v = tf.nn.moments(y, [-1], keepdims=True)
            y = (y - m) * tf.rsqrt(v + 1e-6)
            loss = tf.reduce_mean(tf.compat.v2.nn.gelu(y)) + tf.reduce_mean(tf.square(y[:, 0]))
            return trained(s, loss, tf.train.AdamOptimizer(0.01), [y])
        s.add("attention_%s" % suffix, attention, LOOSE)
        def embedded(resource=resource):
            ids, y = s.arg([[1, 3, 3], [0, 2, 4]], "int32"), s.rand([2], seed=2)
            table, w = variables_of(s, [[5, 4], [4, 1]], resource)
            h = tf.reduce_mean(tf.nn.embedding_lookup(table, ids), 1)
            loss = tf.reduce_mean(tf.square(tf.squeeze(tf.matmul(h, w), 1) - y))
            return trained(s, loss, tf.train.AdagradOptimizer(0.1), [tf.identity(table)])
        s.add("embedding_%s" % suffix, embedded, LOOSE)
        def metrics(resource=resource):
            p, y = s.arg([1, 0, 1, 1], "int64"), s.arg([1, 1, 1, 0], "int64")
            acc, up1 = tf.metrics.accuracy(y, p)
            mean, up2 = tf.metrics.mean(tf.cast(p, tf.float32))
            rmse, up3 = tf.metrics.root_mean_squared_error(tf.cast(y, tf.float32), tf.cast(p, tf.float32))
            precision, up4 = tf.metrics.precision(y, p)
            auc, up5 = tf.metrics.auc(y, tf.cast(p, tf.float32))
            return Steps([[tf.local_variables_initializer()], [up1, up2, up3, up4, up5], [up1, up2], [acc, mean, rmse, precision, auc]])
        if resource:
            s.add("metrics", metrics, LOOSE)
    def keras_like():
        @tf.function
        def layer(x, w):
            return tf.nn.relu(tf.matmul(x, w))
        x = s.rand([3, 4])
        w1, w2 = variables_of(s, [[4, 5], [5, 2]], True)
        y = layer(layer(x, w1), w2)
        g = tf.gradients(tf.reduce_sum(y * y), [w1, w2])
        return Steps([[tf.global_variables_initializer()], [y] + g])
    s.add("functions_with_variables", keras_like)
    def accumulate():
        v = variables_of(s, [[3]], True)[0]
        total = tf.get_variable("total", initializer=tf.zeros([3]), trainable=False, use_resource=True)
        g = tf.gradients(tf.reduce_sum(tf.square(v)), v)[0]
        add = tf.assign_add(total, g)
        count = tf.get_variable("count", initializer=0, trainable=False, use_resource=True)
        with tf.control_dependencies([add]):
            n = tf.assign_add(count, 1)
        def apply():
            with tf.control_dependencies([v.assign_sub(total * 0.1)]):
                return tf.group(total.assign(tf.zeros([3])))
        step = tf.cond(tf.equal(n % 2, 0), apply, tf.no_op)
        return Steps([[tf.global_variables_initializer()], [step], [step], [step], [tf.identity(v), tf.identity(total), tf.identity(count)]])
    s.add("accumulate", accumulate)
    def newton():
        a = s.rand([5], low=1.0, high=9.0)
        x = tf.while_loop(lambda i, x: tf.logical_and(i < 50, tf.reduce_max(tf.abs(x * x - a)) > 1e-5),
                          lambda i, x: (i + 1, 0.5 * (x + a / x)), [tf.constant(0), a])
        return list(x)
    s.add("newton", newton, LOOSE)
    def beam():
        logits = s.rand([2, 7])
        values, indices = tf.nn.top_k(tf.nn.log_softmax(logits), 3)
        chosen = tf.one_hot(indices, 7)
        return [values, indices, tf.reduce_sum(chosen, 1), tf.gather(logits, indices, batch_dims=1),
                tf.scatter_nd(tf.stack([[0, 0], [1, 1]]), [1.0, 2.0], [2, 7])]
    s.add("beam", beam)
    def preprocess():
        x = s.arg(np.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3), "uint8")
        y = tf.cast(x, tf.float32) / 255.0
        y = (y - tf.constant([0.4, 0.5, 0.6])) / tf.constant([0.2, 0.3, 0.4])
        y = tf.pad(y, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")[:, 1:5, ::-1]
        return [y, tf.transpose(y, [0, 3, 1, 2]), tf.reduce_mean(y, [1, 2]), tf.nn.avg_pool2d(y, 2, 2, "VALID")]
    s.add("preprocess", preprocess)
