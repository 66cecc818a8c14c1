// SPDX-License-Identifier: Apache-2.0

// ScatterNd: slices of `updates`, each numbered by a vector of positions,
// added into zeros (strings joined, of bools whether any is true).
//   indices: int32|int64 [..., k]   updates: T   shape: int32|int64 [rank]
// TensorScatterUpdate, -Add, -Sub, -Max, -Min: into a copy of `tensor`; of
// several slices for one place the last stays, or all are combined in order.
// ScatterNdNonAliasingAdd is TensorScatterAdd.
// A position out of range is INVALID_ARGUMENT.
// Gradients: to the updates, dy's slices; to `tensor`, dy, for Update without
// those slices; of Max and Min, shared by the elements that equal the extreme.

#include "ops/array/array.h"
#include "ops/array/element_unit.h"
#include "ops/array/nd_index.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

struct AssignFn {
  template <class T>
  static T Of(T, T b) {
    return b;
  }
};
struct AddFn {
  template <class T>
  static T Of(const T& a, const T& b) {
    if constexpr (std::is_same_v<T, bool>) {
      return a || b;
    } else if constexpr (std::is_same_v<T, std::string>) {
      return a + b;
    } else {
      using C = ArithmeticType<T>;
      return static_cast<T>(static_cast<C>(a) + static_cast<C>(b));
    }
  }
};
struct SubFn {
  template <class T>
  static T Of(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) - static_cast<C>(b));
  }
};
struct MaxFn {
  template <class T>
  static T Of(T a, T b) {
    return static_cast<ValueType<T>>(a) < static_cast<ValueType<T>>(b) ? b : a;
  }
};
struct MinFn {
  template <class T>
  static T Of(T a, T b) {
    return static_cast<ValueType<T>>(b) < static_cast<ValueType<T>>(a) ? b : a;
  }
};

Status CheckUpdates(const ShapeContext& c, int indices, int updates,
                    const Shape& whole) {
  LS_ASSIGN_OR_RETURN(Shape slices,
                      NdIndex::SlicesShape(c.Input(indices), whole));
  if (slices.IsCompatibleWith(c.Input(updates))) return Ok();
  return InvalidArgument("updates have shape ", c.Input(updates), ", indices ",
                         c.Input(indices), " into ", whole, " need ", slices);
}
Status ScatterNdShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape whole, c.InputAsShape(2));
  LS_RETURN_IF_ERROR(CheckUpdates(c, 0, 1, whole));
  return c.SetOutput(0, whole);
}
Status TensorScatterShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckUpdates(c, 1, 2, c.Input(0)));
  return c.SetOutput(0, c.Input(0));
}

Status PrepareScatterNd(PrepareContext& c) {
  c.MakeState<NdIndex>(c.input_shape(0), c.output_shape(0));
  return Ok();
}
Status PrepareTensorScatter(PrepareContext& c) {
  c.MakeState<NdIndex>(c.input_shape(1), c.input_shape(0));
  return Ok();
}

// One row after the other: equal positions are combined in a fixed order.
template <class T, class F, class I>
Status ScatterRows(const NdIndex& s, const Tensor& indices, const T* from,
                   T* y) {
  LS_RETURN_IF_ERROR(s.Check<I>(indices));
  const I* index = static_cast<const I*>(indices.data());
  for (int64_t row = 0; row < s.rows; ++row, from += s.slice) {
    T* to = y + s.OffsetOf(index, row);
    for (int64_t i = 0; i < s.slice; ++i) to[i] = F::Of(to[i], from[i]);
  }
  return Ok();
}

template <class T, class F>
Status ScatterInto(const NdIndex& s, const Tensor& indices, const T* from, T* y,
                   int64_t outputs) {
  if (s.rows == 0 || (s.slice == 0 && outputs > 0)) return Ok();
  if (outputs == 0) {
    return InvalidArgument("indices and updates specified for empty output ",
                           "tensor");
  }
  return indices.dtype() == kInt32
             ? ScatterRows<T, F, int32_t>(s, indices, from, y)
             : ScatterRows<T, F, int64_t>(s, indices, from, y);
}

template <class T>
Status ScatterNdCpu(KernelContext& k) {
  const int64_t n = k.output(0).NumElements();
  T* y = k.out<T>(0);
  std::fill_n(y, n, T{});
  return ScatterInto<T, AddFn>(k.state<NdIndex>(), k.input(0), k.in<T>(1), y,
                               n);
}

template <class T, class F>
Status TensorScatterCpu(KernelContext& k) {
  const int64_t n = k.output(0).NumElements();
  T* y = k.out<T>(0);
  if (y != k.in<T>(0)) std::copy_n(k.in<T>(0), n, y);
  return ScatterInto<T, F>(k.state<NdIndex>(), k.input(1), k.in<T>(2), y, n);
}

