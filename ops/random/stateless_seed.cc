// SPDX-License-Identifier: Apache-2.0
#include "ops/random/stateless_seed.h"

namespace lockstep::detail {

Status CheckStatelessSeed(const ShapeContext& c, SeedKind kind, int first) {
  if (kind == SeedKind::kSeed) {
    if (c.Input(first).IsCompatibleWith(Shape{2})) return Ok();
    return InvalidArgument("seed must have shape [2], not ", c.Input(first));
  }
  if (!c.Input(first).IsCompatibleWith(Shape{1})) {
    return InvalidArgument("key must have shape [1], not ", c.Input(first));
  }
  LS_ASSIGN_OR_RETURN(const Shape counter, c.WithRank(first + 1, 1));
  if (counter.dim(0) != kUnknownDim && counter.dim(0) < 2) {
    return InvalidArgument("counter must be a vector of at least 2 elements, ",
                           "has shape ", counter);
  }
  return c.WithRank(first + 2, 0).status();
}

KeyCounter KeyCounterOf(const Tensor& seed) {
  // The key is TensorFlow's own.
  constexpr uint64_t kScramble = uint64_t{0x02461e29} << 32 | 0x3ec8f720;
  const auto mix = Philox::At(kScramble, static_cast<uint64_t>(IntAt(seed, 0)),
                              static_cast<uint64_t>(IntAt(seed, 1)))
                       .Block(0);
  return {uint64_t{mix[1]} << 32 | mix[0], uint64_t{mix[3]} << 32 | mix[2]};
}

Result<Philox> StatelessRng(const KernelContext& k, SeedKind kind, int first) {
  if (kind == SeedKind::kSeed) {
    const KeyCounter from = KeyCounterOf(k.input(first));
    return Philox::At(from.key, 0, from.counter);
  }
  const int32_t algorithm = *k.in<int32_t>(first + 2);
  if (algorithm != 1 && algorithm != 3) {
    return InvalidArgument("Unsupported algorithm id: ", algorithm);
  }
  const uint64_t* counter = k.in<uint64_t>(first + 1);
  return Philox::At(*k.in<uint64_t>(first), counter[0], counter[1]);
}

}  // namespace lockstep::detail
