// SPDX-License-Identifier: Apache-2.0

// RngReadAndSkip: the state of a tf.random.Generator, which then moves on by
// `delta` draws.
//   resource: an int64 variable [3 or more]: counter (low, high), key
//   alg: int32 [], 1 or 3 (Philox)   delta: uint64 []   value: int64 [3]
// The counter grows by 256 for each draw, as TensorFlow's.

#include <algorithm>

#include "ops/state/variable_input.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int kPhilox = 1, kThreeFry = 2, kAny = 3;

Status ReadShape(ShapeContext& c) {
  for (int i : {1, 2}) LS_RETURN_IF_ERROR(c.WithRank(i, 0).status());
  return c.SetOutput(0, Shape{3});
}

Status ReadPrepare(PrepareContext& p) { return RequireVariable(p); }

Status ReadCpu(KernelContext& k) {
  const int32_t alg = *k.in<int32_t>(1);
  if (alg == kThreeFry) {
    return Unimplemented("the ThreeFry algorithm is not there, Philox is");
  }
  if (alg != kPhilox && alg != kAny) {
    return InvalidArgument("Unsupported algorithm id: ", alg);
  }
  const Tensor& state = k.variable(0).value();
  if (state.dtype() != kInt64) {
    return InvalidArgument("dtype of RNG state variable must be int64, not ",
                           DTypeName(state.dtype()));
  }
  if (state.shape().rank() != 1 || state.NumElements() < 3) {
    return InvalidArgument("For the Philox algorithm, the size of state must ",
                           "be at least 3; got shape ", state.shape());
  }
  int64_t* words = k.variable(0).data<int64_t>();
  std::copy_n(words, 3, k.out<int64_t>(0));
  const uint64_t delta = *k.in<uint64_t>(2);
  const auto low = static_cast<uint64_t>(words[0]);
  const uint64_t next = low + (delta << 8);
  const uint64_t carry = (delta >> 56) + (next < low ? 1 : 0);
  words[0] = static_cast<int64_t>(next);
  words[1] = static_cast<int64_t>(static_cast<uint64_t>(words[1]) + carry);
  return Ok();
}

LOCKSTEP_OP("RngReadAndSkip")
    .Input("resource: resource")
    .Input("alg: int32")
    .Input("delta: uint64")
    .Output("value: int64")
    .Shape(ReadShape)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {ReadCpu, ReadPrepare});

}  // namespace
}  // namespace lockstep
