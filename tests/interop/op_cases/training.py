# SPDX-License-Identifier: Apache-2.0
"""What training programs of TensorFlow 1 are made of: optimizers' options, learning
rates, losses, metrics, embeddings, sampled losses, accumulators."""
import numpy as np
import tensorflow.compat.v1 as tf

from op_sweep_steps import Steps

R = tf.raw_ops
LOOSE = (1e-4, 1e-5)


def variable(name, value, resource, dtype="float32"):
    return tf.get_variable(name, initializer=tf.constant(value, dtype), use_resource=resource)


def both(s, name, build, tolerance=LOOSE):
    for resource in (False, True):
        s.add("%s_%s" % (name, "resource" if resource else "ref"),
              lambda resource=resource: build(resource), tolerance)


def cases(s):
    optimizers(s)
    rates(s)
    losses(s)
    metrics(s)
    embeddings(s)
    updates(s)


def optimizers(s):
    t = tf.train
    makers = {
        "adagrad_da": lambda step: t.AdagradDAOptimizer(0.1, step, l1_regularization_strength=0.01),
        "adagrad_start": lambda step: t.AdagradOptimizer(0.1, initial_accumulator_value=1.5),
        "adadelta": lambda step: t.AdadeltaOptimizer(0.5, rho=0.8, epsilon=1e-3),
        "adam_tensors": lambda step: t.AdamOptimizer(tf.constant(0.05), tf.constant(0.8), tf.constant(0.95), tf.constant(1e-4)),
        "momentum_locked": lambda step: t.MomentumOptimizer(0.1, 0.5, use_locking=True, use_nesterov=True),
        "ftrl_all": lambda step: t.FtrlOptimizer(0.1, learning_rate_power=-0.6, l1_regularization_strength=0.05, l2_regularization_strength=0.1,
                                                 l2_shrinkage_regularization_strength=0.01, beta=0.3),
        "rmsprop_all": lambda step: t.RMSPropOptimizer(0.05, 0.7, 0.6, 1e-3, centered=True, use_locking=True),
        "decayed": lambda step: t.GradientDescentOptimizer(t.exponential_decay(0.5, step, 1, 0.5))}
    for name, make in makers.items():
        def train(resource, make=make):
            step = t.get_or_create_global_step()
            v, w = variable("v", [1.0, -2.0, 0.5], resource), variable("w", np.linspace(-1, 1, 8).reshape(4, 2), resource)
            loss = tf.reduce_sum(tf.square(v - 3)) + tf.reduce_sum(tf.square(tf.gather(w, [3, 0, 3]) - 2.0))
            run = make(step).minimize(loss, global_step=step)
            seen = [tf.identity(v), tf.identity(w), loss, tf.identity(step)]
            return Steps([[tf.global_variables_initializer()], [run], seen, [run], [run], seen])
        both(s, name, train)
    def clipped(resource):
        v = variable("v", [[3.0, 4.0], [1.0, 0.0]], resource)
        o = t.GradientDescentOptimizer(1.0)
        (g, _), = o.compute_gradients(tf.reduce_sum(tf.square(v)) / 2)
        forms = [tf.clip_by_norm(g, 1.0), tf.clip_by_norm(g, 1.0, axes=[1]), tf.clip_by_value(g, -1.0, 2.0),
                 tf.clip_by_average_norm(g, 0.5), tf.clip_by_global_norm([g, None], 2.0)[0][0]]
        steps = [[tf.global_variables_initializer()]]
        for f in forms:
            steps += [[f], [o.apply_gradients([(f, v)])], [tf.identity(v)]]
        return Steps(steps)
    both(s, "clipped", clipped)
    def averaged(resource):
        step = t.get_or_create_global_step()
        v = variable("v", [1.0, 2.0], resource)
        ema = t.ExponentialMovingAverage(0.99, num_updates=step, zero_debias=not resource)
        run = t.GradientDescentOptimizer(0.2).minimize(tf.reduce_sum(v * v), global_step=step)
        with tf.control_dependencies([run]):
            mean = ema.apply([v])
        return Steps([[tf.global_variables_initializer()], [mean], [mean], [tf.identity(v), tf.identity(ema.average(v)), tf.identity(step)]])
    both(s, "averaged", averaged)


