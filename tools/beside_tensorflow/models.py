# SPDX-License-Identifier: Apache-2.0
"""Training steps of the usual kinds of models, as TensorFlow 1 builds them."""
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
v1.disable_control_flow_v2()


def weights(name, shape, stddev=None):
    stddev = stddev or float(np.sqrt(2.0 / np.prod(shape[:-1])))
    return v1.get_variable(name, shape, initializer=v1.truncated_normal_initializer(
        stddev=stddev, seed=1), use_resource=True)


def filled(name, size, value=0.0):
    return v1.get_variable(name, size, use_resource=True,
                           initializer=v1.constant_initializer(value))


def dense(x, name, units_in, units):
    return tf.nn.bias_add(tf.matmul(x, weights(name + "_w", [units_in, units])),
                          filled(name + "_b", [units]))


def conv(x, name, size, channels_in, channels, stride=1, bias=True):
    y = tf.nn.conv2d(x, weights(name + "_w", [size, size, channels_in, channels]),
                     strides=stride, padding="SAME")
    return tf.nn.bias_add(y, filled(name + "_b", [channels])) if bias else y


def batch_norm(x, name, channels):
    return v1.nn.fused_batch_norm(x, filled(name + "_g", [channels], 1.0),
                                  filled(name + "_o", [channels]))[0]


def cross_entropy(logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        logits=logits, labels=labels))


def images(batch, *shape):
    return v1.placeholder(tf.float32, [batch, *shape], name="x")


def labels(*shape):
    return v1.placeholder(tf.int64, shape, name="y")


def adam(loss):
    return v1.train.AdamOptimizer(0.001).minimize(loss)


def logistic():
    x, y = images(128, 784), labels(128)
    loss = cross_entropy(dense(x, "d", 784, 10), y)
    return [x, y], loss, v1.train.GradientDescentOptimizer(0.5).minimize(loss)


def mlp_batch_norm_dropout():
    x, y = images(128, 784), labels(128)
    h = x
    for i, (a, b) in enumerate([(784, 256), (256, 128)]):
        h = dense(h, f"d{i}", a, b)
        mean, variance = tf.nn.moments(h, [0])
        h = tf.nn.relu(tf.nn.batch_normalization(
            h, mean, variance, filled(f"o{i}", [b]), filled(f"g{i}", [b], 1.0),
            1e-3))
        h = tf.nn.dropout(h, rate=0.3)
    loss = cross_entropy(dense(h, "d", 128, 10), y)
    return [x, y], loss, adam(loss)


def autoencoder():
    x = images(256, 784)
    h = x
    for i, (a, b) in enumerate([(784, 256), (256, 64), (64, 256), (256, 784)]):
        h = tf.sigmoid(dense(h, f"d{i}", a, b))
    loss = tf.reduce_mean(tf.square(h - x))
    return [x], loss, v1.train.RMSPropOptimizer(0.001).minimize(loss)


def lenet():
    x, y = images(128, 28, 28, 1), labels(128)
    h = tf.nn.avg_pool2d(tf.tanh(conv(x, "c0", 5, 1, 6)), 2, 2, "VALID")
    h = tf.nn.avg_pool2d(tf.tanh(conv(h, "c1", 5, 6, 16)), 2, 2, "VALID")
    h = tf.tanh(dense(tf.reshape(h, [128, 784]), "d0", 784, 120))
    h = tf.tanh(dense(h, "d1", 120, 84))
    loss = cross_entropy(dense(h, "d2", 84, 10), y)
    return [x, y], loss, v1.train.GradientDescentOptimizer(0.1).minimize(loss)


def vgg():
    x, y = images(32, 32, 32, 3), labels(32)
    h = x
    for i, (a, b) in enumerate([(3, 32), (32, 64), (64, 128)]):
        h = tf.nn.relu(conv(h, f"c{i}a", 3, a, b))
        h = tf.nn.relu(conv(h, f"c{i}b", 3, b, b))
        h = tf.nn.max_pool2d(h, 2, 2, "SAME")
    h = tf.nn.relu(dense(tf.reshape(h, [32, 2048]), "d0", 2048, 256))
    loss = cross_entropy(dense(h, "d1", 256, 10), y)
    return [x, y], loss, adam(loss)


