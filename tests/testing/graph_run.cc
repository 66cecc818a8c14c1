// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/graph_run.h"

#include <cmath>

#include "ops/array/array.h"
#include "runtime/core/philox.h"
#include "runtime/graph/gradients.h"

namespace lockstep::testing {
namespace {

// The graph with its placeholders x0, x1, ...
struct Built {
  Graph graph;
  std::vector<Output> inputs;
  std::vector<Output> outputs;
  Status status;
};

void Build(const std::vector<Tensor>& inputs, const BuildFn& build,
           bool unknown_shapes, Built* b, const std::string& device = "") {
  const Scope scope = Scope(&b->graph).WithDevice(device);
  for (size_t i = 0; i < inputs.size(); ++i) {
    b->inputs.push_back(ops::Placeholder(
        scope.WithName(StrCat("x", i)), inputs[i].dtype(),
        unknown_shapes ? Shape::Unknown() : inputs[i].shape()));
  }
  b->outputs = build(scope, b->inputs);
  b->status = scope.status();
}

std::vector<Session::Feed> Feeds(const std::vector<Tensor>& inputs) {
  std::vector<Session::Feed> feeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    feeds.emplace_back(StrCat("x", i, ":0"), inputs[i]);
  }
  return feeds;
}

std::vector<std::string> Names(const std::vector<Output>& outputs) {
  std::vector<std::string> names;
  for (const Output& o : outputs) names.push_back(o.name());
  return names;
}

Result<std::vector<Tensor>> RunBuilt(const Built& b,
                                     const std::vector<Tensor>& inputs,
                                     const RunOptions& options) {
  LS_RETURN_IF_ERROR(b.status);
  SessionOptions session_options;
  session_options.optimize = options.optimize;
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(b.graph, session_options));
  return session->Run(Feeds(inputs), Names(b.outputs));
}

double WeightedSum(const std::vector<Tensor>& ys,
                   const std::vector<Tensor>& weights) {
  double sum = 0;
  for (size_t i = 0; i < ys.size(); ++i) {
    const auto y = Values(ys[i]), w = Values(weights[i]);
    for (size_t j = 0; j < y.size(); ++j) sum += y[j] * w[j];
  }
  return sum;
}

}  // namespace

Result<std::vector<Tensor>> RunGraph(const std::vector<Tensor>& inputs,
                                     const BuildFn& build,
                                     const RunOptions& options) {
  Built b;
  Build(inputs, build, options.unknown_shapes, &b);
  return RunBuilt(b, inputs, options);
}

std::vector<Tensor> Evaluate(const std::vector<Tensor>& inputs,
                             const BuildFn& build, const RunOptions& options) {
  auto r = RunGraph(inputs, build, options);
  EXPECT_TRUE(r.ok()) << r.status().ToString();
  if (r.ok() && !options.unknown_shapes) {
    RunOptions dynamic = options;
    dynamic.unknown_shapes = true;
    auto again = RunGraph(inputs, build, dynamic);
    EXPECT_TRUE(again.ok()) << again.status().ToString();
    for (size_t i = 0; again.ok() && i < r->size(); ++i) {
      ExpectClose((*again)[i], (*r)[i], 1e-5);
    }
  }
  // Enough undefined tensors for the checks that follow to fail, not crash.
  return r.ok() ? *std::move(r) : std::vector<Tensor>(8);
}

Tensor EvaluateOne(const std::vector<Tensor>& inputs, const BuildFn& build,
                   const RunOptions& options) {
  return Evaluate(inputs, build, options)[0];
}

std::vector<std::string> PlanOf(const std::vector<Tensor>& inputs,
                                const BuildFn& build) {
  Built b;
  Build(inputs, build, false, &b, "/cpu:0");
  EXPECT_TRUE(b.status.ok()) << b.status.ToString();
  auto session = Session::Create(b.graph);
  if (!session.ok()) return {session.status().ToString()};
  auto plan = (*session)->Explain(Feeds(inputs), Names(b.outputs));
  if (!plan.ok()) return {plan.status().ToString()};
  return plan->steps;
}

