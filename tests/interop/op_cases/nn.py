# SPDX-License-Identifier: Apache-2.0
"""Convolution, pooling, normalisation, softmax and losses, with gradients."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops
LOOSE = (2e-4, 2e-4)


def loose(dt):
    return {"float16": (2e-2, 2e-2), "bfloat16": (1e-1, 1e-1), "float32": LOOSE}.get(dt)


def cases(s):
    conv(s)
    pooling(s)
    norms(s)
    losses(s)


def conv(s):
    for dt in s.floats:
        def build(dt=dt):
            x, w = s.rand([2, 6, 7, 3], dt), s.rand([3, 3, 3, 4], dt, seed=2)
            y = tf.nn.conv2d(x, w, 1, "SAME")
            return s.with_grads(y, [x, w]) if dt in s.wide else y
        s.add("Conv2D_%s" % dt, build, loose(dt))
    for stride in (1, 2, 3):
        for padding in ("SAME", "VALID"):
            for k in (1, 2, 3, 5):
                def build(stride=stride, padding=padding, k=k):
                    x, w = s.rand([2, 9, 8, 2]), s.rand([k, k, 2, 3], seed=2)
                    return s.with_grads(tf.nn.conv2d(x, w, stride, padding), [x, w])
                s.add("Conv2D_%d_%s_%d" % (stride, padding, k), build, LOOSE)
    def dilated(dilation, padding):
        x, w = s.rand([1, 10, 11, 2]), s.rand([3, 3, 2, 3], seed=2)
        return tf.nn.conv2d(x, w, 1, padding, dilations=dilation)
    for padding in ("SAME", "VALID"):
        s.add("Conv2D_dilated_%s" % padding, lambda padding=padding: dilated([1, 2, 3, 1], padding), LOOSE)
    def explicit():
        x, w = s.rand([1, 6, 6, 2]), s.rand([3, 3, 2, 2], seed=2)
        return s.with_grads(tf.nn.conv2d(x, w, [1, 2, 1, 1], [[0, 0], [1, 2], [0, 1], [0, 0]]), [x, w])
    s.add("Conv2D_explicit", explicit, LOOSE)
    s.add("Conv2D_groups", lambda: tf.nn.conv2d(s.rand([1, 5, 5, 4]), s.rand([3, 3, 2, 6], seed=2), 1, "SAME"), LOOSE)
    s.add("Conv2D_bad_depth", lambda: tf.nn.conv2d(s.rand([1, 5, 5, 3], known=False), s.rand([3, 3, 2, 3], known=False), 1, "SAME"))
    def transpose(stride, padding):
        x, w = s.rand([2, 4, 5, 3]), s.rand([3, 3, 2, 3], seed=2)
        size = [2, 4 * stride + (0 if padding == "SAME" else 3 - stride), 5 * stride + (0 if padding == "SAME" else 3 - stride), 2]
        return s.with_grads(tf.nn.conv2d_transpose(x, w, size, stride, padding), [x, w])
    for stride in (1, 2):
        for padding in ("SAME", "VALID"):
            s.add("conv2d_transpose_%d_%s" % (stride, padding), lambda stride=stride, padding=padding: transpose(stride, padding), LOOSE)
    def conv1d():
        x, w = s.rand([2, 8, 3]), s.rand([3, 3, 4], seed=2)
        return s.with_grads(tf.nn.conv1d(x, w, 2, "SAME"), [x, w])
    s.add("conv1d", conv1d, LOOSE)
    for multiplier in (1, 2):
        for padding in ("SAME", "VALID"):
            for stride in (1, 2):
                def build(multiplier=multiplier, padding=padding, stride=stride):
                    x, w = s.rand([2, 7, 6, 3]), s.rand([3, 3, 3, multiplier], seed=2)
                    return s.with_grads(R.DepthwiseConv2dNative(input=x, filter=w, strides=[1, stride, stride, 1], padding=padding), [x, w])
                s.add("DepthwiseConv2dNative_%d_%s_%d" % (multiplier, padding, stride), build, LOOSE)
    for dt in s.floats:
        s.add("DepthwiseConv2dNative_%s" % dt, lambda dt=dt: R.DepthwiseConv2dNative(
            input=s.rand([1, 5, 5, 2], dt), filter=s.rand([2, 2, 2, 1], dt, seed=2), strides=[1, 1, 1, 1], padding="SAME"), loose(dt))
    def separable():
        x, d, p = s.rand([1, 6, 6, 2]), s.rand([3, 3, 2, 2], seed=2), s.rand([1, 1, 4, 3], seed=3)
        return s.with_grads(tf.nn.separable_conv2d(x, d, p, [1, 1, 1, 1], "SAME"), [x, d, p])
    s.add("separable", separable, LOOSE)
    s.add("depthwise_dilated", lambda: tf.nn.depthwise_conv2d(s.rand([1, 8, 8, 2]), s.rand([3, 3, 2, 1], seed=2), [1, 1, 1, 1], "SAME", rate=[2, 2]), LOOSE)
    def conv3d():
        x, w = s.rand([1, 4, 5, 6, 2]), s.rand([2, 3, 2, 2, 3], seed=2)
        return s.with_grads(R.Conv3D(input=x, filter=w, strides=[1, 1, 2, 1, 1], padding="SAME"), [x, w])
    s.add("Conv3D", conv3d, LOOSE)
    s.add("Dilation2D", lambda: R.Dilation2D(input=s.rand([1, 5, 5, 2]), filter=s.rand([2, 2, 2], seed=2), strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="SAME"))


def pooling(s):
    for name in ("MaxPool", "AvgPool"):
        arg = "input" if name == "MaxPool" else "value"
        for dt in s.floats:
            def build(name=name, dt=dt, arg=arg):
                x = s.rand([2, 6, 7, 3], dt)
                y = getattr(R, name)(ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME", **{arg: x})
                return s.with_grads(y, [x]) if dt in s.wide else y
            s.add("%s_%s" % (name, dt), build, loose(dt))
        for k in (1, 2, 3):
            for stride in (1, 2):
                for padding in ("SAME", "VALID"):
                    def build(name=name, k=k, stride=stride, padding=padding, arg=arg):
                        x = s.rand([2, 7, 8, 3])
                        return s.with_grads(getattr(R, name)(ksize=[1, k, k, 1], strides=[1, stride, stride, 1],
                                                             padding=padding, **{arg: x}), [x])
                    s.add("%s_%d_%d_%s" % (name, k, stride, padding), build)
        s.add("%s_empty" % name, lambda name=name, arg=arg: getattr(R, name)(
            ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME", **{arg: s.arg(np.zeros([0, 4, 4, 1]))}))
    s.add("MaxPoolV2", lambda: R.MaxPoolV2(input=s.rand([1, 4, 4, 2]), ksize=tf.constant([1, 2, 2, 1]), strides=tf.constant([1, 2, 2, 1]), padding="SAME"))
    s.add("MaxPoolWithArgmax", lambda: R.MaxPoolWithArgmax(input=s.rand([2, 4, 4, 2]), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"))
    s.add("MaxPoolWithArgmax_batch", lambda: R.MaxPoolWithArgmax(input=s.rand([2, 4, 4, 2]), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", include_batch_in_index=True))
    for name in ("MaxPool3D", "AvgPool3D"):
        def build(name=name):
            x = s.rand([1, 4, 4, 4, 2])
            return s.with_grads(getattr(R, name)(input=x, ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding="SAME"), [x])
        s.add(name, build)
    for padding in ("SAME", "VALID"):
        def volumes(padding=padding):
            x = s.rand([2, 5, 4, 6, 3])
            y = [f(input=x, ksize=[1, 3, 2, 2, 1], strides=[1, 2, 1, 3, 1], padding=padding) for f in (R.MaxPool3D, R.AvgPool3D)]
            return s.with_grads(y, [x])
        s.add("pool3d_%s" % padding, volumes)
    for size in ([3, 5], [7, 4], [1, 1], [12, 9]):
        for form in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
            def resized(size=size, form=form):
                x = s.rand([2, 5, 4, 3])
                y = [f(images=x, size=tf.constant(size), **form) for f in (R.ResizeNearestNeighbor, R.ResizeBilinear)]
                return s.with_grads(y, [x])
            s.add("resize_%d_%s" % (size[0], "".join(form)), resized, LOOSE)
    for dt in s.floats + ["uint8", "int16", "int64"]:
        s.add("resize_%s" % dt, lambda dt=dt: [f(images=s.arg(np.arange(24).reshape(1, 3, 4, 2), dt), size=tf.constant([5, 3]))
                                                for f in (R.ResizeNearestNeighbor, R.ResizeBilinear)])


def norms(s):
    for training in (True, False):
        for dt in ("float32", "float16", "bfloat16"):
            def build(training=training, dt=dt):
                x = s.rand([3, 4, 2, 5], dt)
                scale, offset = s.rand([5], low=0.5, seed=2), s.rand([5], seed=3)
                mean = s.arg(np.zeros(0) if training else np.linspace(-1, 1, 5))
                var = s.arg(np.zeros(0) if training else np.linspace(0.5, 2, 5))
                out = R.FusedBatchNormV3(x=x, scale=scale, offset=offset, mean=mean, variance=var, is_training=training)
                if dt == "float32":
                    return s.with_grads(out.y, [x, scale, offset]) + [out.batch_mean, out.batch_variance]
                return [out.y, out.batch_mean, out.batch_variance]
            s.add("FusedBatchNormV3_%s_%s" % (training, dt), build, (1e-3, 1e-3) if dt == "float32" else loose(dt))
    def averaged():
        x = s.rand([3, 2, 2, 4])
        return R.FusedBatchNormV3(x=x, scale=s.rand([4], low=0.5), offset=s.rand([4]), mean=s.rand([4], seed=4), variance=s.rand([4], low=0.5, seed=5),
                                  is_training=True, exponential_avg_factor=0.3)[:3]
    s.add("FusedBatchNormV3_factor", averaged, LOOSE)
    for name in ("FusedBatchNorm", "FusedBatchNormV2"):
        s.add(name, lambda name=name: getattr(R, name)(x=s.rand([2, 3, 3, 4]), scale=s.rand([4], low=0.5), offset=s.rand([4]), mean=s.arg([]), variance=s.arg([]))[:3], LOOSE)
    s.add("FusedBatchNormV3_nchw_bad_size", lambda: R.FusedBatchNormV3(x=s.rand([2, 3, 3, 4], known=False), scale=s.rand([3], known=False), offset=s.rand([4], known=False), mean=s.arg([]), variance=s.arg([]))[0])
    def moments():
        x, g, b = s.rand([3, 4, 5]), s.rand([5], low=0.5, seed=2), s.rand([5], seed=3)
        mean, var = tf.nn.moments(x, [-1], keepdims=True)
        return s.with_grads(tf.nn.batch_normalization(x, mean, var, b, g, 1e-3), [x, g, b])
    s.add("layer_norm", moments, (1e-3, 1e-3))
    for radius in (1, 2, 5):
        def build(radius=radius):
            x = s.rand([2, 3, 3, 7])
            return s.with_grads(tf.nn.lrn(x, radius, 1.5, 0.3, 0.6), [x])
        s.add("LRN_%d" % radius, build, LOOSE)
    def l2():
        x = s.rand([3, 4])
        return s.with_grads(tf.nn.l2_normalize(x, 1), [x]) + [tf.nn.l2_loss(x)]
    s.add("l2_normalize", l2)
    def bias(fmt):
        shape = [2, 3, 4, 5] if fmt == "NHWC" else [2, 5, 3, 4]
        x, b = s.rand(shape), s.rand([5], seed=2)
        return s.with_grads(R.BiasAdd(value=x, bias=b, data_format=fmt), [x, b])
    for fmt in ("NHWC", "NCHW"):
        s.add("BiasAdd_%s" % fmt, lambda fmt=fmt: bias(fmt))
    s.add("BiasAdd_bad", lambda: R.BiasAdd(value=s.rand([2, 3], known=False), bias=s.rand([2], known=False)))
    s.add("BiasAdd_3d", lambda: R.BiasAdd(value=s.rand([2, 3, 4]), bias=s.rand([4])))
    for dt in s.floats:
        s.add("BiasAddGrad_%s" % dt, lambda dt=dt: R.BiasAddGrad(out_backprop=s.rand([3, 2, 4], dt)), loose(dt))


def losses(s):
    for dt in s.floats:
        def dense(dt=dt):
            x, y = s.rand([3, 5], dt, -5, 5), s.rand([3, 5], dt, 0, 1, seed=2)
            return R.SoftmaxCrossEntropyWithLogits(features=x, labels=y)
        s.add("SoftmaxCrossEntropyWithLogits_%s" % dt, dense, loose(dt))
        for index in ("int32", "int64"):
            def sparse(dt=dt, index=index):
                return R.SparseSoftmaxCrossEntropyWithLogits(features=s.rand([3, 5], dt, -5, 5), labels=s.arg([0, 4, 2], index))
            s.add("SparseSoftmaxCrossEntropyWithLogits_%s_%s" % (dt, index), sparse, loose(dt))
        s.add("Softmax_3d_%s" % dt, lambda dt=dt: R.Softmax(logits=s.rand([2, 3, 4], dt, -9, 9)), loose(dt))
    def grads():
        x, y = s.rand([3, 5], low=-5), s.rand([3, 5], low=0, seed=2)
        return s.with_grads(tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.nn.softmax(y), logits=x), [x, y])
    s.add("softmax_grads", grads, LOOSE)
    def sparse_grads():
        x = s.rand([3, 5], low=-5)
        return s.with_grads(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=s.arg([1, 0, 4], "int32"), logits=x), [x])
    s.add("sparse_grads", sparse_grads)
    s.add("Sparse_bad_label", lambda: R.SparseSoftmaxCrossEntropyWithLogits(features=s.rand([2, 3]), labels=s.arg([0, 3], "int32")))
    s.add("Sparse_negative_label", lambda: R.SparseSoftmaxCrossEntropyWithLogits(features=s.rand([2, 3]), labels=s.arg([0, -1], "int32")))
    s.add("Softmax_empty", lambda: R.Softmax(logits=s.arg(np.zeros([0, 4]))))
    s.add("Softmax_large", lambda: [R.Softmax(logits=s.arg([[1000.0, 1001, -1000], [-float("inf"), 0, 1]])),
                                    R.LogSoftmax(logits=s.arg([[1000.0, 1001, -1000]]))])
    s.add("SoftmaxCrossEntropy_broadcast", lambda: R.SoftmaxCrossEntropyWithLogits(features=s.rand([3, 5]), labels=s.rand([1, 5], low=0, seed=2)))
    s.add("SoftmaxCrossEntropy_bad", lambda: R.SoftmaxCrossEntropyWithLogits(features=s.rand([3, 5], known=False), labels=s.rand([3, 4], known=False)))
    def sigmoid():
        x, y = s.rand([3, 5], low=-9, high=9), s.rand([3, 5], low=0, high=1, seed=2)
        return s.with_grads(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x), [x, y])
    s.add("sigmoid_cross_entropy", sigmoid)
    def weighted():
        x, y = s.rand([3, 5]), s.rand([3, 5], low=0, high=1, seed=2)
        return s.with_grads(tf.nn.weighted_cross_entropy_with_logits(labels=y, logits=x, pos_weight=2.0), [x])
    s.add("weighted_cross_entropy", weighted)
    def composed():
        x, y = s.rand([6], known=True), s.rand([6], seed=2, known=True)
        out = [tf.losses.mean_squared_error(y, x), tf.losses.huber_loss(y, x), tf.losses.absolute_difference(y, x),
               tf.losses.log_loss(tf.sigmoid(y), tf.sigmoid(x)), tf.losses.hinge_loss(tf.cast(y > 0, tf.float32), x),
               tf.compat.v2.nn.gelu(x), tf.compat.v2.nn.silu(x), tf.nn.crelu(x), tf.nn.relu6(x), tf.nn.swish(x)]
        return s.with_grads(out, [x])
    s.add("composed_losses", composed)
    def gradients_of_gradients():
        x = s.rand([4], low=0.3)
        out = []
        for f in (tf.sigmoid, tf.tanh, tf.exp, tf.log, tf.sqrt, tf.rsqrt, tf.nn.softplus, tf.nn.relu, tf.nn.elu, tf.square, tf.reciprocal, tf.sin,
                  tf.nn.selu, tf.nn.softmax, tf.nn.leaky_relu):
            g = tf.gradients(f(x), x)[0]
            second = tf.gradients(g, x)[0]
            out += [g] + ([second] if second is not None else [])
        return out
    s.add("second_gradients", gradients_of_gradients, LOOSE)
    s.add("NthElement", lambda: R.NthElement(input=s.rand([2, 5]), n=tf.constant(2)))
    s.add("top_k_nn", lambda: tf.nn.in_top_k(s.rand([3, 4]), s.arg([0, 1, 2], "int32"), 2))
    s.add("embedding", lambda: tf.nn.embedding_lookup(s.rand([5, 3]), s.arg([[0, 4], [2, 2]], "int32")))
    s.add("dropout_kept", lambda: tf.nn.dropout(s.rand([3, 3]), rate=0.0))
    for bits in (2, 8, 16):
        for narrow in (False, True):
            for low, high in ((-3.0, 5.0), (1.0, 2.5), (-4.0, -1.0), (0.0, 0.0), (-1e-3, 1e-3)):
                def quant(bits=bits, narrow=narrow, low=low, high=high):
                    x, a, b = s.rand([4, 3], low=-6, high=6), s.arg(low), s.arg(high)
                    wide, tall = s.arg([low, low - 1, low]), s.arg([high, high, high + 1])
                    y = tf.quantization.fake_quant_with_min_max_vars(x, a, b, bits, narrow)
                    z = tf.quantization.fake_quant_with_min_max_vars_per_channel(x, wide, tall, bits, narrow)
                    out = s.with_grads([y * x, z], [x, a, b, wide, tall])
                    if low < high:
                        w = tf.quantization.fake_quant_with_min_max_args(x, low, high, bits, narrow)
                        out += [w] + tf.gradients(w, x)
                    return out
                s.add("fake_quant_%d_%d_%g_%g" % (bits, narrow, low, high), quant, LOOSE)