def resnet():
    x, y = images(32, 32, 32, 3), labels(32)
    h = tf.nn.relu(batch_norm(conv(x, "c", 3, 3, 32, bias=False), "n", 32))
    for i, (a, b, stride) in enumerate([(32, 32, 1), (32, 64, 2), (64, 128, 2)]):
        r = conv(h, f"a{i}", 3, a, b, stride, bias=False)
        r = tf.nn.relu(batch_norm(r, f"an{i}", b))
        r = batch_norm(conv(r, f"b{i}", 3, b, b, bias=False), f"bn{i}", b)
        if a != b:
            h = conv(h, f"s{i}", 1, a, b, stride, bias=False)
        h = tf.nn.relu(h + r)
    loss = cross_entropy(dense(tf.reduce_mean(h, [1, 2]), "d", 128, 10), y)
    return [x, y], loss, v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)


def frozen_resnet():
    random = np.random.RandomState(1)

    def numbers(low, high, *shape):
        return tf.constant(random.uniform(low, high, shape), tf.float32)

    def layer(x, size, a, b, stride=1):
        y = tf.nn.conv2d(x, numbers(-0.1, 0.1, size, size, a, b), stride, "SAME")
        return v1.nn.fused_batch_norm(
            y, numbers(0.5, 1.5, b), numbers(-1, 1, b), numbers(-1, 1, b),
            numbers(0.5, 1.5, b), is_training=False)[0]

    x = images(32, 32, 32, 3)
    h = tf.nn.relu(layer(x, 3, 3, 32))
    for a, b, stride in [(32, 32, 1), (32, 64, 2), (64, 128, 2)]:
        r = layer(tf.nn.relu(layer(h, 3, a, b, stride)), 3, b, b)
        if a != b:
            h = layer(h, 1, a, b, stride)
        h = tf.nn.relu(h + r)
    mean = tf.reduce_mean(h)
    return [x], mean, mean.op


def mobilenet():
    x, y = images(32, 32, 32, 3), labels(32)
    h = tf.nn.relu6(batch_norm(conv(x, "c", 3, 3, 32, bias=False), "n", 32))
    for i, (a, b, stride) in enumerate([(32, 64, 1), (64, 128, 2), (128, 128, 1)]):
        h = tf.nn.depthwise_conv2d(h, weights(f"d{i}", [3, 3, a, 1]),
                                   [1, stride, stride, 1], "SAME")
        h = tf.nn.relu6(batch_norm(h, f"dn{i}", a))
        h = tf.nn.relu6(batch_norm(conv(h, f"p{i}", 1, a, b, bias=False),
                                   f"pn{i}", b))
    loss = cross_entropy(dense(tf.reduce_mean(h, [1, 2]), "d", 128, 10), y)
    return [x, y], loss, adam(loss)


def generator():
    x = images(32, 64)
    wanted = v1.placeholder(tf.float32, [32, 28, 28, 1], name="wanted")
    h = tf.nn.leaky_relu(dense(x, "d", 64, 7 * 7 * 64))
    h = tf.nn.conv2d_transpose(tf.reshape(h, [32, 7, 7, 64]),
                               weights("t0", [5, 5, 32, 64], 0.05),
                               [32, 14, 14, 32], 2)
    h = tf.nn.conv2d_transpose(tf.nn.leaky_relu(h),
                               weights("t1", [5, 5, 1, 32], 0.05),
                               [32, 28, 28, 1], 2)
    loss = tf.reduce_mean(tf.square(tf.sigmoid(h) - wanted))
    return [x, wanted], loss, adam(loss)


def conv1d():
    x, y = images(64, 128, 16), labels(64)
    h = x
    for i, (a, b) in enumerate([(16, 32), (32, 64)]):
        h = tf.nn.conv1d(h, weights(f"c{i}", [5, a, b]), 1, "SAME")
        h = tf.nn.max_pool1d(tf.nn.relu(h + filled(f"b{i}", [b])), 2, 2, "SAME")
    loss = cross_entropy(dense(tf.reduce_max(h, 1), "d", 64, 5), y)
    return [x, y], loss, v1.train.AdagradOptimizer(0.1).minimize(loss)


