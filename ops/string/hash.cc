// SPDX-License-Identifier: Apache-2.0

// Strings to numbers below num_buckets, by TensorFlow's hashes:
// StringToHashBucketFast: FarmHash's fingerprint of 64 bits.
// StringToHashBucketStrong: SipHash-2-4 with a key of two numbers, against
// inputs that are made to collide.
// StringToHashBucket: TensorFlow's own of old, MurmurHash64A.

#include <farmhash.h>

#include <bit>
#include <string_view>

#include "ops/math/elementwise.h"
#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

// Up to eight bytes, the first one lowest.
uint64_t LittleEndian(std::string_view bytes) {
  uint64_t x = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    x = x << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return x;
}

class SipHash {
 public:
  SipHash(uint64_t key0, uint64_t key1)
      : v_{key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du,
           key0 ^ 0x6c7967656e657261u, key1 ^ 0x7465646279746573u} {}

  uint64_t operator()(std::string_view s) && {
    const uint64_t length = static_cast<uint64_t>(s.size()) << 56;
    for (; s.size() >= 8; s.remove_prefix(8)) Add(LittleEndian(s.substr(0, 8)));
    Add(LittleEndian(s) | length);
    v_[2] ^= 0xff;
    for (int i = 0; i < 4; ++i) Round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  void Add(uint64_t word) {
    v_[3] ^= word;
    Round();
    Round();
    v_[0] ^= word;
  }
  void Round() {
    Mix(0, 1, 13);
    v_[0] = std::rotl(v_[0], 32);
    Mix(2, 3, 16);
    Mix(0, 3, 21);
    Mix(2, 1, 17);
    v_[2] = std::rotl(v_[2], 32);
  }
  void Mix(int a, int b, int bits) {
    v_[a] += v_[b];
    v_[b] = std::rotl(v_[b], bits) ^ v_[a];
  }

  uint64_t v_[4];
};

uint64_t MurmurHash(std::string_view s) {
  constexpr uint64_t kSeed = 0xDECAFCAFFE, kFactor = 0xc6a4a7935bd1e995;
  const auto shifted = [](uint64_t x) { return x ^ x >> 47; };
  uint64_t h = kSeed ^ s.size() * kFactor;
  for (; s.size() >= 8; s.remove_prefix(8)) {
    const uint64_t word = LittleEndian(s.substr(0, 8)) * kFactor;
    h = (h ^ shifted(word) * kFactor) * kFactor;
  }
  if (!s.empty()) h = (h ^ LittleEndian(s)) * kFactor;
  return shifted(shifted(h) * kFactor);
}

// The bucket of each string by `hash`.
template <class F>
Status Buckets(KernelContext& k, const F& hash) {
  const auto buckets =
      static_cast<uint64_t>(*GetIf<int64_t>(k.attrs(), "num_buckets"));
  return MapStrings<int64_t>(k, [&](const std::string& s) {
    return static_cast<int64_t>(hash(s) % buckets);
  });
}

Status FastCpu(KernelContext& k) {
  return Buckets(k,
                 [](const std::string& s) { return util::Fingerprint64(s); });
}

Status StrongCpu(KernelContext& k) {
  const auto& key = *GetIf<std::vector<int64_t>>(k.attrs(), "key");
  const SipHash start(static_cast<uint64_t>(key[0]),
                      static_cast<uint64_t>(key[1]));
  return Buckets(k, [&](const std::string& s) { return SipHash(start)(s); });
}

Status CheckKey(PrepareContext& c) {
  if (c.Attr<std::vector<int64_t>>("key").size() == 2) return Ok();
  return InvalidArgument("Key must have 2 elements");
}

Status OldCpu(KernelContext& k) { return Buckets(k, MurmurHash); }

LOCKSTEP_OP("StringToHashBucketFast")
    .Input("input: string")
    .Output("output: int64")
    .Attr("num_buckets: int >= 1")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {FastCpu});
LOCKSTEP_OP("StringToHashBucketStrong")
    .Input("input: string")
    .Output("output: int64")
    .Attr("num_buckets: int >= 1")
    .Attr("key: list(int)")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {StrongCpu, CheckKey});
LOCKSTEP_OP("StringToHashBucket")
    .Input("string_tensor: string")
    .Output("output: int64")
    .Attr("num_buckets: int >= 1")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {OldCpu});

}  // namespace

namespace ops {

Output StringToHashBucketFast(const Scope& scope, const Input& input,
                              int64_t num_buckets) {
  return scope.Op("StringToHashBucketFast")
      .In(input)
      .Attr("num_buckets", num_buckets)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
