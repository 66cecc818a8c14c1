// SPDX-License-Identifier: Apache-2.0
#pragma once

// RandomStream: the words that a random op turns into its elements; for
// authors of random kernels. Made in prepare from the node's attributes:
//   seed, seed2: the key; both 0: the node's name stands for seed2.
//   _per_sample: dimension 0 counts samples, of which this rank has its part;
//                elements are numbered as in the global batch, so ranks draw
//                together what one rank would draw.
//
//   const RandomStream& s = k.state<RandomStream>();
//   const Philox rng = s.At(k.run());
//   int64_t first = s.FirstElement(k.run());   // global number of element 0
//
// Element e of a 32-bit type is made from word e % 4 of block e / 4.

#include <cstdint>
#include <string_view>

#include "runtime/core/philox.h"
#include "runtime/core/simd.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// FNV-1a; positive, so that it fits an attribute.
inline int64_t HashName(std::string_view name) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (char c : name) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
  return static_cast<int64_t>(h >> 1);
}

class RandomStream {
 public:
  explicit RandomStream(const PrepareContext& c)
      : RandomStream(c.attrs(), c.node_name(), c.output_shape(0)) {}
  // Of the node of that name, whose output has that shape.
  RandomStream(const AttrMap& attrs, std::string_view node, const Shape& shape);
  // TensorFlow's stream of these seeds in a session's first run that draws;
  // later ones do not go on in it, as how far one has got would then matter.
  Philox At(const RunInfo& run) const {
    return run.random_step == 0 ? Philox::At(seed_, 0, seed2_)
                                : Philox(seed_, seed2_, run.random_step);
  }
  int64_t FirstElement(const RunInfo& run) const {
    return run.sample_offset * row_;
  }
  // Of all ranks, when this one has `local`.
  int64_t AllElements(const RunInfo& run, int64_t local) const {
    return row_ > 0 ? run.global_samples * row_ : local;
  }

 private:
  uint64_t seed_;
  uint64_t seed2_;
  int64_t row_ = 0;  // elements of a sample; 0 unless per sample
};

// The four words of blocks first, first + stride, ... one after the other.
void FillWords(const Philox& rng, uint64_t first, int64_t count,
               uint32_t* words, uint64_t stride = 1);

}  // namespace lockstep
