// SPDX-License-Identifier: Apache-2.0

// MatrixBandPart: matrices with what lies below the num_lower-th lower and
// above the num_upper-th upper diagonal put to zero; negative numbers keep all.
//   input: T [..., rows, cols]   num_lower, num_upper: int32|int64 []
// Diag: a tensor of twice the rank with the input on its diagonal; DiagPart:
// the other way.   diagonal: T [dims]   output: T [dims, dims]
// Gradients: the same part of dy; of Diag and DiagPart, the other op.
// Cross: the cross products of vectors of 3 elements in the last dimension.
// Gradient: the cross products with dz.

#include "ops/array/axes.h"
#include "ops/array/element_unit.h"
#include "ops/linalg/linalg.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status BandShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRankAtLeast(0, 2));
  for (const int i : {1, 2}) {
    LS_RETURN_IF_ERROR(c.WithRank(i, 0).status());
    const Tensor* v = c.InputValue(i);
    if (v == nullptr || !x.HasRank()) continue;
    const int64_t size = x.dim(x.rank() - (i == 1 ? 2 : 1));
    if (size != kUnknownDim && IntAt(*v, 0) > size) {
      return InvalidArgument(i == 1 ? "num_lower" : "num_upper",
                             " must be negative or less or equal to number of ",
                             i == 1 ? "rows" : "columns", " (", size,
                             ") got: ", IntAt(*v, 0));
    }
  }
  return c.SetOutput(0, x);
}

template <class U>
Status BandCpu(KernelContext& k) {
  const Shape& shape = k.input(0).shape();
  const int64_t rows = shape.dim(shape.rank() - 2),
                cols = shape.dim(shape.rank() - 1);
  const int64_t lower = IntAt(k.input(1), 0), upper = IntAt(k.input(2), 0);
  const U* x = k.in<U>(0);
  U* y = k.out<U>(0);
  const int64_t all = DimProduct(shape, 0, shape.rank() - 1);
  ParallelFor(
      all, std::max<int64_t>(1, kCheapGrain / (cols + 1)),
      [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const int64_t i = r % rows;
          const int64_t first =
              lower < 0 ? 0 : std::min(cols, std::max<int64_t>(0, i - lower));
          const int64_t last = upper < 0 ? cols : std::min(cols, i + upper + 1);
          const U* from = x + r * cols;
          U* to = y + r * cols;
          std::fill(to, to + first, U{});
          if (to != from && first < last) {
            std::copy(from + first, from + last, to + first);
          }
          std::fill(to + std::max(first, last), to + cols, U{});
        }
      });
  return Ok();
}

Status BandGradient(GradContext& g) {
  return g.SetDx(0, ops::MatrixBandPart(g.scope(), g.dy(0), g.x(1), g.x(2)));
}

LOCKSTEP_OP("MatrixBandPart")
    .Input("input: T")
    .Input("num_lower: Tindex")
    .Input("num_upper: Tindex")
    .Output("band: T")
    .Attr("T: type")
    .Attr("Tindex: {int32, int64} = DT_INT64")
    .Shape(BandShape)
    .Gradient(BandGradient)
    .InPlace(0, 0)
    .NeedsValue({1, 2})
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
      return KernelDef{
          BandCpu<ElementUnit<T>>, nullptr, {"num_lower", "num_upper"}};
    });

Status DiagShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRankAtLeast(0, 1));
  if (!x.HasRank()) return c.SetOutput(0, x);
  if (2 * x.rank() > Shape::kMaxRank) {
    return InvalidArgument("diagonal has too many dimensions: ", x);
  }
  Shape y = x;
  for (const int64_t d : x.dims()) y.AddDim(d);
  return c.SetOutput(0, y);
}

Status DiagPartShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRankAtLeast(0, 1));
  if (!x.HasRank()) return c.SetOutput(0, x);
  const size_t half = static_cast<size_t>(x.rank() / 2);
  if (x.rank() % 2 != 0) {
    return InvalidArgument(
        "The rank of the tensor should be even and positive,"
        " got shape ",
        x);
  }
  Result<Shape> y =
      Shape::Merge(Shape(x.dims().first(half)), Shape(x.dims().subspan(half)));
  if (!y.ok()) {
    return InvalidArgument(
        "Invalid shape ", x,
        ": dimensions do not match, both halves of it should be equal");
  }
  return c.SetOutput(0, *y);
}

