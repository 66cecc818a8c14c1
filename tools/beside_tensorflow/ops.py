# SPDX-License-Identifier: Apache-2.0
"""Single ops on operands of a megabyte or so."""
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()

RANDOM = np.random.RandomState(0)


def floats(*shape):
    return (RANDOM.rand(*shape) + 0.1).astype("f")


def ints(low, high, shape, dtype="i"):
    return RANDOM.randint(low, high, shape).astype(dtype)


A, B, ROW, COLUMN = (floats(256, 1024), floats(256, 1024), floats(1024),
                     floats(256, 1))
I, MASK = ints(1, 256, (256, 1024)), floats(256, 1024) > 0.6
PLACES, ROWS = ints(0, 256, 4096), floats(4096, 16)
IMAGES, COLOURS, CUBES = floats(32, 32, 32, 32), floats(32, 32, 32, 3), floats(
    64, 64, 64)
VOLUME = floats(4, 16, 16, 16, 8)
SQUARE = floats(64, 64) + 8 * np.eye(64, dtype="f")


def unary():
    m, n = tf.math, tf.nn
    for f in (n.relu, tf.sigmoid, tf.tanh, tf.exp, m.log, m.sqrt, m.rsqrt,
              m.square, m.abs, m.sign, m.floor, m.round, m.erf, n.softplus,
              n.elu, n.selu, n.relu6, n.leaky_relu, m.sin, m.log1p, m.expm1,
              m.lgamma, m.is_nan):
        yield f.__name__, f, [A]
    for name, to, x in (("int32", tf.int32, A), ("float64", tf.float64, A),
                        ("half", tf.half, A), ("bfloat16", tf.bfloat16, A),
                        ("from_uint8", tf.float32, I.astype("uint8")),
                        ("from_int64", tf.float32, I.astype("int64")),
                        ("from_bool", tf.float32, MASK)):
        yield f"cast_{name}", lambda x, to=to: tf.cast(x, to), [x]


def binary():
    m = tf.math
    for f in (tf.add, tf.multiply, tf.divide, tf.maximum, tf.pow, m.floordiv,
              m.floormod, m.squared_difference, tf.less, m.atan2):
        yield f.__name__, f, [A, B]
    for f in (tf.add, tf.maximum):
        yield f.__name__ + "_row", f, [A, ROW]
        yield f.__name__ + "_column", f, [A, COLUMN]
    for kind in ("i", "d"):
        yield f"square_as_power_{kind}", lambda x: x**2, [A.astype(kind)]
    yield "distances", lambda x: tf.reduce_sum(
        (x[:, None] - x[None])**2, 2), [floats(128, 64)]
    yield "where", tf.where, [MASK, A, B]
    yield "where_or_zero", lambda c, x: tf.where(c, x, 0.0), [MASK, A]
    yield "add_n", lambda a, b: tf.add_n([a, b, a, b]), [A, B]
    yield "clip", lambda a: tf.clip_by_value(a, 0.2, 0.8), [A]


def halves():
    m, n = tf.math, tf.nn
    for t in (tf.half, tf.bfloat16):
        a, b = A.astype(t.as_numpy_dtype), B.astype(t.as_numpy_dtype)
        for f in (tf.add, tf.multiply):
            yield f"{t.name}_{f.__name__}", f, [a, b]
        for f in (n.relu, tf.tanh, tf.exp):
            yield f"{t.name}_{f.__name__}", f, [a]
        yield f"{t.name}_sum", lambda x: tf.reduce_sum(x, 1), [a]


def reductions():
    m, n = tf.math, tf.nn
    for f in (tf.reduce_sum, tf.reduce_max, tf.reduce_mean, tf.reduce_prod):
        yield f.__name__ + "_all", f, [A]
        for axis in (0, 1):
            yield (f"{f.__name__}_{axis}",
                   lambda x, f=f, axis=axis: f(x, axis), [A])
    yield "sum_of_images", lambda x: tf.reduce_sum(x, [1, 2]), [IMAGES]
    yield "min_of_colours", lambda x: tf.reduce_min(x, -1), [COLOURS]
    yield "in_top_5", lambda x, i: v1.nn.in_top_k(x, i, 5), [
        A, ints(0, 1024, 256)]
    yield "argmax", lambda x: tf.argmax(x, 1), [A]
    yield "softmax", n.softmax, [A]
    yield "softmax_of_10", n.softmax, [floats(8192, 10)]
    yield "cross_entropy", lambda a, b: (
        n.softmax_cross_entropy_with_logits(logits=a, labels=b)), [A, B]
    yield "top_10", lambda x: n.top_k(x, 10)[0], [A]
    yield "sort", tf.sort, [A]
    yield "cumsum_0", lambda x: tf.cumsum(x, 0), [A]
    yield "cumsum_1", lambda x: tf.cumsum(x, 1), [A]
    yield "moments", lambda x: n.moments(x, [0])[1], [A]
    yield "segment_sum", lambda x, i: (
        m.unsorted_segment_sum(x, i, 256)), [ROWS, PLACES]


