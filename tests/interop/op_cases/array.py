# SPDX-License-Identifier: Apache-2.0
"""Movement of elements: reshaping, slicing, joining, padding, making."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops
SOME = ["float32", "float16", "bfloat16", "float64", "int8", "int64", "uint16", "bool", "complex64", "string"]


def values(dt, n, shape):
    if dt == "string":
        return np.array(["v%d" % i for i in range(n)], dtype=object).reshape(shape)
    return np.arange(n).reshape(shape)


def cases(s):
    for dt in SOME:
        v = lambda dt=dt: s.arg(values(dt, 24, [2, 3, 4]), dt)
        s.add("Reshape_%s" % dt, lambda v=v: R.Reshape(tensor=v(), shape=tf.constant([4, -1])))
        s.add("Transpose_%s" % dt, lambda v=v: R.Transpose(x=v(), perm=tf.constant([2, 0, 1])))
        s.add("ConcatV2_%s" % dt, lambda dt=dt: R.ConcatV2(values=[s.arg(values(dt, 6, [2, 3]), dt), s.arg(values(dt, 4, [2, 2]), dt)],
                                                          axis=tf.constant(-1)))
        s.add("Split_%s" % dt, lambda v=v: R.Split(axis=tf.constant(2), value=v(), num_split=2))
        s.add("Pack_%s" % dt, lambda dt=dt: R.Pack(values=[s.arg(values(dt, 3, [3]), dt), s.arg(values(dt, 3, [3]), dt)], axis=1))
        s.add("Unpack_%s" % dt, lambda v=v: R.Unpack(value=v(), num=3, axis=1))
        s.add("Slice_%s" % dt, lambda v=v: R.Slice(input=v(), begin=tf.constant([0, 1, 1]), size=tf.constant([-1, 2, 2])))
        s.add("StridedSlice_%s" % dt, lambda v=v: v()[:, ::-2, 1:3])
        s.add("Tile_%s" % dt, lambda dt=dt: R.Tile(input=s.arg(values(dt, 4, [2, 2]), dt), multiples=tf.constant([2, 3])))
        s.add("Pad_%s" % dt, lambda dt=dt: R.Pad(input=s.arg(values(dt, 4, [2, 2]), dt), paddings=tf.constant([[1, 0], [0, 2]])) if dt != "string" else R.PadV2(
            input=s.arg(values(dt, 4, [2, 2]), dt), paddings=tf.constant([[1, 0], [0, 2]]), constant_values=tf.constant("p")))
        s.add("GatherV2_%s" % dt, lambda v=v: R.GatherV2(params=v(), indices=s.arg([2, 0], "int32"), axis=tf.constant(1)))
        s.add("GatherNd_%s" % dt, lambda v=v: R.GatherNd(params=v(), indices=s.arg([[1, 2], [0, 0]], "int32")))
        s.add("ReverseV2_%s" % dt, lambda v=v: R.ReverseV2(tensor=v(), axis=tf.constant([0, -1])))
        s.add("ExpandDims_%s" % dt, lambda v=v: R.ExpandDims(input=v(), axis=tf.constant(-1)))
        s.add("Fill_%s" % dt, lambda dt=dt: R.Fill(dims=tf.constant([2, 2]), value=s.arg(values(dt, 1, []), dt)))
        s.add("BroadcastTo_%s" % dt, lambda dt=dt: R.BroadcastTo(input=s.arg(values(dt, 2, [2, 1]), dt), shape=tf.constant([3, 2, 4])))
        s.add("Shape_%s" % dt, lambda v=v: [R.Shape(input=v()), R.Shape(input=v(), out_type=tf.int64), R.Size(input=v()), R.Rank(input=v())])
        s.add("IdentityN_%s" % dt, lambda v=v: R.IdentityN(input=[v(), s.rand([2])]))
        if dt not in ("bool", "string"):
            s.add("MirrorPad_%s" % dt, lambda dt=dt: R.MirrorPad(input=s.arg(values(dt, 6, [2, 3]), dt), paddings=tf.constant([[1, 1], [2, 1]]), mode="REFLECT"))
            s.add("OneHot_%s" % dt, lambda dt=dt: R.OneHot(indices=s.arg([0, 2, -1, 5], "int32"), depth=tf.constant(3),
                                                          on_value=s.arg(5, dt), off_value=s.arg(1, dt)))
        if dt not in ("string",):
            s.add("Where_%s" % dt, lambda dt=dt: R.Where(condition=s.arg([[0, 1, 2], [3, 0, 0]], dt)))
        s.add("Unique_%s" % dt, lambda dt=dt: R.Unique(x=s.arg(values(dt, 3, [3])[[0, 2, 1, 2, 0]], dt)) if dt not in ("complex64",) else R.Identity(input=v()))
    reshaping(s)
    slicing(s)
    joining(s)
    making(s)
    indexing(s)
    gradients(s)


def reshaping(s):
    s.add("Reshape_two_unknown", lambda: R.Reshape(tensor=s.rand([6], known=False), shape=s.arg([-1, -1], "int32")))
    s.add("Reshape_bad", lambda: R.Reshape(tensor=s.rand([6], known=False), shape=s.arg([4, 2], "int32")))
    s.add("Reshape_bad_unknown", lambda: R.Reshape(tensor=s.rand([6], known=False), shape=s.arg([4, -1], "int32")))
    s.add("Reshape_empty", lambda: R.Reshape(tensor=s.arg(np.zeros([0, 3])), shape=s.arg([3, -1], "int64")))
    s.add("Reshape_to_scalar", lambda: R.Reshape(tensor=s.rand([1, 1]), shape=s.arg([], "int32")))
    for dims in ([], [0], [-1], [0, 2]):
        s.add("Squeeze_%s" % dims, lambda dims=dims: R.Squeeze(input=s.rand([1, 3, 1]), axis=dims))
    s.add("Squeeze_bad", lambda: R.Squeeze(input=s.rand([2, 1], known=False), axis=[0]))
    s.add("ExpandDims_bad", lambda: R.ExpandDims(input=s.rand([2], known=False), axis=s.arg(3, "int32")))
    for perm in ([0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1], [1, 2, 0]):
        for shape in ([2, 3, 4], [1, 5, 0], [17, 9, 33]):
            s.add("Transpose_%s_%s" % (perm, shape), lambda perm=perm, shape=shape: R.Transpose(x=s.rand(shape), perm=tf.constant(perm)))
    s.add("Transpose_bad", lambda: R.Transpose(x=s.rand([2, 3], known=False), perm=s.arg([0, 0], "int32")))
    s.add("Transpose_scalar", lambda: R.Transpose(x=s.rand([]), perm=s.arg([], "int32")))
    s.add("ConjugateTranspose", lambda: R.ConjugateTranspose(x=s.rand([2, 3]), perm=tf.constant([1, 0])))
    for block in (2, 3):
        for fmt in ("NHWC", "NCHW"):
            shape = [1, 6, 6, 4] if fmt == "NHWC" else [1, 4, 6, 6]
            s.add("SpaceToDepth_%d_%s" % (block, fmt), lambda block=block, fmt=fmt, shape=shape: R.SpaceToDepth(
                input=s.rand(shape), block_size=block, data_format=fmt))
        s.add("DepthToSpace_%d" % block, lambda block=block: R.DepthToSpace(input=s.rand([1, 2, 3, 36]), block_size=block))
    s.add("SpaceToBatchND", lambda: R.SpaceToBatchND(input=s.rand([1, 4, 5, 2]), block_shape=tf.constant([2, 3]), paddings=tf.constant([[0, 0], [1, 0]])))
    s.add("BatchToSpaceND", lambda: R.BatchToSpaceND(input=s.rand([6, 2, 2, 2]), block_shape=tf.constant([2, 3]), crops=tf.constant([[0, 1], [1, 0]])))
    s.add("SpaceToBatch", lambda: R.SpaceToBatch(input=s.rand([1, 4, 4, 1]), paddings=tf.constant([[0, 0], [0, 0]]), block_size=2))
    s.add("BatchToSpace", lambda: R.BatchToSpace(input=s.rand([4, 2, 2, 1]), crops=tf.constant([[0, 0], [0, 0]]), block_size=2))
    s.add("EnsureShape", lambda: R.EnsureShape(input=s.rand([2, 3], known=False), shape=[None, 3]))
    s.add("EnsureShape_bad", lambda: R.EnsureShape(input=s.rand([2, 3], known=False), shape=[None, 4]))
    s.add("Roll", lambda: R.Roll(input=s.rand([3, 4]), shift=tf.constant([1, -2]), axis=tf.constant([0, 1])))
    s.add("ReverseSequence", lambda: R.ReverseSequence(input=s.rand([3, 4, 2]), seq_lengths=s.arg([2, 0, 4], "int64"), seq_dim=1, batch_dim=0))
    s.add("Reverse_twice", lambda: R.ReverseV2(tensor=s.rand([2], known=False), axis=s.arg([0, -1], "int32")))
    s.add("Reverse_scalar", lambda: R.ReverseV2(tensor=s.rand([]), axis=s.arg([], "int32")))
    s.add("InvertPermutation", lambda: R.InvertPermutation(x=s.arg([2, 0, 1], "int32")))
    s.add("InvertPermutation_bad", lambda: R.InvertPermutation(x=s.arg([2, 2, 1], "int32")))
    s.add("BroadcastTo_bad", lambda: R.BroadcastTo(input=s.rand([2], known=False), shape=s.arg([3], "int32")))
    s.add("BroadcastArgs", lambda: R.BroadcastArgs(s0=s.arg([2, 1], "int32"), s1=s.arg([3, 1, 4], "int32")))
    s.add("BroadcastGradientArgs", lambda: R.BroadcastGradientArgs(s0=s.arg([2, 1], "int32"), s1=s.arg([3, 1, 4], "int32")))
    s.add("ConcatOffset", lambda: R.ConcatOffset(concat_dim=tf.constant(1), shape=[s.arg([2, 3], "int32"), s.arg([2, 5], "int32")]))


def slicing(s):
    x = lambda: s.arg(np.arange(60).reshape(3, 4, 5))
    keys = [np.s_[1], np.s_[-1], np.s_[1:, 2], np.s_[..., 0], np.s_[:, None, 1:3], np.s_[::2, ::-1, 4:0:-2], np.s_[0:0],
            np.s_[5:], np.s_[:-1, ..., -2:], np.s_[2:1:-1], np.s_[None, ..., None], np.s_[1, 2, 3], np.s_[:, :, ::-1], np.s_[-9:9]]
    for i, key in enumerate(keys):
        def build(key=key):
            v = x()
            return s.with_grads(v[key], [v])
        s.add("StridedSlice_key%d" % i, build)
    s.add("StridedSlice_dynamic", lambda: R.StridedSlice(input=x(), begin=s.arg([1, 0], "int32"), end=s.arg([3, 3], "int32"), strides=s.arg([1, 2], "int32")))
    s.add("StridedSlice_int64", lambda: R.StridedSlice(input=x(), begin=s.arg([1], "int64"), end=s.arg([3], "int64"), strides=s.arg([1], "int64"), shrink_axis_mask=1))
    s.add("StridedSlice_zero_stride", lambda: R.StridedSlice(input=x(), begin=s.arg([1], "int32"), end=s.arg([3], "int32"), strides=s.arg([0], "int32")))
    s.add("StridedSlice_shrink_out", lambda: R.StridedSlice(input=s.rand([3], known=False), begin=s.arg([7], "int32"), end=s.arg([8], "int32"), strides=s.arg([1], "int32"), shrink_axis_mask=1))
    s.add("Slice_int64", lambda: R.Slice(input=x(), begin=s.arg([0, 1, 2], "int64"), size=s.arg([1, 2, -1], "int64")))
    s.add("Slice_empty", lambda: R.Slice(input=x(), begin=s.arg([0, 4, 0], "int32"), size=s.arg([1, 0, 5], "int32")))
    s.add("Slice_bad", lambda: R.Slice(input=s.rand([3], known=False), begin=s.arg([2], "int32"), size=s.arg([2], "int32")))
    s.add("Slice_negative", lambda: R.Slice(input=s.rand([3], known=False), begin=s.arg([-1], "int32"), size=s.arg([1], "int32")))
    s.add("SplitV", lambda: R.SplitV(value=x(), size_splits=tf.constant([1, -1, 1]), axis=tf.constant(1), num_split=3))
    s.add("SplitV_bad", lambda: R.SplitV(value=s.rand([4], known=False), size_splits=s.arg([1, 1], "int32"), axis=tf.constant(0), num_split=2))
    s.add("Split_negative", lambda: R.Split(axis=tf.constant(-1), value=x(), num_split=5))
    s.add("Split_bad", lambda: R.Split(axis=s.arg(0, "int32"), value=s.rand([3], known=False), num_split=2))
    s.add("Unpack_negative", lambda: R.Unpack(value=x(), num=5, axis=-1))
    s.add("StridedSliceGrad", lambda: R.StridedSliceGrad(shape=tf.constant([4]), begin=tf.constant([1]), end=tf.constant([3]), strides=tf.constant([1]), dy=s.rand([2])))


def joining(s):
    s.add("ConcatV2_empty", lambda: R.ConcatV2(values=[s.arg(np.zeros([0, 3])), s.rand([2, 3])], axis=tf.constant(0)))
    s.add("ConcatV2_int64", lambda: R.ConcatV2(values=[s.rand([1, 2]), s.rand([1, 3], seed=2)], axis=tf.constant(1, tf.int64)))
    s.add("ConcatV2_bad", lambda: R.ConcatV2(values=[s.rand([2, 2], known=False), s.rand([3, 3], known=False)], axis=s.arg(0, "int32")))
    s.add("ConcatV2_bad_axis", lambda: R.ConcatV2(values=[s.rand([2], known=False), s.rand([2], known=False)], axis=s.arg(1, "int32")))
    s.add("Concat", lambda: R.Concat(concat_dim=tf.constant(0), values=[s.rand([1, 2]), s.rand([2, 2])]))
    s.add("Pack_scalar", lambda: R.Pack(values=[s.arg(1, "int32"), s.arg(2, "int32")]))
    s.add("Pack_negative", lambda: R.Pack(values=[s.rand([2, 3]), s.rand([2, 3], seed=3)], axis=-2))
    s.add("Pack_bad", lambda: R.Pack(values=[s.rand([2], known=False), s.rand([3], known=False)]))
    s.add("ParallelConcat", lambda: R.ParallelConcat(values=[tf.constant([[1.0, 2]]), tf.constant([[3.0, 4]])], shape=[2, 2]))
    for mode in ("REFLECT", "SYMMETRIC"):
        def build(mode=mode):
            x = s.rand([3, 4])
            return s.with_grads(R.MirrorPad(input=x, paddings=tf.constant([[2, 1], [1, 3]]), mode=mode), [x])
        s.add("MirrorPad_%s" % mode, build)
        s.add("MirrorPad_%s_bad" % mode, lambda mode=mode: R.MirrorPad(input=s.rand([2], known=False), paddings=s.arg([[3, 0]], "int32"), mode=mode))
    s.add("PadV2", lambda: R.PadV2(input=s.rand([2, 2]), paddings=s.arg([[1, 2], [0, 1]], "int64"), constant_values=s.arg(7.5)))
    s.add("Pad_negative", lambda: R.Pad(input=s.rand([2], known=False), paddings=s.arg([[-1, 2]], "int32")))
    s.add("Tile_zero", lambda: R.Tile(input=s.rand([2, 3]), multiples=s.arg([2, 0], "int32")))
    s.add("Tile_int64", lambda: R.Tile(input=s.rand([2, 3]), multiples=s.arg([1, 2], "int64")))
    s.add("Tile_negative", lambda: R.Tile(input=s.rand([2], known=False), multiples=s.arg([-1], "int32")))


def making(s):
    for dt in ("int32", "int64", "float32", "float64", "bfloat16", "float16", "int16", "int8", "uint32"):
        s.add("Range_%s" % dt, lambda dt=dt: R.Range(start=s.arg(1, dt), limit=s.arg(10, dt), delta=s.arg(3, dt)))
    s.add("Range_down", lambda: R.Range(start=s.arg(5.0), limit=s.arg(1.0), delta=s.arg(-0.5)))
    s.add("Range_zero", lambda: R.Range(start=s.arg(5), limit=s.arg(1), delta=s.arg(0)))
    s.add("Range_wrong_way", lambda: R.Range(start=s.arg(1, "int32"), limit=s.arg(5, "int32"), delta=s.arg(-1, "int32")))
    for dt in s.floats:
        s.add("LinSpace_%s" % dt, lambda dt=dt: R.LinSpace(start=s.arg(1, dt), stop=s.arg(2, dt), num=tf.constant(5)))
    s.add("LinSpace_one", lambda: R.LinSpace(start=s.arg(1.0), stop=s.arg(2.0), num=tf.constant(1)))
    s.add("LinSpace_none", lambda: R.LinSpace(start=s.arg(1.0), stop=s.arg(2.0), num=s.arg(0, "int32")))
    s.add("Fill_int64", lambda: R.Fill(dims=s.arg([2, 0], "int64"), value=s.arg(1.0)))
    s.add("Fill_negative", lambda: R.Fill(dims=s.arg([-2], "int32"), value=s.arg(1.0)))
    s.add("eye", lambda: [tf.eye(3), tf.eye(2, 4, batch_shape=[2]), tf.linalg.diag(s.rand([2, 3])), tf.linalg.diag_part(s.rand([3, 3], seed=2))])
    for axis in (-1, 0, 1):
        s.add("OneHot_axis%d" % axis, lambda axis=axis: R.OneHot(indices=s.arg([[0, 1], [2, 3]], "int64"), depth=tf.constant(3), on_value=tf.constant(1.0), off_value=tf.constant(0.0), axis=axis))
    s.add("OneHot_scalar", lambda: R.OneHot(indices=s.arg(1, "uint8"), depth=tf.constant(3), on_value=tf.constant(True), off_value=tf.constant(False)))
    s.add("Diag", lambda: [R.Diag(diagonal=s.rand([2, 2])), R.DiagPart(input=s.rand([2, 3, 2, 3], seed=2))])
    for k in ((0, 0), (1, 1), (-1, -1), (-1, 1), (-2, 0), (0, 2)):
        for align in ("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT"):
            s.add("MatrixDiagPartV3_%d_%d_%s" % (k[0], k[1], align), lambda k=k, align=align: R.MatrixDiagPartV3(
                input=s.rand([2, 3, 4]), k=tf.constant(k), padding_value=tf.constant(9.0), align=align))
            n = k[1] - k[0] + 1
            s.add("MatrixDiagV3_%d_%d_%s" % (k[0], k[1], align), lambda k=k, align=align, n=n: R.MatrixDiagV3(
                diagonal=s.rand([2, n, 3] if n > 1 else [2, 3]), k=tf.constant(k), num_rows=tf.constant(-1), num_cols=tf.constant(-1),
                padding_value=tf.constant(9.0), align=align))
            s.add("MatrixSetDiagV3_%d_%d_%s" % (k[0], k[1], align), lambda k=k, align=align, n=n: R.MatrixSetDiagV3(
                input=s.rand([2, 3, 3]), diagonal=s.rand([2, n, 3] if n > 1 else [2, 3 - abs(k[0])], seed=2), k=tf.constant(k), align=align))
    s.add("MatrixBandPart", lambda: [R.MatrixBandPart(input=s.rand([2, 3, 4]), num_lower=tf.constant(a, tf.int64), num_upper=tf.constant(b, tf.int64))
                                     for a, b in ((0, 0), (-1, 0), (0, -1), (1, 1), (-1, -1))])


def indexing(s):
    p = lambda: s.arg(np.arange(24.0).reshape(4, 3, 2))
    s.add("Gather", lambda: R.Gather(params=p(), indices=s.arg([[3, 0], [1, 1]], "int64")))
    for batch in (0, 1):
        s.add("GatherV2_batch%d" % batch, lambda batch=batch: R.GatherV2(params=p(), indices=s.arg([[0, 1], [1, 1], [2, 0], [0, 0]], "int32"), axis=tf.constant(1), batch_dims=batch))
    s.add("GatherV2_scalar", lambda: R.GatherV2(params=p(), indices=s.arg(2, "int32"), axis=tf.constant(-2)))
    s.add("GatherV2_bad", lambda: R.GatherV2(params=p(), indices=s.arg([4], "int32"), axis=tf.constant(0)))
    s.add("GatherV2_negative", lambda: R.GatherV2(params=p(), indices=s.arg([-1], "int32"), axis=tf.constant(0)))
    s.add("GatherV2_empty", lambda: R.GatherV2(params=p(), indices=s.arg(np.zeros([0]), "int32"), axis=tf.constant(0)))
    s.add("GatherNd_whole", lambda: R.GatherNd(params=p(), indices=s.arg(np.zeros([2, 0]), "int32")))
    s.add("GatherNd_full", lambda: R.GatherNd(params=p(), indices=s.arg([[[3, 2, 1]], [[0, 0, 0]]], "int64")))
    s.add("GatherNd_bad", lambda: R.GatherNd(params=p(), indices=s.arg([[4]], "int32")))
    for dt in ("float32", "int32", "bool", "string", "float16"):
        s.add("ScatterNd_%s" % dt, lambda dt=dt: R.ScatterNd(indices=s.arg([[2], [0]], "int32"), updates=s.arg(values(dt, 4, [2, 2]), dt), shape=tf.constant([4, 2])))
    s.add("ScatterNd_repeated", lambda: R.ScatterNd(indices=s.arg([[1], [1]], "int32"), updates=s.rand([2]), shape=tf.constant([3])))
    s.add("ScatterNd_bad", lambda: R.ScatterNd(indices=s.arg([[3]], "int32"), updates=s.rand([1]), shape=s.arg([3], "int32")))
    for name in ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub", "TensorScatterMax", "TensorScatterMin"):
        s.add(name, lambda name=name: getattr(R, name)(tensor=s.rand([4, 2]), indices=s.arg([[3], [0]], "int32"), updates=s.rand([2, 2], seed=2)))
        s.add(name + "_bad", lambda name=name: getattr(R, name)(tensor=s.rand([4]), indices=s.arg([[4]], "int32"), updates=s.rand([1], seed=2)))
    for dt in ("int32", "int64", "float32", "string"):
        s.add("UniqueWithCounts_%s" % dt, lambda dt=dt: R.UniqueWithCounts(x=s.arg(values(dt, 3, [3])[[0, 2, 1, 2, 0]], dt), out_idx=tf.int64))
        s.add("ListDiff_%s" % dt, lambda dt=dt: R.ListDiff(x=s.arg(values(dt, 5, [5]), dt), y=s.arg(values(dt, 5, [5])[[1, 3]], dt)))
    s.add("UniqueV2_rows", lambda: R.UniqueV2(x=s.arg([[1, 2], [3, 4], [1, 2]], "int32"), axis=tf.constant([0])))
    s.add("UniqueV2_columns", lambda: R.UniqueWithCountsV2(x=s.arg([[1, 2, 1], [3, 4, 3]], "int32"), axis=tf.constant([1])))
    s.add("Unique_empty", lambda: R.Unique(x=s.arg(np.zeros([0]), "int32")))
    s.add("Unique_matrix", lambda: R.Unique(x=s.arg([[1, 2]], "int32", known=False)))
    s.add("DynamicPartition", lambda: R.DynamicPartition(data=s.rand([5, 2]), partitions=s.arg([0, 2, 0, 2, 0], "int32"), num_partitions=3))
    s.add("DynamicPartition_bad", lambda: R.DynamicPartition(data=s.rand([2]), partitions=s.arg([0, 3], "int32"), num_partitions=2))
    s.add("DynamicStitch", lambda: R.DynamicStitch(indices=[s.arg(4, "int32"), s.arg([0, 2], "int32"), s.arg([[1], [4]], "int32")],
                                                   data=[s.rand([2]), s.rand([2, 2]), s.rand([2, 1, 2])]))
    s.add("where_1d", lambda: R.Where(condition=s.arg([True, False, True], "bool")))
    s.add("where_scalar", lambda: R.Where(condition=s.arg(True, "bool", known=False)))
    s.add("boolean_mask", lambda: tf.boolean_mask(s.rand([3, 2]), s.arg([True, False, True], "bool", known=True)))
    s.add("meshgrid", lambda: tf.meshgrid(s.rand([2]), s.rand([3])))
    s.add("sequence_mask", lambda: tf.sequence_mask(s.arg([1, 3, 0], "int32"), 4))
    s.add("sort", lambda: [tf.sort(s.rand([2, 5])), tf.argsort(s.rand([5], seed=3), direction="DESCENDING")])
    for name in ("LowerBound", "UpperBound"):
        s.add(name, lambda name=name: getattr(R, name)(sorted_inputs=s.arg([[0, 3, 9, 9, 10]]), values=s.arg([[2, 9, 12]])))


def gradients(s):
    def add(name, f, shapes):
        def build():
            xs = [s.rand(shape, seed=i + 1) for i, shape in enumerate(shapes)]
            y = f(*xs)
            return s.with_grads(y, xs)
        s.add("grad_" + name, build)
    add("reshape", lambda x: tf.reshape(x, [6]), [[2, 3]])
    add("transpose", lambda x: tf.transpose(x, [1, 0, 2]), [[2, 3, 4]])
    add("concat", lambda x, y: tf.concat([x, y], 1), [[2, 3], [2, 1]])
    add("stack", lambda x, y: tf.stack([x, y], 1), [[2, 3], [2, 3]])
    add("unstack", lambda x: tf.unstack(x, 3, 1), [[2, 3]])
    add("split", lambda x: tf.split(x, 2, 1), [[2, 4]])
    add("split_v", lambda x: tf.split(x, [1, 3], 1), [[2, 4]])
    add("slice", lambda x: tf.slice(x, [0, 1], [2, 2]), [[2, 4]])
    add("tile", lambda x: tf.tile(x, [2, 3]), [[2, 4]])
    add("pad", lambda x: tf.pad(x, [[1, 1], [0, 2]]), [[2, 4]])
    add("gather", lambda x: tf.gather(x, [1, 1, 0]), [[3, 4]])
    add("gather_axis", lambda x: tf.gather(x, [1, 1, 0], axis=1), [[3, 4]])
    add("gather_nd", lambda x: tf.gather_nd(x, [[0, 1], [2, 2], [0, 1]]), [[3, 4]])
    add("scatter_nd", lambda x: tf.scatter_nd([[1], [3]], x, [5, 2]), [[2, 2]])
    add("tensor_scatter", lambda x, y: tf.tensor_scatter_nd_update(x, [[1], [3]], y), [[5, 2], [2, 2]])
    add("tensor_scatter_add", lambda x, y: tf.tensor_scatter_nd_add(x, [[1], [3]], y), [[5, 2], [2, 2]])
    add("reverse", lambda x: tf.reverse(x, [1]), [[2, 3]])
    add("squeeze", lambda x: tf.squeeze(x), [[1, 3]])
    add("expand", lambda x: tf.expand_dims(x, 1), [[3]])
    add("broadcast_to", lambda x: tf.broadcast_to(x, [2, 3, 2]), [[3, 1]])
    add("where", lambda x, y: tf.where(tf.constant([True, False]), x, y), [[2], [2]])
    add("diag", lambda x: tf.linalg.diag(x), [[2, 3]])
    add("diag_part", lambda x: tf.linalg.diag_part(x), [[2, 3, 3]])
    add("set_diag", lambda x, y: tf.linalg.set_diag(x, y), [[3, 3], [3]])
    add("band_part", lambda x: tf.linalg.band_part(x, 1, 0), [[3, 3]])
    add("partition", lambda x: tf.dynamic_partition(x, [0, 1, 0], 2), [[3, 2]])
    add("stitch", lambda x, y: tf.dynamic_stitch([[0, 2], [1]], [x, y]), [[2, 2], [1, 2]])
    add("space_to_batch", lambda x: tf.space_to_batch_nd(x, [2, 2], [[0, 0], [1, 1]]), [[1, 2, 2, 1]])
    add("batch_to_space", lambda x: R.BatchToSpaceND(input=x, block_shape=tf.constant([2, 2]), crops=tf.constant([[0, 0], [0, 0]])), [[4, 1, 2, 1]])
    add("depth_to_space", lambda x: tf.nn.depth_to_space(x, 2), [[1, 1, 2, 4]])
    add("space_to_depth", lambda x: tf.nn.space_to_depth(x, 2), [[1, 2, 2, 1]])
    add("roll", lambda x: tf.roll(x, 1, 0), [[4]])
    add("reverse_sequence", lambda x: tf.reverse_sequence(x, [2, 1], 1, batch_axis=0), [[2, 3]])
    add("mirror", lambda x: tf.pad(x, [[1, 1]], "SYMMETRIC"), [[4]])
    add("cumsum", lambda x: tf.cumsum(x, 1, exclusive=True), [[2, 4]])
    add("sort", lambda x: tf.sort(x), [[5]])
    add("identity_n", lambda x, y: tf.raw_ops.IdentityN(input=[x, y]), [[2], [3]])
    add("boolean_mask", lambda x: tf.boolean_mask(x, [True, False, True]), [[3, 2]])
    add("fill", lambda x: tf.fill([2, 3], x), [[]])
    add("lin", lambda x, y: x * tf.stop_gradient(y) + tf.zeros_like(x) + tf.ones_like(y), [[3], [3]])
