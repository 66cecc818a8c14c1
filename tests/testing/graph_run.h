// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a piece of graph on tensors, for tests of ops that take more than one
// line: several dtypes of one graph, gradients by finite differences, errors.
//
//   auto build = [](const Scope& s, const std::vector<Output>& in) {
//     return std::vector<Output>{ops::MatMul(s, in[0], in[1])};
//   };
//   Tensor y = EvaluateOne({a, b}, build);
//   ExpectGradients({a, b}, build);           // a, b: double

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep::testing {

using BuildFn = std::function<std::vector<Output>(const Scope&,
                                                  const std::vector<Output>&)>;

struct RunOptions {
  // Placeholders of unknown shape instead of the tensors' own.
  bool unknown_shapes = false;
  bool optimize = true;
};

// build's outputs for placeholders fed with `inputs`.
Result<std::vector<Tensor>> RunGraph(const std::vector<Tensor>& inputs,
                                     const BuildFn& build,
                                     const RunOptions& options = {});

// The same; fails the test on an error, and when placeholders of unknown shape
// give another result.
std::vector<Tensor> Evaluate(const std::vector<Tensor>& inputs,
                             const BuildFn& build,
                             const RunOptions& options = {});
Tensor EvaluateOne(const std::vector<Tensor>& inputs, const BuildFn& build,
                   const RunOptions& options = {});

// The steps of the plan that RunGraph would run on the CPU.
std::vector<std::string> PlanOf(const std::vector<Tensor>& inputs,
                                const BuildFn& build);

// Compares the gradients of sum(w * y), w fixed numbers, by central
// differences. All floating inputs must be double.
void ExpectGradients(const std::vector<Tensor>& inputs, const BuildFn& build,
                     double tolerance = 1e-6);

// Reproducible numbers in [low, high), of dtype T.
Tensor Numbers(DType dtype, const Shape& shape, double low = -1,
               double high = 1, uint64_t seed = 1);
Tensor ToDType(const Tensor& from, DType to);
std::vector<double> Values(const Tensor& t);

// |got - want| <= tolerance * (1 + |want|), element by element, NaN = NaN.
void ExpectClose(const Tensor& got, const Tensor& want, double tolerance);
void ExpectValues(const Tensor& got, const Shape& shape,
                  const std::vector<double>& want, double tolerance = 1e-6);

}  // namespace lockstep::testing
