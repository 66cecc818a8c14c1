// SPDX-License-Identifier: Apache-2.0

// ScatterUpdate, -Add, -Sub, -Mul, -Div, -Min, -Max: rows of a variable
// replaced by, or combined with, the rows of `updates`, one after the other.
//   ref: a variable [n, rest]   indices: int32|int64, any shape
//   updates: [indices' shape, rest], or a scalar   output_ref: the reference
// ScatterNdUpdate, -Add, -Sub, -Min, -Max: slices that vectors of positions
// number.   indices: [..., k]   updates: [..., ref's shape behind k axes]
// ResourceScatter...: the same of resource variables, without output.
// An index out of range is INVALID_ARGUMENT; nothing is written then.

#include "ops/array/element_unit.h"
#include "ops/array/nd_index.h"
#include "ops/math/elementwise.h"
#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

enum class How { kSet, kAdd, kSub, kMul, kDiv, kMin, kMax };

// The indices as those of one axis: [...] is [..., 1].
Result<Shape> WithIndexAxis(const Shape& indices) {
  if (!indices.HasRank()) return indices;
  std::vector<int64_t> dims(indices.dims().begin(), indices.dims().end());
  dims.push_back(1);
  return Shape::Make(dims);
}

template <bool kNd>
Status ScatterShape(ShapeContext& c) {
  const Shape& ref = c.Input(0);
  Shape indices = c.Input(1);
  const Shape& updates = c.Input(2);
  if (c.num_outputs() > 0) LS_RETURN_IF_ERROR(c.SetOutput(0, ref));
  if (!ref.HasRank() || !indices.HasRank()) return Ok();
  if constexpr (!kNd) {
    LS_RETURN_IF_ERROR(c.WithRankAtLeast(0, 1).status());
    if (updates.IsScalar()) return Ok();
    LS_ASSIGN_OR_RETURN(indices, WithIndexAxis(indices));
  }
  LS_ASSIGN_OR_RETURN(const Shape want, NdIndex::SlicesShape(indices, ref));
  if (want.IsCompatibleWith(updates)) return Ok();
  return InvalidArgument(
      "Must have updates.shape = ", want, kNd ? "" : " or updates.shape = []",
      " for indices.shape ", c.Input(1), " into ", ref, ", got ", updates);
}

// Integers are divided exactly, and wrap.
template <class T>
T Quotient(T a, T b) {
  using V = ValueType<T>;
  if constexpr (std::is_signed_v<V> && std::is_integral_v<V>) {
    if (b == -1) {
      using C = ArithmeticType<T>;
      return static_cast<T>(C(0) - static_cast<C>(a));
    }
  }
  return static_cast<T>(V(a) / V(b));
}

template <How how, class T>
T Combine(T a, T b) {
  if constexpr (how == How::kSet) {
    return b;
  } else if constexpr (how == How::kDiv && kIsComplex<T>) {
    return a / b;
  } else if constexpr (how == How::kDiv) {
    return Quotient(a, b);
  } else if constexpr (how == How::kMin) {
    return ValueType<T>(b) < ValueType<T>(a) ? b : a;
  } else if constexpr (how == How::kMax) {
    return ValueType<T>(b) > ValueType<T>(a) ? b : a;
  } else {
    using C = ArithmeticType<T>;
    const C x = static_cast<C>(a), y = static_cast<C>(b);
    return static_cast<T>(how == How::kAdd   ? x + y
                          : how == How::kSub ? x - y
                                             : x * y);
  }
}

template <How how, class T>
void ChangeSlice(T* to, const T* from, int64_t step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    to[i] = Combine<how, T>(to[i], from[i * step]);
  }
}

template <How how, class T>
Status CheckDivisors(const Tensor& updates) {
  if constexpr (how == How::kDiv && !kIsFloat<T> && !kIsComplex<T>) {
    for (const T d : updates.flat<T>()) {
      if (d == T(0)) return InvalidArgument("Integer division by zero");
    }
  }
  return Ok();
}

template <How how, bool kNd, class T, class I>
Status ScatterCpu(KernelContext& k) {
  const Shape& ref = k.variable(0).value().shape();
  const Tensor& updates = k.input(2);
  Shape indices = k.input(1).shape();
  if constexpr (!kNd) {
    LS_ASSIGN_OR_RETURN(indices, WithIndexAxis(indices));
  }
  LS_ASSIGN_OR_RETURN(const Shape want, NdIndex::SlicesShape(indices, ref));
  const bool one = !kNd && updates.shape().IsScalar();
  if (!one && updates.shape() != want) {
    return InvalidArgument("updates have shape ", updates.shape(), ", ",
                           k.input(1).shape(), " indices into ", ref, " need ",
                           want);
  }
  const NdIndex s(indices, ref);
  LS_RETURN_IF_ERROR(s.Check<I>(k.input(1), "shape", !kNd));
  LS_RETURN_IF_ERROR((CheckDivisors<how, T>(updates)));
  const I* index = k.in<I>(1);
  T* y = k.variable(0).data<T>();
  const Tensor apart = ApartFrom(updates, k.variable(0).value());
  const T* from = static_cast<const T*>(apart.data());
  for (int64_t row = 0; row < s.rows; ++row) {
    ChangeSlice<how, T>(y + s.OffsetOf(index, row),
                        one ? from : from + row * s.slice, one ? 0 : 1,
                        s.slice);
  }
  return Ok();
}

