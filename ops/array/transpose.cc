// SPDX-License-Identifier: Apache-2.0

// Transpose: y's axis d is x's axis perm[d]. ConjugateTranspose: complex
// numbers are conjugated too.
//   x: T, any rank   perm: [rank] int32|int64, a permutation
// InvertPermutation: y[x[i]] = i.   x: [n] int32|int64
// Gradient of Transpose: dy by the inverse permutation.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/strided_copy.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"

namespace lockstep {
namespace {

Status CheckPermutation(std::span<const int64_t> perm) {
  AxisSet seen;
  const int rank = static_cast<int>(perm.size());
  for (int64_t p : perm) {
    const int64_t axis = p < 0 ? p + rank : p;
    if (axis < 0 || axis >= rank) {
      return InvalidArgument(p, " is out of range [0 .. ", rank, ")");
    }
    seen.set(static_cast<size_t>(axis));
  }
  for (int axis = 0; axis < rank; ++axis) {
    if (seen.test(static_cast<size_t>(axis))) continue;
    return InvalidArgument(
        axis, " is missing from {",
        Join(std::vector<int64_t>(perm.begin(), perm.end()), ","), "}.");
  }
  return Ok();
}

Status TransposeShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(auto perm, c.InputInts(1));
  const Shape& x = c.Input(0);
  if (!perm) {
    return c.SetOutput(
        0, x.HasRank() ? Shape::UnknownOfRank(x.rank()) : Shape::Unknown());
  }
  if (perm->size() > Shape::kMaxRank) {
    return InvalidArgument("perm has ", perm->size(), " elements");
  }
  const int rank = static_cast<int>(perm->size());
  if (x.HasRank() && x.rank() != rank) {
    return InvalidArgument("transpose expects a vector of size ", x.rank(),
                           ". But input(1) is a vector of size ", rank);
  }
  LS_RETURN_IF_ERROR(CheckPermutation(*perm));
  LS_ASSIGN_OR_RETURN(Shape in, c.WithRank(0, rank));
  Shape y;
  for (int64_t p : *perm)
    y.AddDim(in.dim(static_cast<int>(p < 0 ? p + rank : p)));
  return c.SetOutput(0, y);
}

Status PrepareTranspose(PrepareContext& c) {
  const std::vector<int64_t> from = RowMajorStrides(c.input_shape(0));
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> perm, ToInt64s(*c.input_value(1)));
  std::vector<int64_t> src;
  for (int64_t p : perm) {
    src.push_back(from[static_cast<size_t>(
        p < 0 ? p + static_cast<int64_t>(perm.size()) : p)]);
  }
  const Shape& y = c.output_shape(0);
  LS_ASSIGN_OR_RETURN(
      StridedCopy copy,
      StridedCopy::Make(c.input_dtype(0), y.dims(), RowMajorStrides(y), src));
  c.MakeState<StridedCopy>(std::move(copy));
  return Ok();
}

Status TransposeCpu(KernelContext& k) {
  return k.state<StridedCopy>().Run(k.output(0).data(), k.input(0).data(),
                                    k.stream());
}

template <class T>
Status ConjugateTransposeCpu(KernelContext& k) {
  LS_RETURN_IF_ERROR(TransposeCpu(k));
  for (T& v : k.output(0).flat<T>()) v = std::conj(v);
  return Ok();
}

int InOrder(ShapeContext& c) {
  Result<std::optional<std::vector<int64_t>>> perm = c.InputInts(1);
  if (!perm.ok() || !perm->has_value()) return -1;
  for (size_t i = 0; i < (*perm)->size(); ++i) {
    if ((**perm)[i] != static_cast<int64_t>(i)) return -1;
  }
  return 0;
}

Status TransposeGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, s.Op(g.node()->op())
                        .In(g.dy(0))
                        .In(ops::InvertPermutation(s, g.x(1)))
                        .Out());
}

Status InvertShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRank(0, 1));
  return c.SetOutput(0, x);
}

template <class T>
Status InvertCpu(KernelContext& k) {
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  const int64_t n = k.input(0).NumElements();
  std::fill_n(y, n, T{-1});
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] < 0 || x[i] >= n) {
      return InvalidArgument("element ", i, " is ", x[i],
                             ", not between 0 and ", n - 1);
    }
    if (y[x[i]] != T{-1}) {
      return InvalidArgument(x[i], " is duplicated in the input");
    }
    y[x[i]] = static_cast<T>(i);
  }
  return Ok();
}

LOCKSTEP_OP("Transpose")
    .Input("x: T")
    .Input("perm: Tperm")
    .Output("y: T")
    .Attr("T: type")
    .Attr("Tperm: {int32, int64} = DT_INT32")
    .Shape(TransposeShape)
    .Gradient(TransposeGradient)
    .IdentityWhen(InOrder)
    .NeedsValue({1})
    .Kernel(kCpu, {TransposeCpu, PrepareTranspose, {"perm"}});
LOCKSTEP_OP("ConjugateTranspose")
    .Input("x: T")
    .Input("perm: Tperm")
    .Output("y: T")
    .Attr("T: type")
    .Attr("Tperm: {int32, int64} = DT_INT32")
    .Shape(TransposeShape)
    .Gradient(TransposeGradient)
    .NeedsValue({1})
    .Kernels<std::complex<float>, std::complex<double>>(
        kCpu,
        []<class T>() {
          return KernelDef{
              ConjugateTransposeCpu<T>, PrepareTranspose, {"perm"}};
        })
    .Kernel(kCpu, {TransposeCpu, PrepareTranspose, {"perm"}});
LOCKSTEP_OP("InvertPermutation")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: {int32, int64} = DT_INT32")
    .Shape(InvertShape)
    .NoGradient()
    .Kernels<int32_t, int64_t>(kCpu, []<class T>() {
      return KernelDef{InvertCpu<T>, nullptr, {"x", "y"}};
    });

}  // namespace

namespace ops {

Output Transpose(const Scope& scope, const Input& x, const Input& perm) {
  return scope.Op("Transpose").In(x).In(perm).Out();
}
Output InvertPermutation(const Scope& scope, const Input& x) {
  return scope.Op("InvertPermutation").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
