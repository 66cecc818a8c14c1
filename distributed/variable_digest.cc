// SPDX-License-Identifier: Apache-2.0
#include "distributed/variable_digest.h"

#include "distributed/digest.h"
#include "runtime/core/strings.h"

namespace lockstep {

VariableDigest::VariableDigest(std::vector<std::string> names)
    : names_(std::move(names)),
      names_digest_(DigestOfText(Join(names_, " "))) {}

uint64_t VariableDigest::OfPart(size_t turn, VariableStore* variables) {
  std::vector<ByteSpan> arrays;
  std::vector<const std::string*> names;
  for (const std::string& name : names_) {
    const Variable* v = variables->Find(name);
    if (v == nullptr || !v->initialized() || !v->value().defined() ||
        !IsPod(v->dtype()) ||
        (v->allocator() != nullptr && !v->allocator()->host_memory())) {
      continue;
    }
    arrays.push_back(BytesOf(v->value()));
    names.push_back(&name);
  }
  std::vector<size_t> seen;
  const uint64_t digest = DigestPart(arrays, turn % kParts, kParts, &seen);
  seen_.clear();
  for (const size_t i : seen) seen_.push_back(*names[i]);
  return digest;
}

std::string VariableDigest::What() const {
  return StrCat("the variables ", Join(seen_, ", "));
}

}  // namespace lockstep
