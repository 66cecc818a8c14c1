// SPDX-License-Identifier: Apache-2.0
#pragma once

// What mixed precision (runtime/graph/passes/mixed_precision.h) may do to an
// op, and whether this processor is one for it. Told by ops/, once, in lists:
//
//   const PrecisionList kProducts(Precision::kAllow, "MatMul Conv2D");
//
// The lists are filled by static initialisers and only read afterwards.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// The names are TensorFlow's.
enum class Precision {
  kAllow,  // faster in bfloat16: always is
  kInfer,  // may be bfloat16 between such ops, but not behind a kDeny
  kClear,  // adds no error of its own: may be bfloat16 between such ops
  kDeny,   // needs the bits of a float
};

// No value for an op on no list: stays float, and does not ask that of others.
std::optional<Precision> PrecisionOf(std::string_view op);

std::vector<std::string> OpsWithPrecision();  // all on a list, sorted

struct PrecisionList {
  // Names with spaces in between.
  PrecisionList(Precision precision, std::string_view ops);
};

// This process's kernels multiply bfloat16 by instructions of its processor.
bool HasBfloat16Products();

struct Bfloat16Products {
  explicit Bfloat16Products(bool (*available)());
};

}  // namespace lockstep
