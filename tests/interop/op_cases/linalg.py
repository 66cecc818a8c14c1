# SPDX-License-Identifier: Apache-2.0
"""Matrix products in all types and transposes, einsum, decompositions."""
import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops


def cases(s):
    for dt in s.floats + s.complexes + ["int32", "int64"]:
        tolerance = {"float16": (2e-2, 2e-2), "bfloat16": (8e-2, 8e-2)}.get(dt)
        rng = np.random.RandomState(1)
        a, b = rng.randint(-3, 4, [3, 4]), rng.randint(-3, 4, [4, 5])
        s.add("MatMul_%s" % dt, lambda dt=dt, a=a, b=b: R.MatMul(a=s.arg(a, dt), b=s.arg(b, dt)), tolerance)
        for name in ("BatchMatMul", "BatchMatMulV2"):
            s.add("%s_%s" % (name, dt), lambda name=name, dt=dt, a=a, b=b: getattr(R, name)(
                x=s.arg(np.stack([a, a + 1]), dt), y=s.arg(np.stack([b, b - 1]), dt)), tolerance)
    for ta in (False, True):
        for tb in (False, True):
            def build(ta=ta, tb=tb):
                a, b = s.rand([4, 3] if ta else [3, 4]), s.rand([5, 4] if tb else [4, 5], seed=2)
                return s.with_grads(tf.matmul(a, b, ta, tb), [a, b])
            s.add("MatMul_%s_%s" % (ta, tb), build)
            def batch(ta=ta, tb=tb):
                a, b = s.rand([2, 1, 4, 3] if ta else [2, 1, 3, 4]), s.rand([3, 5, 4] if tb else [3, 4, 5], seed=2)
                return s.with_grads(tf.matmul(a, b, ta, tb), [a, b])
            s.add("BatchMatMulV2_%s_%s" % (ta, tb), batch)
            s.add("BatchMatMulV2_adj_complex_%s_%s" % (ta, tb), lambda ta=ta, tb=tb: R.BatchMatMulV2(
                x=s.arg(np.arange(8).reshape(2, 2, 2) + 1j, "complex64"), y=s.arg(np.arange(8).reshape(2, 2, 2) - 2j, "complex64"), adj_x=ta, adj_y=tb))
    s.add("MatMul_empty", lambda: R.MatMul(a=s.arg(np.zeros([2, 0])), b=s.arg(np.zeros([0, 3]))))
    s.add("MatMul_no_rows", lambda: R.MatMul(a=s.arg(np.zeros([0, 4])), b=s.rand([4, 3])))
    s.add("MatMul_vector", lambda: [R.MatMul(a=s.rand([1, 40]), b=s.rand([40, 30])), R.MatMul(a=s.rand([30, 40], seed=3), b=s.rand([40, 1], seed=4))])
    s.add("MatMul_large", lambda: R.MatMul(a=s.rand([130, 70]), b=s.rand([70, 90])), (1e-4, 1e-4))
    s.add("MatMul_nan", lambda: R.MatMul(a=s.arg([[0.0, 1], [2, 3]]), b=s.arg([[float("nan"), 1], [float("inf"), 0]])))
    s.add("MatMul_bad", lambda: R.MatMul(a=s.rand([2, 3], known=False), b=s.rand([2, 3], known=False)))
    s.add("MatMul_bad_rank", lambda: R.MatMul(a=s.rand([2], known=False), b=s.rand([2, 3], known=False)))
    s.add("BatchMatMulV2_bad", lambda: R.BatchMatMulV2(x=s.rand([2, 2, 3], known=False), y=s.rand([3, 3, 2], known=False)))
    s.add("BatchMatMulV3", lambda: R.BatchMatMulV3(x=s.arg([[1, 2], [3, 4]], "int8"), y=s.arg([[1, 2], [3, 4]], "int8"), Tout=tf.int32))
    for i, (equation, shapes) in enumerate([
            ("ij,jk->ik", [[2, 3], [3, 4]]), ("ij->ji", [[2, 3]]), ("ij->", [[2, 3]]), ("ii->i", [[3, 3]]), ("ii->", [[3, 3]]),
            ("i,j->ij", [[2], [3]]), ("bij,bjk->bik", [[2, 3, 4], [2, 4, 5]]), ("...ij,...jk->...ik", [[2, 3, 4], [4, 5]]),
            ("abc,cd->abd", [[2, 3, 4], [4, 2]]), ("ij,ij->i", [[2, 3], [2, 3]]), ("bhqd,bhkd->bhqk", [[2, 2, 3, 4], [2, 2, 5, 4]]),
            ("i,i->", [[3], [3]]), ("ijk->kji", [[2, 3, 4]]), ("ab,b->a", [[2, 3], [3]])]):
        def build(equation=equation, shapes=shapes):
            xs = [s.rand(shape, seed=j + 1) for j, shape in enumerate(shapes)]
            y = R.Einsum(inputs=xs, equation=equation)
            return s.with_grads(y, xs)
        s.add("Einsum%d" % i, build)
    spd = np.array([[4.0, 1, 0.5], [1, 3, 0.2], [0.5, 0.2, 2]])
    for dt in s.wide:
        s.add("Cholesky_%s" % dt, lambda dt=dt: R.Cholesky(input=s.arg(np.stack([spd, spd * 2]), dt)))
        s.add("MatrixInverse_%s" % dt, lambda dt=dt: R.MatrixInverse(input=s.arg(spd, dt)))
        s.add("MatrixDeterminant_%s" % dt, lambda dt=dt: R.MatrixDeterminant(input=s.arg(spd, dt)))
        s.add("MatrixSolve_%s" % dt, lambda dt=dt: R.MatrixSolve(matrix=s.arg(spd, dt), rhs=s.rand([3, 2], dt)))
        s.add("MatrixTriangularSolve_%s" % dt, lambda dt=dt: R.MatrixTriangularSolve(matrix=s.arg(np.tril(spd), dt), rhs=s.rand([3, 2], dt)))
    s.add("Cross", lambda: R.Cross(a=s.rand([2, 3]), b=s.rand([2, 3], seed=2)))
    s.add("tensordot", lambda: tf.tensordot(s.rand([2, 3, 4]), s.rand([4, 3, 5], seed=2), [[1, 2], [1, 0]]))
    s.add("norm_trace", lambda: [tf.norm(s.rand([3, 3])), tf.linalg.trace(s.rand([3, 3], seed=2)), tf.linalg.matvec(s.rand([2, 3], seed=3), s.rand([3], seed=4))])
    for shape in ([3, 3], [4, 2], [2, 4], [2, 3, 3], [1, 1], [0, 3]):
        for dt in s.wide:
            def orthogonal(shape=shape, dt=dt):
                x = s.rand(shape, dt, known=True)
                y = R.Qr(input=x)
                return s.with_grads(y, [x]) if 0 not in shape else list(y)
            s.add("Qr_%s_%s" % ("x".join(map(str, shape)), dt), orthogonal, (1e-4, 1e-5) if dt == "float32" else (1e-9, 1e-10))
        s.add("Qr_full_%s" % "x".join(map(str, shape)), lambda shape=shape: list(R.Qr(input=s.rand(shape, "float64"), full_matrices=True)), (1e-9, 1e-10))
    s.add("orthogonal_initializer", lambda: [tf.matmul(q, q, transpose_a=True) for q in [tf.orthogonal_initializer(seed=3)([4, 4])]], (1e-5, 1e-5))
    for vectors in (False, True):
        for dt in s.wide:
            def eigen(vectors=vectors, dt=dt):
                x = s.arg(np.stack([spd, spd @ spd - 9]), dt)
                e, v = R.SelfAdjointEigV2(input=x, compute_v=vectors)
                again = tf.matmul(v * e[:, None], v, transpose_b=True) if vectors else e  # vectors have any sign
                return s.with_grads([e, again], [x])
            s.add("SelfAdjointEig_%d_%s" % (vectors, dt), eigen, (1e-4, 1e-5) if dt == "float32" else (1e-9, 1e-10))
    s.add("SelfAdjointEig_nan", lambda: R.SelfAdjointEigV2(input=s.arg([[float("nan"), 0], [0, 1]])))
