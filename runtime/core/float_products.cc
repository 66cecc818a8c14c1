// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/float_products.h"

#include <atomic>

namespace lockstep {
namespace {

std::atomic<FloatProducts> products_of_process{FloatProducts::kFloat};

}  // namespace

FloatProducts GetFloatProducts() { return products_of_process; }
void SetFloatProducts(FloatProducts products) {
  products_of_process = products;
}

const char* FloatProductsName(FloatProducts products) {
  switch (products) {
    case FloatProducts::kFloat: return "float";
    case FloatProducts::kTf32: return "tf32";
    case FloatProducts::kBfloat16: return "bfloat16";
  }
  return "unknown";
}

std::optional<FloatProducts> ParseFloatProducts(std::string_view name) {
  for (const auto p : {FloatProducts::kFloat, FloatProducts::kTf32,
                       FloatProducts::kBfloat16}) {
    if (name == FloatProductsName(p)) return p;
  }
  return std::nullopt;
}

}  // namespace lockstep
