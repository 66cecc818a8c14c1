// SPDX-License-Identifier: Apache-2.0

// Cholesky, MatrixInverse, MatrixDeterminant, LogMatrixDeterminant,
// MatrixSolve, MatrixTriangularSolve: for matrices in the last two dimensions;
// small matrices, factorised one after the other in double.
//   input: float, double [..., n, n]   rhs: [..., n, k]
// A singular matrix is INVALID_ARGUMENT; Cholesky of one that is not positive
// definite is NaN.
// Gradients by the usual formulas, with solves and products.

#include <limits>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/linalg/linalg.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// A square matrix of doubles, row by row.
struct Matrix {
  int64_t n;
  std::vector<double> a;
  explicit Matrix(int64_t size) : n(size), a(static_cast<size_t>(n * n)) {}
  double& at(int64_t i, int64_t j) { return a[static_cast<size_t>(i * n + j)]; }
  double at(int64_t i, int64_t j) const {
    return a[static_cast<size_t>(i * n + j)];
  }
  template <class T>
  void Load(const T* from, bool transposed) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        at(i, j) =
            static_cast<double>(transposed ? from[j * n + i] : from[i * n + j]);
      }
    }
  }
};

// P A = L U by rows with the largest pivots, in place.
struct Lu {
  Matrix m;
  std::vector<int64_t> row;  // of A, for each row of L U
  double sign = 1;
  bool singular = false;

  explicit Lu(Matrix a) : m(std::move(a)), row(static_cast<size_t>(m.n)) {
    for (int64_t i = 0; i < m.n; ++i) row[static_cast<size_t>(i)] = i;
    for (int64_t k = 0; k < m.n; ++k) {
      int64_t pivot = k;
      for (int64_t i = k + 1; i < m.n; ++i) {
        if (std::abs(m.at(i, k)) > std::abs(m.at(pivot, k))) pivot = i;
      }
      if (pivot != k) {
        for (int64_t j = 0; j < m.n; ++j) std::swap(m.at(k, j), m.at(pivot, j));
        std::swap(row[static_cast<size_t>(k)], row[static_cast<size_t>(pivot)]);
        sign = -sign;
      }
      if (m.at(k, k) == 0) {
        singular = true;
        continue;
      }
      for (int64_t i = k + 1; i < m.n; ++i) {
        const double f = m.at(i, k) /= m.at(k, k);
        for (int64_t j = k + 1; j < m.n; ++j) m.at(i, j) -= f * m.at(k, j);
      }
    }
  }
  // x = A^-1 b for one column.
  void Solve(const std::vector<double>& b, std::vector<double>* x) const {
    for (int64_t i = 0; i < m.n; ++i) {
      double v = b[static_cast<size_t>(row[static_cast<size_t>(i)])];
      for (int64_t j = 0; j < i; ++j)
        v -= m.at(i, j) * (*x)[static_cast<size_t>(j)];
      (*x)[static_cast<size_t>(i)] = v;
    }
    for (int64_t i = m.n; i-- > 0;) {
      double v = (*x)[static_cast<size_t>(i)];
      for (int64_t j = i + 1; j < m.n; ++j) {
        v -= m.at(i, j) * (*x)[static_cast<size_t>(j)];
      }
      (*x)[static_cast<size_t>(i)] = v / m.at(i, i);
    }
  }
};

Status Singular() { return InvalidArgument("Input matrix is not invertible."); }

Status SquareShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRankAtLeast(0, 2));
  if (!x.HasRank()) return Ok();
  const int64_t rows = x.dim(x.rank() - 2), cols = x.dim(x.rank() - 1);
  if (rows != cols && rows != kUnknownDim && cols != kUnknownDim) {
    return InvalidArgument("Input matrix must be square, has shape ", x);
  }
  return c.SetOutput(0, x);
}
Status DeterminantShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SquareShape(c));
  Shape y = c.outputs()[0];
  if (y.HasRank()) {
    y.RemoveDim(y.rank() - 1);
    y.RemoveDim(y.rank() - 1);
  }
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, y));
  }
  return Ok();
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
    return InvalidArgument("Input matrix and right-hand side must have the ",
                           "same batch shape and number of rows: ", a, ", ", b);
  }
  return c.SetOutput(0, b);
}

