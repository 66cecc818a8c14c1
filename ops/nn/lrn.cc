// SPDX-License-Identifier: Apache-2.0

// LRN: local response normalisation across channels:
//   output = input / norm ^ beta, where norm = bias + alpha * the sum of
//   squares of the depth_radius channels to each side and the channel itself
//   input, output: [N,H,W,C]
// LRNGrad: input_grads, input_image, output_image -> the input's gradient.
// Gradient of LRN: LRNGrad, which has none.

#include <algorithm>
#include <cmath>

#include "ops/math/elementwise.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status LrnShape(ShapeContext& c) {
  Shape shape = Shape::UnknownOfRank(4);
  for (int i = 0; i < c.num_inputs(); ++i) {
    LS_ASSIGN_OR_RETURN(const Shape in, c.WithRank(i, 4));
    auto merged = Shape::Merge(shape, in);
    if (!merged.ok()) {
      return InvalidArgument(
          "input_grads, input_image, and out_image should have the same "
          "shape, got ",
          shape, " and ", in);
    }
    shape = *merged;
  }
  return c.SetOutput(0, shape);
}

struct LrnState {
  int64_t rows = 1, channels = 1, radius = 5;
  float bias = 1, alpha = 1, beta = 0.5f;
};

Status LrnPrepare(PrepareContext& p) {
  LrnState& s = p.MakeState<LrnState>();
  const Shape& x = p.input_shape(0);
  s.channels = x.dim(3);
  s.rows = x.dim(0) * x.dim(1) * x.dim(2);
  s.radius =
      std::clamp<int64_t>(p.Attr<int64_t>("depth_radius"), 0, s.channels);
  s.bias = p.Attr<float>("bias");
  s.alpha = p.Attr<float>("alpha");
  s.beta = p.Attr<float>("beta");
  return Ok();
}

// The norm of channel c of a row: few channels are summed anew for each.
template <class T>
float NormAt(const LrnState& s, const T* x, int64_t c) {
  float sum = 0;
  const int64_t last = std::min(s.channels - 1, c + s.radius);
  for (int64_t k = std::max<int64_t>(0, c - s.radius); k <= last; ++k) {
    const float v = float(x[k]);
    sum += v * v;
  }
  return s.bias + s.alpha * sum;
}

template <class T>
Status LrnRun(KernelContext& k) {
  const LrnState& s = k.state<LrnState>();
  const int64_t grain =
      std::max<int64_t>(1, kCostlyGrain / std::max<int64_t>(1, s.channels));
  ParallelFor(s.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* x = k.in<T>(0) + r * s.channels;
      T* y = k.out<T>(0) + r * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) {
        y[c] = T(float(x[c]) * std::pow(NormAt(s, x, c), -s.beta));
      }
    }
  });
  return Ok();
}

// dx[k] = dy[k] norm[k]^-beta
//         - 2 alpha beta x[k] * sum over j near k of dy[j] y[j] / norm[j]
template <class T>
void LrnGradRow(const LrnState& s, const T* dy, const T* x, const T* y, T* dx) {
  for (int64_t c = 0; c < s.channels; ++c) {
    float sum = 0;
    const int64_t last = std::min(s.channels - 1, c + s.radius);
    for (int64_t j = std::max<int64_t>(0, c - s.radius); j <= last; ++j) {
      sum += float(dy[j]) * float(y[j]) / NormAt(s, x, j);
    }
    dx[c] = T(float(dy[c]) * std::pow(NormAt(s, x, c), -s.beta) -
              2 * s.alpha * s.beta * float(x[c]) * sum);
  }
}

template <class T>
Status LrnGradRun(KernelContext& k) {
  const LrnState& s = k.state<LrnState>();
  const int64_t grain =
      std::max<int64_t>(1, kCostlyGrain / 8 / std::max<int64_t>(1, s.channels));
  ParallelFor(s.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r * s.channels;
      LrnGradRow(s, k.in<T>(0) + at, k.in<T>(1) + at, k.in<T>(2) + at,
                 k.out<T>(0) + at);
    }
  });
  return Ok();
}

Status LrnGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op("LRNGrad");
  node.In(g.dy(0)).In(g.x(0)).In(g.y(0));
  for (const char* name : {"depth_radius", "bias", "alpha", "beta"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return g.SetDx(0, node.Out());
}

OpBuilder& LrnAttrs(OpBuilder& b) {
  return b.Output("output: T")
      .Attr("depth_radius: int = 5")
      .Attr("bias: float = 1.0")
      .Attr("alpha: float = 1.0")
      .Attr("beta: float = 0.5")
      .Attr("T: {half, bfloat16, float} = DT_FLOAT")
      .Shape(LrnShape);
}
OpBuilder LrnOp() {
  OpBuilder b("LRN");
  LrnAttrs(b.Input("input: T"))
      .Gradient(LrnGradient)
      .Kernels<float, Half, BFloat16>(kCpu, []<class T>() {
        return KernelDef{LrnRun<T>, LrnPrepare};
      });
  return b;
}
OpBuilder LrnGradOp() {
  OpBuilder b("LRNGrad");
  b.Input("input_grads: T").Input("input_image: T").Input("output_image: T");
  LrnAttrs(b).NoGradient().Kernels<float, Half, BFloat16>(kCpu, []<class T>() {
    return KernelDef{LrnGradRun<T>, LrnPrepare};
  });
  return b;
}

const OpRegistrar kLrn = LrnOp();
const OpRegistrar kLrnGrad = LrnGradOp();

}  // namespace

Output ops::LRN(const Scope& scope, const Input& input, int64_t depth_radius,
                float bias, float alpha, float beta) {
  return scope.Op("LRN")
      .In(input)
      .Attr("depth_radius", depth_radius)
      .Attr("bias", bias)
      .Attr("alpha", alpha)
      .Attr("beta", beta)
      .Out();
}

}  // namespace lockstep
