# SPDX-License-Identifier: Apache-2.0
"""Variables, reference and resource: assignment, scatters, slices, optimizers."""
import numpy as np
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

R = tf.raw_ops


def both(s, name, build, tolerance=None):
    """One case with reference variables, one with resources."""
    for resource in (False, True):
        def made(resource=resource):
            def var(name, value, dtype="float32"):
                return tf.get_variable(name, initializer=tf.constant(value, dtype), use_resource=resource)
            steps = build(var)
            return Steps([[tf.global_variables_initializer()]] + steps)
        s.add("%s_%s" % (name, "resource" if resource else "ref"), made, tolerance)


def cases(s):
    types = ["float32", "float64", "int32", "int64", "float16", "bfloat16", "complex64", "uint8"]
    for dt in types:
        def assign(var, dt=dt):
            v = var("v", [1, 0], dt)
            return [[tf.identity(v)], [tf.assign(v, tf.constant([0, 1], dt))], [tf.identity(v)]]
        both(s, "assign_%s" % dt, assign)
    def counting(var):
        v = var("v", [1.0, 2.0])
        up, down = tf.assign_add(v, [1.0, 1.0]), tf.assign_sub(v, [0.5, 0.25])
        return [[up], [down], [v.read_value() if hasattr(v, "read_value") else v], [up.op], [tf.identity(v)]]
    both(s, "add_sub", counting)
    def ints(var):
        v = var("v", 3, "int64")
        return [[tf.assign_add(v, 4)], [tf.identity(v)]]
    both(s, "add_int", ints)
    for name in ("scatter_update", "scatter_add", "scatter_sub", "scatter_mul", "scatter_div", "scatter_min", "scatter_max"):
        def scatter(var, name=name):
            v = var("v", [[1.0, 2], [3, 4], [5, 6]])
            op = getattr(tf, name)(v, [2, 0], [[0.5, 9], [2, 1]])
            return [[op], [tf.identity(v)]]
        both(s, name, scatter)
        def repeated(var, name=name):
            v = var("v", [1.0, 2, 3])
            return [[getattr(tf, name)(v, [1, 1], [4.0, 4.0])], [tf.identity(v)]]
        both(s, name + "_repeated", repeated)
        def bad(var, name=name):
            v = var("v", [1.0, 2, 3])
            return [[getattr(tf, name)(v, s.arg([3], "int32"), [4.0])], [tf.identity(v)]]
        both(s, name + "_bad", bad)
        def scalar(var, name=name):
            v = var("v", [[1.0, 2], [3, 4]])
            return [[getattr(tf, name)(v, 1, 2.0 if name != "scatter_update" else [2.0, 2.0])], [tf.identity(v)]]
        both(s, name + "_scalar", scalar)
    for name in ("scatter_nd_update", "scatter_nd_add", "scatter_nd_sub"):
        def scatter_nd(var, name=name):
            v = var("v", [[1.0, 2], [3, 4], [5, 6]])
            return [[getattr(tf, name)(v, [[2, 1], [0, 0]], [0.5, 9.0])], [tf.identity(v)]]
        both(s, name, scatter_nd)
    def slices(var):
        v = var("v", np.arange(12.0).reshape(3, 4))
        return [[v[1:, ::2].assign([[7.0, 8], [9, 10]])], [tf.identity(v)], [v[0].assign([1.0, 1, 1, 1])], [tf.identity(v)],
                [v[..., -1].assign([5.0, 5, 5])], [tf.identity(v)]]
    both(s, "slice_assign", slices)
    def gathers(var):
        v = var("v", np.arange(12.0).reshape(3, 4))
        y = tf.gather(v, [2, 0, 2])
        g = tf.gradients(y * y, v)[0]
        return [[y, tf.gather_nd(v, [[1, 1], [2, 3]])], [g.values, g.indices, tf.convert_to_tensor(g)]]
    both(s, "gather", gathers)
    def uninitialised(var):
        v = var("v", [1.0])
        return [[tf.is_variable_initialized(v)]]
    both(s, "initialised", uninitialised)
    for resource in (False, True):
        def missing(resource=resource):
            v = tf.get_variable("v", initializer=tf.constant([1.0]), use_resource=resource)
            return Steps([[tf.identity(v)], [tf.is_variable_initialized(v)], [v.initializer], [tf.identity(v)], [tf.is_variable_initialized(v)]])
        s.add("missing_%s" % resource, missing)
    s.add("count_up_to", lambda: count(s))
    optimizers(s)


def count(s):
    v = tf.get_variable("v", initializer=tf.constant(0), use_resource=False)
    up = tf.count_up_to(v, 2)
    return Steps([[v.initializer], [up], [up], [up]])


