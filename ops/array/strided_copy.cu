// SPDX-License-Identifier: Apache-2.0

// StridedCopy on a GPU: a thread for each element, in the order in which the
// destination has them.

#include "ops/array/strided_copy.h"
#include "runtime/op/gpu_launch.h"

namespace lockstep {
namespace {

struct CopyIndex {
  int rank = 0;
  int64_t size[Shape::kMaxRank * 2] = {};  // from the innermost on
  int64_t dst[Shape::kMaxRank * 2] = {};
  int64_t src[Shape::kMaxRank * 2] = {};
};

template <class U>
Status Launch(void* stream, int64_t n, const CopyIndex& c, void* to,
              const void* from) {
  U* y = static_cast<U*>(to);
  const U* x = static_cast<const U*>(from);
  return gpu::Each(stream, n, [=] LS_DEVICE(int64_t i) {
    int64_t dst = 0, src = 0;
    for (int d = 0; d < c.rank; ++d) {
      const int64_t at = i % c.size[d];
      i /= c.size[d];
      dst += at * c.dst[d];
      src += at * c.src[d];
    }
    y[dst] = x[src];
  });
}

}  // namespace

Status StridedCopy::RunOnStream(void* dst, const void* src,
                                void* stream) const {
  if (size_ == 0) return Ok();
  CopyIndex c;
  const auto add = [&c](const Dim& d) {
    if (d.size == 1) return;
    c.size[c.rank] = d.size;
    c.dst[c.rank] = d.dst;
    c.src[c.rank++] = d.src;
  };
  if (outer_.size() + 2 > std::size(c.size)) {
    return Unimplemented("a copy of ", outer_.size() + 2,
                         " dimensions on a GPU");
  }
  add(inner_);
  add(tile_);
  for (size_t o = outer_.size(); o-- > 0;) add(outer_[o]);
  switch (unit_bytes_) {
    case 1: return Launch<uint8_t>(stream, size_, c, dst, src);
    case 2: return Launch<uint16_t>(stream, size_, c, dst, src);
    case 4: return Launch<uint32_t>(stream, size_, c, dst, src);
    case 8: return Launch<uint64_t>(stream, size_, c, dst, src);
    default:
      return Unimplemented("a copy of elements of ", unit_bytes_,
                           " bytes on a GPU");
  }
}

}  // namespace lockstep
