// SPDX-License-Identifier: Apache-2.0
#include "ops/random/random_stream.h"

namespace lockstep {

RandomStream::RandomStream(const AttrMap& attrs, std::string_view node,
                           const Shape& shape)
    : seed_(static_cast<uint64_t>(GetOr<int64_t>(attrs, "seed", 0))),
      seed2_(static_cast<uint64_t>(GetOr<int64_t>(attrs, "seed2", 0))) {
  if (seed_ == 0 && seed2_ == 0) {
    seed2_ = static_cast<uint64_t>(HashName(node));
  }
  if (GetOr(attrs, "_per_sample", false) && shape.rank() > 0) {
    row_ = 1;
    for (int d = 1; d < shape.rank(); ++d) row_ *= shape.dim(d);
  }
}

LS_SIMD_CLONES
void FillWords(const Philox& rng, uint64_t first, int64_t count,
               uint32_t* words, uint64_t stride) {
  const Philox local = rng;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const std::array<uint32_t, 4> block =
        local.Block(first + static_cast<uint64_t>(i) * stride);
    words[4 * i] = block[0];
    words[4 * i + 1] = block[1];
    words[4 * i + 2] = block[2];
    words[4 * i + 3] = block[3];
  }
}

}  // namespace lockstep
