# SPDX-License-Identifier: Apache-2.0
"""Programs of tutorials and books, each trained for some steps: regressions, clustering,
generative models, recurrence, attention."""
import numpy as np
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

LOOSE = (2e-3, 2e-4)


def V(name, shape, low=-0.5, high=0.5, trainable=True):
    value = np.random.RandomState(sum(map(ord, name))).uniform(low, high, shape)
    return tf.get_variable(name, initializer=tf.constant(value, tf.float32), use_resource=True, trainable=trainable)


def train(loss, optimizer=None, extra=(), ops=None):
    """Three steps, the loss before each, then what is in `extra` and all that was trained."""
    step = ops if ops is not None else (optimizer or tf.train.AdamOptimizer(0.01)).minimize(loss)
    runs = [[tf.global_variables_initializer(), tf.local_variables_initializer()]]
    for _ in range(3):
        runs += [[loss], [step]]
    return Steps(runs + [[loss] + list(extra) + [tf.identity(v) for v in tf.trainable_variables()]])


def cases(s):
    def svm():
        x, y = s.rand([8, 2]), s.arg([[1.0], [-1], [1], [1], [-1], [-1], [1], [-1]])
        A, b = V("A", [2, 1]), V("b", [1, 1])
        out = tf.subtract(tf.matmul(x, A), b)
        loss = tf.reduce_mean(tf.maximum(0., tf.subtract(1., tf.multiply(out, y)))) + 0.1 * tf.reduce_sum(tf.square(A))
        acc = tf.reduce_mean(tf.cast(tf.equal(tf.sign(out), y), tf.float32))
        return train(loss, tf.train.GradientDescentOptimizer(0.01), [acc])
    s.add("svm", svm, LOOSE)
    def svm_kernel():
        x, y = s.rand([8, 2]), s.arg([[1.0], [-1], [1], [1], [-1], [-1], [1], [-1]])
        g = s.rand([5, 2], seed=3)
        b = V("b", [1, 8])
        dist = tf.reshape(tf.reduce_sum(tf.square(x), 1), [-1, 1])
        sq = tf.add(tf.subtract(dist, tf.multiply(2., tf.matmul(x, tf.transpose(x)))), tf.transpose(dist))
        k = tf.exp(tf.multiply(-5.0, tf.abs(sq)))
        first = tf.reduce_sum(b)
        second = tf.reduce_sum(tf.multiply(k, tf.multiply(tf.matmul(tf.transpose(b), b), tf.matmul(y, tf.transpose(y)))))
        loss = tf.negative(tf.subtract(first, second))
        rA, rB = tf.reshape(tf.reduce_sum(tf.square(x), 1), [-1, 1]), tf.reshape(tf.reduce_sum(tf.square(g), 1), [-1, 1])
        pk = tf.exp(-5.0 * tf.abs(tf.add(tf.subtract(rA, 2. * tf.matmul(x, tf.transpose(g))), tf.transpose(rB))))
        pred = tf.sign(tf.matmul(tf.multiply(tf.transpose(y), b), pk) - tf.reduce_mean(tf.matmul(tf.multiply(tf.transpose(y), b), pk)))
        return train(loss, tf.train.GradientDescentOptimizer(0.01), [pk])
    s.add("svm_kernel", svm_kernel, LOOSE)
    def multi_svm():
        x = s.rand([6, 2])
        y = s.arg(np.where(np.arange(18).reshape(3, 6) % 3 == 0, 1.0, -1.0))
        b = V("b", [3, 6])
        def reshape_matmul(mat):
            v1 = tf.expand_dims(mat, 1)
            v2 = tf.reshape(v1, [3, 6, 1])
            return tf.matmul(v2, v1)
        k = tf.exp(-2.0 * tf.abs(tf.matmul(x, x, transpose_b=True)))
        loss = tf.reduce_sum(-(tf.reduce_sum(b) - tf.reduce_sum(k * (tf.matmul(tf.transpose(b), b) * reshape_matmul(y)), [1, 2])))
        return train(loss, tf.train.GradientDescentOptimizer(0.01))
    s.add("multi_svm", multi_svm, LOOSE)
    def lasso():
        x, y = s.rand([10, 1]), s.rand([10, 1], seed=2)
        A, b = V("A", [1, 1]), V("b", [1, 1])
        out = tf.add(tf.matmul(x, A), b)
        heavy = tf.truediv(1., tf.add(1., tf.exp(tf.multiply(-50., tf.subtract(A, 0.1)))))
        loss = tf.add(tf.reduce_mean(tf.square(y - out)), tf.multiply(heavy, 99.))
        return train(loss, tf.train.GradientDescentOptimizer(0.001))
    s.add("lasso", lasso, LOOSE)
    def elastic():
        x, y = s.rand([10, 3]), s.rand([10, 1], seed=2)
        A, b = V("A", [3, 1]), V("b", [1, 1])
        out = tf.add(tf.matmul(x, A), b)
        loss = tf.expand_dims(tf.add(tf.add(tf.reduce_mean(tf.square(y - out)), tf.multiply(1.0, tf.reduce_mean(tf.abs(A)))), tf.multiply(1.0, tf.reduce_mean(tf.square(A)))), 0)
        return train(loss, tf.train.GradientDescentOptimizer(0.001))
    s.add("elastic_net", elastic, LOOSE)
    def logistic():
        x, y = s.rand([10, 6]), s.arg(np.eye(3)[np.arange(10) % 3])
        W, b = V("W", [6, 3]), V("b", [3])
        pred = tf.nn.softmax(tf.matmul(x, W) + b)
        loss = tf.reduce_mean(-tf.reduce_sum(y * tf.log(pred), reduction_indices=1))
        acc = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1)), tf.float32))
        return train(loss, tf.train.GradientDescentOptimizer(0.01), [acc])
    s.add("logistic", logistic, LOOSE)
    def knn():
        tr, te = s.rand([20, 4]), s.rand([4], seed=2)
        d = tf.reduce_sum(tf.abs(tf.add(tr, tf.negative(te))), reduction_indices=1)
        vals, idx = tf.nn.top_k(tf.negative(d), k=3)
        xs = tf.expand_dims(tf.reduce_sum(tf.square(tr[None] - s.rand([5, 4], seed=3)[:, None]), 2), 1)
        top, ti = tf.nn.top_k(-xs, k=4)
        w = tf.div(1.0, tf.maximum(top, 1e-8) + 1.0)
        return [tf.argmin(d, 0), vals, idx, tf.matmul(w, tf.gather(tr, tf.squeeze(ti, 1))), tf.squeeze(ti)]
    s.add("knn", knn, LOOSE)
    def kmeans():
        x = s.rand([30, 3], known=True)
        c = V("c", [4, 3], trainable=False)
        a = tf.get_variable("a", initializer=tf.zeros([30], tf.int64), use_resource=True, trainable=False)
        rep_c = tf.reshape(tf.tile(c, [30, 1]), [30, 4, 3])
        rep_p = tf.reshape(tf.tile(x, [1, 4]), [30, 4, 3])
        sq = tf.reduce_sum(tf.square(rep_c - rep_p), axis=2)
        best = tf.argmin(sq, axis=1)
        changed = tf.reduce_any(tf.not_equal(best, a))
        total = tf.unsorted_segment_sum(x, best, 4)
        n = tf.unsorted_segment_sum(tf.ones_like(x), best, 4)
        with tf.control_dependencies([changed]):
            up = tf.group(c.assign(total / tf.maximum(n, 1)), a.assign(best))
        return Steps([[tf.global_variables_initializer()]] + [[changed], [up]] * 3 + [[tf.identity(c), tf.identity(a)]])
    s.add("kmeans", kmeans, LOOSE)
    def lstsq():
        x, y = s.rand([12, 3], dtype="float64"), s.rand([12, 1], dtype="float64", seed=2)
        xtx = tf.matmul(tf.transpose(x), x)
        sol = tf.matmul(tf.matmul(tf.matrix_inverse(xtx), tf.transpose(x)), y)
        L = tf.cholesky(xtx)
        sol2 = tf.matrix_solve(tf.transpose(L), tf.matrix_solve(L, tf.matmul(tf.transpose(x), y)))
        return s.with_grads([sol, sol2], [x, y])
    s.add("lstsq", lstsq, (1e-8, 1e-9))
    def life():
        b = s.arg((np.random.RandomState(0).rand(1, 16, 16, 1) > 0.6).astype(np.float32), known=True)
        k = tf.constant([[1.0, 1, 1], [1, 0, 1], [1, 1, 1]])[:, :, None, None]
        v = tf.get_variable("v", shape=[1, 16, 16, 1], initializer=tf.zeros_initializer(), use_resource=True)
        n = tf.nn.conv2d(v, k, [1, 1, 1, 1], "SAME")
        alive = tf.logical_or(tf.logical_and(tf.equal(v, 1.), tf.logical_or(tf.equal(n, 2.), tf.equal(n, 3.))), tf.logical_and(tf.equal(v, 0.), tf.equal(n, 3.)))
        up = tf.assign(v, tf.cast(alive, tf.float32))
        return Steps([[tf.assign(v, b)], [up], [up], [up], [tf.identity(v)]])
    s.add("life", life, LOOSE)
    def gan():
        z, x = s.rand([8, 4], known=False), s.rand([8, 12], seed=2, known=False)
        with tf.variable_scope("G"):
            w1, b1, w2, b2 = V("w1", [4, 16]), V("b1", [16]), V("w2", [16, 12]), V("b2", [12])
        with tf.variable_scope("D"):
            w3, b3, w4, b4 = V("w3", [12, 16]), V("b3", [16]), V("w4", [16, 1]), V("b4", [1])
        g = tf.nn.sigmoid(tf.matmul(tf.nn.relu(tf.matmul(z, w1) + b1), w2) + b2)
        d = lambda t: tf.matmul(tf.nn.leaky_relu(tf.matmul(t, w3) + b3), w4) + b4
        dr, df = d(x), d(g)
        bce = lambda l, t: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=l, labels=t(l)))
        dl = bce(dr, tf.ones_like) + bce(df, tf.zeros_like)
        gl = bce(df, tf.ones_like)
        dv, gv = tf.trainable_variables("D"), tf.trainable_variables("G")
        dt = tf.train.AdamOptimizer(2e-3, beta1=0.5).minimize(dl, var_list=dv)
        gt = tf.train.AdamOptimizer(2e-3, beta1=0.5).minimize(gl, var_list=gv)
        return Steps([[tf.global_variables_initializer()], [dt, dl], [gt, gl], [dt], [gt], [dl, gl] + [tf.identity(v) for v in dv + gv]])
    s.add("gan", gan, LOOSE)
    def wgan():
        z, x, e = s.rand([8, 4]), s.rand([8, 6], seed=2), s.rand([8, 1], seed=3, low=0, high=1)
        w1, w2 = V("gw", [4, 6]), V("dw", [6, 10])
        w3 = V("dw2", [10, 1])
        g = tf.tanh(tf.matmul(z, w1))
        d = lambda t: tf.matmul(tf.nn.tanh(tf.matmul(t, w2)), w3)
        mid = e * x + (1 - e) * g
        grad = tf.gradients(d(mid), [mid])[0]
        slopes = tf.sqrt(tf.reduce_sum(tf.square(grad), axis=1))
        gp = tf.reduce_mean((slopes - 1.) ** 2)
        dl = tf.reduce_mean(d(g)) - tf.reduce_mean(d(x)) + 10 * gp
        opt = tf.train.RMSPropOptimizer(1e-3)
        t = opt.minimize(dl, var_list=[w2, w3])
        clip = [p.assign(tf.clip_by_value(p, -0.3, 0.3)) for p in (w2, w3)]
        return Steps([[tf.global_variables_initializer()], [t, dl], [tf.group(*clip)], [t, gp], [dl, tf.identity(w2), tf.identity(w3)]])
    s.add("wgan_gp", wgan, LOOSE)
    def vae():
        x, eps = s.rand([8, 12], low=0, high=1, known=False), s.rand([8, 3], seed=4)
        we, wm, ws, wd, wo = V("we", [12, 10]), V("wm", [10, 3]), V("ws", [10, 3]), V("wd", [3, 10]), V("wo", [10, 12])
        h = tf.nn.softplus(tf.matmul(x, we))
        m, ls = tf.matmul(h, wm), tf.matmul(h, ws)
        z = m + tf.exp(0.5 * ls) * eps
        y = tf.nn.sigmoid(tf.matmul(tf.nn.softplus(tf.matmul(z, wd)), wo))
        rec = -tf.reduce_sum(x * tf.log(1e-10 + y) + (1 - x) * tf.log(1e-10 + 1 - y), 1)
        kl = -0.5 * tf.reduce_sum(1 + ls - tf.square(m) - tf.exp(ls), 1)
        return train(tf.reduce_mean(rec + kl), None, [y, m])
    s.add("vae", vae, LOOSE)
    def autoenc():
        x = s.rand([2, 8, 8, 16], known=True)
        k1, k2, k3 = V("k1", [3, 3, 16, 32]), V("k2", [3, 3, 16, 32]), V("k3", [3, 3, 3, 16])
        b = V("b", [16])
        h = tf.nn.relu(tf.nn.conv2d(x, k1, [1, 2, 2, 1], "SAME"))
        u = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d_transpose(h, k2, tf.stack([tf.shape(x)[0], 8, 8, 16]), [1, 2, 2, 1], "SAME"), b))
        y = tf.nn.conv2d_transpose(u, k3, [2, 16, 16, 3], [1, 2, 2, 1])
        return train(tf.reduce_mean(tf.square(u - x)) + tf.reduce_mean(tf.abs(y)), None, [y])
    s.add("conv_autoencoder", autoenc, LOOSE)
    def upsample():
        x = s.rand([2, 4, 4, 16], known=True)
        k1, k2 = V("k1", [3, 3, 16, 16]), V("k2", [3, 3, 16, 16])
        h = tf.nn.conv2d(tf.image.resize_nearest_neighbor(tf.nn.conv2d(x, k1, 1, "SAME"), [8, 8]), k2, 1, "SAME")
        h2 = tf.nn.relu(h) + tf.image.resize_bilinear(x, [8, 8])
        y = tf.depth_to_space(h2, 2)
        return train(tf.reduce_mean(tf.square(y - 1)), None, [y])
    s.add("upsample", upsample, LOOSE)
    def style():
        x = V("img", [1, 8, 8, 16], low=0, high=1)
        target = s.rand([16, 16], known=True)
        k = V("k", [3, 3, 16, 16], trainable=False)
        f = tf.nn.relu(tf.nn.conv2d(x, k, 1, "SAME"))
        f = tf.nn.avg_pool(f, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        m = tf.reshape(f, [-1, 16])
        gram = tf.matmul(m, m, transpose_a=True) / tf.cast(tf.size(m), tf.float32)
        tv = tf.nn.l2_loss(x[:, 1:, :, :] - x[:, :7, :, :]) / 7 + tf.nn.l2_loss(x[:, :, 1:, :] - x[:, :, :7, :]) / 7
        loss = 1e2 * 2 * tf.nn.l2_loss(gram - target) / 256 + tv + tf.reduce_sum(tf.image.total_variation(x)) * 1e-3
        return train(loss, tf.train.AdamOptimizer(0.1))
    s.add("neural_style", style, LOOSE)
    def w2v():
        ids, lab = s.arg([1, 2, 3, 1], "int32"), s.arg([[2], [3], [4], [0]], "int64")
        emb, w, b = V("emb", [8, 5]), V("nw", [8, 5]), V("nb", [8])
        e = tf.nn.embedding_lookup(emb, ids)
        sampled = (tf.constant([5, 6, 7], tf.int64), tf.constant([[0.3]] * 4), tf.constant([0.2, 0.3, 0.1]))
        loss = tf.reduce_mean(tf.nn.nce_loss(w, b, lab, e, 3, 8, sampled_values=sampled))
        loss2 = tf.reduce_mean(tf.nn.sampled_softmax_loss(w, b, lab, e, 3, 8, sampled_values=sampled, remove_accidental_hits=True))
        norm = tf.sqrt(tf.reduce_sum(tf.square(emb), 1, keepdims=True))
        normed = emb / norm
        sim = tf.matmul(tf.nn.embedding_lookup(normed, [1, 2]), normed, transpose_b=True)
        return train(loss + loss2, tf.train.GradientDescentOptimizer(0.5), [sim])
    s.add("word2vec", w2v, LOOSE)
    def textcnn():
        ids, y = s.arg(np.arange(24).reshape(2, 12) % 9, "int32"), s.arg([1, 0], "int32")
        emb = V("emb", [9, 6])
        outs = []
        for size in (2, 3, 4):
            k, b = V("k%d" % size, [size, 6, 1, 4]), V("b%d" % size, [4])
            c = tf.nn.conv2d(tf.expand_dims(tf.nn.embedding_lookup(emb, ids), -1), k, [1, 1, 1, 1], "VALID")
            outs.append(tf.nn.max_pool(tf.nn.relu(tf.nn.bias_add(c, b)), [1, 12 - size + 1, 1, 1], [1, 1, 1, 1], "VALID"))
        h = tf.reshape(tf.concat(outs, 3), [-1, 12])
        w, b = V("w", [12, 2]), V("b", [2])
        logits = tf.nn.xw_plus_b(h, w, b)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)) + 0.1 * (tf.nn.l2_loss(w) + tf.nn.l2_loss(b))
        opt = tf.train.AdamOptimizer(1e-2)
        gs = opt.compute_gradients(loss)
        return train(loss, None, [logits, tf.argmax(logits, 1)], ops=opt.apply_gradients(gs, global_step=tf.train.get_or_create_global_step()))
    s.add("text_cnn", textcnn, LOOSE)
    def static_rnn():
        x = s.rand([3, 4, 5], known=True)
        y = s.arg([0, 1, 1], "int32")
        w, b, wo = V("w", [11, 24]), V("b", [24]), V("wo", [6, 2])
        h = c = tf.zeros([3, 6])
        outs = []
        for t in tf.unstack(x, 4, 1):
            i, j, f, o = tf.split(tf.matmul(tf.concat([t, h], 1), w) + b, 4, 1)
            c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
            h = tf.tanh(c) * tf.sigmoid(o)
            outs.append(h)
        logits = tf.matmul(outs[-1], wo)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=y))
        opt = tf.train.AdamOptimizer(0.01)
        gs, vs = zip(*opt.compute_gradients(loss))
        gs, n = tf.clip_by_global_norm(gs, 0.05)
        return train(loss, None, [n, tf.stack(outs)], ops=opt.apply_gradients(zip(gs, vs)))
    s.add("static_rnn", static_rnn, LOOSE)
    def dyn():
        x = s.rand([3, 6, 5], known=False)
        ln = s.arg([6, 2, 4], "int32")
        def gru(inp, st):
            r, u = tf.split(tf.sigmoid(tf.matmul(tf.concat([inp, st], 1), W) + B), 2, 1)
            c = tf.tanh(tf.matmul(tf.concat([inp, r * st], 1), Wc))
            return u * st + (1 - u) * c
        W, B, Wc = V("W", [9, 8]), V("B", [8]), V("Wc", [9, 4])
        x.set_shape([3, None, 5])
        loop_x = tf.transpose(x, [1, 0, 2])
        T = tf.shape(loop_x)[0]
        ta_in = tf.TensorArray(tf.float32, T).unstack(loop_x)
        ta_out = tf.TensorArray(tf.float32, T)
        def body(t, st, ta):
            n = gru(ta_in.read(t), st)
            done = t >= ln
            n2 = tf.where(done, st, n)
            out = tf.where(done, tf.zeros_like(n), n)
            n2.set_shape([3, 4])
            return t + 1, n2, ta.write(t, out)
        _, st, ta = tf.while_loop(lambda t, *a: t < T, body, [tf.constant(0), tf.zeros([3, 4]), ta_out], parallel_iterations=32, swap_memory=True)
        out = tf.transpose(ta.stack(), [1, 0, 2])
        last = tf.gather_nd(out, tf.stack([tf.range(3), ln - 1], 1))
        rev = tf.reverse_sequence(out, ln, seq_axis=1, batch_axis=0)
        mask = tf.sequence_mask(ln, 6, dtype=tf.float32)
        loss = tf.reduce_sum(tf.square(rev) * mask[:, :, None]) / tf.reduce_sum(mask) + tf.reduce_mean(last)
        return train(loss, None, [st, last, rev])
    s.add("dynamic_rnn", dyn, LOOSE)
    def real_dynamic_rnn():
        x = s.rand([3, 6, 5], known=True)
        ln = s.arg([6, 2, 4], "int32")
        class Cell(object):
            @property
            def state_size(self): return 4
            @property
            def output_size(self): return 4
            def zero_state(self, n, dt): return tf.zeros([n, 4], dt)
            def get_initial_state(self, inputs=None, batch_size=None, dtype=None): return tf.zeros([batch_size, 4], dtype)
            def __call__(self, inp, st, scope=None):
                n = tf.tanh(tf.matmul(tf.concat([inp, st], 1), W))
                return n, n
        W = V("W", [9, 4])
        out, st = tf.nn.dynamic_rnn(Cell(), x, ln, dtype=tf.float32)
        (f, b), sts = tf.nn.bidirectional_dynamic_rnn(Cell(), Cell(), x, ln, dtype=tf.float32, scope="bi")
        o2, s2 = tf.nn.static_rnn(Cell(), tf.unstack(x, axis=1), dtype=tf.float32, sequence_length=ln)
        loss = tf.reduce_mean(tf.square(out)) + tf.reduce_mean(f * b) + tf.reduce_mean(o2[-1])
        return train(loss, None, [st, s2])
    s.add("tf_dynamic_rnn", real_dynamic_rnn, LOOSE)
    def seq2seq():
        src, tgt = s.arg([[1, 2, 3, 0], [4, 5, 0, 0]], "int32"), s.arg([[1, 2, 6], [3, 6, 0]], "int32")
        sl, tl = s.arg([3, 2], "int32"), s.arg([3, 2], "int32")
        emb, We, Wd, Wa, Wm, v, Wo = V("emb", [7, 4]), V("We", [9, 5]), V("Wd", [14, 5]), V("Wa", [5, 6]), V("Wm", [5, 6]), V("v", [6]), V("Wo", [5, 7])
        enc_in = tf.nn.embedding_lookup(emb, src)
        ta = tf.TensorArray(tf.float32, 4)
        _, h, ta = tf.while_loop(lambda t, h, a: t < 4, lambda t, h, a: (t + 1, tf.where(t < sl, tf.tanh(tf.matmul(tf.concat([enc_in[:, t], h], 1), We)), h), a.write(t, h)), [0, tf.zeros([2, 5]), ta])
        mem = tf.transpose(ta.stack(), [1, 0, 2])
        keys = tf.einsum("btd,de->bte", mem, Wm)
        dec_in = tf.nn.embedding_lookup(emb, tf.concat([tf.fill([2, 1], 6), tgt[:, :-1]], 1))
        logits = tf.TensorArray(tf.float32, 3)
        al = tf.TensorArray(tf.float32, 3)
        def body(t, h, lo, al):
            q = tf.matmul(h, Wa)
            sc = tf.reduce_sum(v * tf.tanh(keys + tf.expand_dims(q, 1)), [2])
            sc = tf.where(tf.sequence_mask(sl, 4), sc, tf.fill(tf.shape(sc), float("-inf")))
            p = tf.nn.softmax(sc)
            ctx = tf.squeeze(tf.matmul(tf.expand_dims(p, 1), mem), [1])
            n = tf.tanh(tf.matmul(tf.concat([dec_in[:, t], h, ctx], 1), Wd))
            n.set_shape([2, 5])
            return t + 1, n, lo.write(t, tf.matmul(n, Wo)), al.write(t, p)
        _, _, logits, al = tf.while_loop(lambda t, *a: t < 3, body, [0, h, logits, al])
        lg = tf.transpose(logits.stack(), [1, 0, 2])
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tgt, logits=lg)
        w = tf.sequence_mask(tl, 3, dtype=tf.float32)
        loss = tf.reduce_sum(ce * w) / tf.to_float(tf.reduce_sum(tl))
        ps = tf.trainable_variables()
        gs = tf.gradients(loss, ps)
        cg, n = tf.clip_by_global_norm(gs, 1.0)
        gst = tf.train.get_or_create_global_step()
        return train(loss, None, [n, al.stack(), lg], ops=tf.train.AdamOptimizer(0.01).apply_gradients(zip(cg, ps), gst))
    s.add("seq2seq", seq2seq, LOOSE)
    def greedy():
        h0, emb, W, Wo = s.rand([2, 5], known=True), V("emb", [7, 4]), V("W", [9, 5]), V("Wo", [5, 7])
        def body(t, tok, h, out, done):
            h = tf.tanh(tf.matmul(tf.concat([tf.gather(emb, tok), h], 1), W))
            tok = tf.argmax(tf.matmul(h, Wo), 1, output_type=tf.int32)
            done = done | tf.equal(tok, 3)
            return t + 1, tok, h, tf.concat([out, tok[:, None]], 1), done
        r = tf.while_loop(lambda t, tok, h, out, done: (t < 8) & ~tf.reduce_all(done), body, [0, tf.zeros([2], tf.int32), h0, tf.zeros([2, 0], tf.int32), tf.zeros([2], tf.bool)],
                          shape_invariants=[tf.TensorShape([]), tf.TensorShape([None]), tf.TensorShape([None, 5]), tf.TensorShape([None, None]), tf.TensorShape([None])])
        return Steps([[tf.global_variables_initializer()], list(r)])
    s.add("greedy_decode", greedy, LOOSE)
    def beam():
        W = V("W", [6, 6], low=-2, high=2)
        K, n = 3, 6
        def body(t, toks, sc):
            lp = tf.nn.log_softmax(tf.gather(W, toks[:, -1]))
            tot = tf.reshape(sc[:, None] + lp, [-1])
            v, i = tf.nn.top_k(tot, K)
            return t + 1, tf.concat([tf.gather(toks, i // n), (i % n)[:, None]], 1), v
        r = tf.while_loop(lambda t, *a: t < 4, body, [0, tf.zeros([K, 1], tf.int32), tf.constant([0.0, -1e9, -1e9])], shape_invariants=[tf.TensorShape([]), tf.TensorShape([K, None]), tf.TensorShape([K])])
        return Steps([[tf.global_variables_initializer()], list(r)])
    s.add("beam_search", beam, LOOSE)
    def crf():
        u, T, tags, ln = s.rand([2, 5, 3], known=True), V("T", [3, 3]), s.arg([[0, 1, 2, 1, 0], [2, 2, 1, 0, 0]], "int32"), s.arg([5, 3], "int32")
        w = tf.sequence_mask(ln, 5, dtype=tf.float32)
        uu = tf.reduce_sum(tf.batch_gather(u, tags[..., None])[..., 0] * w, 1)
        flat = tags[:, :-1] * 3 + tags[:, 1:]
        bb = tf.reduce_sum(tf.gather(tf.reshape(T, [-1]), flat) * w[:, 1:], 1)
        def fwd(alpha, e):
            x, m = e
            n = x + tf.reduce_logsumexp(alpha[:, :, None] + T[None], 1)
            return tf.where(m > 0, n, alpha)
        al = tf.scan(fwd, (tf.transpose(u[:, 1:], [1, 0, 2]), tf.transpose(w[:, 1:])), initializer=u[:, 0])
        loss = tf.reduce_mean(tf.reduce_logsumexp(al[-1], 1) - uu - bb)
        return train(loss, None, [al])
    s.add("crf", crf, LOOSE)
    def transformer():
        x = s.arg([[1, 2, 3, 0], [4, 5, 0, 0]], "int32")
        emb = V("emb", [8, 16])
        pad = tf.cast(tf.equal(x, 0), tf.float32)[:, None, None, :] * -1e9
        pos = np.arange(4)[:, None] / np.power(10000, (2 * (np.arange(16) // 2)) / 16.0)[None]
        h = tf.nn.embedding_lookup(emb, x) * 4.0 + tf.constant(np.sin(pos).astype(np.float32))
        def heads(t): return tf.transpose(tf.reshape(t, [tf.shape(t)[0], -1, 4, 4]), [0, 2, 1, 3])
        def ln(t, i):
            g, b = V("g%d" % i, [16], low=0.9, high=1.1), V("bb%d" % i, [16])
            m, v = tf.nn.moments(t, -1, keep_dims=True)
            return (t - m) * tf.rsqrt(v + 1e-6) * g + b
        for l in range(2):
            q, k, v, o = (tf.tensordot(h, V("p%d%d" % (l, i), [16, 16]), [[2], [0]]) for i in range(4))
            q, k, v = heads(q), heads(k), heads(v)
            a = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / tf.sqrt(4.0) + pad)
            c = tf.reshape(tf.transpose(tf.matmul(a, v), [0, 2, 1, 3]), [tf.shape(x)[0], -1, 16])
            h = ln(h + tf.tensordot(c, V("o%d" % l, [16, 16]), 1), 2 * l)
            f = tf.nn.relu(tf.tensordot(h, V("f%d" % l, [16, 32]), 1) + V("fb%d" % l, [32]))
            h = ln(h + tf.tensordot(f, V("f2%d" % l, [32, 16]), 1), 2 * l + 1)
        logits = tf.einsum("btd,vd->btv", h, emb)
        ce = tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.one_hot(x, 8) * 0.9 + 0.1 / 8, logits=logits)
        mask = tf.to_float(tf.not_equal(x, 0))
        step = tf.train.get_or_create_global_step()
        st = tf.cast(step + 1, tf.float32)
        lr = 16 ** -0.5 * tf.minimum(st ** -0.5, st * 4 ** -1.5)
        loss = tf.reduce_sum(ce * mask) / tf.reduce_sum(mask)
        return train(loss, None, [lr], ops=tf.train.AdamOptimizer(lr, 0.9, 0.98, 1e-9).minimize(loss, step))
    s.add("transformer", transformer, LOOSE)
