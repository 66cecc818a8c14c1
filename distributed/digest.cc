// SPDX-License-Identifier: Apache-2.0
#include "distributed/digest.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/core/simd.h"
#include "runtime/core/strings.h"

namespace lockstep {
namespace {

constexpr std::string_view kFromOthers = " from the other ranks in ";
constexpr uint64_t kPrime = 0x9e3779b97f4a7c15;
constexpr uint32_t kSmallPrime = 0x9e3779b1;
// Mixed side by side: enough for eight registers of 64 bytes.
constexpr size_t kLanes = 128;
constexpr size_t kBlock = kLanes * sizeof(uint32_t);

// Each step is a bijection of the word and of the lane.
LS_SIMD_CLONES
void MixBlocks(uint32_t* lanes, const std::byte* data, size_t blocks) {
  uint32_t mixed[kLanes];
  std::memcpy(mixed, lanes, kBlock);
  for (size_t b = 0; b < blocks; ++b, data += kBlock) {
    uint32_t words[kLanes];
    std::memcpy(words, data, kBlock);
    for (size_t i = 0; i < kLanes; ++i) {
      const uint32_t x = (mixed[i] ^ words[i]) * kSmallPrime;
      mixed[i] = x << 13 | x >> 19;
    }
  }
  std::memcpy(lanes, mixed, kBlock);
}

}  // namespace

ByteSpan BytesOf(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.data()), tensor.bytes()};
}

uint64_t Digest(uint64_t seed, ByteSpan bytes) {
  alignas(64) uint32_t lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<uint32_t>(i);
  const size_t blocks = bytes.size() / kBlock;
  MixBlocks(lanes, bytes.data(), blocks);
  if (const ByteSpan rest = bytes.subspan(blocks * kBlock); !rest.empty()) {
    alignas(64) std::byte last[kBlock] = {};
    std::memcpy(last, rest.data(), rest.size());
    MixBlocks(lanes, last, 1);
  }
  uint64_t hash = seed ^ bytes.size();
  for (size_t i = 0; i < kLanes; i += 2) {
    hash = (hash ^ lanes[i] ^ uint64_t{lanes[i + 1]} << 32) * kPrime;
    hash ^= hash >> 29;
  }
  return hash;
}

uint64_t DigestOfText(std::string_view text) {
  return Digest(0, std::as_bytes(std::span(text)));
}

uint64_t DigestPart(std::span<const ByteSpan> arrays, size_t part, size_t parts,
                    std::vector<size_t>* seen) {
  size_t total = 0;
  for (const ByteSpan array : arrays) total += array.size();
  const size_t begin = total * part / parts;
  const size_t end = total * (part + 1) / parts;
  uint64_t hash = kPrime;
  size_t start = 0;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const size_t from = std::max(begin, start);
    const size_t to = std::min(end, start + arrays[i].size());
    if (from < to) {
      hash = Digest(hash, arrays[i].subspan(from - start, to - from));
      if (seen != nullptr) seen->push_back(i);
    }
    start += arrays[i].size();
  }
  return hash;
}

std::vector<int> OddOnes(std::span<const uint64_t> digests) {
  uint64_t usual = 0;
  int64_t most = 0;
  for (const uint64_t d : digests) {
    const int64_t count = std::ranges::count(digests, d);
    if (count > most) {
      most = count;
      usual = d;
    }
  }
  const auto ranks = static_cast<int64_t>(digests.size());
  std::vector<int> odd;
  if (most == ranks) return odd;
  for (size_t r = 0; r < digests.size(); ++r) {
    // Without a majority nobody knows who is right.
    if (digests[r] != usual || 2 * most <= ranks) {
      odd.push_back(static_cast<int>(r));
    }
  }
  return odd;
}

Status Difference(std::span<const int> odd, size_t ranks,
                  std::string_view what) {
  std::vector<std::string> names;
  for (const int r : odd) names.push_back(StrCat("rank ", r));
  const bool one = odd.size() == 1 && ranks > 1;
  return DataLoss(Join(names, ", "), one ? " differs" : " differ", kFromOthers,
                  what,
                  ", which have been equal: the memory or the processor is at "
                  "fault, or something else wrote to them");
}

bool IsDifference(const Status& status) {
  return status.code() == Code::kDataLoss &&
         status.message().find(kFromOthers) != std::string::npos;
}

bool DiffersElsewhere(const Status& status, int rank) {
  if (!IsDifference(status)) return false;
  const std::string& message = status.message();
  const size_t end = message.find(kFromOthers);
  // "rank 1, rank 3 differ", behind the places where it was noticed.
  const size_t places = message.rfind(": ", end);
  const size_t begin = places == message.npos ? 0 : places + 2;
  const std::string names = message.substr(begin, end - begin);
  return names.find(StrCat("rank ", rank, ",")) == names.npos &&
         names.find(StrCat("rank ", rank, " ")) == names.npos;
}

}  // namespace lockstep
