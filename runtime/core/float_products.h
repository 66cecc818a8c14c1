// SPDX-License-Identifier: Apache-2.0
#pragma once

// How precisely matrix products and convolutions of floats are made, in this
// process: of whole floats, or of their leading bits, where that is faster.
// Operands and results are floats in memory whatever it is - so are variables
// and what is exchanged - and sums are accumulated in float.
//
// Looked at when a plan is made. Thread-safe.
//
//   SetFloatProducts(FloatProducts::kBfloat16);
//   auto session = Session::Create(graph, {});   // its plans are made so

#include <optional>
#include <string_view>

namespace lockstep {

enum class FloatProducts {
  kFloat,     // 24 bits
  kTf32,      // 11 bits: GPUs with tensor cores; processors have none
  kBfloat16,  // 8 bits: GPUs with tensor cores, processors with matrix tiles
};

FloatProducts GetFloatProducts();
void SetFloatProducts(FloatProducts products);

// "float", "tf32", "bfloat16".
const char* FloatProductsName(FloatProducts products);
std::optional<FloatProducts> ParseFloatProducts(std::string_view name);

}  // namespace lockstep