// Calls f(matrix number, matrix) for every matrix of input 0.
template <class T, class F>
Status ForMatrices(KernelContext& k, bool transposed, const F& f) {
  const Shape& shape = k.input(0).shape();
  const int64_t n = shape.dim(shape.rank() - 1);
  const int64_t count = DimProduct(shape, 0, shape.rank() - 2);
  for (int64_t i = 0; i < count; ++i) {
    Matrix m(n);
    m.Load(k.in<T>(0) + i * n * n, transposed);
    LS_RETURN_IF_ERROR(f(i, std::move(m)));
  }
  return Ok();
}

template <class T>
Status CholeskyCpu(KernelContext& k) {
  return ForMatrices<T>(k, false, [&](int64_t at, Matrix m) -> Status {
    T* l = k.out<T>(0) + at * m.n * m.n;
    for (int64_t j = 0; j < m.n; ++j) {
      for (int64_t i = j; i < m.n; ++i) {
        double v = m.at(i, j);
        for (int64_t p = 0; p < j; ++p) v -= m.at(i, p) * m.at(j, p);
        if (i == j && !(v > 0)) {
          std::fill_n(l, m.n * m.n, std::numeric_limits<T>::quiet_NaN());
          return Ok();
        }
        m.at(i, j) = i == j ? std::sqrt(v) : v / m.at(j, j);
      }
    }
    for (int64_t i = 0; i < m.n; ++i) {
      for (int64_t j = 0; j < m.n; ++j) {
        l[i * m.n + j] = static_cast<T>(j <= i ? m.at(i, j) : 0.0);
      }
    }
    return Ok();
  });
}

// Solves for every column of `b` ([n, columns]; null: of the unit matrix).
template <class T, class S>
void SolveColumns(const S& solve, int64_t n, const T* b, int64_t columns,
                  T* x) {
  std::vector<double> from(static_cast<size_t>(n)), to(from);
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < n; ++i) {
      from[static_cast<size_t>(i)] =
          b == nullptr ? (i == j ? 1.0 : 0.0)
                       : static_cast<double>(b[i * columns + j]);
    }
    solve(from, &to);
    for (int64_t i = 0; i < n; ++i) {
      x[i * columns + j] = static_cast<T>(to[static_cast<size_t>(i)]);
    }
  }
}

template <class T>
Status InverseCpu(KernelContext& k) {
  const bool adjoint = GetOr<bool>(k.attrs(), "adjoint", false);
  return ForMatrices<T>(k, adjoint, [&](int64_t at, Matrix m) -> Status {
    const int64_t n = m.n;
    const Lu lu(std::move(m));
    if (lu.singular) return Singular();
    SolveColumns<T>([&](const auto& b, auto* x) { lu.Solve(b, x); }, n, nullptr,
                    n, k.out<T>(0) + at * n * n);
    return Ok();
  });
}

template <class T>
Status SolveCpu(KernelContext& k) {
  const bool adjoint = GetOr<bool>(k.attrs(), "adjoint", false);
  const Shape& rhs = k.input(1).shape();
  const int64_t columns = rhs.dim(rhs.rank() - 1);
  return ForMatrices<T>(k, adjoint, [&](int64_t at, Matrix m) -> Status {
    const int64_t n = m.n;
    const Lu lu(std::move(m));
    if (lu.singular) return Singular();
    SolveColumns<T>([&](const auto& b, auto* x) { lu.Solve(b, x); }, n,
                    k.in<T>(1) + at * n * columns, columns,
                    k.out<T>(0) + at * n * columns);
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
    for (int64_t i = 0; i < m.n; ++i) {
      if (m.at(i, i) == 0) return Singular();
    }
    const auto solve = [&](const std::vector<double>& b,
                           std::vector<double>* x) {
      for (int64_t step = 0; step < m.n; ++step) {
        const int64_t i = lower ? step : m.n - 1 - step;
        double v = b[static_cast<size_t>(i)];
        for (int64_t j = lower ? 0 : i + 1; j < (lower ? i : m.n); ++j) {
          v -= m.at(i, j) * (*x)[static_cast<size_t>(j)];
        }
        (*x)[static_cast<size_t>(i)] = v / m.at(i, i);
      }
    };
    SolveColumns<T>(solve, m.n, k.in<T>(1) + at * m.n * columns, columns,
                    k.out<T>(0) + at * m.n * columns);
    return Ok();
  });
}

