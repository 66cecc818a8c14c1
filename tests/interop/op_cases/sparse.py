# SPDX-License-Identifier: Apache-2.0
"""Sparse tensors, and what embeddings and sampled losses export."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops


def cases(s):
    combined(s)
    long = lambda v, known=None: s.arg(v, "int64", known)
    index = [[3, 1], [0, 4], [3, 0], [1, 2]]
    for dt in s.numbers + ["bool", "string"]:
        def fill(dt=dt):
            v = s.arg(["a", "b", "c", "d"], dt) if dt == "string" else s.arg([1, 2, 3, 4], dt)
            default = s.arg("x", dt) if dt == "string" else s.arg(0, dt)
            y = R.SparseFillEmptyRows(indices=long(index), values=v, dense_shape=long([5, 6]), default_value=default)
            return s.with_grads(list(y)[1:2], [v, default]) + [y[0], y[2], y[3]] if dt in s.wide else list(y)
        s.add("SparseFillEmptyRows_%s" % dt, fill)
    for name, idx, shape in [("high", [[5, 0]], [5, 6]), ("negative", [[-1, 0]], [5, 6]), ("no_rows", [[0, 0]], [0, 6]), ("column", [[0, 9]], [5, 6])]:
        s.add("SparseFillEmptyRows_%s" % name, lambda idx=idx, shape=shape: list(R.SparseFillEmptyRows(
            indices=long(idx, False), values=s.arg([1.0]), dense_shape=long(shape, False), default_value=s.arg(0.0))))
    s.add("SparseFillEmptyRows_none", lambda: list(R.SparseFillEmptyRows(indices=long(np.zeros([0, 2])), values=s.arg(np.zeros([0])), dense_shape=long([3, 2]), default_value=s.arg(7.0))))

    def reorder():
        v = s.rand([4])
        y = R.SparseReorder(input_indices=long(index), input_values=v, input_shape=long([4, 5]))
        return s.with_grads(list(y)[1:], [v]) + [y[0]]
    s.add("SparseReorder", reorder)
    s.add("SparseReorder_bad", lambda: list(R.SparseReorder(input_indices=long(index), input_values=s.rand([4]), input_shape=long([3, 5]))))
    for to in ([2, 10], [-1], [20], [2, -1, 2], [-1, -1], [3, 7], [0, -1], [4, -5]):
        s.add("SparseReshape_%s" % "_".join(map(str, to)), lambda to=to: list(R.SparseReshape(input_indices=long(index), input_shape=long([4, 5]), new_shape=long(to, False))))

    for dt in ["float32", "float64", "int32", "complex64", "float16", "bfloat16"]:
        for ta in (False, True):
            for tb in (False, True):
                def product(dt=dt, ta=ta, tb=tb):
                    v = s.rand([4], dt)
                    inner, n = (4, 3) if ta else (5, 3)
                    b = s.rand([n, inner] if tb else [inner, n], dt, seed=2)
                    y = R.SparseTensorDenseMatMul(a_indices=long(index), a_values=v, a_shape=long([4, 5]), b=b, adjoint_a=ta, adjoint_b=tb)
                    return s.with_grads(y, [v, b]) if dt in s.wide else y
                s.add("SparseTensorDenseMatMul_%s_%d%d" % (dt, ta, tb), product)
    s.add("SparseTensorDenseMatMul_bad", lambda: R.SparseTensorDenseMatMul(a_indices=long([[0, 7]]), a_values=s.arg([1.0]), a_shape=long([4, 5]), b=s.rand([5, 2])))
    s.add("SparseTensorDenseMatMul_inner", lambda: R.SparseTensorDenseMatMul(a_indices=long([[0, 1]]), a_values=s.arg([1.0]), a_shape=long([4, 6], False), b=s.rand([5, 2], known=False)))
    for axes in ([0], [1], [0, 1], [], [-1]):
        for keep in (False, True):
            def total(axes=axes, keep=keep):
                v = s.rand([4])
                return s.with_grads(R.SparseReduceSum(input_indices=long(sorted(index)), input_values=v, input_shape=long([4, 5]),
                                                      reduction_axes=tf.constant(axes, tf.int32), keep_dims=keep), [v])
            s.add("SparseReduceSum_%s_%d" % ("_".join(map(str, axes)), keep), total)

    def embedding(combiner, weights, safe):
        table = s.rand([7, 3])
        ids = tf.SparseTensor(long([[0, 0], [0, 1], [2, 0], [3, 0]], True), long([1, 3, 6, 0], True), long([4, 2], True))
        w = tf.SparseTensor(ids.indices, s.arg([.5, 1.5, 2.0, .1], known=True), ids.dense_shape) if weights else None
        f = tf.nn.safe_embedding_lookup_sparse if safe else tf.nn.embedding_lookup_sparse
        return s.with_grads(f(table, ids, w, combiner=combiner), [table])
    for combiner in ("sum", "mean", "sqrtn"):
        for weights in (False, True):
            for safe in (False, True):
                s.add("embedding_%s_%d%d" % (combiner, weights, safe), lambda a=(combiner, weights, safe): embedding(*a))

    # Numbers are TensorFlow's in a session's first run that draws; a test has them.
    samplers = [R.UniformCandidateSampler, R.LogUniformCandidateSampler]
    for i, sampler in enumerate(samplers):
        for unique in (False, True):
            for limit in (8, 11, 100, 50000):
                s.add("sampler%d_%d_%d" % (i, unique, limit), lambda a=(sampler, unique, limit): list(a[0](
                    true_classes=long([[0, 3], [7, 1]]), num_true=2, num_sampled=6, unique=a[1], range_max=a[2], seed=5, seed2=9)), shape_only=True)
    s.add("sampler_all", lambda: list(R.AllCandidateSampler(true_classes=long([[0], [1]]), num_true=1, num_sampled=4, unique=True, seed=1)))
    s.add("accidental_hits", lambda: list(R.ComputeAccidentalHits(true_classes=long([[5, 1], [2, 9], [1, 5]]), sampled_candidates=long([9, 1, 4, 3]), num_true=2)))
    for name, loss in (("nce", tf.nn.nce_loss), ("sampled", tf.nn.sampled_softmax_loss)):
        def sampled_loss(loss=loss):
            w, b, x = s.rand([30, 4]), s.rand([30], seed=2), s.rand([5, 4], seed=3)
            return s.with_grads(loss(w, b, long([[1], [0], [20], [3], [3]]), x, 6, 30), [w, b, x])
        s.add("loss_" + name, sampled_loss, shape_only=True)
    ragged(s)


def ragged(s):
    """What tf.ragged and TextVectorization export."""
    splits, ids = [0, 2, 2, 5], [0, 0, 2, 2, 2]
    for dt in ["float32", "float64", "int32", "bool", "string", "complex64", "bfloat16"]:
        for shape in ([-1, -1], [4, 2], [2, 4], [0, -1], [-1, 0], -1):
            def dense(dt=dt, shape=shape):
                v = s.arg(["a", "b", "c", "d", "e"] if dt == "string" else [1, 2, 3, 4, 5], dt, known=True)
                filler = s.arg("none" if dt == "string" else 9, dt, known=True)
                a = R.RaggedTensorToTensor(shape=shape, values=v, default_value=filler, row_partition_types=["ROW_SPLITS"],
                                           row_partition_tensors=[s.arg(splits, "int64", known=True)])
                b = R.RaggedTensorToTensor(shape=shape, values=v, default_value=filler, row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
                                           row_partition_tensors=[s.arg(3, "int32", known=True), s.arg(ids, "int32", known=True)])
                return s.with_grads([a, b], [v, filler]) if dt in s.wide else [a, b]
            s.add("ragged_%s_%s" % (dt, shape), dense)
    def deep(inner, filler, shape):
        v = s.rand([5] + inner, known=True)
        d = s.arg(filler, known=True)
        y = R.RaggedTensorToTensor(shape=shape, values=v, default_value=d, row_partition_types=["ROW_SPLITS", "ROW_SPLITS"],
                                   row_partition_tensors=[s.arg([0, 1, 3], "int64", known=True), s.arg(splits, "int64", known=True)])
        return s.with_grads(y, [v, d])
    for inner, filler in ([], 0.5), ([2], [7.0, 8.0]), ([2], 3.0), ([2, 3], 1.0):
        for lead in ([-1, -1, -1], [3, 1, 2], [1, 4, 4]):
            s.add("ragged_deep_%s_%s_%s" % (inner, filler, lead), lambda a=(inner, filler, lead + [-1] * len(inner)): deep(*a))
    def types(tensors, names):
        return R.RaggedTensorToTensor(shape=[-1, -1], values=s.arg([1, 2, 3, 4, 5]), default_value=0.0, row_partition_tensors=[
            s.arg(t, "int64") for t in tensors], row_partition_types=names)
    for name, tensors, names in [("fall", [[0, 3, 2, 5]], ["ROW_SPLITS"]), ("begin", [[1, 3, 5]], ["ROW_SPLITS"]), ("few", [[0, 2, 2, 4]], ["ROW_SPLITS"])]:
        s.add("ragged_" + name, lambda a=(tensors, names): types(*a))


def sparse(s, seed=1, dtype="float32", index="int64"):
    """A fed sparse tensor of shape [3, 4]."""
    rng = np.random.RandomState(seed)
    at = np.argwhere(rng.uniform(size=[3, 4]) > 0.4)
    return (s.arg(at, index), s.rand([len(at)], dtype, seed=seed), s.arg([3, 4], index, known=True))


def combined(s):
    for dtype in ("float32", "float64", "int32", "complex64"):
        def add(dtype=dtype):
            a, b = sparse(s, 1, dtype), sparse(s, 2, dtype)
            real = "float32" if dtype == "complex64" else dtype
            out = R.SparseAdd(a_indices=a[0], a_values=a[1], a_shape=a[2], b_indices=b[0], b_values=b[1], b_shape=b[2],
                              thresh=s.arg(1, real))
            return list(out) if dtype in ("int32", "complex64") else s.with_grads(out[1], [a[1], b[1]]) + [out[0], out[2]]
        s.add("SparseAdd_%s" % dtype, add)
    for axis in (0, 1, -2):
        def concat(axis=axis):
            parts = [sparse(s, i) for i in (1, 2, 3)]
            return list(R.SparseConcat(indices=[p[0] for p in parts], values=[p[1] for p in parts], shapes=[p[2] for p in parts], concat_dim=axis))
        s.add("SparseConcat_%d" % axis, concat)
    for start, size in (([0, 1], [2, 2]), ([1, 0], [9, 9]), ([3, 0], [1, 4]), ([0, 0], [0, 4]), ([0, 0], [-1, 1])):
        def cut(start=start, size=size):
            x = sparse(s)
            y = R.SparseSlice(indices=x[0], values=x[1], shape=x[2], start=s.arg(start, "int64"), size=s.arg(size, "int64"))
            return s.with_grads(y[1], [x[1]]) + [y[0], y[2]]
        s.add("SparseSlice_%s_%s" % (start, size), cut)
    for name in ("Add", "Mul", "Div"):
        for shape in ([3, 4], [4], [3, 1], [1, 4], [], [3]):
            def cwise(name=name, shape=shape):
                x, dense = sparse(s), s.rand(shape, low=0.5, seed=4)
                y = getattr(R, "SparseDenseCwise" + name)(sp_indices=x[0], sp_values=x[1], sp_shape=x[2], dense=dense)
                return [y] if name == "Add" or not shape else s.with_grads(y, [x[1], dense])
            s.add("SparseDenseCwise%s_%s" % (name, shape), cwise)
    for dtype in ("float32", "float64"):
        def softmax(dtype=dtype):
            x = sparse(s, 1, dtype)
            y = R.SparseSoftmax(sp_indices=x[0], sp_values=x[1], sp_shape=x[2])
            return s.with_grads(y * s.rand(y.shape if y.shape.rank else [], dtype, seed=3), [x[1]])
        s.add("SparseSoftmax_%s" % dtype, softmax, (1e-4, 1e-5))
    for index in ("int32", "int64"):
        def dense(index=index):
            x, b = sparse(s, index=index), s.rand([3, 4], seed=4)
            return s.with_grads(R.SparseTensorDenseAdd(a_indices=x[0], a_values=x[1], a_shape=x[2], b=b) ** 2, [x[1], b])
        s.add("SparseTensorDenseAdd_%s" % index, dense)
    for operation in ("union", "intersection", "a-b", "b-a"):
        def sets(operation=operation):
            a, b = s.arg([[3, 1, 1], [4, 5, 4]], "int64"), s.arg([[1, 2], [4, 4]], "int64")
            indices, values, shape = s.arg([[0, 0], [0, 1], [1, 0]], "int64"), s.arg([1, 9, 5], "int64"), s.arg([2, 4], "int64")
            return (list(R.DenseToDenseSetOperation(set1=a, set2=b, set_operation=operation)) +
                    list(R.DenseToSparseSetOperation(set1=a, set2_indices=indices, set2_values=values, set2_shape=shape, set_operation=operation)) +
                    [R.SetSize(set_indices=indices, set_values=values, set_shape=shape)])
        s.add("SetOperation_%s" % operation, sets)
    for weights in ([3], [3, 1], [3, 4], [1, 4], []):
        def weighted(weights=weights):
            x, y = s.rand([3, 4], known=False), s.rand([3, 4], seed=2, known=False)
            w = s.rand(weights, seed=3, known=False)
            return s.with_grads(tf.losses.mean_squared_error(x, y, weights=w), [y])
        s.add("weighted_loss_%s" % weights, weighted, words=True)
    for rows in ([2, 0, 1, 2], [[1, 2], [0, 2]], []):
        def ragged(rows=rows):
            values = s.rand([6, 2])
            x = tf.RaggedTensor.from_row_splits(values, s.arg([0, 2, 2, 6], "int64"), validate=False)
            y = tf.gather(x, s.arg(rows, "int64", known=True))
            return s.with_grads(y.flat_values ** 2, [values]) + list(y.nested_row_splits)
        s.add("RaggedGather_%s" % rows, ragged)
    def ranges():
        x = tf.ragged.range(s.arg([0, 5, 8], "int32"), s.arg([3, 5, 12], "int32"), s.arg([1, 1, 2], "int32"))
        return [x.values, x.row_splits]
    s.add("RaggedRange", ranges)
    for axis in (0, 1):
        def split(axis=axis):
            x = sparse(s)
            return [t for part in R.SparseSplit(split_dim=np.int64(axis), indices=x[0], values=x[1], shape=x[2], num_split=2) for t in part]
        s.add("SparseSplit_%d" % axis, split)
        def largest(axis=axis):
            x = sparse(s)
            return [R.SparseReduceMax(input_indices=x[0], input_values=x[1], input_shape=x[2], reduction_axes=s.arg([axis], "int32"))]
        s.add("SparseReduceMax_%d" % axis, largest)
