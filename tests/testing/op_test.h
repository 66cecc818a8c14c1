// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpCase: runs an op through real sessions and compares what comes out.
//
// Each case is run with its inputs fed to placeholders of their shapes, fed to
// placeholders of unknown shape (dynamic steps), and as constants (folding),
// so every path of the planner sees every op. Used from one thread.
//
//   OpCase([](const Scope& s, const Outputs& in) {
//     return ops::Mul(s, in[0], in[1]);
//   }).In(F({2}, {1, 2})).In(F({}, {3})).Want(F({2}, {3, 6})).Gradient();
//   OpCase(...).In(...).WantError(Code::kInvalidArgument, "zero");

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/gradients.h"

namespace lockstep {

using Outputs = std::vector<Output>;

class OpCase {
 public:
  using Build = std::function<Output(const Scope&, const Outputs&)>;
  // `build` makes the output under test from as many outputs as there are In.
  explicit OpCase(Build build) : build_(std::move(build)) {}
  OpCase& In(Tensor value) {
    inputs_.push_back(std::move(value));
    return *this;
  }
  // Never fed: always a constant, e.g. the axes of a reduction.
  OpCase& Constant(Tensor value) {
    constants_.push_back(inputs_.size());
    return In(std::move(value));
  }
  // Largest relative difference of floats in what follows; 0: equal values.
  OpCase& Within(double tolerance) {
    tolerance_ = tolerance;
    return *this;
  }

  OpCase& Want(const Tensor& want);
  // Building, planning or running fails so.
  OpCase& WantError(Code code, const std::string& text);
  // The gradients of every float or double input against central differences.
  OpCase& Gradient(double tolerance = 1e-6);
  // The output, run with placeholders of known shape.
  Result<Tensor> Run();

 private:
  enum class Mode { kShaped, kUnshaped, kConstant, kUnoptimized };
  static constexpr Mode kModes[] = {Mode::kShaped, Mode::kUnshaped,
                                    Mode::kConstant, Mode::kUnoptimized};
  static const char* Name(Mode mode);
  bool IsConstant(size_t i) const;
  Outputs MakeInputs(const Scope& scope, Mode mode,
                     std::vector<Session::Feed>* feeds) const;
  Result<Tensor> RunMode(Mode mode) const;

  Build build_;
  std::vector<Tensor> inputs_;
  std::vector<size_t> constants_;
  double tolerance_ = 0;
};

// Equal dtypes, shapes and elements; floats may differ by `tolerance`,
// relative to the larger of 1 and the wanted value's magnitude. NaN equals NaN.
testing::AssertionResult SameTensor(const Tensor& got, const Tensor& want,
                                    double tolerance = 0);

// Short names for tensors in tests: F({2, 2}, {1, 2, 3, 4}).
inline Tensor F(const Shape& shape, std::initializer_list<float> values) {
  return Tensor::Of<float>(shape, values);
}
inline Tensor D(const Shape& shape, std::initializer_list<double> values) {
  return Tensor::Of<double>(shape, values);
}
inline Tensor I(const Shape& shape, std::initializer_list<int32_t> values) {
  return Tensor::Of<int32_t>(shape, values);
}
inline Tensor L(const Shape& shape, std::initializer_list<int64_t> values) {
  return Tensor::Of<int64_t>(shape, values);
}
inline Tensor B(const Shape& shape, std::initializer_list<bool> values) {
  return Tensor::Of<bool>(shape, values);
}
inline Tensor S(const Shape& shape, std::initializer_list<std::string> values) {
  return Tensor::Of<std::string>(shape, values);
}
// `n` reproducible doubles in [low, high), as a tensor of `shape`.
Tensor Doubles(const Shape& shape, double low = -1, double high = 1,
               uint64_t seed = 1);
// Elements converted to another plain dtype.
Tensor As(DType dtype, const Tensor& value);

}  // namespace lockstep
