// SPDX-License-Identifier: Apache-2.0

// MatrixInverse, MatrixSolve, MatrixTriangularSolve: for matrices in the last
// two dimensions; small matrices, factorised in double.
//   input: float, double [..., n, n]   rhs: [..., n, k]
// A singular matrix is INVALID_ARGUMENT, but for MatrixTriangularSolve, which
// divides by the zeros of the diagonal, as TensorFlow's.
// Gradients by the usual formulas, with solves and products.

#include "ops/linalg/factor.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// `input` is what TensorFlow's op calls it.
Status Singular(const char* input) {
  return InvalidArgument(input, " is not invertible.");
}

Status SolveShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SquareShape(c));
  LS_ASSIGN_OR_RETURN(Shape b, c.WithRankAtLeast(1, 2));
  const Shape& a = c.Input(0);
  if (!a.HasRank() || !b.HasRank()) return c.SetOutput(0, b);
  const auto batch = [](const Shape& s) {
    return Shape(s.dims().first(static_cast<size_t>(s.rank() - 2)));
  };
  const bool rows_fit =
      Shape{a.dim(a.rank() - 1)}.IsCompatibleWith(Shape{b.dim(b.rank() - 2)});
  if (!rows_fit || !batch(a).IsCompatibleWith(batch(b))) {
    return InvalidArgument("Input matrix and rhs are incompatible: they must ",
                           "have the same batch shape and number of rows: ", a,
                           ", ", b);
  }
  return c.SetOutput(0, b);
}

template <class T>
Status InverseCpu(KernelContext& k) {
  const bool adjoint = GetOr<bool>(k.attrs(), "adjoint", false);
  return ForMatrices<T>(k, adjoint, [&](int64_t at, Matrix& m) -> Status {
    const Lu lu(m);
    if (lu.singular) return Singular("Input");
    lu.Solve<T>(nullptr, m.n, k.out<T>(0) + at * m.n * m.n);
    return Ok();
  });
}

template <class T>
Status SolveCpu(KernelContext& k) {
  const bool adjoint = GetOr<bool>(k.attrs(), "adjoint", false);
  const Shape& rhs = k.input(1).shape();
  const int64_t columns = rhs.dim(rhs.rank() - 1);
  return ForMatrices<T>(k, adjoint, [&](int64_t at, Matrix& m) -> Status {
    const Lu lu(m);
    if (lu.singular) return Singular("Input matrix");
    lu.Solve(k.in<T>(1) + at * m.n * columns, columns,
             k.out<T>(0) + at * m.n * columns);
    return Ok();
  });
}

template <class T>
Status TriangularSolveCpu(KernelContext& k) {
  const bool adjoint = GetOr<bool>(k.attrs(), "adjoint", false);
  const bool lower = GetOr<bool>(k.attrs(), "lower", true) != adjoint;
  const Shape& rhs = k.input(1).shape();
  const int64_t columns = rhs.dim(rhs.rank() - 1);
  return ForMatrices<T>(k, adjoint, [&](int64_t at, const Matrix& m) -> Status {
    SolveTriangular(m, lower, k.in<T>(1) + at * m.n * columns, columns,
                    k.out<T>(0) + at * m.n * columns);
    return Ok();
  });
}

// Y = A^-1: dA = -Y^T dY Y^T.
Status InverseGradient(GradContext& g) {
  const Scope& s = g.scope();
  const bool adjoint = g.Attr<bool>("adjoint");
  const Output y = g.y(0), dy = g.dy(0);
  const Output dx =
      adjoint ? ops::BatchMatMul(s, ops::BatchMatMul(s, y, dy, false, true), y)
              : ops::BatchMatMul(s, ops::BatchMatMul(s, y, dy, true, false), y,
                                 false, true);
  return g.SetDx(0, ops::Neg(s, dx));
}

// X = A^-1 B: dB = A^-T dX, dA = -dB X^T.
Status SetSolveGradients(GradContext& g, Output db) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(g.SetDx(1, db));
  const Output x = g.y(0);
  const Output da = g.Attr<bool>("adjoint")
                        ? ops::BatchMatMul(s, x, db, false, true)
                        : ops::BatchMatMul(s, db, x, false, true);
  return g.SetDx(0, ops::Neg(s, da));
}
Status SolveGradient(GradContext& g) {
  return SetSolveGradients(g, ops::MatrixSolve(g.scope(), g.x(0), g.dy(0),
                                               !g.Attr<bool>("adjoint")));
}
Status TriangularSolveGradient(GradContext& g) {
  const Scope& s = g.scope();
  const bool lower = g.Attr<bool>("lower");
  LS_RETURN_IF_ERROR(SetSolveGradients(
      g, ops::MatrixTriangularSolve(s, g.x(0), g.dy(0), lower,
                                    !g.Attr<bool>("adjoint"))));
  const int64_t all = -1, none = 0;
  return g.SetDx(0, ops::MatrixBandPart(s, g.dxs()[0], lower ? all : none,
                                        lower ? none : all));
}

LOCKSTEP_OP("MatrixInverse")
    .Input("input: T")
    .Output("output: T")
    .Attr("adjoint: bool = false")
    .Attr("T: {double, float}")
    .Shape(SquareShape)
    .Gradient(InverseGradient)
    .Kernels<float, double>(kCpu,
                            []<class T>() { return KernelDef{InverseCpu<T>}; });
LOCKSTEP_OP("MatrixSolve")
    .Input("matrix: T")
    .Input("rhs: T")
    .Output("output: T")
    .Attr("adjoint: bool = false")
    .Attr("T: {double, float}")
    .Shape(SolveShape)
    .Gradient(SolveGradient)
    .Kernels<float, double>(kCpu,
                            []<class T>() { return KernelDef{SolveCpu<T>}; });
LOCKSTEP_OP("MatrixTriangularSolve")
    .Input("matrix: T")
    .Input("rhs: T")
    .Output("output: T")
    .Attr("lower: bool = true")
    .Attr("adjoint: bool = false")
    .Attr("T: {double, float}")
    .Shape(SolveShape)
    .Gradient(TriangularSolveGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{TriangularSolveCpu<T>};
    });

}  // namespace

namespace ops {

Output MatrixInverse(const Scope& scope, const Input& input, bool adjoint) {
  return scope.Op("MatrixInverse").In(input).Attr("adjoint", adjoint).Out();
}
Output MatrixSolve(const Scope& scope, const Input& matrix, const Input& rhs,
                   bool adjoint) {
  return scope.Op("MatrixSolve")
      .InPair(matrix, rhs)
      .Attr("adjoint", adjoint)
      .Out();
}
Output MatrixTriangularSolve(const Scope& scope, const Input& matrix,
                             const Input& rhs, bool lower, bool adjoint) {
  return scope.Op("MatrixTriangularSolve")
      .InPair(matrix, rhs)
      .Attr("lower", lower)
      .Attr("adjoint", adjoint)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