def rates(s):
    t = tf.train
    forms = {
        "exponential": lambda n: t.exponential_decay(0.1, n, 3, 0.5), "staircase": lambda n: t.exponential_decay(0.1, n, 3, 0.5, True),
        "natural": lambda n: t.natural_exp_decay(0.1, n, 3, 0.5), "natural_staircase": lambda n: t.natural_exp_decay(0.1, n, 3, 0.5, True),
        "inverse": lambda n: t.inverse_time_decay(0.1, n, 3, 0.5, True), "polynomial": lambda n: t.polynomial_decay(0.1, n, 4, 0.01, 0.5),
        "cycle": lambda n: t.polynomial_decay(0.1, n, 4, 0.01, 2.0, cycle=True), "cosine": lambda n: t.cosine_decay(0.1, n, 6, 0.1),
        "restarts": lambda n: t.cosine_decay_restarts(0.1, n, 2, 2.0, 0.9, 0.05), "linear_cosine": lambda n: t.linear_cosine_decay(0.1, n, 6),
        "piecewise": lambda n: t.piecewise_constant(n, [1, 4, 6], [0.4, 0.3, 0.2, 0.1])}
    for name, f in forms.items():
        for dt in ("int32", "int64"):
            def rate(f=f, dt=dt):
                step = variable("step", 0, dt == "int64", dt)
                up, y = tf.assign_add(step, 1), f(step)
                steps = [[step.initializer]]
                for _ in range(8):
                    steps += [[y], [tf.group(up)]]
                return Steps(steps)
            s.add("rate_%s_%s" % (name, dt), rate, LOOSE)


def losses(s):
    l = tf.losses
    for reduction in ("none", "weighted_sum", "weighted_mean", "weighted_sum_by_nonzero_weights", "weighted_sum_over_batch_size"):
        for weights in (1.0, [[0.5], [0.0], [2.0]], [[1.0, 0, 0, 2]] * 3, 0.0):
            def weighted(reduction=reduction, weights=weights):
                x, y = s.rand([3, 4], known=True), s.rand([3, 4], low=0, high=1, seed=2, known=True)
                out = [f(y, x, weights=weights, reduction=reduction) for f in (
                    l.absolute_difference, l.mean_squared_error, l.huber_loss, l.hinge_loss)]
                out += [l.log_loss(y, tf.sigmoid(x), weights=weights, reduction=reduction),
                        l.sigmoid_cross_entropy(y, x, weights=weights, label_smoothing=0.1, reduction=reduction)]
                return s.with_grads(out, [x])
            s.add("loss_%s_%s" % (reduction, np.shape(weights) or weights), weighted, LOOSE)
    def others():
        x, y = s.rand([3, 4], known=True), s.rand([3, 4], low=0, high=1, seed=2, known=True)
        out = [l.softmax_cross_entropy(tf.one_hot([0, 3, 1], 4), x, weights=[1.0, 0.5, 0.0], label_smoothing=0.2),
               l.sparse_softmax_cross_entropy([0, 3, 1], x, weights=[1.0, 0.5, 0.0]), l.cosine_distance(y, x, axis=1),
               l.mean_pairwise_squared_error(y, x), l.get_total_loss(), tf.nn.log_poisson_loss(y, x, True),
               tf.nn.l2_loss(x), tf.add_n(l.get_losses())]
        return s.with_grads(out, [x])
    s.add("loss_others", others, LOOSE)


def metrics(s):
    m = tf.metrics
    p, y = [0.1, 0.8, 0.4, 0.9, 0.6], [0, 1, 1, 1, 0]
    forms = {
        "accuracy": lambda p, y: m.accuracy(y, p > 0.5, [1.0, 0, 1, 1, 2]), "auc": lambda p, y: m.auc(y, p, num_thresholds=7),
        "auc_pr": lambda p, y: m.auc(y, p, num_thresholds=7, curve="PR", summation_method="careful_interpolation"),
        "precision": lambda p, y: m.precision(y, p > 0.5), "recall": lambda p, y: m.recall(y, p > 0.5),
        "mae": lambda p, y: m.mean_absolute_error(tf.cast(y, tf.float32), p), "mse": lambda p, y: m.mean_squared_error(tf.cast(y, tf.float32), p),
        "iou": lambda p, y: m.mean_iou(y, tf.cast(p > 0.5, tf.int64), 2), "per_class": lambda p, y: m.mean_per_class_accuracy(y, tf.cast(p > 0.5, tf.int64), 2),
        "tensor": lambda p, y: m.mean_tensor(p), "below": lambda p, y: m.percentage_below(p, 0.5),
        "positives": lambda p, y: m.true_positives(y, p > 0.5), "negatives": lambda p, y: m.false_negatives(y, p > 0.5),
        "at": lambda p, y: m.precision_at_thresholds(y, p, [0.3, 0.7]), "sensitivity": lambda p, y: m.sensitivity_at_specificity(y, p, 0.5, 9),
        "cosine": lambda p, y: m.mean_cosine_distance(tf.nn.l2_normalize(p[None], 1), tf.nn.l2_normalize(tf.cast(y, tf.float32)[None], 1), 1),
        "relative": lambda p, y: m.mean_relative_error(tf.cast(y, tf.float32), p, p)}
    for name, f in forms.items():
        def metric(f=f):
            value, up = f(s.arg(p, known=True), s.arg(y, "int64", known=True))
            return Steps([[tf.local_variables_initializer()], [value], [up], [up], [value]])
        s.add("metric_%s" % name, metric, LOOSE)
    s.add("confusion", lambda: [tf.math.confusion_matrix(s.arg([0, 1, 2, 1], "int64"), s.arg([0, 2, 2, 1], "int64"), 3),
                                tf.math.confusion_matrix([1, 0], [1, 1], 2, weights=[0.5, 2.0])])


