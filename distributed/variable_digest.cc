// SPDX-License-Identifier: Apache-2.0
#include "distributed/variable_digest.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

constexpr uint64_t kPrime = 0x9e3779b97f4a7c15;
constexpr size_t kWords = 4;  // hashed side by side

// Any change of one bit changes it: each step is a bijection of the word.
uint64_t Hash(uint64_t seed, const char* data, size_t bytes) {
  uint64_t lanes[kWords] = {seed, seed + 1, seed + 2, seed + 3};
  constexpr size_t kBlock = kWords * sizeof(uint64_t);
  uint64_t words[kWords];
  const auto mix = [&] {
    for (size_t i = 0; i < kWords; ++i) {
      lanes[i] = std::rotl((lanes[i] ^ words[i]) * kPrime, 29);
    }
  };
  for (; bytes >= kBlock; bytes -= kBlock, data += kBlock) {
    std::memcpy(words, data, kBlock);
    mix();
  }
  if (bytes > 0) {
    std::memset(words, 0, kBlock);
    std::memcpy(words, data, bytes);
    mix();
  }
  uint64_t hash = seed;
  for (const uint64_t lane : lanes) hash = (hash ^ lane) * kPrime;
  return hash ^ (hash >> 32);
}

}  // namespace

uint64_t VariableDigest::Next(VariableStore* variables) {
  part_ = (part_ + 1) % kParts;
  seen_.clear();
  std::vector<const Variable*> all;
  size_t total = 0;
  for (const std::string& name : names_) {
    const Variable* v = variables->Find(name);
    if (v == nullptr || !v->initialized() || !v->value().defined() ||
        !IsPod(v->dtype()) ||
        (v->allocator() != nullptr && !v->allocator()->host_memory())) {
      continue;
    }
    all.push_back(v);
    total += v->value().bytes();
  }
  const size_t begin = total * static_cast<size_t>(part_) / kParts;
  const size_t end = total * static_cast<size_t>(part_ + 1) / kParts;
  uint64_t hash = kPrime;
  size_t start = 0;
  for (const Variable* v : all) {
    const size_t bytes = v->value().bytes();
    const size_t from = std::max(begin, start);
    const size_t to = std::min(end, start + bytes);
    if (from < to) {
      const auto* data = static_cast<const char*>(v->value().data());
      hash = Hash(hash, data + (from - start), to - from);
      seen_.push_back(v->name());
    }
    start += bytes;
  }
  return hash;
}

Status VariableDigest::Compare(std::span<const uint64_t> digests) const {
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
  if (most == ranks) [[likely]]
    return Ok();
  std::vector<std::string> odd;
  for (size_t r = 0; r < digests.size(); ++r) {
    // Without a majority nobody knows who is right.
    if (digests[r] != usual || 2 * most <= ranks) {
      odd.push_back(StrCat("rank ", r));
    }
  }
  return DataLoss(Join(odd, ", "), 2 * most > ranks ? " differs" : " differ",
                  " from the other ranks in the variables ", Join(seen_, ", "),
                  ", which have been equal: the memory or the processor is at "
                  "fault, or something else wrote to them");
}

}  // namespace lockstep
