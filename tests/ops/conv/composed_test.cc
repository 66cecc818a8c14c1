// SPDX-License-Identifier: Apache-2.0

// Compositions of convolutions against what TensorFlow 2.21 computes.

#include <cmath>

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using Outputs = std::vector<Output>;

Tensor Cosines(const Shape& shape) {
  Tensor t(kDouble, shape);
  for (int64_t i = 0; i < t.NumElements(); ++i) {
    t.flat<double>()[static_cast<size_t>(i)] = std::cos(static_cast<double>(i));
  }
  return t;
}
Tensor Counted(const Shape& shape) {
  Tensor t(kDouble, shape);
  for (int64_t i = 0; i < t.NumElements(); ++i) {
    t.flat<double>()[static_cast<size_t>(i)] = static_cast<double>(i);
  }
  return t;
}

TEST(Conv1DTest, StridesDilationsAndChannelsFirst) {
  const std::vector<Tensor> in = {Counted({1, 5, 2}), Cosines({3, 2, 2})};
  const BuildFn strided = [](const Scope& s, const Outputs& x) {
    return Outputs{ops::Conv1D(s, x[0], x[1], 2, "SAME")};
  };
  const std::vector<double> want = {-1.84804437, -1.05508118, -3.80866447,
                                    -2.42101455, 6.49935576,  5.36628413};
  ExpectValues(EvaluateOne(in, strided), {1, 3, 2}, want);
  ExpectGradients(in, strided);
  ExpectValues(EvaluateOne(in,
                           [](const Scope& s, const Outputs& x) {
                             return Outputs{ops::Conv1D(s, x[0], x[1], 1,
                                                        "VALID", "NWC", 2)};
                           }),
               {1, 1, 2}, {-6.94551392, -3.3350433});
  const Tensor first = EvaluateOne(in, [](const Scope& s, const Outputs& x) {
    const Output y = ops::Conv1D(s, ops::Transpose(s, x[0], {0, 2, 1}), x[1], 2,
                                 "SAME", "NCW");
    return Outputs{ops::Transpose(s, y, {0, 2, 1})};
  });
  ExpectValues(first, {1, 3, 2}, want);
}

TEST(Conv2DTransposeTest, MakesTheShapeAskedFor) {
  const std::vector<Tensor> in = {Counted({1, 2, 2, 1}), Cosines({3, 3, 2, 1})};
  const BuildFn up = [](const Scope& s, const Outputs& x) {
    return Outputs{ops::Conv2DTranspose(s, x[0], x[1], {1, 4, 4, 2},
                                        {1, 2, 2, 1}, "SAME")};
  };
  ExpectValues(EvaluateOne(in, up), {1, 4, 4, 2},
               {0,
                0,
                0,
                0,
                1,
                0.540302306,
                -0.416146837,
                -0.989992497,
                0,
                0,
                0,
                0,
                0.960170287,
                0.753902254,
                -0.145500034,
                -0.911130262,
                2,
                1.08060461,
                -0.832293673,
                -1.97998499,
                2.53656672,
                3.09567807,
                -1.11170329,
                -3.7296654,
                1.92034057,
                1.50780451,
                -0.291000068,
                -1.82226052,
                1.2023678,
                2.27055816,
                -0.436500101,
                -2.73339079});
  ExpectGradients(in, up);
}

TEST(SeparableConv2DTest, IsDepthwiseThenPointwise) {
  const Tensor x = Numbers(kDouble, {1, 4, 4, 2});
  const Tensor depth = Numbers(kDouble, {3, 3, 2, 2}, -1, 1, 2);
  const Tensor point = Numbers(kDouble, {1, 1, 4, 3}, -1, 1, 3);
  const BuildFn separable = [](const Scope& s, const Outputs& in) {
    return Outputs{
        ops::SeparableConv2D(s, in[0], in[1], in[2], {1, 1, 1, 1}, "SAME")};
  };
  const Tensor want =
      EvaluateOne({x, depth, point}, [](const Scope& s, const Outputs& in) {
        const Output d =
            ops::DepthwiseConv2dNative(s, in[0], in[1], {1, 1, 1, 1}, "SAME");
        return Outputs{ops::Conv2D(s, d, in[2], {1, 1, 1, 1}, "VALID")};
      });
  ExpectClose(EvaluateOne({x, depth, point}, separable), want, 1e-12);
}

}  // namespace
}  // namespace lockstep::testing
