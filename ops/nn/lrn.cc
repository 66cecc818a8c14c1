// SPDX-License-Identifier: Apache-2.0

// LRN: local response normalisation across channels:
//   output = input / norm ^ beta, where norm = bias + alpha * the sum of
//   squares of the depth_radius channels to each side and the channel itself
//   input, output: [N,H,W,C]
// LRNGrad: input_grads, input_image, output_image -> the input's gradient.
// Gradient of LRN: LRNGrad, which has none.

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/math/elementwise.h"
#include "ops/math/vector_math.h"
#include "ops/nn/nn.h"
#include "runtime/core/per_thread.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/rank_words.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status LrnShape(ShapeContext& c) {
  Shape shape = Shape::UnknownOfRank(4);
  for (int i = 0; i < c.num_inputs(); ++i) {
    LS_ASSIGN_OR_RETURN(
        const Shape in,
        WithRank(c, i, 4, "in must be 4-dimensional, has shape "));
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

// A row's channels with the radius' zeros before and behind them, and what is
// made of them, in floats. Of one thread; whole blocks long.
struct LrnRow {
  explicit LrnRow(const LrnState& s)
      : size((s.channels + kBlock - 1) / kBlock * kBlock),
        around(static_cast<size_t>(size + 2 * s.radius)),
        norm(static_cast<size_t>(size), 1.0f),
        power(static_cast<size_t>(size)),
        sum(static_cast<size_t>(size)) {}

  static constexpr int64_t kBlock = detail::kVectorBlock;
  int64_t size;
  std::vector<float> around, norm, power, sum;
};

// sum[c] = around[c] + ... + around[c + 2 radius]
LS_SIMD_CLONES void SumWindows(const float* around, int64_t radius, int64_t n,
                               float* sum) {
  std::fill_n(sum, n, 0.0f);
  for (int64_t k = 0; k <= 2 * radius; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) sum[c] += around[c + k];
  }
}

// norm^-beta; the usual powers are roots.
LS_SIMD_CLONES void LrnPowers(const float* norm, float beta, int64_t n,
                              float* power) {
  if (beta == 0.5f) {
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) power[c] = 1 / std::sqrt(norm[c]);
  } else if (beta == 0.75f) {
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) {
      const float root = std::sqrt(norm[c]);
      power[c] = 1 / (root * std::sqrt(root));
    }
  } else {
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) power[c] = vm::Pow(norm[c], -beta);
  }
}

// norm = bias + alpha * the sum of squares near the channel, and its power.
template <class T>
LS_SIMD_CLONES void LrnNorms(const LrnState& s, const T* x, LrnRow* row) {
  float* squares = row->around.data() + s.radius;
  for (int64_t c = 0; c < s.channels; ++c) {
    const float v = float(x[c]);
    squares[c] = v * v;
  }
  SumWindows(row->around.data(), s.radius, row->size, row->sum.data());
  for (int64_t c = 0; c < s.channels; ++c) {
    row->norm[static_cast<size_t>(c)] =
        s.bias + s.alpha * row->sum[static_cast<size_t>(c)];
  }
  LrnPowers(row->norm.data(), s.beta, row->size, row->power.data());
}

template <class F>
void ForLrnRows(const LrnState& s, const F& f) {
  const int64_t grain =
      std::max<int64_t>(1, kCostlyGrain / std::max<int64_t>(1, s.channels));
  PerThread<LrnRow> rows{LrnRow(s)};
  ParallelFor(s.rows, grain, [&](int64_t begin, int64_t end) {
    LrnRow& row = rows.mine();
    for (int64_t r = begin; r < end; ++r) f(r * s.channels, &row);
  });
}

template <class T>
Status LrnRun(KernelContext& k) {
  const LrnState& s = k.state<LrnState>();
  ForLrnRows(s, [&](int64_t at, LrnRow* row) {
    const T* x = k.in<T>(0) + at;
    T* y = k.out<T>(0) + at;
    LrnNorms(s, x, row);
    const float* power = row->power.data();
    for (int64_t c = 0; c < s.channels; ++c) y[c] = T(float(x[c]) * power[c]);
  });
  return Ok();
}

// dx[k] = dy[k] norm[k]^-beta
//         - 2 alpha beta x[k] * sum over j near k of dy[j] y[j] / norm[j]
template <class T>
LS_SIMD_CLONES void LrnGradRow(const LrnState& s, const T* dy, const T* x,
                               const T* y, T* dx, LrnRow* row) {
  LrnNorms(s, x, row);
  const float* norm = row->norm.data();
  const float* power = row->power.data();
  float* near = row->around.data() + s.radius;
  for (int64_t c = 0; c < s.channels; ++c) {
    near[c] = float(dy[c]) * float(y[c]) / norm[c];
  }
  SumWindows(row->around.data(), s.radius, row->size, row->sum.data());
  const float* sum = row->sum.data();
  const float factor = 2 * s.alpha * s.beta;
  for (int64_t c = 0; c < s.channels; ++c) {
    dx[c] = T(float(dy[c]) * power[c] - factor * float(x[c]) * sum[c]);
  }
}

template <class T>
Status LrnGradRun(KernelContext& k) {
  const LrnState& s = k.state<LrnState>();
  ForLrnRows(s, [&](int64_t at, LrnRow* row) {
    LrnGradRow(s, k.in<T>(0) + at, k.in<T>(1) + at, k.in<T>(2) + at,
               k.out<T>(0) + at, row);
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
