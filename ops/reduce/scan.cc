// SPDX-License-Identifier: Apache-2.0

// Cumsum, Cumprod: running totals along one axis.
//   x: real numbers, rank >= 1   axis: int32|int64 []   out: same shape
// exclusive: each element is left out of its own total. reverse: from the end.
// Floats are accumulated in double.
// Gradients: of Cumsum, the Cumsum of dy the other way round; of Cumprod,
// the like of dy * y, divided by x.

#include "ops/array/axes.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

Status ScanShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> axis, InputInt(c, 1));
  if (axis && c.Input(0).HasRank()) {
    LS_RETURN_IF_ERROR(ResolveAxis(*axis, c.Input(0).rank()).status());
  }
  return c.SetOutput(0, c.Input(0));
}

struct ScanState {
  int64_t outer = 1, n = 1, inner = 1;
  bool exclusive = false, reverse = false;
};

Status PrepareScan(PrepareContext& c) {
  const Shape& x = c.input_shape(0);
  LS_ASSIGN_OR_RETURN(int axis,
                      ResolveAxis(IntAt(*c.input_value(1), 0), x.rank()));
  c.MakeState<ScanState>(ScanState{
      DimProduct(x, 0, axis), x.dim(axis), DimProduct(x, axis + 1, x.rank()),
      c.Attr<bool>("exclusive"), c.Attr<bool>("reverse")});
  return Ok();
}

template <class T, bool kProduct>
Status ScanCpu(KernelContext& k) {
  using Acc = SumType<T>;
  const ScanState& s = k.state<ScanState>();
  const T* x = k.in<T>(0);  // [outer, n, inner]
  T* y = k.out<T>(0);
  ParallelFor(
      s.outer * s.inner, std::max<int64_t>(1, 16384 / (s.n + 1)),
      [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line) {
          const int64_t at = line / s.inner * s.n * s.inner + line % s.inner;
          Acc total = kProduct ? Acc{1} : Acc{0};
          for (int64_t i = 0; i < s.n; ++i) {
            const int64_t j = at + (s.reverse ? s.n - 1 - i : i) * s.inner;
            const Acc before = total;
            const Acc v = static_cast<Acc>(x[j]);
            total = kProduct ? total * v : total + v;
            y[j] = SumMonoid<T>::Finish(s.exclusive ? before : total, 0);
          }
        }
      });
  return Ok();
}

Status CumsumGradient(GradContext& g) {
  return g.SetDx(
      0, ops::Cumsum(g.scope(), g.dy(0), g.x(1), g.Attr<bool>("exclusive"),
                     !g.Attr<bool>("reverse")));
}

Status CumprodGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output weighted = ops::Mul(s, g.y(0), g.dy(0));
  const Output sum = ops::Cumsum(s, weighted, g.x(1), g.Attr<bool>("exclusive"),
                                 !g.Attr<bool>("reverse"));
  return g.SetDx(0, ops::DivNoNan(s, sum, g.x(0)));
}

template <bool kProduct>
OpBuilder ScanOp(const char* name, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("x: T")
      .Input("axis: Tidx")
      .Output("out: T")
      .Attr("exclusive: bool = false")
      .Attr("reverse: bool = false")
      .Attr("T: realnumbertype")
      .Attr("Tidx: {int32, int64} = DT_INT32")
      .Shape(ScanShape)
      .Gradient(gradient)
      .InPlace(0, 0)
      .NeedsValue({1})
      .template Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
        return KernelDef{ScanCpu<T, kProduct>, PrepareScan, {"axis"}};
      });
  return b;
}

const OpRegistrar kCumsum = ScanOp<false>("Cumsum", CumsumGradient);
const OpRegistrar kCumprod = ScanOp<true>("Cumprod", CumprodGradient);

}  // namespace

namespace ops {

Output Cumsum(const Scope& scope, const Input& x, const Input& axis,
              bool exclusive, bool reverse) {
  return scope.Op("Cumsum")
      .In(x)
      .In(axis)
      .Attr("exclusive", exclusive)
      .Attr("reverse", reverse)
      .Out();
}
Output Cumprod(const Scope& scope, const Input& x, const Input& axis,
               bool exclusive, bool reverse) {
  return scope.Op("Cumprod")
      .In(x)
      .In(axis)
      .Attr("exclusive", exclusive)
      .Attr("reverse", reverse)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
