// SPDX-License-Identifier: Apache-2.0
#pragma once

// RandomElements: a graph of element-wise ops of no pattern, of several types
// and shapes, some of whose feeds have NaN, infinities and denormals; equal
// seeds make equal graphs.
//
//   const RandomElements graph(seed, {.ops = 80});
//   session->Run(graph.program().feeds, graph.program().fetches);

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {

struct FedGraph {
  Graph graph;
  std::vector<Session::Feed> feeds;
  std::vector<std::string> fetches;
};

// To the bit, but for what a NaN carries.
inline bool SameBits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return false;
  if (!IsFloating(a.dtype()) || BitwiseEqual(a, b)) return BitwiseEqual(a, b);
  const std::vector<double> x = Values(a), y = Values(b);
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (x[i] != y[i] || std::signbit(x[i]) != std::signbit(y[i])) return false;
  }
  return true;
}

class RandomElements {
 public:
  struct Options {
    int ops = 10;
    std::vector<DType> types = {kFloat,    kDouble, kHalf,
                                kBfloat16, kInt32,  kUint8};
    // Without functions that libraries round in ways of their own.
    bool exact = false;
  };
  RandomElements(uint64_t seed, Options options)
      : options_(std::move(options)), random_(seed), scope_(&p_.graph) {
    rows_ = Pick({1, 3, 8, 37});
    columns_ = Pick({1, 5, 16, 130, 1000});
    for (int i = 0; i < 8; ++i) AddFeed();
    for (int i = 0; i < options_.ops; ++i) AddOp();
    // Some in the middle, some at the end.
    for (size_t i = 0; i < 6; ++i) Fetch(pool_[Below(pool_.size())]);
    for (size_t i = pool_.size() - 4; i < pool_.size(); ++i) Fetch(pool_[i]);
    EXPECT_TRUE(scope_.status().ok()) << scope_.status().ToString();
  }
  const FedGraph& program() const { return p_; }
  FedGraph& program() { return p_; }

