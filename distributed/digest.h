// SPDX-License-Identifier: Apache-2.0
#pragma once

// Digests of arrays that all ranks of a job have alike, bit for bit, and who is
// odd when they are not. Pure functions.
//
//   const uint64_t mine = DigestPart(arrays, part, parts);
//   ...                                        // gathered from all ranks
//   const std::vector<int> odd = OddOnes(digests);
//   if (!odd.empty()) return Difference(odd, digests.size(), "the variables");

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

using ByteSpan = std::span<const std::byte>;
ByteSpan BytesOf(const Tensor& tensor);

// Any change within one word of 4 bytes changes it.
uint64_t Digest(uint64_t seed, ByteSpan bytes);
uint64_t DigestOfText(std::string_view text);

// Of part `part` of `parts`, as many bytes each, of the arrays laid end to end;
// `seen` gets the numbers of the arrays that are in it, unless null.
uint64_t DigestPart(std::span<const ByteSpan> arrays, size_t part, size_t parts,
                    std::vector<size_t>* seen = nullptr);

// The ranks whose digest is not that of most; all of them where there is no
// majority, none when all are equal.
std::vector<int> OddOnes(std::span<const uint64_t> digests);

// DATA_LOSS: "rank 1 differs from the other ranks in `what`, ...".
Status Difference(std::span<const int> odd, size_t ranks,
                  std::string_view what);

// Whether that is the error, and of other ranks than `rank` alone.
bool IsDifference(const Status& status);
bool DiffersElsewhere(const Status& status, int rank);

}  // namespace lockstep