void ExpectGradients(const std::vector<Tensor>& inputs, const BuildFn& build,
                     double tolerance) {
  Built b;
  Build(inputs, build, false, &b);
  ASSERT_TRUE(b.status.ok()) << b.status.ToString();
  auto ys = RunBuilt(b, inputs, {});
  ASSERT_TRUE(ys.ok()) << ys.status().ToString();
  std::vector<Tensor> weights;
  std::vector<Output> dys, xs, dxs;
  const Scope scope(&b.graph);
  for (const Tensor& y : *ys) {
    weights.push_back(
        Numbers(kDouble, y.shape(), 0.5, 1.5, 77 + weights.size()));
    dys.push_back(ops::Const(scope, weights.back()));
  }
  std::vector<size_t> which;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype() != kDouble) continue;
    which.push_back(i);
    xs.push_back(b.inputs[i]);
  }
  const Status s = AddGradients(scope, b.outputs, xs, &dxs, dys);
  ASSERT_TRUE(s.ok()) << s.ToString();
  Built backward{.graph = b.graph.Clone()};
  backward.outputs = dxs;
  for (const Output& dx : dxs) ASSERT_TRUE(dx.defined());
  auto got = RunBuilt(backward, inputs, {});
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  SessionOptions options;
  auto session = Session::Create(b.graph, options);
  ASSERT_TRUE(session.ok());
  std::vector<Tensor> moved;
  for (const Tensor& t : inputs) moved.push_back(t.Clone());
  const double step = 1e-5;
  for (size_t w = 0; w < which.size(); ++w) {
    EXPECT_EQ((*got)[w].shape(), inputs[which[w]].shape());
    auto x = moved[which[w]].flat<double>();
    const auto analytic = Values((*got)[w]);
    for (size_t j = 0; j < x.size(); ++j) {
      const double at = x[j];
      const auto eval = [&](double v) {
        x[j] = v;
        return WeightedSum(
            (*session)->Run(Feeds(moved), Names(b.outputs)).value(), weights);
      };
      const double slope = (eval(at + step) - eval(at - step)) / (2 * step);
      x[j] = at;
      EXPECT_NEAR(analytic[j], slope, tolerance * (1 + std::abs(slope)))
          << "input " << which[w] << " element " << j;
    }
  }
}

Tensor Numbers(DType dtype, const Shape& shape, double low, double high,
               uint64_t seed) {
  Tensor t(kDouble, shape);
  const Philox rng(seed, 1, 2);
  auto out = t.flat<double>();
  for (size_t i = 0; i < out.size(); ++i) {
    const auto words = rng.Block(i);
    out[i] = low + (high - low) * UniformDouble(words[0], words[1]);
  }
  return ToDType(t, dtype);
}

Tensor ToDType(const Tensor& from, DType to) {
  Tensor out(to, from.shape());
  const Status s = VisitDType(from.dtype(), [&]<class A>(
                                                std::type_identity<A>) {
    return VisitDType(to, [&]<class B>(std::type_identity<B>) {
      for (size_t i = 0; i < out.flat<B>().size(); ++i) {
        if constexpr (std::is_integral_v<B> || std::is_floating_point_v<B>) {
          out.flat<B>()[i] = static_cast<B>(from.flat<A>()[i]);
        } else {
          out.flat<B>()[i] = B(static_cast<float>(from.flat<A>()[i]));
        }
      }
      return Ok();
    });
  });
  EXPECT_TRUE(s.ok()) << s.ToString();
  return out;
}

std::vector<double> Values(const Tensor& t) {
  const Tensor wide = t.dtype() == kDouble ? t : ToDType(t, kDouble);
  const auto flat = wide.flat<double>();
  return {flat.begin(), flat.end()};
}

void ExpectValues(const Tensor& got, const Shape& shape,
                  const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.shape(), shape);
  const auto values = Values(got);
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    if (values[i] == want[i]) continue;  // infinities too
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(values[i])) << "element " << i;
    } else {
      EXPECT_NEAR(values[i], want[i], tolerance * (1 + std::abs(want[i])))
          << "element " << i;
    }
  }
}

void ExpectClose(const Tensor& got, const Tensor& want, double tolerance) {
  ExpectValues(got, want.shape(), Values(want), tolerance);
}

}  // namespace lockstep::testing
