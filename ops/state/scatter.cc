// SPDX-License-Identifier: Apache-2.0

// ScatterUpdate, ScatterAdd, ScatterSub: rows of a reference variable replaced
// by, or changed by, the rows of `updates`, one after the other.
//   ref: a reference [n, rest]   indices: int32|int64, any shape
//   updates: [indices' shape, rest], or a scalar   output_ref: the reference
// An index out of range is INVALID_ARGUMENT; nothing is written then.

#include "ops/math/elementwise.h"
#include "ops/state/state.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ScatterShape(ShapeContext& c) {
  const Shape& ref = c.Input(0);
  const Shape& indices = c.Input(1);
  const Shape& updates = c.Input(2);
  LS_RETURN_IF_ERROR(c.SetOutput(0, ref));
  if (!ref.HasRank() || !indices.HasRank() || updates.IsScalar()) return Ok();
  LS_RETURN_IF_ERROR(c.WithRankAtLeast(0, 1).status());
  std::vector<int64_t> want(indices.dims().begin(), indices.dims().end());
  want.insert(want.end(), ref.dims().begin() + 1, ref.dims().end());
  LS_ASSIGN_OR_RETURN(Shape shape, Shape::Make(want));
  if (!shape.IsCompatibleWith(updates)) {
    return InvalidArgument("Must have updates.shape = indices.shape + ",
                           "params.shape[1:] or updates.shape = [], got ",
                           "updates.shape ", updates, ", indices.shape ",
                           indices, ", params.shape ", ref);
  }
  return Ok();
}

enum class How { kSet, kAdd, kSub };

template <How how, class T>
void ChangeRow(T* to, const T* from, int64_t step, int64_t n) {
  using C = ArithmeticType<T>;
  for (int64_t i = 0; i < n; ++i) {
    const C a = static_cast<C>(to[i]), b = static_cast<C>(from[i * step]);
    if constexpr (how == How::kSet) {
      to[i] = from[i * step];
    } else {
      to[i] = static_cast<T>(how == How::kAdd ? a + b : a - b);
    }
  }
}

template <How how, class T, class I>
Status ScatterCpu(KernelContext& k) {
  const Tensor& ref = k.variable(0).value();
  if (ref.shape().rank() < 1) {
    return InvalidArgument("the variable must not be a scalar");
  }
  const int64_t n = ref.shape().dim(0);
  const int64_t rows = k.input(1).NumElements();
  const int64_t width = n > 0 ? ref.NumElements() / n : 0;
  const bool one = k.input(2).shape().IsScalar();
  if (!one && k.input(2).NumElements() != rows * width) {
    return InvalidArgument("updates have shape ", k.input(2).shape(), ", ",
                           rows, " rows of ", ref.shape(), " are changed");
  }
  const I* index = k.in<I>(1);
  for (int64_t i = 0; i < rows; ++i) {
    if (static_cast<int64_t>(index[i]) < 0 ||
        static_cast<int64_t>(index[i]) >= n) {
      return InvalidArgument("indices[", i, "] = ", index[i], " is not in [0, ",
                             n, ")");
    }
  }
  T* y = k.variable(0).data<T>();
  const T* from = k.in<T>(2);
  for (int64_t i = 0; i < rows; ++i) {
    ChangeRow<how, T>(y + static_cast<int64_t>(index[i]) * width,
                      one ? from : from + i * width, one ? 0 : 1, width);
  }
  return Ok();
}

template <How how>
OpBuilder ScatterOp(const char* name) {
  OpBuilder b(name);
  b.Input("ref: Ref(T)").Input("indices: Tindices").Input("updates: T");
  b.Output("output_ref: Ref(T)")
      .Attr("T: realnumbertype")
      .Attr("Tindices: {int32, int64}")
      .Attr(how == How::kSet ? "use_locking: bool = true"
                             : "use_locking: bool = false")
      .Shape(ScatterShape)
      .NoGradient()
      .Stateful();
  auto add = [&b]<class T>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tindices", kInt32}},
             {ScatterCpu<how, T, int32_t>});
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tindices", kInt64}},
             {ScatterCpu<how, T, int64_t>});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_REAL_TYPES>>());
  return b;
}

const OpRegistrar kScatterUpdate = ScatterOp<How::kSet>("ScatterUpdate");
const OpRegistrar kScatterAdd = ScatterOp<How::kAdd>("ScatterAdd");
const OpRegistrar kScatterSub = ScatterOp<How::kSub>("ScatterSub");

// Values take the variable's dtype.
Output Scatter(const Scope& scope, const char* op, const Input& ref,
               const Input& indices, const Input& updates) {
  const Output change = updates.Resolve(scope, BaseOf(ref.dtype()));
  return scope.Op(op).In(ref).In(indices).In(change).Out();
}

}  // namespace

namespace ops {

Output ScatterUpdate(const Scope& scope, const Input& ref, const Input& indices,
                     const Input& updates) {
  return Scatter(scope, "ScatterUpdate", ref, indices, updates);
}
Output ScatterAdd(const Scope& scope, const Input& ref, const Input& indices,
                  const Input& updates) {
  return Scatter(scope, "ScatterAdd", ref, indices, updates);
}
Output ScatterSub(const Scope& scope, const Input& ref, const Input& indices,
                  const Input& updates) {
  return Scatter(scope, "ScatterSub", ref, indices, updates);
}

}  // namespace ops
}  // namespace lockstep
