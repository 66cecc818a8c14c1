// SPDX-License-Identifier: Apache-2.0

// CheckNumerics, CheckNumericsV2: the tensor itself, INVALID_ARGUMENT
// "<message> : Tensor had NaN values" when something in it is not finite. V2
// tells the infinities' signs.
//   tensor: floats   output: the same
// Gradient: dy, checked too.
// EnsureShape: the tensor itself, INVALID_ARGUMENT when its shape does not fit
// attribute "shape". Gradient: dy.

#include "ops/check/check.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

void PassThrough(KernelContext& k) {
  if (k.output(0).data() != k.input(0).data()) {
    k.output(0).CopyFrom(k.input(0));
  }
}

// Which kinds of values that are not finite occur.
struct Found {
  bool nan = false, plus = false, minus = false;
  bool any() const { return nan || plus || minus; }
};

template <class T>
Found FindInvalid(const T* x, int64_t n) {
  Found f;
  for (int64_t i = 0; i < n; ++i) {
    const ValueType<T> v = x[i];
    if (std::isfinite(v)) continue;
    (std::isnan(v) ? f.nan : v > 0 ? f.plus : f.minus) = true;
  }
  return f;
}

template <class T, bool kSigns>
Status CheckNumericsCpu(KernelContext& k) {
  const Found f = FindInvalid(k.in<T>(0), k.input(0).NumElements());
  if (!f.any()) {
    PassThrough(k);
    return Ok();
  }
  std::vector<std::string> what;
  if (kSigns) {
    if (f.minus) what.push_back("-Inf");
    if (f.plus) what.push_back("+Inf");
  } else if (f.minus || f.plus) {
    what.push_back("Inf");
  }
  if (f.nan) what.push_back("NaN");
  std::string list = what.back();
  if (what.size() == 2) list = StrCat(what[0], " and ", what[1]);
  if (what.size() == 3) {
    list = StrCat(what[0], ", ", what[1], ", and ", what[2]);
  }
  return InvalidArgument(GetOr<std::string>(k.attrs(), "message", ""),
                         " : Tensor had ", list, " values");
}

Status CheckNumericsGradient(GradContext& g) {
  return g.SetDx(0, g.scope()
                        .Op(g.node()->op())
                        .In(g.dy(0))
                        .Attr("message",
                              "Not a number (NaN) or infinity (Inf) values "
                              "detected in gradient.")
                        .Out());
}

template <bool kSigns>
OpBuilder CheckNumericsOp(const char* name) {
  OpBuilder b(name);
  b.Input("tensor: T")
      .Output("output: T")
      .Attr("T: floattype")
      .Attr("message: string")
      .Shape(UnchangedShape)
      .Gradient(CheckNumericsGradient)
      .Stateful()
      .InPlace(0, 0);
  b.Kernels<LS_FLOAT_TYPES>(
      kCpu, []<class T>() { return KernelDef{CheckNumericsCpu<T, kSigns>}; });
  return b;
}

const OpRegistrar kCheck = CheckNumericsOp<false>("CheckNumerics");
const OpRegistrar kCheckV2 = CheckNumericsOp<true>("CheckNumericsV2");

Status CheckShape(const Shape& shape, const Shape& want) {
  if (shape.IsCompatibleWith(want)) return Ok();
  return InvalidArgument("Shape of tensor input ", shape,
                         " is not compatible with expected shape ", want);
}

Status EnsureShapeShape(ShapeContext& c) {
  const Shape& want = c.Attr<Shape>("shape");
  LS_RETURN_IF_ERROR(CheckShape(c.Input(0), want));
  LS_ASSIGN_OR_RETURN(Shape y, Shape::Merge(c.Input(0), want));
  return c.SetOutput(0, y);
}

Status EnsureShapeCpu(KernelContext& k) {
  if (const Shape* want = GetIf<Shape>(k.attrs(), "shape")) {
    LS_RETURN_IF_ERROR(CheckShape(k.input(0).shape(), *want));
  }
  PassThrough(k);
  return Ok();
}

Status EnsureShapeGradient(GradContext& g) { return g.SetDx(0, g.dy(0)); }

int IsSure(ShapeContext& c) { return c.Input(0).IsFullyKnown() ? 0 : -1; }

LOCKSTEP_OP("EnsureShape")
    .Input("input: T")
    .Output("output: T")
    .Attr("shape: shape")
    .Attr("T: type")
    .Shape(EnsureShapeShape)
    .Gradient(EnsureShapeGradient)
    .IdentityWhen(IsSure)
    .InPlace(0, 0)
    .Kernel(kCpu, {EnsureShapeCpu});

}  // namespace

namespace ops {

Output CheckNumerics(const Scope& scope, const Input& tensor,
                     const std::string& message) {
  return scope.Op("CheckNumerics").In(tensor).Attr("message", message).Out();
}
Output EnsureShape(const Scope& scope, const Input& input,
                   const lockstep::Shape& shape) {
  return scope.Op("EnsureShape").In(input).Attr("shape", shape).Out();
}

}  // namespace ops
}  // namespace lockstep
