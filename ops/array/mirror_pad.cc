// SPDX-License-Identifier: Apache-2.0

// MirrorPad: the input continued beyond its borders by its mirror image, with
// the border itself (mode SYMMETRIC) or without it (REFLECT).
//   input: T, any rank   paddings: [rank, 2] int32|int64, not negative and at
//   most the dimension (REFLECT: less than it)
// MirrorPadGrad: folds back and adds what MirrorPad spread.
// Gradients: of one, the other.

#include "ops/array/array.h"
#include "ops/array/element_unit.h"
#include "ops/array/pad.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// For each dimension of the padded tensor, where in the plain one (in
// elements) each of its positions comes from.
struct MirrorState {
  std::vector<std::vector<int64_t>> from;
};

Status MakeMirror(PrepareContext& c, const Shape& plain, const Shape& padded) {
  MirrorState& s = c.MakeState<MirrorState>();
  const int64_t without = c.Attr<std::string>("mode") == "REFLECT" ? 1 : 0;
  int64_t stride = 1;
  s.from.resize(static_cast<size_t>(plain.rank()));
  for (int d = plain.rank() - 1; d >= 0; --d) {
    const int64_t n = plain.dim(d);
    const int64_t before = IntAt(*c.input_value(1), 2 * d),
                  after = IntAt(*c.input_value(1), 2 * d + 1);
    if (before > n - without || after > n - without) {
      return InvalidArgument(
          "paddings must be ", without == 1 ? "less" : "no greater",
          " than the dimension size: ", before, ", ", after, " not ",
          without == 1 ? "less" : "greater", " than ", n);
    }
    for (int64_t i = 0; i < padded.dim(d); ++i) {
      int64_t at = i - before;
      if (at < 0) at = -at - 1 + without;
      if (at >= n) at = 2 * n - 1 - without - at;
      s.from[static_cast<size_t>(d)].push_back(at * stride);
    }
    stride *= n;
  }
  return Ok();
}

Status PrepareMirrorPad(PrepareContext& c) {
  return MakeMirror(c, c.input_shape(0), c.output_shape(0));
}
Status PrepareMirrorPadGrad(PrepareContext& c) {
  return MakeMirror(c, c.output_shape(0), c.input_shape(0));
}

// Calls f(padded, plain) for every element of the padded tensor, in order.
template <class F>
void ForMirrored(const MirrorState& s, int64_t elements, const F& f) {
  if (elements == 0) return;
  if (s.from.empty()) return f(int64_t{0}, int64_t{0});
  const std::vector<int64_t>& row = s.from.back();
  const int64_t width = static_cast<int64_t>(row.size());
  for (int64_t at = 0; at < elements; at += width) {
    int64_t plain = 0, rest = at / width;
    for (size_t d = s.from.size() - 1; d-- > 0;) {
      const int64_t n = static_cast<int64_t>(s.from[d].size());
      plain += s.from[d][static_cast<size_t>(rest % n)];
      rest /= n;
    }
    for (int64_t i = 0; i < width; ++i) {
      f(at + i, plain + row[static_cast<size_t>(i)]);
    }
  }
}

template <class U>
Status MirrorPadCpu(KernelContext& k) {
  const U* x = k.in<U>(0);
  U* y = k.out<U>(0);
  ForMirrored(k.state<MirrorState>(), k.output(0).NumElements(),
              [&](int64_t to, int64_t from) { y[to] = x[from]; });
  return Ok();
}

template <class T>
Status MirrorPadGradCpu(KernelContext& k) {
  using C = ArithmeticType<T>;
  const T* dy = k.in<T>(0);
  T* dx = k.out<T>(0);
  std::fill_n(dx, k.output(0).NumElements(), T{});
  ForMirrored(k.state<MirrorState>(), k.input(0).NumElements(),
              [&](int64_t from, int64_t to) {
                dx[to] = static_cast<T>(static_cast<C>(dx[to]) +
                                        static_cast<C>(dy[from]));
              });
  return Ok();
}

Status MirrorPadGradShape(ShapeContext& c) { return PaddedShape(c, -1); }

Output Mirror(const Scope& s, const char* op, const Input& x,
              const Input& paddings, const std::string& mode) {
  return s.Op(op).In(x).In(paddings).Attr("mode", mode).Out();
}
Status MirrorPadGradient(GradContext& g) {
  return g.SetDx(0, Mirror(g.scope(), "MirrorPadGrad", g.dy(0), g.x(1),
                           g.Attr<std::string>("mode")));
}
Status MirrorPadGradGradient(GradContext& g) {
  return g.SetDx(0, Mirror(g.scope(), "MirrorPad", g.dy(0), g.x(1),
                           g.Attr<std::string>("mode")));
}

OpBuilder MirrorOp(const char* name) {
  OpBuilder b(name);
  b.Input("input: T")
      .Input("paddings: Tpaddings")
      .Output("output: T")
      .Attr("T: type")
      .Attr("Tpaddings: {int32, int64} = DT_INT32")
      .Attr("mode: {'REFLECT', 'SYMMETRIC'}")
      .NeedsValue({1});
  return b;
}

const OpRegistrar kMirrorPad =
    MirrorOp("MirrorPad")
        .Shape(PadShape)
        .Gradient(MirrorPadGradient)
        .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
          return KernelDef{
              MirrorPadCpu<ElementUnit<T>>, PrepareMirrorPad, {"paddings"}};
        });
const OpRegistrar kMirrorPadGrad =
    MirrorOp("MirrorPadGrad")
        .Shape(MirrorPadGradShape)
        .Gradient(MirrorPadGradGradient)
        .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
          return KernelDef{
              MirrorPadGradCpu<T>, PrepareMirrorPadGrad, {"paddings"}};
        });

}  // namespace

namespace ops {

Output MirrorPad(const Scope& scope, const Input& input, const Input& paddings,
                 const std::string& mode) {
  return Mirror(scope, "MirrorPad", input, paddings, mode);
}

}  // namespace ops
}  // namespace lockstep