template <class T, bool kLog>
Status DeterminantCpu(KernelContext& k) {
  return ForMatrices<T>(k, false, [&](int64_t at, Matrix m) -> Status {
    const Lu lu(std::move(m));
    double sign = lu.sign, log = 0, product = lu.sign;
    for (int64_t i = 0; i < lu.m.n; ++i) {
      const double v = lu.m.at(i, i);
      product *= v;
      log += std::log(std::abs(v));
      sign *= v > 0 ? 1 : v < 0 ? -1 : 0;
    }
    k.out<T>(0)[at] = static_cast<T>(kLog ? sign : product);
    if (kLog) k.out<T>(1)[at] = static_cast<T>(log);
    return Ok();
  });
}

// L = cholesky(A): dA = the symmetric part of L^-T (L^T dL)_lower L^-1, where
// the lower part has half the diagonal.
Status CholeskyGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output l = g.y(0);
  const Output inner = ops::BatchMatMul(s, l, g.dy(0), true, false);
  const Output diagonal = ops::MatrixDiagPart(s, inner);
  const Output middle = ops::MatrixSetDiag(
      s, ops::MatrixBandPart(s, inner, int64_t{-1}, int64_t{0}),
      ops::Mul(s, 0.5f, diagonal));
  const Output left = ops::MatrixTriangularSolve(s, l, middle, true, true);
  const Output right = ops::BatchMatMul(s, left, ops::MatrixInverse(s, l));
  // (R + R^T) / 2 by an equation that knows no rank.
  const Output turned = ops::Einsum(s, {right}, "...ij->...ji");
  return g.SetDx(0, ops::Mul(s, 0.5f, ops::Add(s, right, turned)));
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

// d det = det tr(A^-1 dA).
Status DeterminantGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output slope = ops::Mul(s, g.dy(0), g.y(0));
  const Output column = ops::ExpandDims(s, ops::ExpandDims(s, slope, -1), -1);
  return g.SetDx(0, ops::Mul(s, column, ops::MatrixInverse(s, g.x(0), true)));
}
Status LogDeterminantGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output column = ops::ExpandDims(s, ops::ExpandDims(s, g.dy(1), -1), -1);
  return g.SetDx(0, ops::Mul(s, column, ops::MatrixInverse(s, g.x(0), true)));
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

LOCKSTEP_OP("Cholesky")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: {double, float}")
    .Shape(SquareShape)
    .Gradient(CholeskyGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{CholeskyCpu<T>};
    });
LOCKSTEP_OP("MatrixInverse")
    .Input("input: T")
    .Output("output: T")
    .Attr("adjoint: bool = false")
    .Attr("T: {double, float}")
    .Shape(SquareShape)
    .Gradient(InverseGradient)
    .Kernels<float, double>(kCpu,
                            []<class T>() { return KernelDef{InverseCpu<T>}; });
LOCKSTEP_OP("MatrixDeterminant")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: {float, double}")
    .Shape(DeterminantShape)
    .Gradient(DeterminantGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{DeterminantCpu<T, false>};
    });
LOCKSTEP_OP("LogMatrixDeterminant")
    .Input("input: T")
    .Output("sign: T")
    .Output("log_abs_determinant: T")
    .Attr("T: {float, double}")
    .Shape(DeterminantShape)
    .Gradient(LogDeterminantGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{DeterminantCpu<T, true>};
    });
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

Output Cholesky(const Scope& scope, const Input& input) {
  return scope.Op("Cholesky").In(input).Out();
}
Output MatrixInverse(const Scope& scope, const Input& input, bool adjoint) {
  return scope.Op("MatrixInverse").In(input).Attr("adjoint", adjoint).Out();
}
Output MatrixDeterminant(const Scope& scope, const Input& input) {
  return scope.Op("MatrixDeterminant").In(input).Out();
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
