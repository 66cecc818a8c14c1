// SPDX-License-Identifier: Apache-2.0
#pragma once

// ScratchParts: a kernel's scratch memory in parts, each aligned as libraries
// of GPUs want it. cuBLASLt wants a workspace at a multiple of 256 bytes;
// scratch memory is aligned to kTensorAlignment, which is less. A value.
//
//   ScratchParts parts;
//   s.workspace_at = parts.Add(workspace_bytes);
//   s.filter_at = parts.Add(filter_bytes);
//   p.RequestScratch(parts.bytes());
//   ...
//   void* filter = ScratchParts::At(k.scratch(), s.filter_at);

#include <cstddef>
#include <cstdint>

#include "runtime/core/allocator.h"

namespace lockstep {

class ScratchParts {
 public:
  static constexpr size_t kAlignment = 256;
  static_assert(kAlignment % kTensorAlignment == 0);

  // Where a part of so many bytes begins.
  size_t Add(size_t bytes) {
    const size_t at = bytes_;
    bytes_ += RoundUp(bytes);
    return at;
  }
  // To ask for: the parts, and what it takes to align the first one.
  size_t bytes() const {
    return bytes_ == 0 ? 0 : bytes_ + kAlignment - kTensorAlignment;
  }
  // The part that begins at `at`, in scratch memory of bytes().
  static char* At(void* scratch, size_t at) {
    const auto address = reinterpret_cast<uintptr_t>(scratch);
    return static_cast<char*>(scratch) + (RoundUp(address) - address) + at;
  }

 private:
  static constexpr size_t RoundUp(size_t n) {
    return (n + kAlignment - 1) / kAlignment * kAlignment;
  }
  size_t bytes_ = 0;
};

}  // namespace lockstep