def movement():
    for axes in ([1, 0], [0, 2, 1, 3], [0, 3, 1, 2]):
        yield ("transpose_" + "".join(str(a) for a in axes),
               lambda x, axes=axes: tf.transpose(x, axes),
               [A if len(axes) == 2 else IMAGES])
    for axis in (0, 1):
        yield (f"concat_{axis}",
               lambda a, b, axis=axis: tf.concat([a, b], axis), [A, B])
    yield "stack_last", lambda a, b: tf.stack([a, b], -1), [A, B]
    yield "slice", lambda x: x[10:200, 5:1000], [A]
    yield "every_second", lambda x: x[:, ::2], [A]
    yield "reverse", lambda x: tf.reverse(x, [1]), [A]
    yield "roll", lambda x: tf.roll(x, 3, 1), [A]
    yield "tile", lambda x: tf.tile(x, [2, 2]), [A]
    yield "pad", lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), [IMAGES]
    yield "gather", tf.gather, [A, PLACES]
    yield "gather_columns", lambda x, i: tf.gather(x, i, axis=1), [A, PLACES]
    yield "one_hot", lambda i: tf.one_hot(i, 256), [PLACES]
    yield "scatter_nd", lambda i, x: (
        tf.scatter_nd(i[:, None], x, [256, 16])), [PLACES, ROWS]
    yield "unique", lambda i: tf.unique(i)[0], [PLACES]


def products():
    n = tf.nn
    for rows in (1, 8, 256):
        yield f"matmul_{rows}_rows", tf.matmul, [A[:rows], floats(1024, 512)]
    yield "batch_matmul", tf.matmul, [CUBES, CUBES]
    yield "einsum", lambda a, b: tf.einsum("bij,bkj->bik", a, b), [CUBES, CUBES]
    yield "inverse", tf.linalg.inv, [SQUARE]
    yield "inverses_4x4", tf.linalg.inv, [floats(1000, 4, 4) + 4 * np.eye(
        4, dtype="f")]
    yield "solve", tf.linalg.solve, [SQUARE, floats(64, 8)]
    yield "determinant", tf.linalg.det, [SQUARE]
    yield "conv_3x3", lambda x, w: n.conv2d(x, w, 1, "SAME"), [
        IMAGES, floats(3, 3, 32, 32)]
    yield "conv_1x1", lambda x, w: n.conv2d(x, w, 1, "SAME"), [
        IMAGES, floats(1, 1, 32, 64)]
    yield "conv_7x7_of_colours", lambda x, w: n.conv2d(x, w, 2, "SAME"), [
        COLOURS, floats(7, 7, 3, 32)]
    yield "conv_dilated", lambda x, w: (
        n.conv2d(x, w, 1, "SAME", dilations=2)), [IMAGES, floats(3, 3, 32, 32)]
    yield "depthwise", lambda x, w: (
        n.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME")), [
            IMAGES, floats(3, 3, 32, 1)]
    yield "conv_transpose", lambda x, w: (
        n.conv2d_transpose(x, w, [32, 64, 64, 16], 2)), [
            IMAGES, floats(3, 3, 16, 32)]
    yield "conv_3d", lambda x, w: n.conv3d(x, w, [1] * 5, "SAME"), [
        VOLUME, floats(3, 3, 3, 8, 8)]
    for i, name in enumerate(("input", "filter")):
        yield f"conv_3d_gradient_by_{name}", lambda x, w, i=i: (
            v1.gradients(n.conv3d(x, w, [1] * 5, "SAME"), [x, w])[i]), [
                VOLUME, floats(3, 3, 3, 8, 8)]


def pictures():
    n, image = tf.nn, v1.image
    for kind in ("max", "avg"):
        pool = getattr(n, kind + "_pool2d")
        yield kind + "_pool", lambda x, p=pool: p(x, 2, 2, "SAME"), [IMAGES]
        yield (kind + "_pool_3x3", lambda x, p=pool: p(x, 3, 2, "SAME"),
               [IMAGES])
        yield (kind + "_pool_of_colours",
               lambda x, p=pool: p(x, 2, 2, "SAME"), [COLOURS])
    yield "lrn", n.local_response_normalization, [IMAGES]
    yield "batch_norm", lambda x, a, b: (
        v1.nn.fused_batch_norm(x, a, b)[0]), [IMAGES, floats(32), floats(32)]
    yield "bilinear", lambda x: image.resize_bilinear(x, [64, 64]), [COLOURS]
    yield "bilinear_gradient", lambda x: v1.gradients(
        image.resize_bilinear(x, [64, 64]), x)[0], [COLOURS]
    yield "bicubic", lambda x: image.resize_bicubic(x, [64, 64]), [COLOURS]
    yield "area", lambda x: image.resize_area(x, [16, 16]), [COLOURS]
    yield "fake_quant", lambda x: (
        tf.quantization.fake_quant_with_min_max_args(x, 0, 1)), [A]
    yield "nearest", lambda x: (
        image.resize_nearest_neighbor(x, [64, 64])), [COLOURS]
    yield "dropout", lambda x: n.dropout(x, rate=0.4, seed=1), [A]
    yield "normal", lambda x: tf.random.normal(tf.shape(x), seed=1), [A]


def builders(run):
    def build(f, values):
        feeds = [v1.placeholder(x.dtype, x.shape, name=f"x{i}")
                 for i, x in enumerate(values)]
        return run(list(zip(feeds, values)), f(*feeds).op)

    return {name: lambda f=f, values=values: build(f, values)
            for group in (unary, binary, halves, reductions, movement,
                          products, pictures)
            for name, f, values in group()}