 private:
  size_t Below(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random_);
  }
  template <class C>
  auto PickOf(const C& list) {
    return *(std::begin(list) + static_cast<int64_t>(Below(std::size(list))));
  }
  int64_t Pick(std::initializer_list<int64_t> list) { return PickOf(list); }

  Shape ShapeOf() {
    switch (Below(6)) {
      case 0: return Shape{};
      case 1: return Shape{columns_};
      case 2: return Shape{rows_, 1};
      case 3: return Shape{1, columns_};
      default: return Shape{rows_, columns_};
    }
  }

  void AddFeed() {
    const DType dtype = PickOf(options_.types);
    const bool whole = !IsFloating(dtype);
    const std::string name = StrCat("x", p_.feeds.size());
    Tensor value =
        Numbers(kDouble, ShapeOf(), whole ? 0 : -3, whole ? 100 : 3, random_());
    for (double& v : value.flat<double>()) {
      if (whole) continue;
      switch (Below(40)) {
        case 0: v = NAN; break;
        case 1: v = INFINITY; break;
        case 2: v = -INFINITY; break;
        case 3: v = -0.0; break;
        case 4: v = 1e-310; break;
        default: break;
      }
    }
    value = ToDType(value, dtype);
    pool_.push_back(
        ops::Placeholder(scope_.WithName(name), dtype, value.shape()));
    p_.feeds.emplace_back(name + ":0", std::move(value));
  }

  const char* FloatUnaryOp() {
    return options_.exact ? PickOf(kExactUnaryOps) : PickOf(kFloatUnaryOps);
  }
  const char* GradientOp() {
    return options_.exact ? PickOf(kExactGradientOps) : PickOf(kGradientOps);
  }

  Output Any(DType dtype) {
    for (int i = 0; i < 50; ++i) {
      // Rather what was made last, so that chains become long.
      const size_t back = std::min(Below(pool_.size()), Below(pool_.size()));
      const Output o = pool_[pool_.size() - 1 - back];
      if (o.dtype() == dtype) return o;
    }
    return ops::Cast(scope_, pool_[Below(pool_.size())], dtype);
  }

  void AddOp() {
    const DType t = PickOf(options_.types);
    const bool floating = IsFloating(t);
    Output made;
    switch (Below(10)) {
      case 0:
      case 1:
      case 2:
        made = scope_.Op(PickOf(kBinaryOps)).In(Any(t)).In(Any(t)).Out();
        break;
      case 3:
      case 4:
        made = !floating ? ops::Cast(scope_, Any(PickOf(options_.types)), t)
                         : scope_.Op(FloatUnaryOp()).In(Any(t)).Out();
        break;
      case 5:
        made = !floating ? ops::Mul(scope_, Any(t), Any(t))
                         : scope_.Op(PickOf(kFloatBinaryOps))
                               .In(Any(t))
                               .In(Any(t))
                               .Out();
        break;
      case 6: {
        const Output x = Any(t);
        const Output less =
            scope_.Op(PickOf(kComparisons)).In(x).In(Any(t)).Out();
        made = ops::SelectV2(scope_, less, x, Any(t));
        break;
      }
      case 7: {
        const Output x = Any(t);
        made = !floating ? ops::AddN(scope_, {x, x, x})
                         : scope_.Op(GradientOp()).In(x).In(x).Out();
        break;
      }
      case 8: {
        const Output x = Any(t);
        made = t == kUint8 ? ops::Cast(scope_, x, kFloat)
                           : scope_.Op(PickOf(kSignedUnaryOps)).In(x).Out();
        break;
      }
      default: {
        // The same elements under another shape and back, or spread.
        const Output x = Any(t);
        const Output flat = ops::Reshape(scope_, x, {-1});
        if (x.shape() == Shape{rows_, columns_}) {
          made = ops::Reshape(
              scope_, ops::AddN(scope_, {flat, flat, flat}),
              {static_cast<int32_t>(rows_), static_cast<int32_t>(columns_)});
        } else {
          made = ops::BroadcastTo(
              scope_, x,
              {static_cast<int32_t>(rows_), static_cast<int32_t>(columns_)});
        }
      }
    }
    pool_.push_back(made);
  }

  void Fetch(Output o) { p_.fetches.push_back(o.name()); }

  static constexpr const char* kBinaryOps[] = {
      "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference"};
  static constexpr const char* kFloatBinaryOps[] = {"RealDiv", "DivNoNan"};
  static constexpr const char* kSignedUnaryOps[] = {"Neg", "Abs", "Sign"};
  static constexpr const char* kFloatUnaryOps[] = {
      "Square", "Exp",   "Tanh",  "Sigmoid", "Sqrt",     "Rsqrt", "Reciprocal",
      "Relu",   "Elu",   "Relu6", "Selu",    "Softplus", "Floor", "Softsign",
      "Log",    "Log1p", "Erf",   "Rint",    "Sin"};
  static constexpr const char* kExactUnaryOps[] = {
      "Square", "Sqrt",  "Rsqrt",    "Reciprocal", "Relu",
      "Relu6",  "Floor", "Softsign", "Rint"};
  static constexpr const char* kGradientOps[] = {"ReluGrad",  "SigmoidGrad",
                                                 "TanhGrad",  "EluGrad",
                                                 "Relu6Grad", "SqrtGrad"};
  static constexpr const char* kExactGradientOps[] = {
      "ReluGrad", "SigmoidGrad", "EluGrad", "Relu6Grad", "SqrtGrad"};
  static constexpr const char* kComparisons[] = {"Less", "GreaterEqual",
                                                 "Equal"};

  const Options options_;
  std::mt19937_64 random_;
  FedGraph p_;
  Scope scope_;
  int64_t rows_ = 1, columns_ = 1;
  std::vector<Output> pool_;
};

}  // namespace lockstep::testing
