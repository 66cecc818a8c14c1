// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/precision.h"

#include <map>
#include <string>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

std::map<std::string, Precision, std::less<>>& Lists() {
  // Never destroyed, like the op registry.
  static auto* lists = new std::map<std::string, Precision, std::less<>>;
  return *lists;
}

bool (*products_available)() = nullptr;

}  // namespace

std::optional<Precision> PrecisionOf(std::string_view op) {
  const auto found = Lists().find(op);
  if (found == Lists().end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> OpsWithPrecision() {
  std::vector<std::string> ops;
  for (const auto& [op, precision] : Lists()) ops.push_back(op);
  return ops;
}

PrecisionList::PrecisionList(Precision precision, std::string_view ops) {
  for (const std::string& op : Split(ops, ' ')) Lists().emplace(op, precision);
}

bool HasBfloat16Products() {
  return products_available != nullptr && products_available();
}

Bfloat16Products::Bfloat16Products(bool (*available)()) {
  products_available = available;
}

}  // namespace lockstep
