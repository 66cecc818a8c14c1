# SPDX-License-Identifier: Apache-2.0
"""Small networks drawn at random and trained for some steps: layers over images, sequences and
rows, losses, optimisers, clipping, rates, conditions and loops, in float and double, with
variables by reference and by handle.
LOCKSTEP_DRAWN_NETS=FIRST:COUNT draws others than the recorded ones."""
import os

import numpy as np
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

RECORDED = range(40)
TOLERANCE = {"float32": (2e-3, 2e-4), "float64": (1e-6, 1e-8)}


def cases(s):
    first, count = (int(n) for n in os.environ.get("LOCKSTEP_DRAWN_NETS", "0:0").split(":"))
    for seed in range(first, first + count) if count else RECORDED:
        net = Net(s, seed)
        s.add("net%d" % seed, net.steps, TOLERANCE[net.dtype])


class Net:
    def __init__(self, sweep, seed):
        self.s, self.rng = sweep, np.random.RandomState(seed)
        self.dtype = self.one_of(["float32", "float64"])
        self.resource = self.often(0.6)
        self.updates, self.penalties, self.made, self.normalised = [], [], 0, False

    def one_of(self, values):
        return values[self.rng.randint(len(values))]

    def often(self, share):
        return self.rng.rand() < share

    def variable(self, shape, low=-0.5, high=0.5, trainable=True):
        self.made += 1
        value = self.rng.uniform(low, high, shape)
        v = tf.get_variable("v%d" % self.made, initializer=tf.constant(value, self.dtype),
                            use_resource=self.resource, trainable=trainable)
        if trainable and self.often(0.1):
            self.penalties.append(self.one_of([tf.nn.l2_loss, lambda w: tf.reduce_sum(tf.abs(w))])(v))
        return v

    def input(self, shape, low=-1.5, high=1.5):
        return self.s.arg(self.rng.uniform(low, high, shape), self.dtype, known=self.often(0.6))

    # ------------------------------------------------------------ the whole

    def steps(self):
        self.training = self.s.arg(True, "bool") if self.often(0.3) else None
        self.batch = int(self.one_of([1, 2, 3, 4, 5]))
        start = self.one_of([self.image, self.image, self.sequence, self.words, self.rows])
        h = start()
        for _ in range(self.rng.randint(1, 3)):
            h = self.dense(h, int(self.rng.randint(1, 7)))
        loss = tf.cast(self.loss(h), self.dtype)
        for p in self.penalties:
            loss += tf.constant(0.01, self.dtype) * p
        count = tf.train.get_or_create_global_step()
        optimizer = self.optimizer(self.rate(count))
        with tf.control_dependencies(self.updates if self.often(0.7) else []):
            pairs = [(g, v) for g, v in optimizer.compute_gradients(loss) if g is not None]
            step = optimizer.apply_gradients(self.clipped(pairs), global_step=count)
        if self.often(0.15):
            averages = tf.train.ExponentialMovingAverage(0.9, count if self.often(0.5) else None)
            with tf.control_dependencies([step]):
                step = averages.apply(tf.trainable_variables())
        runs = [[tf.global_variables_initializer()]]
        for _ in range(self.rng.randint(1, 5)):
            runs += [[loss], [step]] if self.often(0.5) else [[loss, step]]
        seen = [tf.identity(v) for v in tf.global_variables()]
        return Steps(runs + [[loss, tf.identity(h)] + seen])

    def rate(self, count):
        base = float(self.one_of([0.1, 0.03, 0.01]))
        if self.often(0.6):
            return base
        t = tf.train
        made = self.one_of([
            lambda: t.exponential_decay(base, count, 2, 0.5, staircase=self.often(0.5)),
            lambda: t.polynomial_decay(base, count, 3, base / 10, power=2.0),
            lambda: t.inverse_time_decay(base, count, 1, 0.5),
            lambda: t.cosine_decay(base, count, 4),
            lambda: t.natural_exp_decay(base, count, 1, 0.3),
            lambda: t.piecewise_constant(count, [1, 2], [base, base / 2, base / 4])])()
        return tf.cast(made, self.dtype)

    def optimizer(self, rate):
        t = tf.train
        if self.dtype == "float32" and self.often(0.2):
            return self.one_of([lambda: t.ProximalGradientDescentOptimizer(rate, 0.01, 0.02),
                                lambda: t.ProximalAdagradOptimizer(rate, l2_regularization_strength=0.01)])()
        steady = [
            lambda: t.GradientDescentOptimizer(rate),
            lambda: t.MomentumOptimizer(rate, 0.9, use_nesterov=self.often(0.5))]
        if self.normalised:  # biases have gradients of rounding alone: others divide those by themselves
            return self.one_of(steady)()
        return self.one_of(steady + [
            lambda: t.AdamOptimizer(rate),
            lambda: t.AdamOptimizer(rate, 0.8, 0.9, 1e-4),
            lambda: t.RMSPropOptimizer(rate, momentum=float(self.one_of([0.0, 0.5])), centered=self.often(0.5)),
            lambda: t.AdagradOptimizer(rate),
            lambda: t.AdadeltaOptimizer(rate),
            lambda: t.FtrlOptimizer(rate, l1_regularization_strength=0.01)])()

    def clipped(self, pairs):
        kind = self.rng.randint(6)
        if kind == 0:
            grads, _ = tf.clip_by_global_norm([g for g, _ in pairs], 0.5)
            return list(zip(grads, [v for _, v in pairs]))
        clip = {1: lambda g: tf.clip_by_value(g, -0.1, 0.1), 2: lambda g: tf.clip_by_norm(g, 0.3)}.get(kind)
        return [(clip(tf.convert_to_tensor(g)), v) for g, v in pairs] if clip else pairs

    def loss(self, h):
        n = h.shape[-1]
        def spread():
            return self.input([self.batch, n])
        def classes():
            return self.s.arg(self.rng.randint(0, n, [self.batch]), self.one_of(["int32", "int64"]))
        def one_hot():
            return tf.one_hot(classes(), n, dtype=self.dtype)
        nn, mean = tf.nn, tf.reduce_mean
        return self.one_of([
            lambda: mean(tf.square(h - spread())),
            lambda: tf.losses.mean_squared_error(spread(), h),
            lambda: tf.losses.huber_loss(spread(), h, delta=0.5),
            lambda: tf.losses.absolute_difference(spread(), h, weights=0.5),
            lambda: mean(nn.softmax_cross_entropy_with_logits_v2(labels=one_hot(), logits=h)),
            lambda: mean(nn.softmax_cross_entropy_with_logits_v2(labels=nn.softmax(spread()), logits=h)),
            lambda: mean(nn.sparse_softmax_cross_entropy_with_logits(labels=classes(), logits=h)),
            lambda: tf.losses.softmax_cross_entropy(one_hot(), h, label_smoothing=0.1),
            lambda: mean(nn.sigmoid_cross_entropy_with_logits(labels=one_hot(), logits=h)),
            lambda: mean(nn.weighted_cross_entropy_with_logits(labels=one_hot(), logits=h, pos_weight=2.0)),
            lambda: tf.losses.hinge_loss(one_hot(), h),
            lambda: tf.losses.log_loss(one_hot(), nn.sigmoid(h)),
            lambda: -mean(tf.reduce_sum(one_hot() * nn.log_softmax(h), -1)),
            lambda: tf.reduce_sum(tf.log1p(tf.exp(-h * spread()))),
            lambda: tf.norm(h - spread()) + mean(tf.reduce_logsumexp(h, -1))])()

    def activation(self, x):
        nn = tf.nn
        return self.one_of([nn.relu, nn.relu, tf.tanh, nn.sigmoid, nn.elu, nn.relu6, nn.softplus, nn.selu, nn.leaky_relu, nn.swish,
                            nn.softsign, lambda v: v, nn.softmax, lambda v: v * nn.relu6(v + 3) / 6])(x)

    # ------------------------------------------------------------ layers of any rank

    def dense(self, x, units):
        width = x.shape[-1]
        y = self.one_of([
            lambda: tf.matmul(x, self.variable([width, units])),
            lambda: tf.matmul(x, self.variable([units, width]), transpose_b=True),
            lambda: tf.transpose(tf.matmul(self.variable([width, units]), x, transpose_a=True, transpose_b=True))])()
        if self.often(0.8):
            b = self.variable([units])
            y = tf.nn.bias_add(y, b) if self.often(0.5) else y + b
        return self.normal(self.activation(y))

    def normal(self, x):
        """Sometimes a normalisation or a dropout behind a layer."""
        kind, c = self.rng.randint(10), x.shape[-1]
        axes = list(range(x.shape.rank - 1))
        if kind == 0:
            return self.batch_norm(x, axes)
        if kind == 1:
            self.normalised = True
            mean, variance = tf.nn.moments(x, [-1], keepdims=True)
            return tf.nn.batch_normalization(x, mean, variance, self.variable([c]), self.variable([c], 0.5, 1.5), 1e-3)
        if kind == 2:
            return tf.nn.l2_normalize(x + 0.1, -1)
        if kind == 3:
            return tf.nn.experimental.stateless_dropout(x, 0.3, seed=[self.rng.randint(100), 2])
        if kind == 4:
            noise = tf.random.stateless_normal(tf.shape(x), [3, self.rng.randint(100)], 0, 0.1, dtype=self.dtype)
            return x + noise
        if kind == 5 and self.training is not None:
            return tf.cond(self.training, lambda: x * 0.5, lambda: tf.square(x))
        return x

    def batch_norm(self, x, axes):
        self.normalised = True
        c = x.shape[-1]
        scale, offset = self.variable([c], 0.5, 1.5), self.variable([c])
        if x.shape.rank == 4 and self.dtype == "float32" and self.often(0.7):
            y, mean, variance = tf.nn.fused_batch_norm(x, scale, offset, epsilon=1e-3)
        else:
            mean, variance = tf.nn.moments(x, axes)
            y = tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)
        for value in (mean, variance):
            moving = self.variable([c], trainable=False)
            self.updates.append(tf.assign_sub(moving, (moving - value) * 0.1))
        return y

    # ------------------------------------------------------------ rows

    def rows(self):
        x = tf.reshape(self.input([self.batch, 6]), [self.batch, 6])
        kind = self.rng.randint(5)
        if kind == 0:
            return tf.concat([x, self.dense(x, 4)], -1)
        if kind == 1:  # until a sum is large enough, by each example
            w = self.variable([6, 6], -0.3, 0.3)
            _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, w)) + x), [0, x])
            return tf.reshape(y, [self.batch, 6])
        if kind == 2:  # experts and a gate
            gate = tf.nn.softmax(tf.matmul(x, self.variable([6, 3])))
            experts = tf.stack([tf.tanh(tf.matmul(x, self.variable([6, 5]))) for _ in range(3)], 1)
            return tf.reduce_sum(experts * gate[:, :, None], 1)
        if kind == 3:  # products of pairs, as factorisation machines have
            v = self.variable([6, 4])
            return 0.5 * (tf.square(tf.matmul(x, v)) - tf.matmul(tf.square(x), tf.square(v)))
        parts = tf.split(x, 3, 1)
        return tf.concat([self.activation(p) for p in parts] + [tf.einsum("ni,nj->nij", parts[0], parts[1])[:, 0]], 1)

    # ------------------------------------------------------------ sequences

    def sequence(self):
        steps, width = int(self.rng.randint(2, 6)), int(self.rng.randint(1, 5))
        x = tf.reshape(self.input([self.batch, steps, width]), [self.batch, steps, width])
        return self.over_time(x)

    def words(self):
        size, width = 7, int(self.rng.randint(2, 6))
        ids = self.s.arg(self.rng.randint(0, size, [self.batch, 4]), self.one_of(["int32", "int64"]), known=True)
        table = self.variable([size, width])
        kind = self.rng.randint(4)
        if kind == 0:
            parts = [self.variable([4, width]), self.variable([3, width])]
            return self.over_time(tf.nn.embedding_lookup(parts, ids, partition_strategy=self.one_of(["mod", "div"])))
        if kind == 1:
            return self.over_time(tf.tensordot(tf.one_hot(ids, size, dtype=self.dtype), table, 1))
        if kind == 2:
            rows = tf.reshape(ids, [-1])
            segments = tf.constant(np.repeat(np.arange(self.batch), 4), tf.int32)
            f = self.one_of([tf.segment_sum, tf.segment_mean, tf.segment_max])
            return tf.reshape(f(tf.gather(table, rows), segments), [self.batch, width])
        return self.over_time(tf.nn.embedding_lookup(table, ids))

    def over_time(self, x):
        """[batch, steps, width] to rows."""
        layer = self.one_of([self.unrolled, self.looped, self.attention, self.convolved, self.pooled])
        return layer(x)

    def cell(self, width, units):
        kind = self.one_of(["rnn", "lstm", "gru"])
        parts = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
        w, u, b = self.variable([width, parts * units]), self.variable([units, parts * units]), self.variable([parts * units])
        def rnn(x, h, c):
            h = tf.tanh(tf.matmul(x, w) + tf.matmul(h, u) + b)
            return h, c
        def lstm(x, h, c):
            i, f, o, g = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), tf.concat([w, u], 0)), b), 4, 1)
            c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(g)
            return tf.sigmoid(o) * tf.tanh(c), c
        def gru(x, h, c):
            a, r = tf.split(tf.matmul(x, w) + b, 3, 1), tf.split(tf.matmul(h, u), 3, 1)
            z, q = tf.sigmoid(a[0] + r[0]), tf.sigmoid(a[1] + r[1])
            return z * h + (1 - z) * tf.tanh(a[2] + q * r[2]), c
        return {"rnn": rnn, "lstm": lstm, "gru": gru}[kind]

    def unrolled(self, x):
        units = int(self.rng.randint(1, 5))
        cell = self.cell(x.shape[-1], units)
        h = c = tf.zeros([self.batch, units], self.dtype)
        out = []
        for step in tf.unstack(x, axis=1):
            h, c = cell(step, h, c)
            out.append(h)
        return h if self.often(0.6) else tf.reduce_mean(tf.stack(out, 1), 1)

    def looped(self, x):
        units, steps = int(self.rng.randint(1, 5)), x.shape[1]
        cell = self.cell(x.shape[-1], units)
        lengths = self.s.arg(self.rng.randint(1, steps + 1, [self.batch]), "int32") if self.often(0.5) else None
        inputs = tf.TensorArray(self.dtype, steps).unstack(tf.transpose(x, [1, 0, 2]))
        outputs = tf.TensorArray(self.dtype, steps)
        def body(t, h, c, outputs):
            h2, c2 = cell(tf.reshape(inputs.read(t), [self.batch, x.shape[-1]]), h, c)
            if lengths is not None:
                goes = tf.reshape(tf.tile((t < lengths)[:, None], [1, units]), [self.batch, units])
                h2, c2 = tf.where(goes, h2, h), tf.where(goes, c2, c)
            return t + 1, h2, c2, outputs.write(t, h2)
        zero = tf.zeros([self.batch, units], self.dtype)
        _, h, _, outputs = tf.while_loop(lambda t, *_: t < steps, body, [0, zero, zero, outputs],
                                         parallel_iterations=int(self.one_of([1, 10])), swap_memory=self.often(0.2))
        if self.often(0.5):
            return h
        return tf.reshape(tf.reduce_max(outputs.stack(), 0), [self.batch, units])

    def attention(self, x):
        width, units = x.shape[-1], 4
        q, k, v = (tf.tensordot(x, self.variable([width, units]), 1) for _ in range(3))
        scores = tf.matmul(q, k, transpose_b=True) / tf.sqrt(tf.constant(float(units), self.dtype))
        if self.often(0.4):
            mask = np.tril(np.ones([x.shape[1]] * 2))
            scores = scores * mask - 1e3 * (1 - mask)
        y = tf.einsum("bij,bjd->bid", tf.nn.softmax(scores), v)
        return tf.reshape(self.one_of([tf.reduce_mean, tf.reduce_max])(self.normal(y), 1), [self.batch, units])

    def convolved(self, x):
        k = self.variable([2, x.shape[-1], 3])
        y = self.activation(tf.nn.conv1d(x, k, 1, self.one_of(["SAME", "VALID"])))
        return tf.reshape(tf.reduce_max(y, 1), [self.batch, 3])

    def pooled(self, x):
        y = tf.cumsum(x, 1, reverse=self.often(0.5), exclusive=self.often(0.5)) if self.often(0.5) else tf.reverse(x, [1])
        return tf.concat([tf.reduce_sum(y, 1), tf.reduce_min(x, 1)], -1)

    # ------------------------------------------------------------ images

    def image(self):
        height, width, channels = int(self.rng.randint(4, 9)), int(self.rng.randint(4, 9)), int(self.one_of([1, 2, 3, 4, 8, 16]))
        shape = [self.batch, height, width, channels]
        x = tf.reshape(self.input(shape), shape)
        for _ in range(self.rng.randint(1, 5)):
            layer = self.one_of([self.conv, self.conv, self.depthwise, self.pool, self.pool, self.transposed, self.moved, self.residual])
            x = layer(x)
        if self.often(0.5):
            return tf.reduce_mean(x, [1, 2])
        return tf.reshape(x, [self.batch, int(np.prod(x.shape.as_list()[1:]))])

    def padding(self, x, size):
        small = min(x.shape[1], x.shape[2]) < size
        return "SAME" if small or self.often(0.6) else "VALID"

    def conv(self, x):
        size, out = int(self.one_of([1, 2, 3, 3, 5])), int(self.one_of([1, 2, 4, 8, 16]))
        k = self.variable([size, size, x.shape[-1], out], -0.4, 0.4)
        if self.often(0.15):
            y = tf.nn.atrous_conv2d(x, k, 2, "SAME")
        else:
            y = tf.nn.conv2d(x, k, int(self.one_of([1, 1, 2])), self.padding(x, size))
        if self.often(0.7):
            y = tf.nn.bias_add(y, self.variable([out]))
        if self.often(0.25):
            y = self.batch_norm(y, [0, 1, 2])
        return self.normal(self.activation(y))

    def depthwise(self, x):
        size, times = int(self.one_of([2, 3])), int(self.one_of([1, 1, 2]))
        k = self.variable([size, size, x.shape[-1], times])
        y = tf.nn.depthwise_conv2d(x, k, [1, 1, 1, 1], self.padding(x, size))
        return self.activation(y) if self.often(0.5) else self.conv_of_points(y)

    def conv_of_points(self, x):
        return tf.nn.conv2d(x, self.variable([1, 1, x.shape[-1], 4]), 1, "SAME")

    def pool(self, x):
        size, stride = int(self.one_of([2, 2, 3])), int(self.one_of([1, 2, 2]))
        f = self.one_of([tf.nn.max_pool, tf.nn.max_pool, tf.nn.avg_pool])
        return f(x, size, stride, self.padding(x, size))

    def transposed(self, x):
        n, h, w, c = x.shape.as_list()
        if max(h, w) > 8:
            return self.pool(x)
        k = self.variable([3, 3, 2, c])
        return tf.nn.conv2d_transpose(x, k, [n, 2 * h, 2 * w, 2], 2, "SAME")

    def moved(self, x):
        n, h, w, c = x.shape.as_list()
        kind = self.rng.randint(5)
        if kind == 0 and h % 2 == 0 and w % 2 == 0:
            return tf.space_to_depth(x, 2)
        if kind == 1:
            return tf.pad(x, [[0, 0], [1, 1], [1, 0], [0, 0]], self.one_of(["CONSTANT", "REFLECT", "SYMMETRIC"]) if h > 1 and w > 1 else "CONSTANT")
        if kind == 2 and self.dtype == "float32":
            return tf.image.resize_bilinear(x, [h + 1, w + 2], align_corners=self.often(0.5))
        if kind == 3 and self.dtype == "float32":
            return tf.nn.lrn(x, 2)
        return tf.concat([x, tf.reverse(x, [2])], 3) if c < 9 else x[:, :, :, :c // 2]

    def residual(self, x):
        c = x.shape[-1]
        y = tf.nn.conv2d(x, self.variable([3, 3, c, c], -0.2, 0.2), 1, "SAME")
        y = x + self.activation(self.batch_norm(y, [0, 1, 2]) if self.often(0.4) else y)
        return tf.nn.relu(y) if self.often(0.5) else y