def embeddings(s):
    t = tf.train
    for strategy in ("mod", "div"):
        def parts(resource, strategy=strategy):
            tables = [variable("t%d" % i, np.arange(6.0).reshape(3, 2) + 10 * i, resource) for i in range(2)]
            ids = s.arg([[5, 0], [2, 5]], "int64")
            y = tf.nn.embedding_lookup(tables, ids, partition_strategy=strategy, max_norm=9.0)
            run = t.AdagradOptimizer(0.1).minimize(tf.reduce_sum(y * y))
            return Steps([[tf.global_variables_initializer()], [y], [run], [tf.identity(v) for v in tables]])
        both(s, "embedding_parts_%s" % strategy, parts)
    for name in ("GradientDescent", "Adam", "Momentum", "Ftrl", "RMSProp", "Adadelta"):
        def unique(resource, name=name):
            table = variable("t", np.arange(10.0).reshape(5, 2), resource)
            a, b = tf.nn.embedding_lookup(table, s.arg([4, 1, 4], "int32")), tf.nn.embedding_lookup(table, s.arg([[0], [4]], "int64"))
            dense = tf.reduce_sum(table * 0.5) if name == "Adam" else 0.0  # rows and a whole
            make = getattr(t, name + "Optimizer")
            run = (make(0.1, 0.9) if name == "Momentum" else make(0.1)).minimize(tf.reduce_sum(a * a) + tf.reduce_sum(b) + dense)
            return Steps([[tf.global_variables_initializer()], [run], [run], [tf.identity(table)]])
        both(s, "embedding_rows_%s" % name, unique)
    def conv_rows(resource):
        table = variable("t", np.arange(12.0).reshape(6, 2) / 10, resource)
        w = variable("w", [[0.3], [0.2]], resource)
        mean = tf.reduce_mean(tf.gather(table, s.arg([[1, 2, 0], [3, 3, 5]], "int32")), 1)
        run = t.RMSPropOptimizer(0.1).minimize(tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=[[1.0], [0.0]], logits=tf.matmul(mean, w))))
        return Steps([[tf.global_variables_initializer()], [run], [run], [tf.identity(table), tf.identity(w)]])
    both(s, "embedding_bag", conv_rows)


def updates(s):
    def accumulators(resource):
        v = variable("v", [1.0, 2.0], resource)
        total = variable("total", [0.0, 0.0], resource)
        count = variable("count", 0, resource, "int32")
        x = s.arg(2.0)
        g = tf.gradients(tf.reduce_sum(v * v) * x, v)[0]
        with tf.control_dependencies([tf.assign_add(total, g), tf.assign_add(count, 1)]):
            grow = tf.no_op()
        apply = t_apply(v, tf.identity(total) / tf.cast(tf.identity(count), tf.float32))
        clear = tf.group(tf.assign(total, tf.zeros([2])), tf.assign(count, 0))
        see = [tf.identity(v), tf.identity(total), tf.identity(count)]
        return Steps([[tf.global_variables_initializer()], [grow], [grow], see, [apply], [clear], see])
    both(s, "accumulators", accumulators)
    def dependent(resource):
        a = variable("a", [1.0, 2.0], resource)
        b = tf.get_variable("b", initializer=a.initialized_value() * 2, use_resource=resource)
        c = tf.get_variable("c", shape=[2, 2], initializer=tf.truncated_normal_initializer(seed=1), use_resource=resource)
        return Steps([[a.initializer], [b.initializer], [tf.identity(b)], [tf.report_uninitialized_variables()],
                      [c.initializer], [tf.report_uninitialized_variables()], [tf.is_variable_initialized(c)]])
    s.add("dependent", lambda: dependent(False), LOOSE)  # of a resource it has no graph
    def initializers(resource):
        forms = [tf.zeros_initializer(), tf.ones_initializer(), tf.constant_initializer([[1, 2], [3, 4]]), tf.eye(2),
                 tf.constant_initializer(7)]
        vs = [tf.get_variable("v%d" % i, **({"initializer": f} if tf.is_tensor(f) else {"shape": [2, 2], "initializer": f}), use_resource=resource)
              for i, f in enumerate(forms)]
        return Steps([[tf.global_variables_initializer()], [tf.identity(v) for v in vs]])
    both(s, "initializers", initializers)
    def unknown_shape():
        v = tf.Variable(s.arg([[1.0, 2]]), validate_shape=False, use_resource=False)
        grow = tf.assign(v, [[1.0, 2], [3, 4]], validate_shape=False)
        return Steps([[v.initializer], [tf.identity(v)], [grow], [tf.identity(v), tf.shape(v)], [tf.reduce_sum(tf.identity(v))]])
    s.add("unknown_shape", unknown_shape)


def t_apply(v, gradient):
    return tf.train.GradientDescentOptimizer(0.1).apply_gradients([(gradient, v)])
