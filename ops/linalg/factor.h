// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small square matrices in double, for the ops that factorise them.
//
//   ForMatrices<float>(k, false, [&](int64_t at, Matrix m) -> Status {
//     const Lu lu(std::move(m));
//     if (lu.singular) return InvalidArgument("...");
//     lu.Solve(b, &x);
//     ...
//   });

#include <cmath>
#include <vector>

#include "ops/array/axes.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

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

}  // namespace lockstep
