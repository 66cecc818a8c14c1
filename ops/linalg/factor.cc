// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/factor.h"

#include <algorithm>
#include <numeric>

#include "runtime/core/simd.h"

namespace lockstep {
namespace {

// Columns that are solved for side by side: a row of them is in registers.
constexpr int64_t kPanel = 32;

// Takes multiples of row k off the rows below it.
LS_SIMD_CLONES void Eliminate(double* a, int64_t n, int64_t k) {
  const double* from = a + k * n;
  for (int64_t i = k + 1; i < n; ++i) {
    double* to = a + i * n;
    const double f = to[k] /= from[k];
    for (int64_t j = k + 1; j < n; ++j) to[j] -= f * from[j];
  }
}

// The same below and beside the diagonal's element k, which is a root; `column`
// has room for n elements.
LS_SIMD_CLONES void EliminateSymmetric(double* a, int64_t n, int64_t k,
                                       double* column) {
  for (int64_t i = k + 1; i < n; ++i) {
    column[i] = a[i * n + k] /= a[k * n + k];
  }
  for (int64_t i = k + 1; i < n; ++i) {
    const double f = column[i];
    for (int64_t j = k + 1; j <= i; ++j) a[i * n + j] -= f * column[j];
  }
}

// x: [n, kPanel], the right sides and then the solutions. `unit`: the diagonal
// counts as ones.
LS_SIMD_CLONES void SolvePanel(const double* a, int64_t n, bool lower,
                               bool unit, double* x) {
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = lower ? step : n - 1 - step;
    double row[kPanel];
    for (int64_t c = 0; c < kPanel; ++c) row[c] = x[i * kPanel + c];
    for (int64_t j = lower ? 0 : i + 1; j < (lower ? i : n); ++j) {
      const double f = a[i * n + j];
      for (int64_t c = 0; c < kPanel; ++c) row[c] -= f * x[j * kPanel + c];
    }
    const double divisor = unit ? 1 : a[i * n + i];
    for (int64_t c = 0; c < kPanel; ++c) x[i * kPanel + c] = row[c] / divisor;
  }
}

// `width` columns of b from `first` on, its rows in the order of `row` (null:
// as they are), in a panel.
template <class T>
void LoadPanel(const T* b, const int64_t* row, int64_t n, int64_t columns,
               int64_t first, int64_t width, double* panel) {
  std::fill_n(panel, n * kPanel, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t from = row == nullptr ? i : row[i];
    double* to = panel + i * kPanel;
    if (b != nullptr) {
      std::copy_n(b + from * columns + first, width, to);
    } else if (from >= first && from < first + width) {
      to[from - first] = 1;
    }
  }
}

// solve(panel) for all columns of b.
template <class T, class S>
void SolveColumns(const T* b, const int64_t* row, int64_t n, int64_t columns,
                  T* x, const S& solve) {
  const int64_t work = std::max<int64_t>(1, n * n * kPanel);
  ParallelFor((columns + kPanel - 1) / kPanel,
              std::max<int64_t>(1, kMatrixGrain / work),
              [&](int64_t begin, int64_t end) {
                std::vector<double> panel(static_cast<size_t>(n * kPanel));
                for (int64_t p = begin; p < end; ++p) {
                  const int64_t first = p * kPanel;
                  const int64_t width = std::min(kPanel, columns - first);
                  LoadPanel(b, row, n, columns, first, width, panel.data());
                  solve(panel.data());
                  for (int64_t i = 0; i < n; ++i) {
                    for (int64_t c = 0; c < width; ++c) {
                      x[i * columns + first + c] = static_cast<T>(
                          panel[static_cast<size_t>(i * kPanel + c)]);
                    }
                  }
                }
              });
}

}  // namespace

Lu::Lu(Matrix& a) : m(a), row(static_cast<size_t>(a.n)) {
  std::iota(row.begin(), row.end(), 0);
  for (int64_t k = 0; k < m.n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < m.n; ++i) {
      if (std::abs(m.at(i, k)) > std::abs(m.at(pivot, k))) pivot = i;
    }
    if (pivot != k) {
      std::swap_ranges(&m.at(k, 0), &m.at(k, 0) + m.n, &m.at(pivot, 0));
      std::swap(row[static_cast<size_t>(k)], row[static_cast<size_t>(pivot)]);
      sign = -sign;
    }
    if (m.at(k, k) == 0) {
      singular = true;
    } else {
      Eliminate(m.a.data(), m.n, k);
    }
  }
}

template <class T>
void Lu::Solve(const T* b, int64_t columns, T* x) const {
  SolveColumns(b, row.data(), m.n, columns, x, [&](double* panel) {
    SolvePanel(m.a.data(), m.n, true, true, panel);
    SolvePanel(m.a.data(), m.n, false, false, panel);
  });
}

bool Cholesky(Matrix* a) {
  std::vector<double> column(static_cast<size_t>(a->n));
  for (int64_t k = 0; k < a->n; ++k) {
    double& diagonal = a->at(k, k);
    if (!(diagonal > 0)) return false;
    diagonal = std::sqrt(diagonal);
    EliminateSymmetric(a->a.data(), a->n, k, column.data());
  }
  return true;
}

template <class T>
void SolveTriangular(const Matrix& m, bool lower, const T* b, int64_t columns,
                     T* x) {
  SolveColumns(b, nullptr, m.n, columns, x, [&](double* panel) {
    SolvePanel(m.a.data(), m.n, lower, false, panel);
  });
}

#define LS_INSTANTIATE(T)                                  \
  template void Lu::Solve<T>(const T*, int64_t, T*) const; \
  template void SolveTriangular<T>(const Matrix&, bool, const T*, int64_t, T*);
LS_INSTANTIATE(float)
LS_INSTANTIATE(double)
#undef LS_INSTANTIATE

}  // namespace lockstep
