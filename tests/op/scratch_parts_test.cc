// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/scratch_parts.h"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep {
namespace {

TEST(ScratchPartsTest, PartsAreAlignedWhereverScratchMemoryIs) {
  ScratchParts parts;
  const std::vector<size_t> sizes = {1000, 0, 256, 1};
  std::vector<size_t> at;
  for (const size_t size : sizes) at.push_back(parts.Add(size));
  alignas(ScratchParts::kAlignment) static char memory[4096];
  for (size_t i = 0; i < ScratchParts::kAlignment; i += kTensorAlignment) {
    char* const scratch = memory + i;
    const char* end = scratch;
    for (size_t p = 0; p < sizes.size(); ++p) {
      const char* part = ScratchParts::At(scratch, at[p]);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(part) % 256, 0u);
      EXPECT_GE(part, end);
      end = part + sizes[p];
    }
    EXPECT_LE(end, scratch + parts.bytes());
  }
}

TEST(ScratchPartsTest, NothingTakesNothing) {
  ScratchParts parts;
  EXPECT_EQ(parts.Add(0), 0u);
  EXPECT_EQ(parts.bytes(), 0u);
  EXPECT_EQ(ScratchParts::At(nullptr, 0), nullptr);
}

}  // namespace
}  // namespace lockstep