Output Gathered(GradContext& g, Output x) {
  return ops::GatherNd(g.scope(), x, g.x(1));
}
Status ScatterNdGradient(GradContext& g) {
  return g.SetDx(1, ops::GatherNd(g.scope(), g.dy(0), g.x(0)));
}
Status UpdateGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(g.SetDx(
      0,
      ops::TensorScatterUpdate(s, g.dy(0), g.x(1), ops::ZerosLike(s, g.x(2)))));
  return g.SetDx(2, Gathered(g, g.dy(0)));
}
Status AddGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, g.dy(0)));
  return g.SetDx(2, Gathered(g, g.dy(0)));
}
Status SubGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, g.dy(0)));
  return g.SetDx(2, ops::Neg(g.scope(), Gathered(g, g.dy(0))));
}
Status ExtremeGradient(GradContext& g) {
  const Scope& s = g.scope();
  const DType t = BaseOf(g.x(0).dtype());
  const Output own = ops::Cast(s, ops::Equal(s, g.y(0), g.x(0)), t);
  const Output given =
      ops::Cast(s, ops::Equal(s, Gathered(g, g.y(0)), g.x(2)), t);
  const Output count = ops::TensorScatterAdd(s, own, g.x(1), given);
  const Output share = ops::RealDiv(s, g.dy(0), count);
  LS_RETURN_IF_ERROR(g.SetDx(0, ops::Mul(s, own, share)));
  return g.SetDx(2, ops::Mul(s, given, Gathered(g, share)));
}

LOCKSTEP_OP("ScatterNd")
    .Input("indices: Tindices")
    .Input("updates: T")
    .Input("shape: Tindices")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tindices: {int32, int64}")
    .Attr("bad_indices_policy: string = ''")
    .Shape(ScatterNdShape)
    .Gradient(ScatterNdGradient)
    .NeedsValue({2})
    .Kernels<LS_NUMBER_TYPES, bool, std::string>(kCpu, []<class T>() {
      return KernelDef{ScatterNdCpu<T>, PrepareScatterNd, {"shape"}};
    });

template <class F, class... Ts>
OpBuilder TensorScatterOp(const char* name, const char* tensor,
                          GradientFn gradient) {
  OpBuilder b(name);
  b.Input(tensor)
      .Input("indices: Tindices")
      .Input("updates: T")
      .Output("output: T")
      .Attr("T: type")
      .Attr("Tindices: {int32, int64}")
      .Attr("bad_indices_policy: string = ''")
      .Shape(TensorScatterShape)
      .Gradient(gradient)
      .InPlace(0, 0);
  return b.template Kernels<Ts...>(kCpu, []<class T>() {
    return KernelDef{TensorScatterCpu<T, F>, PrepareTensorScatter};
  });
}

const OpRegistrar kUpdate = TensorScatterOp<AssignFn, LS_ANY_TYPES>(
    "TensorScatterUpdate", "tensor: T", UpdateGradient);
const OpRegistrar kAdd = TensorScatterOp<AddFn, LS_NUMBER_TYPES>(
    "TensorScatterAdd", "tensor: T", AddGradient);
const OpRegistrar kNonAliasing = TensorScatterOp<AddFn, LS_NUMBER_TYPES>(
    "ScatterNdNonAliasingAdd", "input: T", AddGradient);
const OpRegistrar kSub = TensorScatterOp<SubFn, LS_NUMBER_TYPES>(
    "TensorScatterSub", "tensor: T", SubGradient);
const OpRegistrar kMax = TensorScatterOp<MaxFn, LS_REAL_TYPES>(
    "TensorScatterMax", "tensor: T", ExtremeGradient);
const OpRegistrar kMin = TensorScatterOp<MinFn, LS_REAL_TYPES>(
    "TensorScatterMin", "tensor: T", ExtremeGradient);

}  // namespace

namespace ops {

Output ScatterNd(const Scope& scope, const Input& indices, const Input& updates,
                 const Input& shape) {
  return scope.Op("ScatterNd").In(indices).In(updates).In(shape).Out();
}

#define LS_SCATTER_BUILDER(Name)                                             \
  Output Name(const Scope& scope, const Input& tensor, const Input& indices, \
              const Input& updates) {                                        \
    return scope.Op(#Name).In(tensor).In(indices).In(updates).Out();         \
  }
LS_SCATTER_BUILDER(TensorScatterUpdate)
LS_SCATTER_BUILDER(TensorScatterAdd)
LS_SCATTER_BUILDER(TensorScatterSub)
LS_SCATTER_BUILDER(TensorScatterMax)
LS_SCATTER_BUILDER(TensorScatterMin)
#undef LS_SCATTER_BUILDER

}  // namespace ops
}  // namespace lockstep