def lstm():
    x, y = images(32, 28, 28), labels(32)
    w, b = weights("w", [28 + 128, 4 * 128]), filled("b", [4 * 128])
    h = c = tf.zeros([32, 128])
    for now in tf.unstack(x, axis=1):
        gates = tf.nn.bias_add(tf.matmul(tf.concat([now, h], 1), w), b)
        i, j, f, o = tf.split(gates, 4, 1)
        c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
    loss = cross_entropy(dense(h, "d", 128, 10), y)
    return [x, y], loss, adam(loss)


def gru_in_a_loop():
    x, y = images(32, 28, 28), labels(32)
    w, u = weights("w", [28 + 128, 256]), weights("u", [28 + 128, 128])
    rows = tf.TensorArray(tf.float32, 28).unstack(tf.transpose(x, [1, 0, 2]))

    def body(t, h):
        now = rows.read(t)
        z, r = tf.split(tf.sigmoid(tf.matmul(tf.concat([now, h], 1), w)), 2, 1)
        n = tf.tanh(tf.matmul(tf.concat([now, r * h], 1), u))
        return t + 1, (1 - z) * n + z * h

    _, h = tf.while_loop(lambda t, h: t < 28, body,
                         [tf.constant(0), tf.zeros([32, 128])])
    loss = cross_entropy(dense(h, "d", 128, 10), y)
    return [x, y], loss, adam(loss)


def transformer():
    batch, length, size, heads = 16, 64, 128, 4
    x = v1.placeholder(tf.int64, [batch, length], name="x")
    y = labels(batch, length)

    def rows(h, name, a, b):
        return tf.reshape(dense(tf.reshape(h, [batch * length, a]), name, a, b),
                          [batch, length, b])

    def norm(h, name):
        mean, variance = tf.nn.moments(h, [-1], keepdims=True)
        return ((h - mean) * tf.math.rsqrt(variance + 1e-5)
                * filled(name + "_g", [size], 1.0) + filled(name + "_o", [size]))

    def head(h, name):
        split = tf.reshape(rows(h, name, size, size),
                           [batch, length, heads, size // heads])
        return tf.transpose(split, [0, 2, 1, 3])

    h = tf.nn.embedding_lookup(weights("e", [1000, size], 0.02), x)
    for i in range(2):
        q, k, v = [head(h, f"{n}{i}") for n in "qkv"]
        a = tf.nn.softmax(tf.matmul(q, k, transpose_b=True)
                          / np.sqrt(size // heads))
        a = tf.reshape(tf.transpose(tf.matmul(a, v), [0, 2, 1, 3]),
                       [batch, length, size])
        h = norm(h + rows(a, f"o{i}", size, size), f"n{i}")
        f = tf.nn.relu(rows(h, f"f{i}", size, 4 * size))
        h = norm(h + rows(f, f"g{i}", 4 * size, size), f"m{i}")
    loss = cross_entropy(rows(h, "out", size, 1000), y)
    return [x, y], loss, adam(loss)


def word2vec():
    x, y = labels(128), v1.placeholder(tf.int64, [128, 1], name="near")
    table = weights("e", [10000, 128], 0.1)
    loss = tf.reduce_mean(tf.nn.nce_loss(
        weights("w", [10000, 128], 0.1), filled("b", [10000]), y,
        tf.nn.embedding_lookup(table, x), 64, 10000))
    return [x, y], loss, v1.train.GradientDescentOptimizer(1.0).minimize(loss)


def builders(run):
    def build(model):
        feeds, loss, train = model()
        random = np.random.RandomState(0)
        values = [random.rand(*p.shape).astype("f") if p.dtype == tf.float32
                  else random.randint(0, 5, p.shape) for p in feeds]
        return run(list(zip(feeds, values)), train, loss,
                   v1.global_variables_initializer())

    return {m.__name__: lambda m=m: build(m) for m in (
        logistic, mlp_batch_norm_dropout, autoencoder, lenet, vgg, resnet,
        frozen_resnet, mobilenet, generator, conv1d, lstm, gru_in_a_loop, transformer, word2vec)}