template <How how, bool kNd, class T>
void AddKernels(OpBuilder& b, const char* type) {
  // What is only moved is compiled for its size.
  using U = std::conditional_t<how == How::kSet, ElementUnit<T>, T>;
  const auto add = [&]<class I>(std::type_identity<I>) {
    b.Kernel(kCpu, {{type, DTypeOf<T>::value}, {"Tindices", DTypeOf<I>::value}},
             {ScatterCpu<how, kNd, U, I>, RequireVariable});
  };
  add(std::type_identity<int32_t>());
  add(std::type_identity<int64_t>());
}

template <How how, bool kNd, class... Ts>
void RegisterForm(const std::string& name, bool resource) {
  OpBuilder b(StrCat(resource ? "Resource" : "", name));
  // Two names for one thing, as TensorFlow has it.
  const char* type = resource && !kNd ? "dtype" : "T";
  b.Input(!resource ? "ref: Ref(T)"
          : kNd     ? "ref: resource"
                    : "resource: resource");
  b.Input("indices: Tindices").Input(StrCat("updates: ", type));
  if (!resource) b.Output("output_ref: Ref(T)");
  const bool ordered = how == How::kMin || how == How::kMax;
  b.Attr(StrCat(type, how == How::kSet ? ": type"
                      : ordered        ? ": realnumbertype"
                                       : ": numbertype"))
      .Attr("Tindices: {int32, int64}");
  if (type[0] == 'T') {
    b.Attr(how == How::kSet || resource ? "use_locking: bool = true"
                                        : "use_locking: bool = false");
  }
  if (kNd) b.Attr("bad_indices_policy: string = ''");
  b.Shape(ScatterShape<kNd>).NoGradient().Stateful();
  (AddKernels<how, kNd, Ts>(b, type), ...);
  OpRegistrar registrar(b);
}

template <How how, bool kNd>
struct ScatterOps {
  explicit ScatterOps(const char* name) {
    for (const bool resource : {false, true}) {
      if constexpr (how == How::kSet) {
        RegisterForm<how, kNd, LS_ANY_TYPES>(name, resource);
      } else if constexpr (how == How::kMin || how == How::kMax) {
        RegisterForm<how, kNd, LS_REAL_TYPES>(name, resource);
      } else {
        RegisterForm<how, kNd, LS_NUMBER_TYPES>(name, resource);
      }
    }
  }
};

const ScatterOps<How::kSet, false> kUpdate("ScatterUpdate");
const ScatterOps<How::kAdd, false> kAdd("ScatterAdd");
const ScatterOps<How::kSub, false> kSub("ScatterSub");
const ScatterOps<How::kMul, false> kMul("ScatterMul");
const ScatterOps<How::kDiv, false> kDiv("ScatterDiv");
const ScatterOps<How::kMin, false> kMin("ScatterMin");
const ScatterOps<How::kMax, false> kMax("ScatterMax");
const ScatterOps<How::kSet, true> kNdUpdate("ScatterNdUpdate");
const ScatterOps<How::kAdd, true> kNdAdd("ScatterNdAdd");
const ScatterOps<How::kSub, true> kNdSub("ScatterNdSub");
const ScatterOps<How::kMin, true> kNdMin("ScatterNdMin");
const ScatterOps<How::kMax, true> kNdMax("ScatterNdMax");

Output Scatter(const Scope& scope, const char* op, const Input& variable,
               const Input& indices, const Input& updates) {
  const Output ref = variable.Resolve(scope);
  if (!ref.defined()) return {};
  Node* node = scope.Op(StrCat(ref.dtype() == kResource ? "Resource" : "", op))
                   .In(ref)
                   .In(indices)
                   .In(updates.Resolve(scope, ops::VariableDType(ref)))
                   .Build();
  return ops::AfterUpdate(scope, node, ref);
}

}  // namespace

namespace ops {

#define LS_SCATTER(Name)                                                       \
  Output Name(const Scope& scope, const Input& variable, const Input& indices, \
              const Input& updates) {                                          \
    return Scatter(scope, #Name, variable, indices, updates);                  \
  }
LS_SCATTER(ScatterUpdate)
LS_SCATTER(ScatterAdd)
LS_SCATTER(ScatterSub)
LS_SCATTER(ScatterMul)
LS_SCATTER(ScatterDiv)
LS_SCATTER(ScatterMin)
LS_SCATTER(ScatterMax)
LS_SCATTER(ScatterNdUpdate)
LS_SCATTER(ScatterNdAdd)
LS_SCATTER(ScatterNdSub)
LS_SCATTER(ScatterNdMin)
LS_SCATTER(ScatterNdMax)
#undef LS_SCATTER

}  // namespace ops
}  // namespace lockstep