template <class U>
Status DiagCpu(KernelContext& k) {
  const int64_t n = k.input(0).NumElements();
  U* y = k.out<U>(0);
  std::fill_n(y, n * n, U{});
  for (int64_t i = 0; i < n; ++i) y[i * (n + 1)] = k.in<U>(0)[i];
  return Ok();
}
template <class U>
Status DiagPartCpu(KernelContext& k) {
  const int64_t n = k.output(0).NumElements();
  for (int64_t i = 0; i < n; ++i) k.out<U>(0)[i] = k.in<U>(0)[i * (n + 1)];
  return Ok();
}

Status DiagGradient(GradContext& g) {
  return g.SetDx(0, ops::DiagPart(g.scope(), g.dy(0)));
}
Status DiagPartGradient(GradContext& g) {
  return g.SetDx(0, ops::Diag(g.scope(), g.dy(0)));
}

constexpr const char* kDiagTypes =
    "T: {bfloat16, half, float, double, int32, int64, complex64, complex128}";
#define LS_DIAG_TYPES LS_FLOAT_TYPES, int32_t, int64_t, LS_COMPLEX_TYPES

LOCKSTEP_OP("Diag")
    .Input("diagonal: T")
    .Output("output: T")
    .Attr(kDiagTypes)
    .Shape(DiagShape)
    .Gradient(DiagGradient)
    .Kernels<LS_DIAG_TYPES>(kCpu, []<class T>() {
      return KernelDef{DiagCpu<ElementUnit<T>>};
    });
LOCKSTEP_OP("DiagPart")
    .Input("input: T")
    .Output("diagonal: T")
    .Attr(kDiagTypes)
    .Shape(DiagPartShape)
    .Gradient(DiagPartGradient)
    .Kernels<LS_DIAG_TYPES>(kCpu, []<class T>() {
      return KernelDef{DiagPartCpu<ElementUnit<T>>};
    });

Status CrossShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SameShapes(c));
  const Shape& y = c.outputs()[0];
  if (y.HasRank() && (y.rank() < 1 || (y.dim(y.rank() - 1) != 3 &&
                                       y.dim(y.rank() - 1) != kUnknownDim))) {
    return InvalidArgument("Cross-products are only defined for 3-element ",
                           "vectors, got shape ", y);
  }
  return Ok();
}

template <class T>
Status CrossCpu(KernelContext& k) {
  using C = ArithmeticType<T>;
  const T* a = k.in<T>(0);
  const T* b = k.in<T>(1);
  T* z = k.out<T>(0);
  for (int64_t i = 0; i < k.output(0).NumElements(); i += 3) {
    C u[3], v[3];
    for (int64_t d = 0; d < 3; ++d) {
      u[d] = static_cast<C>(a[i + d]);
      v[d] = static_cast<C>(b[i + d]);
    }
    for (int64_t d = 0; d < 3; ++d) {
      const int64_t e = (d + 1) % 3, f = (d + 2) % 3;
      z[i + d] = static_cast<T>(u[e] * v[f] - u[f] * v[e]);
    }
  }
  return Ok();
}

Status CrossGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(g.SetDx(0, ops::Cross(s, g.x(1), g.dy(0))));
  return g.SetDx(1, ops::Cross(s, g.dy(0), g.x(0)));
}

LOCKSTEP_OP("Cross")
    .Input("a: T")
    .Input("b: T")
    .Output("product: T")
    .Attr("T: realnumbertype")
    .Shape(CrossShape)
    .Gradient(CrossGradient)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return KernelDef{CrossCpu<T>}; });

}  // namespace

namespace ops {

Output MatrixBandPart(const Scope& scope, const Input& input,
                      const Input& num_lower, const Input& num_upper) {
  return scope.Op("MatrixBandPart")
      .In(input)
      .InPair(num_lower, num_upper)
      .Out();
}
Output Diag(const Scope& scope, const Input& diagonal) {
  return scope.Op("Diag").In(diagonal).Out();
}
Output DiagPart(const Scope& scope, const Input& input) {
  return scope.Op("DiagPart").In(input).Out();
}
Output Cross(const Scope& scope, const Input& a, const Input& b) {
  return scope.Op("Cross").InPair(a, b).Out();
}

}  // namespace ops
}  // namespace lockstep