def optimizers(s):
    t = tf.train
    makers = {
        "sgd": lambda: t.GradientDescentOptimizer(0.1), "momentum": lambda: t.MomentumOptimizer(0.1, 0.9),
        "nesterov": lambda: t.MomentumOptimizer(0.1, 0.9, use_nesterov=True), "adagrad": lambda: t.AdagradOptimizer(0.1),
        "adadelta": lambda: t.AdadeltaOptimizer(0.5), "rmsprop": lambda: t.RMSPropOptimizer(0.05, momentum=0.5),
        "rmsprop_centred": lambda: t.RMSPropOptimizer(0.05, centered=True), "adam": lambda: t.AdamOptimizer(0.05),
        "ftrl": lambda: t.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02),
        "ftrl_shrinkage": lambda: t.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.01),
        "proximal_sgd": lambda: t.ProximalGradientDescentOptimizer(0.1, 0.01, 0.02),
        "proximal_adagrad": lambda: t.ProximalAdagradOptimizer(0.1, l1_regularization_strength=0.01)}
    for name, make in makers.items():
        for dt in ("float32",) if name.startswith("proximal") else ("float32", "float64", "float16"):
            def dense(var, make=make, dt=dt):
                v, w = var("v", [1.0, -2.0, 0.5], dt), var("w", [[0.3, 0.1]], dt)
                loss = tf.reduce_sum(tf.square(v - 3)) + tf.reduce_sum(tf.square(w)) * tf.cast(2, dt)
                train = make().minimize(loss)
                return [[train], [tf.identity(v), tf.identity(w)], [train], [train], [tf.identity(v), tf.identity(w), loss]]
            both(s, "%s_%s" % (name, dt), dense, (1e-4, 1e-5) if dt == "float32" else (2e-2, 2e-2) if dt == "float16" else None)
        def sparse(var, make=make):
            v = var("v", np.linspace(-1, 1, 8).reshape(4, 2))
            loss = tf.reduce_sum(tf.square(tf.gather(v, [3, 0, 3]) - 2.0))
            train = make().minimize(loss)
            return [[train], [tf.identity(v)], [train], [tf.identity(v)]]
        both(s, "%s_sparse" % name, sparse, (1e-4, 1e-5))
    def ada():
        rng = np.random.RandomState(1)
        vs = [tf.get_variable("v%d" % i, initializer=tf.constant(rng.uniform(0.1, 1, [3]), tf.float32), use_resource=True) for i in range(4)]
        g = tf.constant([0.1, -0.2, 0.3])
        c = lambda x: tf.constant(x, tf.float32)
        ops = [R.ResourceApplyAdaMax(var=vs[0].handle, m=vs[1].handle, v=vs[2].handle, beta1_power=c(0.9), lr=c(0.1), beta1=c(0.9), beta2=c(0.99), epsilon=c(1e-7), grad=g),
               R.ResourceApplyAddSign(var=vs[0].handle, m=vs[1].handle, lr=c(0.1), alpha=c(1), sign_decay=c(0.9), beta=c(0.9), grad=g),
               R.ResourceApplyPowerSign(var=vs[0].handle, m=vs[1].handle, lr=c(0.1), logbase=c(1), sign_decay=c(0.9), beta=c(0.9), grad=g),
               R.ResourceApplyAdamWithAmsgrad(var=vs[0].handle, m=vs[1].handle, v=vs[2].handle, vhat=vs[3].handle, beta1_power=c(0.9), beta2_power=c(0.99),
                                              lr=c(0.1), beta1=c(0.9), beta2=c(0.99), epsilon=c(1e-7), grad=g),
               R.ResourceApplyKerasMomentum(var=vs[0].handle, accum=vs[1].handle, lr=c(0.1), grad=g, momentum=c(0.9)),
               R.ResourceApplyAdagradV2(var=vs[0].handle, accum=vs[1].handle, lr=c(0.1), epsilon=c(1e-3), grad=g)]
        steps = [[tf.global_variables_initializer()]]
        for op in ops:
            steps += [[op], [tf.identity(v) for v in vs]]
        return Steps(steps)
    s.add("raw_apply", ada, (1e-4, 1e-5))
    def clip(var):
        v = var("v", [3.0, 4.0])
        opt = t.GradientDescentOptimizer(1.0)
        grads = opt.compute_gradients(tf.reduce_sum(tf.square(v)), [v])
        clipped, norm = tf.clip_by_global_norm([g for g, _ in grads], 1.0)
        train = opt.apply_gradients([(clipped[0], v)])
        return [[norm], [train], [tf.identity(v)]]
    both(s, "clip_global", clip)
    def averages(var):
        v = var("v", [1.0, 2.0])
        ema = t.ExponentialMovingAverage(0.9)
        apply = ema.apply([v])
        return [[tf.global_variables_initializer()], [tf.assign(v, [5.0, 6.0])], [apply], [tf.identity(ema.average(v))]]
    both(s, "moving_average", averages)
    def decay(var):
        step = var("step", 3, "int32")
        return [[t.exponential_decay(0.1, step, 2, 0.5), t.exponential_decay(0.1, step, 2, 0.5, staircase=True), t.polynomial_decay(0.1, step, 10, power=2.0),
                 t.piecewise_constant(step, [2, 5], [0.1, 0.01, 0.001]), t.cosine_decay(0.1, step, 10), t.inverse_time_decay(0.1, step, 1, 0.5)]]
    both(s, "decay", decay)
