# SPDX-License-Identifier: Apache-2.0
"""Reductions, arg-reductions, cumulative ops, segments, top-k, casts."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops
NAN, INF = float("nan"), float("inf")
AXES = [[], [0], [1], [-1], [0, 2], [0, 1, 2], [2, 0], [-3, 1]]


def cases(s):
    for name in ("Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm"):
        for dt in s.numbers:
            if dt in s.complexes and name in ("Max", "Min"):
                continue
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(
                input=s.arg(np.random.RandomState(1).randint(1, 4, [3, 4, 2]), dt), axis=tf.constant([1])))
        for i, axes in enumerate(AXES):
            for keep in (False, True):
                def build(name=name, axes=axes, keep=keep):
                    x = s.rand([2, 3, 4], low=0.5, high=2)
                    y = getattr(R, name)(input=x, axis=tf.constant(axes, tf.int32), keep_dims=keep)
                    return s.with_grads(y, [x]) if name != "EuclideanNorm" else y
                s.add("%s_axes%d_%s" % (name, i, keep), build, (1e-4, 1e-5) if name == "Prod" else None)
        s.add("%s_axis_int64" % name, lambda name=name: getattr(R, name)(
            input=s.rand([2, 3]), axis=s.arg([1], "int64")))
        s.add("%s_axis_scalar" % name, lambda name=name: getattr(R, name)(input=s.rand([2, 3]), axis=s.arg(0, "int32")))
        s.add("%s_scalar" % name, lambda name=name: getattr(R, name)(input=s.rand([]), axis=tf.constant([], tf.int32)))
        s.add("%s_empty" % name, lambda name=name: getattr(R, name)(input=s.arg(np.zeros([0, 3])), axis=tf.constant([0])))
        s.add("%s_empty_kept" % name, lambda name=name: getattr(R, name)(input=s.arg(np.zeros([0, 3])), axis=tf.constant([1])))
        s.add("%s_nan" % name, lambda name=name: getattr(R, name)(
            input=s.arg([[1, NAN, 2], [INF, 1, -INF], [3, 2, 1]]), axis=tf.constant([1])))
        s.add("%s_bad_axis" % name, lambda name=name: getattr(R, name)(
            input=s.rand([2, 3], known=False), axis=s.arg([2], "int32")))
        s.add("%s_twice" % name, lambda name=name: getattr(R, name)(
            input=s.rand([2, 3], known=False), axis=s.arg([0, -2], "int32")))
        s.add("%s_large" % name, lambda name=name: getattr(R, name)(
            input=s.rand([70, 33, 17], low=0.99, high=1.01), axis=tf.constant([0, 2])), (1e-4, 1e-4))
    for name in ("Any", "All"):
        for axes in AXES[:6]:
            s.add("%s_%s" % (name, axes), lambda name=name, axes=axes: getattr(R, name)(
                input=s.arg(np.random.RandomState(2).rand(2, 3, 4) > 0.6, "bool"), axis=tf.constant(axes, tf.int32)))
        s.add("%s_empty" % name, lambda name=name: getattr(R, name)(
            input=s.arg(np.zeros([0, 2]), "bool"), axis=tf.constant([0])))
    for name in ("ArgMax", "ArgMin"):
        for dt in s.floats + s.ints + ["bool"]:
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(
                input=s.arg([[1, 3, 3], [0, 2, 1], [5, 4, 5]], dt), dimension=tf.constant(1)))
        for out in (tf.int32, tf.int64):
            s.add("%s_to_%s" % (name, out.name), lambda name=name, out=out: getattr(R, name)(
                input=s.rand([4, 5]), dimension=tf.constant(0, tf.int64), output_type=out))
        s.add("%s_negative" % name, lambda name=name: getattr(R, name)(input=s.rand([2, 3, 4]), dimension=tf.constant(-2)))
        s.add("%s_nan" % name, lambda name=name: getattr(R, name)(input=s.arg([1, NAN, 3, NAN]), dimension=tf.constant(0)))
        s.add("%s_bad" % name, lambda name=name: getattr(R, name)(input=s.rand([2], known=False), dimension=s.arg(1, "int32")))
        s.add("%s_empty" % name, lambda name=name: getattr(R, name)(input=s.arg(np.zeros([2, 0]), known=False), dimension=s.arg(1, "int32")))
    for name in ("Cumsum", "Cumprod", "CumulativeLogsumexp"):
        for dt in s.numbers:
            if name == "CumulativeLogsumexp" and dt not in s.floats:
                continue
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(
                x=s.arg([[1, 2, 3], [2, 1, 3]], dt), axis=tf.constant(1)), (3e-2, 3e-2) if dt in ("float16", "bfloat16") else None)
        for exclusive in (False, True):
            for reverse in (False, True):
                def build(name=name, exclusive=exclusive, reverse=reverse):
                    x = s.rand([2, 3, 4], low=0.4)
                    y = getattr(R, name)(x=x, axis=tf.constant(-2), exclusive=exclusive, reverse=reverse)
                    return s.with_grads(y, [x]) if name != "CumulativeLogsumexp" else y
                s.add("%s_%s_%s" % (name, exclusive, reverse), build, (1e-4, 1e-4))
        s.add("%s_bad" % name, lambda name=name: getattr(R, name)(x=s.rand([2], known=False), axis=s.arg(1, "int32")))
        s.add("%s_empty" % name, lambda name=name: getattr(R, name)(x=s.arg(np.zeros([0])), axis=tf.constant(0)))
    segments(s)
    casts(s)
    for dt in s.floats + s.ints:
        s.add("TopKV2_%s" % dt, lambda dt=dt: R.TopKV2(input=s.arg([[1, 5, 3, 5], [4, 0, 4, 2]], dt), k=tf.constant(3)))
    def top_grad():
        x = s.arg([[1.0, 5, 3, 5], [4, 0, 6, 2]])
        values, indices = tf.nn.top_k(x, 2)
        return s.with_grads(values, [x]) + [indices]
    s.add("TopKV2_grad", top_grad)
    s.add("TopKV2_all", lambda: R.TopKV2(input=s.rand([7]), k=tf.constant(7)))
    s.add("TopKV2_zero", lambda: R.TopKV2(input=s.rand([2, 7]), k=tf.constant(0)))
    s.add("TopKV2_too_many", lambda: R.TopKV2(input=s.rand([3], known=False), k=s.arg(4, "int32")))
    s.add("TopKV2_nan", lambda: R.TopKV2(input=s.arg([1, INF, 3, -INF]), k=tf.constant(4)))
    for dt in ("int32", "int64"):
        s.add("InTopKV2_%s" % dt, lambda dt=dt: R.InTopKV2(
            predictions=s.arg([[0.1, 0.9, 0.5], [0.3, 0.3, 0.3], [NAN, 1, 2], [1, 2, 3]]),
            targets=s.arg([2, 1, 1, 5], dt), k=s.arg(2, dt)))
        s.add("InTopK_%s" % dt, lambda dt=dt: R.InTopK(
            predictions=s.arg([[0.1, 0.9, 0.5], [0.3, 0.2, 0.3]]), targets=s.arg([2, 1], dt), k=1))
    for dt in ("int32", "int64", "float32", "float64"):
        s.add("Bincount_%s" % dt, lambda dt=dt: R.Bincount(
            arr=s.arg([1, 2, 2, 5], "int32"), size=tf.constant(4), weights=s.arg([1, 2, 3, 4], dt)))
    s.add("HistogramFixedWidth", lambda: R.HistogramFixedWidth(
        values=s.arg([-1.0, 0, 1.5, 2, 5, 15]), value_range=tf.constant([0.0, 5.0]), nbins=tf.constant(5)))
    s.add("Bucketize", lambda: R.Bucketize(input=s.arg([-5.0, 0, 10, 150, 10000, 7]), boundaries=[0, 10, 100]))
    s.add("norms", lambda: [tf.linalg.global_norm([s.rand([3]), s.rand([2, 2], seed=4)]),
                            tf.clip_by_norm(s.rand([5], seed=5), 1.0), tf.reduce_logsumexp(s.rand([3, 4], seed=6), 1),
                            tf.math.reduce_variance(s.rand([3, 4], seed=7), 0), tf.math.reduce_std(s.rand([9], seed=8))])


def segments(s):
    for name in ("SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin", "SegmentProd"):
        for dt in s.floats + s.ints:
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(
                data=s.arg([[1, 2], [3, 4], [5, 6], [7, 8]], dt), segment_ids=s.arg([0, 0, 2, 2], "int32")))
        s.add("%s_int64" % name, lambda name=name: getattr(R, name)(data=s.rand([3]), segment_ids=s.arg([0, 1, 1], "int64")))
        s.add("%s_unsorted" % name, lambda name=name: getattr(R, name)(data=s.rand([3]), segment_ids=s.arg([1, 0, 1], "int32")))
        s.add("%s_negative" % name, lambda name=name: getattr(R, name)(data=s.rand([3]), segment_ids=s.arg([-1, 0, 1], "int32")))
        s.add("%s_empty" % name, lambda name=name: getattr(R, name)(data=s.arg(np.zeros([0, 2])), segment_ids=s.arg([], "int32")))
        s.add("%s_mismatch" % name, lambda name=name: getattr(R, name)(
            data=s.rand([3], known=False), segment_ids=s.arg([0, 1], "int32", known=False)))
        def build(name=name):
            x = s.rand([5, 2])
            return s.with_grads(getattr(R, name)(data=x, segment_ids=s.arg([0, 0, 1, 3, 3], "int32")), [x])
        if name != "SegmentProd":
            s.add("%s_grad" % name, build)
    for name in ("UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd"):
        for dt in s.floats + s.ints:
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt: getattr(R, name)(
                data=s.arg([[1, 2], [3, 4], [5, 6]], dt), segment_ids=s.arg([2, 0, 2], "int32"), num_segments=tf.constant(4)))
        s.add("%s_negative" % name, lambda name=name: getattr(R, name)(
            data=s.rand([3]), segment_ids=s.arg([-1, 0, 1], "int32"), num_segments=tf.constant(2)))
        s.add("%s_out_of_range" % name, lambda name=name: getattr(R, name)(
            data=s.rand([3]), segment_ids=s.arg([5, 0, 1], "int32"), num_segments=tf.constant(2)))
        s.add("%s_2d_ids" % name, lambda name=name: getattr(R, name)(
            data=s.rand([2, 2, 3]), segment_ids=s.arg([[1, 0], [0, 1]], "int64"), num_segments=tf.constant(3, tf.int64)))
        def build(name=name):
            x = s.rand([5, 2], low=0.3)
            return s.with_grads(getattr(R, name)(data=x, segment_ids=s.arg([3, 0, 1, 3, 1], "int32"),
                                                 num_segments=tf.constant(4)), [x])
        s.add("%s_grad" % name, build, (1e-4, 1e-5))
    for name in ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"):
        def build(name=name):
            x = s.rand([5, 2])
            return s.with_grads(getattr(R, name)(data=x, indices=s.arg([0, 3, 4, 0], "int32"),
                                                 segment_ids=s.arg([0, 0, 1, 2], "int32")), [x])
        s.add(name, build)
        s.add(name + "_bad_index", lambda name=name: getattr(R, name)(
            data=s.rand([2, 2]), indices=s.arg([0, 3], "int32"), segment_ids=s.arg([0, 0], "int32")))


def casts(s):
    types = s.floats + s.ints + s.complexes + ["bool"]
    for a in types:
        for b in types:
            values = [0, 1, 2, 100] if a == "bool" or "int" in a else [0.0, 1.5, 2.5, 99.9]
            s.add("Cast_%s_%s" % (a, b), lambda a=a, b=b, values=values: R.Cast(x=s.arg(values, a), DstT=tf.as_dtype(b)))
    s.add("Cast_negative_trunc", lambda: R.Cast(x=s.arg([-1.7, -0.5, 1.7, 2.99]), DstT=tf.int32))
    s.add("Cast_wrap", lambda: [R.Cast(x=s.arg([300, -1, 70000], "int32"), DstT=t) for t in (tf.uint8, tf.int8, tf.int16, tf.uint16)])
    s.add("Cast_half_overflow", lambda: R.Cast(x=s.arg([70000.0, 1e-8, NAN, INF]), DstT=tf.float16))
    s.add("Cast_bfloat16_rounding", lambda: R.Cast(x=s.arg([1.00390625, 1.01171875, 3.1415926, NAN]), DstT=tf.bfloat16))
    s.add("Cast_truncate", lambda: R.Cast(x=s.arg([1.00390625, 3.1415926]), DstT=tf.bfloat16, Truncate=True))
    def grad():
        x = s.rand([4])
        return s.with_grads(R.Cast(x=x, DstT=tf.float64), [x])
    s.add("Cast_grad", grad)
    for a, b in (("float32", tf.int32), ("int32", tf.float32), ("float64", tf.int64), ("int16", tf.bfloat16), ("int8", tf.uint8),
                 ("float32", tf.uint8), ("uint8", tf.float32)):
        s.add("Bitcast_%s_%s" % (a, b.name), lambda a=a, b=b: R.Bitcast(input=s.arg(np.arange(8).reshape(2, 4), a), type=b))
