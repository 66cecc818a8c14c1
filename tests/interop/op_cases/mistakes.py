# SPDX-License-Identifier: Apache-2.0
"""Bad uses, known only when the graph runs: TensorFlow's code, and the node's name in the message."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops


def f(*shape):
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)


def i(*values):
    return np.array(values, np.int32)


ZERO, ONE, TWO, THREE = (np.int32(v) for v in range(4))
SQUARE = np.zeros((2, 2), np.int32)
NAN = np.array([1, np.nan], np.float32)
INFINITE = np.array([1, -np.inf], np.float32)

ARITHMETIC = [
    (tf.add, (f(3), f(2))),
    (tf.matmul, (f(2, 3), f(2, 3)), (f(3), f(3)), (f(2, 3), f(3))),
    (lambda x, y: R.BatchMatMulV2(x=x, y=y), (f(2, 2, 3), f(2, 2, 3)), (f(2, 2, 3), f(3, 3, 2)), (f(3), f(3))),
    (tf.floordiv, (i(1), i(0))),
    (tf.mod, (i(1), i(0))),
    (lambda x, y: R.Div(x=x, y=y), (i(1), i(0)), (i(1, 2), i(1, 2, 3))),
    (tf.pow, (i(2), i(-1))),
    (lambda a, b: R.AddN(inputs=[a, b]), (f(2), f(3))),
    (lambda a, b: R.BiasAdd(value=a, bias=b), (f(2, 3), f(2)), (f(3), f(3)), (f(2, 3), f(1, 3))),
    (lambda x: tf.check_numerics(x, "bad loss"), (NAN,), (INFINITE,)),
    (tf.cholesky, (f(2, 3),), (-np.eye(2, dtype=np.float32),)),
    (tf.matrix_inverse, (f(2, 3),), (0 * f(2, 2),)),
    (tf.matrix_solve, (f(2, 3), f(2, 1)), (0 * f(2, 2), f(2, 1)), (f(2, 2), f(3, 1))),
    (tf.reduce_sum, (f(2, 3), i(2)), (f(2, 3), i(0, 0)), (f(2, 3), i(-3))),
    (tf.argmax, (f(2, 3), TWO), (f(2, 3), i(-3)[0]), (f(2, 0), ONE), (f(), ZERO)),
    (tf.cumsum, (f(3), ONE)),
    (lambda lo, hi, step: tf.range(lo, hi, step), (ONE, TWO, ZERO)),
    (lambda n: tf.linspace(0.0, 1.0, n), (ZERO,)),
    (tf.assert_less, (f(3), f(3))),
]

SHAPES = [
    (tf.reshape, (f(6), i(4, 2)), (f(6), i(-1, -1)), (f(6), i(-1, 4)), (f(6), i(-2, 3)), (f(6), i(6)[0]), (f(0), i(-1, 0))),
    (lambda a, b: tf.concat([a, b], 0), (f(3, 4), f(3, 2)), (f(3, 4), f(3)), (f(), f())),
    (lambda a, axis: tf.concat([a, a], axis), (f(3, 4), TWO), (f(3, 4), i(-3)[0]), (f(3), i(0, 1))),
    (lambda a, axis: tf.split(a, 3, axis), (f(4), ZERO), (f(), ZERO), (f(3, 3), TWO), (f(3, 3), i(-3)[0])),
    (lambda a, sizes: tf.split(a, sizes, 0, num=2), (f(4), i(1, 2)), (f(4), i(-1, -1)), (f(4), i(1, 2, 1)),
     (f(4), i(-2, 6)), (f(4), i(5, -1))),
    (tf.transpose, (f(2, 3), i(0, 0)), (f(2, 3), i(0, 2)), (f(2, 3), i(0)), (f(2, 3), i(-1, 0)), (f(2, 3), i(0, 1, 2))),
    (tf.expand_dims, (f(2), THREE), (f(2), i(-4)[0]), (f(2), i(0, 1))),
    (lambda a: tf.squeeze(a, [0]), (f(2, 1),), (f(),)),
    (lambda a, b: tf.stack([a, b]), (f(2), f(3))),
    (lambda a: tf.unstack(a, num=3), (f(2),), (f(),)),
    (tf.tile, (f(2), i(-1)), (f(2), i(1, 1))),
    (tf.pad, (f(2), np.array([[-1, 0]], np.int32)), (f(2), i(1, 1)), (f(2), SQUARE)),
    (lambda dims: tf.fill(dims, 1.0), (i(-1),), (i(2147483647, 2147483647, 2147483647),)),
    (tf.broadcast_to, (f(2, 3), i(3)), (f(3), i(2, 4)), (f(3), i(-1))),
    (tf.broadcast_dynamic_shape, (i(2), i(3))),
    (lambda a, m: tf.reverse(a, m), (f(3), i(1)), (f(3), i(0, 0))),
    (tf.diag_part, (f(2, 3),), (f(2),)),
    (lambda a: tf.depth_to_space(a, 2), (f(1, 2, 2, 3),), (f(2, 2),)),
    (lambda a: tf.space_to_depth(a, 2), (f(1, 3, 2, 1),)),
]

ELEMENTS = [
    (lambda a, at: tf.strided_slice(a, at, at + 1, shrink_axis_mask=1), (f(5), i(10)), (f(5), i(-6)), (f(5), i(1, 1)),
     (f(), i(0)), (f(0), i(0))),
    (tf.slice, (f(5), i(2), i(4)), (f(5), i(-1), i(1)), (f(5), i(6), i(-1)), (f(5), i(0), i(-2)), (f(5), i(0, 0), i(1, 1)),
     (f(5), i(0), i(1, 1))),
    (tf.gather, (f(5), i(5)), (f(5), i(-1)), (f(), i(0)), (f(0, 3), i(0))),
    (tf.gather_nd, (f(5), i(5)), (f(5), i(0, 0)), (f(2, 2), i(0, 2)), (f(), np.zeros((2, 0), np.int32)), (f(), i(0)), (f(3), ONE)),
    (lambda c, a, b: tf.where(tf.cast(c, tf.bool), a, b), (i(1, 0, 1), f(3), f(2)), (i(1, 0), f(3, 2), f(3, 2))),
    (tf.segment_sum, (f(3), i(1, 0, 2)), (f(3), i(-1, 0, 2)), (f(3), i(0, 1))),
    (tf.unsorted_segment_sum, (f(3), i(0, 1, 5), TWO), (f(3), i(0, 1, 1), i(-2)[0]), (f(3), i(0, 1), TWO)),
    (lambda a, p: tf.dynamic_partition(a, p, 2), (f(3), i(0, 1, 2)), (f(3), i(0, 1))),
    (lambda a, at: tf.dynamic_stitch([at], [a]), (f(3), i(0, 1)), (f(3), i(0, -1, 2))),
    (lambda at, a, shape: tf.scatter_nd(at, a, shape), (i(5).reshape(1, 1), f(1), i(4)), (i(0).reshape(1, 1), f(1), i(-4)),
     (i(0).reshape(1, 1), f(2), i(4))),
    (tf.invert_permutation, (i(0, 0),), (i(0, 2),), (i(0, -1),)),
    (lambda a, n: tf.reverse_sequence(a, n, 0, 1), (f(2, 3), i(4, 1)), (f(2, 3), i(1)), (f(2, 3), i(-1, 0))),
    (tf.unique, (SQUARE,)),
    (lambda a, n: R.Bincount(arr=a, size=n, weights=f(0)), (i(-1, 2), THREE), (i(1), i(-3)[0])),
    (lambda a, n: tf.roll(a, n, n), (f(3), ONE)),
    (tf.one_hot, (i(1), i(-1)[0]), (i(1), i(2, 3))),
    (lambda a, at: R.SparseToDense(sparse_indices=at, output_shape=i(3), sparse_values=a, default_value=0.0),
     (f(2), i(0, 0)), (f(2), i(0, 5)), (f(2), i(1, 0)), (f(3), i(0, 1))),
    (tf.nn.top_k, (f(3), i(4)[0]), (f(3), i(-1)[0]), (f(), ONE)),
]

NETWORKS = [
    (lambda a, b: R.SoftmaxCrossEntropyWithLogits(features=a, labels=b), (f(2, 3), f(2)), (f(2, 3), f(2, 4))),
    (lambda a, b: R.SparseSoftmaxCrossEntropyWithLogits(features=a, labels=b), (f(2, 3), i(0)), (f(2, 3), SQUARE), (f(3), i(0))),
    (lambda a, b: R.Conv2D(input=a, filter=b, strides=[1] * 4, padding="VALID"), (f(1, 4, 4, 3), f(3, 3, 1, 2)), (f(1, 4, 4, 4), f(3, 3, 3, 2))),
    (lambda a: tf.nn.max_pool(a, 2, 2, "VALID"), (f(4, 4),)),
    (lambda a, t: tf.nn.in_top_k(a, t, 2), (f(2, 3), i(0)), (f(3), i(0))),
    (lambda a: R.LRN(input=a), (f(2, 2),)),
    (lambda a, b: R.FusedBatchNorm(x=a, scale=b, offset=b, mean=b, variance=b)[0], (f(2, 2, 2, 3), f(2)), (f(2, 2), f(2))),
    (lambda a, size: R.ResizeBilinear(images=a, size=size), (f(1, 2, 2, 1), i(0, 2)), (f(2, 2, 1), i(2, 2)),
     (f(1, 2, 2, 1), i(2)), (f(1, 0, 2, 1), i(2, 2))),
    (lambda a, n: R.Multinomial(logits=a, num_samples=n), (f(3), TWO), (f(2, 3), i(-2)[0]), (f(2, 0), TWO)),
    (tf.random.uniform, (i(-1),)),
    (lambda lo, hi: R.RandomUniformInt(shape=[2], minval=lo, maxval=hi), (THREE, THREE), (THREE, i(4, 5)), (i(), THREE)),
    (lambda lo, hi: R.StatelessRandomUniformInt(shape=[2], seed=[1, 2], minval=lo, maxval=hi), (i(1), THREE), (ONE, i())),
    (lambda a: R.ScalarSummary(tags="loss", values=a), (f(2),), (f(1),)),
    (lambda a: R.HistogramSummary(tag="h", values=a), (NAN,), (INFINITE,)),
    (lambda a: R.ImageSummary(tag="image", tensor=a), (f(2, 2),), (f(1, 2, 2, 2),)),
    (lambda a: R.AudioSummaryV2(tag="sound", tensor=a, sample_rate=10.0), (f(),), (f(2, 2, 2, 2),)),
    (lambda a: tf.nn.max_pool(a, 5, 1, "VALID"), (f(1, 3, 3, 1),)),
    (lambda a: tf.nn.avg_pool(a, 5, 2, "VALID"), (f(1, 3, 3, 1),)),
    (lambda a: tf.nn.max_pool3d(a, 5, 1, "VALID"), (f(1, 3, 3, 3, 1),)),
    (lambda a: tf.nn.avg_pool3d(a, 5, 1, "VALID"), (f(1, 3, 3, 3, 1),)),
    (lambda a, b: tf.nn.conv2d(a, b, 1, "VALID"), (f(1, 3, 3, 1), f(5, 5, 1, 2))),
    (lambda a, b: tf.nn.conv2d(a, b, 1, "VALID", dilations=3), (f(1, 3, 3, 1), f(3, 3, 1, 1))),
    (lambda a, b: tf.nn.conv2d(a, b, 1, "SAME"), (f(1, 3, 3, 1), f(3, 3, 1, 0)), (f(1, 3, 3, 1), f(0, 3, 1, 2)), (f(1, 3, 3, 0), f(3, 3, 0, 2))),
    (lambda a, b: tf.nn.depthwise_conv2d(a, b, [1] * 4, "SAME"), (f(1, 3, 3, 1), f(0, 3, 1, 2)), (f(1, 3, 3, 1), f(3, 3, 1, 0))),
    (lambda a, b: tf.nn.depthwise_conv2d(a, b, [1] * 4, "VALID"), (f(1, 3, 3, 1), f(5, 5, 1, 1))),
    (lambda a, b: tf.nn.conv3d(a, b, [1] * 5, "SAME"), (f(1, 3, 3, 3, 1), f(0, 3, 3, 1, 2)), (f(1, 3, 3, 3, 1), f(3, 3, 3, 1, 0))),
    (lambda a, b: tf.nn.conv3d(a, b, [1] * 5, "VALID"), (f(1, 3, 3, 3, 1), f(5, 3, 3, 1, 2))),
]


# Where Lockstep has words of its own.
OTHER_WORDS = ["arithmetic12_0", "shapes2_2", "shapes6_2", "shapes15_0", "shapes15_1", "elements9_2", "networks3_0", "networks6_1"]


def cases(s):
    for family, table in (("arithmetic", ARITHMETIC), ("shapes", SHAPES), ("elements", ELEMENTS), ("networks", NETWORKS)):
        for number, (op, *uses) in enumerate(table):
            for use, values in enumerate(uses):
                name = "%s%d_%d" % (family, number, use)
                s.add(name, lambda op=op, values=values: built(s, op, values), words=name not in OTHER_WORDS)


def built(s, op, values):
    y = op(*[s.arg(v, v.dtype, known=False) for v in values])
    return list(y) if isinstance(y, (list, tuple)) else y
