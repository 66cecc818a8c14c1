// SPDX-License-Identifier: Apache-2.0

// Cumsum, Cumprod, CumulativeLogsumexp: running totals along one axis.
//   x: numbers (the last: floats), rank >= 1   axis: int32|int64 []   out: same
//   shape
// exclusive: each element is left out of its own total. reverse: from the end.
// Floats are accumulated in double.
// Gradients: of Cumsum, the Cumsum of dy the other way round; of Cumprod,
// the like of dy * y, divided by x; of
// CumulativeLogsumexp, exp(x) times the like of dy / exp(y).

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

Status ScanShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> axis, InputInt(c, 1));
  if (axis && c.Input(0).HasRank()) {
    const int rank = c.Input(0).rank();
    if (!ResolveAxis(*axis, rank).ok()) {
      return InvalidArgument("ScanOp: Expected scan axis in the range [", -rank,
                             ", ", rank, "), but got ", *axis);
    }
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

// What is accumulated: Init, the total of nothing, and Step, one element more.
struct CumsumFn {
  template <class Acc>
  static Acc Init() {
    return Acc{0};
  }
  template <class Acc>
  static Acc Step(Acc total, Acc v) {
    return total + v;
  }
};
struct CumprodFn {
  template <class Acc>
  static Acc Init() {
    return Acc{1};
  }
  template <class Acc>
  static Acc Step(Acc total, Acc v) {
    return total * v;
  }
};
struct LogsumexpFn {
  template <class Acc>
  static Acc Init() {
    return -std::numeric_limits<Acc>::infinity();
  }
  template <class Acc>
  static Acc Step(Acc total, Acc v) {
    const Acc high = std::max(total, v), low = std::min(total, v);
    return std::isinf(low) && low < 0 ? high
                                      : high + std::log1p(std::exp(low - high));
  }
};

template <class T, class F>
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
          Acc total = F::template Init<Acc>();
          for (int64_t i = 0; i < s.n; ++i) {
            const int64_t j = at + (s.reverse ? s.n - 1 - i : i) * s.inner;
            const Acc before = total;
            const Acc v = static_cast<Acc>(x[j]);
            total = F::template Step<Acc>(total, v);
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
  const Output weighted = ops::Mul(s, Conjugate(s, g.y(0)), g.dy(0));
  const Output sum = ops::Cumsum(s, weighted, g.x(1), g.Attr<bool>("exclusive"),
                                 !g.Attr<bool>("reverse"));
  return g.SetDx(0, ops::DivNoNan(s, sum, Conjugate(s, g.x(0))));
}

// y = log of the sum of exp(x): dx = sum of dy * exp(x - y), by the signs of dy
// so that logarithms can be taken.
Status LogsumexpGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output dy = g.dy(0), zero = ops::ZerosLike(s, dy);
  const auto part = [&](Output dy_of_one_sign) {
    const Output total = ops::CumulativeLogsumexp(
        s, ops::Sub(s, ops::Log(s, dy_of_one_sign), g.y(0)), g.x(1),
        g.Attr<bool>("exclusive"), !g.Attr<bool>("reverse"));
    return ops::Exp(s, ops::Add(s, total, g.x(0)));
  };
  return g.SetDx(0, ops::Sub(s, part(ops::Maximum(s, dy, zero)),
                             part(ops::Maximum(s, ops::Neg(s, dy), zero))));
}

template <class F, class... Ts>
OpBuilder ScanOp(const char* name, const char* types, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("x: T")
      .Input("axis: Tidx")
      .Output("out: T")
      .Attr("exclusive: bool = false")
      .Attr("reverse: bool = false")
      .Attr(StrCat("T: ", types))
      .Attr("Tidx: {int32, int64} = DT_INT32")
      .Shape(ScanShape)
      .Gradient(gradient)
      .InPlace(0, 0)
      .NeedsValue({1})
      .template Kernels<Ts...>(kCpu, []<class T>() {
        return KernelDef{ScanCpu<T, F>, PrepareScan, {"axis"}};
      });
  return b;
}

const OpRegistrar kCumsum =
    ScanOp<CumsumFn, LS_NUMBER_TYPES>("Cumsum", "numbertype", CumsumGradient);
const OpRegistrar kCumprod = ScanOp<CumprodFn, LS_NUMBER_TYPES>(
    "Cumprod", "numbertype", CumprodGradient);
const OpRegistrar kLogsumexp = ScanOp<LogsumexpFn, LS_FLOAT_TYPES>(
    "CumulativeLogsumexp", "floattype", LogsumexpGradient);

}  // namespace

namespace ops {

#define LS_SCAN_BUILDER(Name)                                        \
  Output Name(const Scope& scope, const Input& x, const Input& axis, \
              bool exclusive, bool reverse) {                        \
    return scope.Op(#Name)                                           \
        .In(x)                                                       \
        .In(axis)                                                    \
        .Attr("exclusive", exclusive)                                \
        .Attr("reverse", reverse)                                    \
        .Out();                                                      \
  }
LS_SCAN_BUILDER(Cumsum)
LS_SCAN_BUILDER(Cumprod)
LS_SCAN_BUILDER(CumulativeLogsumexp)
#undef LS_SCAN_BUILDER

}  // namespace ops
}  // namespace lockstep
