// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small square matrices in double, for the ops that factorise them.
//
//   ForMatrices<float>(k, false, [&](int64_t at, Matrix& m) -> Status {
//     const Lu lu(m);
//     if (lu.singular) return InvalidArgument("...");
//     lu.Solve(b, columns, x);
//     ...
//   });

#include <cmath>
#include <vector>

#include "ops/array/axes.h"
#include "runtime/core/threads.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

// Multiplications that are worth a thread.
inline constexpr int64_t kMatrixGrain = 1 << 16;

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

// P A = L U by rows with the largest pivots, in place: in the given matrix,
// which has to live as long.
struct Lu {
  Matrix& m;
  std::vector<int64_t> row;  // of A, for each row of L U
  double sign = 1;
  bool singular = false;

  explicit Lu(Matrix& a);
  // x = A^-1 b for `columns` columns side by side; `b` null: the unit matrix.
  template <class T>
  void Solve(const T* b, int64_t columns, T* x) const;
};

// A = L L' in the lower triangle, the only one that is read; false when A is
// not positive definite.
bool Cholesky(Matrix* a);

// x = A^-1 b for a triangular A, as Lu::Solve.
template <class T>
void SolveTriangular(const Matrix& m, bool lower, const T* b, int64_t columns,
                     T* x);

// Output 0 = input 0, [..., n, n].
inline Status SquareShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRankAtLeast(0, 2));
  if (!x.HasRank()) return Ok();
  const int64_t rows = x.dim(x.rank() - 2), cols = x.dim(x.rank() - 1);
  if (rows != cols && rows != kUnknownDim && cols != kUnknownDim) {
    return InvalidArgument("Input matrix must be square, has shape ", x);
  }
  return c.SetOutput(0, x);
}

// Calls f(matrix number, matrix) for every matrix of input 0, on several
// threads; f may use the matrix up. The first one's error of those that fail.
template <class T, class F>
Status ForMatrices(KernelContext& k, bool transposed, const F& f) {
  const Shape& shape = k.input(0).shape();
  const int64_t n = shape.dim(shape.rank() - 1);
  const int64_t count = DimProduct(shape, 0, shape.rank() - 2);
  const int64_t work = std::max<int64_t>(1, n * n * n);
  std::vector<Status> done(static_cast<size_t>(count));
  ParallelFor(count, std::max<int64_t>(1, kMatrixGrain / work),
              [&](int64_t begin, int64_t end) {
                Matrix m(n);
                for (int64_t i = begin; i < end; ++i) {
                  m.Load(k.in<T>(0) + i * n * n, transposed);
                  done[static_cast<size_t>(i)] = f(i, m);
                }
              });
  for (const Status& status : done) LS_RETURN_IF_ERROR(status);
  return Ok();
}

}  // namespace lockstep
