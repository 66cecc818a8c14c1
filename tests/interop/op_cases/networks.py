# SPDX-License-Identifier: Apache-2.0
"""Networks of tutorials and papers, each trained for some steps: residual, dense and dilated
ones, normalisations, losses of pairs, reinforcement, several towers."""
import numpy as np
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps
from op_cases.programs import V, train

LOOSE = (2e-3, 2e-4)


def cases(s):
    def bn(x, name, training, fused=True, decay=0.9):
        c = x.shape[-1]
        g, b = V(name + "g", [c], low=0.8, high=1.2), V(name + "b", [c])
        m = tf.get_variable(name + "m", initializer=tf.zeros([c]), trainable=False, use_resource=True)
        v = tf.get_variable(name + "v", initializer=tf.ones([c]), trainable=False, use_resource=True)
        if fused:
            def tr():
                y, bm, bv = tf.nn.fused_batch_norm(x, g, b, is_training=True, epsilon=1e-3)
                return y, bm, bv
            def te():
                y, bm, bv = tf.nn.fused_batch_norm(x, g, b, mean=m, variance=v, is_training=False, epsilon=1e-3)
                return y, tf.identity(m), tf.identity(v)
        else:
            def tr():
                bm, bv = tf.nn.moments(x, list(range(x.shape.ndims - 1)))
                return tf.nn.batch_normalization(x, bm, bv, b, g, 1e-3), bm, bv
            def te():
                return tf.nn.batch_normalization(x, m, v, b, g, 1e-3), tf.identity(m), tf.identity(v)
        y, bm, bv = tf.cond(training, tr, te)
        rate = tf.cond(training, lambda: 1 - decay, lambda: 0.0)
        for a, n in ((m, bm), (v, bv)):
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_sub(a, (a - n) * rate))
        y.set_shape(x.shape)
        return y
    for fused in (True, False):
        def resnet(fused=fused):
            x, y, tr = s.rand([4, 8, 8, 3], known=True), s.arg([0, 1, 2, 3], "int32"), s.arg(True, "bool")
            h = tf.nn.conv2d(x, V("k0", [3, 3, 3, 16]), 1, "SAME")
            for i, (n, st) in enumerate(((16, 1), (32, 2))):
                c = h.shape[-1]
                p = tf.nn.relu(bn(h, "bn%da" % i, tr, fused))
                sc = h if st == 1 else tf.nn.conv2d(p, V("ks%d" % i, [1, 1, c, n]), st, "SAME")
                p = tf.nn.conv2d(p, V("ka%d" % i, [3, 3, c, n], low=-.1, high=.1), st, "SAME")
                p = tf.nn.relu(bn(p, "bn%db" % i, tr, fused))
                h = sc + tf.nn.conv2d(p, V("kb%d" % i, [3, 3, n, n], low=-.1, high=.1), 1, "SAME")
            h = tf.reduce_mean(tf.nn.relu(bn(h, "bnz", tr, fused)), [1, 2])
            logits = tf.matmul(h, V("w", [32, 4])) + V("wb", [4])
            loss = tf.losses.sparse_softmax_cross_entropy(y, logits) + 1e-3 * tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables() if "bn" not in v.name])
            with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
                t = tf.train.MomentumOptimizer(0.01, 0.9, use_nesterov=True).minimize(loss)
            test = [tf.identity(v) for v in tf.global_variables() if v.name.startswith("bn")]
            return train(loss, None, [logits] + test, ops=t)
        s.add("resnet_v2_%s" % fused, resnet, LOOSE)
    def inception():
        x = s.rand([2, 8, 8, 16], known=True)
        r = tf.nn.relu
        b0 = r(tf.nn.conv2d(x, V("a", [1, 1, 16, 16]), 1, "SAME"))
        b1 = r(tf.nn.conv2d(r(tf.nn.conv2d(x, V("b", [1, 1, 16, 16]), 1, "SAME")), V("b3", [1, 3, 16, 16]), 1, "SAME"))
        b1 = r(tf.nn.conv2d(b1, V("b4", [3, 1, 16, 16]), 1, "SAME"))
        b2 = r(tf.nn.conv2d(tf.nn.max_pool(x, 3, 1, "SAME"), V("c", [1, 1, 16, 16]), 1, "SAME"))
        b3 = r(tf.nn.conv2d(tf.nn.avg_pool(x, 3, 1, "SAME"), V("d", [1, 1, 16, 8]), 1, "SAME"))
        h = tf.concat([b0, b1, b2, b3], 3)
        h = tf.concat([tf.nn.max_pool(h, 3, 2, "VALID"), tf.nn.conv2d(h, V("e", [3, 3, 56, 8]), 2, "VALID")], -1)
        se = tf.reduce_mean(h, [1, 2])
        se = tf.nn.sigmoid(tf.matmul(r(tf.matmul(se, V("s1", [64, 8]))), V("s2", [8, 64])))
        h = h * tf.reshape(se, [-1, 1, 1, 64])
        return train(tf.reduce_mean(tf.square(h)), None, [h])
    s.add("inception_se", inception, LOOSE)
    def mobilenet():
        x = s.rand([2, 8, 8, 16], known=True)
        h = tf.nn.relu6(tf.nn.conv2d(x, V("a", [1, 1, 16, 32]), 1, "SAME"))
        h = tf.nn.relu6(tf.nn.depthwise_conv2d(h, V("b", [3, 3, 32, 1]), [1, 1, 1, 1], "SAME"))
        h = tf.nn.conv2d(h, V("c", [1, 1, 32, 16]), 1, "SAME") + x
        h = tf.nn.separable_conv2d(h, V("d", [3, 3, 16, 2]), V("e", [1, 1, 32, 16]), [1, 2, 2, 1], "SAME")
        h = h * tf.nn.relu6(h + 3) / 6
        return train(tf.reduce_mean(tf.square(h - 1)), None, [h])
    s.add("mobilenet", mobilenet, LOOSE)
    def dense_net():
        x = s.rand([2, 8, 8, 16], known=True)
        h = x
        for i in range(3):
            h = tf.concat([h, tf.nn.dropout(tf.nn.conv2d(tf.nn.elu(h), V("k%d" % i, [3, 3, h.shape[-1], 8]), 1, "SAME"), rate=0.0)], 3)
        h = tf.nn.avg_pool(tf.nn.conv2d(h, V("t", [1, 1, 40, 16]), 1, "SAME"), [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
        return train(tf.reduce_mean(tf.square(h - 1)), None, [h])
    s.add("dense_net", dense_net, LOOSE)
    def wavenet():
        x = s.rand([2, 32, 1], known=True)
        h = tf.nn.conv1d(x, V("in", [1, 1, 16]), 1, "SAME")
        skip = 0
        for i, d in enumerate((1, 2, 4)):
            p = tf.pad(h, [[0, 0], [d, 0], [0, 0]])
            k, g = V("f%d" % i, [1, 2, 16, 16]), V("g%d" % i, [1, 2, 16, 16])
            f = lambda k: tf.squeeze(tf.nn.convolution(p[:, None], k, padding="VALID", dilation_rate=[1, d]), 1)
            z = tf.tanh(f(k)) * tf.sigmoid(f(g))
            o = tf.nn.conv1d(z, V("o%d" % i, [1, 16, 16]), 1, "SAME")
            skip, h = skip + o, h + o
        out = tf.nn.conv1d(tf.nn.relu(skip), V("z", [1, 16, 4]), 1, "SAME")
        mu = tf.cast(tf.floor((x[..., 0] + 2.0)), tf.int32)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.clip_by_value(mu, 0, 3), logits=out))
        return train(loss, None, [out])
    s.add("wavenet", wavenet, LOOSE)
    def unet():
        x = s.rand([1, 8, 8, 16], known=True)
        a = tf.nn.relu(tf.nn.conv2d(x, V("a", [3, 3, 16, 16]), 1, "SAME") + V("ab", [16]))
        b = tf.nn.relu(tf.nn.conv2d(tf.nn.max_pool(a, 2, 2, "SAME"), V("b", [3, 3, 16, 32]), 1, "SAME") + V("bb", [32]))
        u = tf.nn.conv2d_transpose(b, V("u", [2, 2, 16, 32]), tf.shape(a), 2, "SAME")
        c = tf.nn.conv2d(tf.concat([a, u], -1), V("c", [3, 3, 32, 2]), 1, "SAME")
        p = tf.nn.softmax(c)
        y = tf.one_hot(tf.cast(x[..., 0] > 0, tf.int32), 2)
        dice = 1 - tf.reduce_mean((2 * tf.reduce_sum(p * y, [1, 2]) + 1) / (tf.reduce_sum(p + y, [1, 2]) + 1))
        return train(dice, None, [p])
    s.add("unet", unet, LOOSE)
    def atrous():
        x = s.rand([1, 12, 12, 4], known=True)
        k = V("k", [3, 3, 4, 8])
        y = tf.nn.atrous_conv2d(x, k, 2, "SAME")
        z = tf.nn.atrous_conv2d(x, k, 3, "VALID")
        t = tf.nn.atrous_conv2d_transpose(y, k, [1, 12, 12, 4], 2, "SAME")
        return train(tf.reduce_mean(y * y) + tf.reduce_mean(z * z) + tf.reduce_mean(t * t), None, [y, z, t])
    s.add("atrous", atrous, LOOSE)
    def norms():
        x = s.rand([4, 6, 6, 16], known=True)
        g, b = V("g", [16]), V("b", [16])
        m, v = tf.nn.moments(x, [1, 2], keepdims=True)
        inst = (x - m) * tf.rsqrt(v + 1e-5) * g + b
        xr = tf.reshape(x, [4, 6, 6, 4, 4])
        m, v = tf.nn.moments(xr, [1, 2, 4], keep_dims=True)
        group = tf.reshape((xr - m) / tf.sqrt(v + 1e-5), [4, 6, 6, 16]) * g
        w = V("w", [3, 3, 16, 8])
        gw = V("gw", [8])
        wn = tf.nn.conv2d(x, gw * tf.nn.l2_normalize(w, [0, 1, 2]), 1, "SAME")
        u = s.rand([1, 8], seed=7)
        wm = tf.reshape(w, [-1, 8])
        vv = tf.nn.l2_normalize(tf.matmul(u, wm, transpose_b=True))
        uu = tf.nn.l2_normalize(tf.matmul(vv, wm))
        sigma = tf.reduce_sum(tf.matmul(tf.matmul(tf.stop_gradient(vv), wm), tf.stop_gradient(uu), transpose_b=True))
        sn = tf.nn.conv2d(x, w / sigma, 2, "VALID")
        lr = tf.nn.local_response_normalization(x, 4, bias=1.0, alpha=0.001 / 9.0, beta=0.75)
        return train(sum(tf.reduce_mean(tf.square(t - 0.5)) for t in (inst, group, wn, sn, lr)), None, [sigma, wn])
    s.add("norms", norms, LOOSE)
    def acts():
        x = s.rand([4, 16], known=False)
        a = V("alpha", [16])
        prelu = tf.nn.relu(x) + a * (x - tf.abs(x)) * 0.5
        maxout = tf.reduce_max(tf.reshape(x * a, [-1, 8, 2]), 2)
        outs = [prelu, maxout, tf.nn.swish(x * a), tf.nn.selu(x * a), tf.nn.crelu(x * a), tf.nn.softsign(x * a), tf.nn.leaky_relu(x * a, 0.3), x * tf.tanh(tf.nn.softplus(x * a)), tf.nn.l2_normalize(x * a, 1), tf.nn.log_softmax(x * a), tf.sigmoid(x * a) * x]
        return train(sum(tf.reduce_mean(tf.square(t - 0.5)) for t in outs), None, outs)
    s.add("activations", acts, LOOSE)
    def metric_losses():
        x, lab = s.rand([6, 4], known=True), s.arg([0, 1, 0, 2, 1, 2], "int32")
        w = V("w", [4, 3])
        e = tf.nn.l2_normalize(tf.matmul(x, w), 1)
        d = 2.0 - 2.0 * tf.matmul(e, e, transpose_b=True)
        eq = tf.equal(lab[:, None], lab[None])
        pos = tf.reduce_max(tf.where(eq, d, tf.zeros_like(d)), 1)
        neg = tf.reduce_min(tf.where(eq, tf.fill(tf.shape(d), 1e9), d), 1)
        tri = tf.reduce_mean(tf.nn.relu(pos - neg + 0.2))
        lg = d * -5.0 - tf.eye(6) * 1e9
        nt = tf.losses.sparse_softmax_cross_entropy([1, 0, 3, 2, 5, 4], lg)
        p = tf.sigmoid(lg[:, :3])
        y = tf.one_hot(lab, 3)
        pt = tf.where(tf.equal(y, 1), p, 1 - p)
        focal = -tf.reduce_mean(0.25 * (1 - pt) ** 2 * tf.log(tf.clip_by_value(pt, 1e-8, 1.0)))
        con = tf.reduce_mean(tf.to_float(eq) * d + (1 - tf.to_float(eq)) * tf.square(tf.maximum(0.0, 1.0 - tf.sqrt(tf.maximum(d, 1e-6)))))
        hub = tf.losses.huber_loss(tf.zeros_like(d), d, delta=0.7)
        return train(tri + nt + focal + con + hub, None, [d, pos, neg])
    s.add("metric_losses", metric_losses, LOOSE)
    def center_loss():
        x, lab = s.rand([6, 4], known=True), s.arg([0, 1, 0, 2, 1, 2], "int32")
        w, c = V("w", [4, 3]), V("c", [3, 3], trainable=False)
        f = tf.matmul(x, w)
        cb = tf.gather(c, lab)
        loss = tf.nn.l2_loss(f - cb)
        u, idx, cnt = tf.unique_with_counts(lab)
        diff = (cb - f) / tf.cast(1 + tf.reshape(tf.gather(cnt, idx), [-1, 1]), tf.float32) * 0.5
        up = tf.scatter_sub(c, lab, diff)
        t0 = tf.train.GradientDescentOptimizer(0.01)
        return Steps([[tf.global_variables_initializer()], [up], [loss], [t0.minimize(loss, var_list=[w])], [tf.identity(w), tf.identity(c)]])
    s.add("center_loss", center_loss, LOOSE)
    def mdn():
        x, y = s.rand([8, 1]), s.rand([8, 1], seed=2)
        h = tf.tanh(tf.matmul(x, V("w", [1, 8])) + V("b", [8]))
        o = tf.matmul(h, V("w2", [8, 12]))
        pi, sg, mu = tf.split(o, 3, 1)
        pi = tf.exp(pi - tf.reduce_max(pi, 1, keep_dims=True))
        pi = pi * tf.reciprocal(tf.reduce_sum(pi, 1, keep_dims=True))
        sg = tf.exp(sg)
        n = tf.exp(-tf.square((y - mu) * tf.reciprocal(sg)) / 2) * tf.reciprocal(sg) / np.sqrt(2 * np.pi)
        loss = tf.reduce_mean(-tf.log(tf.reduce_sum(n * pi, 1, keep_dims=True)))
        return train(loss, None, [pi])
    s.add("mdn", mdn, LOOSE)
    def capsule():
        x = s.rand([2, 6, 4], known=True)
        W = V("W", [1, 6, 3, 5, 4])
        u = tf.matmul(tf.tile(W, [2, 1, 1, 1, 1]), tf.tile(x[:, :, None, :, None], [1, 1, 3, 1, 1]))
        b = tf.zeros([2, 6, 3, 1, 1])
        us = tf.stop_gradient(u)
        for i in range(3):
            c = tf.nn.softmax(b, axis=2)
            sj = tf.reduce_sum(c * (u if i == 2 else us), 1, keepdims=True)
            n2 = tf.reduce_sum(tf.square(sj), -2, keepdims=True)
            v = n2 / (1 + n2) / tf.sqrt(n2 + 1e-9) * sj
            if i < 2: b += tf.matmul(us, tf.tile(v, [1, 6, 1, 1, 1]), transpose_a=True)
        ln = tf.sqrt(tf.reduce_sum(tf.square(v), axis=[1, 3, 4]) + 1e-9)
        y = tf.one_hot([0, 2], 3)
        loss = tf.reduce_mean(tf.reduce_sum(y * tf.square(tf.maximum(0., 0.9 - ln)) + 0.5 * (1 - y) * tf.square(tf.maximum(0., ln - 0.1)), 1))
        return train(loss, None, [ln])
    s.add("capsule", capsule, LOOSE)
    def maml():
        x, y = s.rand([5, 1]), s.rand([5, 1], seed=2)
        ws = [V("w1", [1, 8]), V("b1", [8]), V("w2", [8, 1])]
        f = lambda w, x: tf.matmul(tf.nn.tanh(tf.matmul(x, w[0]) + w[1]), w[2])
        l = lambda w: tf.reduce_mean(tf.square(f(w, x) - y))
        inner = [tf.convert_to_tensor(w) for w in ws]
        for _ in range(2):
            inner = [w - 0.1 * g for w, g in zip(inner, tf.gradients(l(inner), inner))]
        return train(l(inner), None, [f(inner, x)])
    s.add("maml", maml, LOOSE)
    def hessian():
        x = s.rand([3], known=True)
        w = V("w", [3, 3])
        f = tf.reduce_sum(tf.sin(x) * tf.exp(tf.reduce_sum(w * x[None], 1)))
        h = tf.hessians(f, x)[0]
        v = s.rand([3], seed=5)
        hv = tf.gradients(tf.reduce_sum(tf.gradients(f, w)[0] * v), w)[0]
        j = tf.stack([tf.gradients(tf.nn.softmax(tf.matmul(x[None], w))[0, i], x)[0] for i in range(3)])
        return Steps([[tf.global_variables_initializer()], [h, hv, j]])
    s.add("hessian", hessian, LOOSE)
    def dqn():
        st, st2, a, r, done = s.rand([6, 4]), s.rand([6, 4], seed=2), s.arg([0, 1, 1, 0, 2, 2], "int32"), s.rand([6], seed=3), s.arg([0, 0, 1, 0, 0, 1], "bool")
        def q(x, n): return tf.matmul(tf.nn.relu(tf.matmul(x, V(n + "1", [4, 8])) + V(n + "b", [8])), V(n + "2", [8, 3]))
        with tf.variable_scope("main"): qm = q(st, "m")
        with tf.variable_scope("main", reuse=True): qm2 = q(st2, "m")
        with tf.variable_scope("target"): qt = q(st2, "t")
        best = tf.argmax(qm2, 1, output_type=tf.int32)
        tgt = r + 0.99 * tf.reduce_sum(qt * tf.one_hot(best, 3), 1) * (1 - tf.to_float(done))
        cur = tf.gather_nd(qm, tf.stack([tf.range(6), a], 1))
        err = tf.stop_gradient(tgt) - cur
        loss = tf.reduce_mean(tf.where(tf.abs(err) < 1.0, tf.square(err) * 0.5, tf.abs(err) - 0.5))
        mv, tv = tf.trainable_variables("main"), tf.trainable_variables("target")
        opt = tf.train.RMSPropOptimizer(0.00025, decay=0.95, epsilon=0.01, momentum=0.95)
        gv = [(tf.clip_by_norm(g, 10), v) for g, v in opt.compute_gradients(loss, mv) if g is not None]
        t = opt.apply_gradients(gv)
        copy = tf.group(*[b.assign(a) for a, b in zip(mv, tv)])
        soft = tf.group(*[b.assign(0.9 * b + 0.1 * a) for a, b in zip(mv, tv)])
        return Steps([[tf.global_variables_initializer()], [loss], [t], [t], [soft], [loss], [copy], [tf.identity(v) for v in mv + tv]])
    s.add("dqn", dqn, LOOSE)
    def a2c():
        st, a, r = s.rand([6, 4]), s.arg([0, 1, 1, 0, 2, 2], "int32"), s.rand([6], seed=3)
        h = tf.nn.elu(tf.matmul(st, V("w", [4, 8])))
        lg = tf.matmul(h, V("p", [8, 3]))
        v = tf.squeeze(tf.matmul(h, V("v", [8, 1])), -1)
        ret = tf.reverse(tf.scan(lambda acc, x: x + 0.9 * acc, tf.reverse(r, [0])), [0])
        p = tf.nn.softmax(lg)
        lp = tf.log(tf.clip_by_value(p, 1e-20, 1.0))
        ent = -tf.reduce_sum(p * lp, axis=1)
        adv = ret - tf.stop_gradient(v)
        m, va = tf.nn.moments(adv, 0)
        adv = (adv - m) / (tf.sqrt(va) + 1e-8)
        nl = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=lg, labels=a)
        ratio = tf.exp(tf.stop_gradient(nl) - nl)
        clip = tf.clip_by_value(ratio, 0.8, 1.2)
        loss = -tf.reduce_mean(tf.minimum(ratio * adv, clip * adv)) + 0.5 * tf.reduce_mean(tf.square(ret - v)) - 0.01 * tf.reduce_mean(ent)
        return train(loss, None, [ret, ent, tf.cumsum(r, reverse=True, exclusive=True)])
    s.add("a2c_ppo", a2c, LOOSE)
    def siamese():
        a, b, y = s.rand([4, 8, 8, 16], known=True), s.rand([4, 8, 8, 16], seed=2, known=True), s.arg([1.0, 0, 1, 0])
        def net(x):
            with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
                k = tf.get_variable("k", initializer=tf.constant(np.random.RandomState(1).uniform(-.2, .2, [3, 3, 16, 32]).astype(np.float32)), use_resource=True)
                w = tf.get_variable("w", initializer=tf.constant(np.random.RandomState(2).uniform(-.2, .2, [512, 5]).astype(np.float32)), use_resource=True)
            h = tf.nn.max_pool(tf.nn.relu(tf.nn.conv2d(x, k, 1, "SAME")), 2, 2, "VALID")
            return tf.matmul(tf.reshape(h, [4, -1]), w)
        d2 = tf.reduce_sum(tf.square(net(a) - net(b)), 1)
        d = tf.sqrt(d2 + 1e-6)
        loss = tf.reduce_mean(y * d2 + (1 - y) * tf.square(tf.maximum(5.0 - d, 0)))
        return train(loss, tf.train.AdagradOptimizer(0.01), [d])
    s.add("siamese", siamese, LOOSE)
    def recommender():
        u, i, r = s.arg([0, 1, 2, 0], "int32"), s.arg([3, 1, 0, 2], "int64"), s.arg([5.0, 3, 1, 4])
        U, I, bu, bi = V("U", [4, 3]), V("I", [5, 3]), V("bu", [4]), V("bi", [5])
        mu = tf.get_variable("mu", initializer=3.0, use_resource=True)
        p = tf.reduce_sum(tf.gather(U, u) * tf.gather(I, i), 1) + tf.gather(bu, u) + tf.gather(bi, i) + mu
        reg = tf.add(tf.nn.l2_loss(tf.gather(U, u)), tf.nn.l2_loss(tf.gather(I, i)))
        loss = tf.nn.l2_loss(p - r) + 0.05 * reg
        return train(loss, tf.train.FtrlOptimizer(0.1), [p, tf.nn.top_k(tf.matmul(U, I, transpose_b=True), 2)[1]])
    s.add("recommender", recommender, LOOSE)
    def wide_deep():
        c, n, y = s.arg([[0, 3], [1, 2], [5, 5]], "int64"), s.rand([3, 2]), s.arg([[1.0], [0], [1]])
        wide, emb = V("wide", [6, 1]), V("emb", [6, 3])
        fm = tf.gather(emb, c)
        fm = 0.5 * tf.reduce_sum(tf.square(tf.reduce_sum(fm, 1)) - tf.reduce_sum(tf.square(fm), 1), 1, keepdims=True)
        sp = tf.SparseTensor([[0, 0], [0, 1], [1, 0], [2, 0]], tf.constant([0, 3, 1, 5], tf.int64), [3, 2])
        e = tf.nn.embedding_lookup_sparse(emb, sp, tf.SparseTensor(sp.indices, tf.constant([1.0, 2, 1, .5]), sp.dense_shape), combiner="mean")
        deep = tf.matmul(tf.nn.relu(tf.matmul(tf.concat([e, n], 1), V("d1", [5, 8]))), V("d2", [8, 1]))
        lg = tf.reduce_sum(tf.gather(wide, c), 1) + fm + deep
        loss = tf.losses.sigmoid_cross_entropy(y, lg)
        wv = [wide]
        dv = [v for v in tf.trainable_variables() if v is not wide]
        t = tf.group(tf.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01).minimize(loss, var_list=wv), tf.train.AdagradOptimizer(0.1).minimize(loss, var_list=dv))
        return train(loss, None, [lg], ops=t)
    s.add("wide_deep_fm", wide_deep, LOOSE)
    def towers():
        x, y = s.rand([8, 4], known=True), s.rand([8, 1], seed=2, known=True)
        w = V("w", [4, 1])
        opt = tf.train.GradientDescentOptimizer(0.1)
        gs = []
        for i, (a, b) in enumerate(zip(tf.split(x, 2), tf.split(y, 2))):
            with tf.device("/cpu:0"), tf.name_scope("tower_%d" % i):
                gs.append(opt.compute_gradients(tf.reduce_mean(tf.square(tf.matmul(a, w) - b))))
        avg = []
        for gv in zip(*gs):
            avg.append((tf.reduce_mean(tf.concat([tf.expand_dims(g, 0) for g, _ in gv], 0), 0), gv[0][1]))
        step = tf.train.get_or_create_global_step()
        ap = opt.apply_gradients(avg, step)
        ema = tf.train.ExponentialMovingAverage(0.999, step)
        with tf.control_dependencies([ap]):
            t = ema.apply(tf.trainable_variables())
        return Steps([[tf.global_variables_initializer()], [t], [t], [tf.identity(v) for v in tf.global_variables()]])
    s.add("towers_ema", towers, LOOSE)
    def lars():
        x, y = s.rand([8, 4]), s.rand([8, 1], seed=2)
        w, b = V("w", [4, 1]), V("b", [1])
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y))
        gs = tf.gradients(loss, [w, b])
        ups = []
        for v, g in zip([w, b], gs):
            wn, gn = tf.norm(v), tf.norm(g)
            tr = tf.where(tf.greater(wn, 0), tf.where(tf.greater(gn, 0), 0.01 * wn / gn, 1.0), 1.0)
            m = tf.get_variable(v.op.name + "_m", initializer=tf.zeros(v.shape), trainable=False, use_resource=True)
            nm = 0.9 * m + tr * 0.5 * g
            with tf.control_dependencies([nm]):
                ups += [m.assign(nm), v.assign_sub(nm)]
        return train(loss, None, [], ops=tf.group(*ups))
    s.add("lars", lars, LOOSE)
    def step_cond():
        x = s.rand([8, 4])
        w = V("w", [4, 1])
        step = tf.train.get_or_create_global_step()
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 1))
        f = tf.to_float(step)
        lr = tf.case([(step < 2, lambda: 0.1 * (f + 1) / 2), (step < 4, lambda: tf.constant(0.1))], default=lambda: 0.1 * tf.exp(-f / 5), exclusive=True)
        lr2 = tf.cond(tf.less(step, 3), lambda: tf.train.polynomial_decay(0.01, step, 3, 0.1), lambda: tf.train.exponential_decay(0.1, step - 3, 2, 0.5))
        nl = tf.train.noisy_linear_cosine_decay(0.1, step, 10, initial_variance=0.0)
        t = tf.train.MomentumOptimizer(lr * lr2, 0.9).minimize(loss, step)
        return Steps([[tf.global_variables_initializer()]] + [[lr, lr2, nl], [t]] * 6 + [[tf.identity(w)]])
    s.add("warm_up", step_cond, LOOSE)
    def dynamic_batch():
        x = s.rand([5, 4], known=False)
        x.set_shape([None, 4])
        w = V("w", [4, 3])
        y = tf.matmul(x, w)
        n = tf.shape(x)[0]
        y.set_shape([None, 3])
        half = n // 2
        parts = tf.split(y, [half, n - half])
        idx = tf.dynamic_partition(tf.range(n), tf.cast(y[:, 0] > 0, tf.int32), 2)
        st = tf.dynamic_stitch(idx, [tf.gather(y, idx[0]) * 2, tf.gather(y, idx[1])])
        bm = tf.boolean_mask(y, y[:, 1] > 0)
        loss = tf.reduce_sum(st * st) + tf.reduce_sum(bm) + tf.reduce_sum(parts[1])
        return train(loss, tf.train.GradientDescentOptimizer(0.01), [st, bm, parts[0]])
    s.add("dynamic_batch", dynamic_batch, LOOSE)
