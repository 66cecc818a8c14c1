// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernels share that divide updates of variables over the ranks.
// Internal to distributed/.

#include <span>
#include <vector>

#include "distributed/collective_kernel.h"
#include "distributed/digest.h"
#include "distributed/slice_sums.h"
#include "distributed/slot_slices.h"
#include "distributed/variable_digest.h"
#include "runtime/op/inner_update.h"

namespace lockstep {

// A slot of one of the kernel's updates.
struct SlotOf {
  Variable* variable = nullptr;
  SlotSlices::Slot* slot = nullptr;
  size_t update = 0;
};

// Adds those of `update`, which is the kernel's number `number`.
inline Status FindSlots(PrepareContext& p, const InnerUpdate& update,
                        size_t number, std::vector<SlotOf>* slots) {
  auto* slices = p.resources().Service<SlotSlices>();
  if (slices == nullptr) {
    return FailedPrecondition("the session has no SlotSlices");
  }
  for (int i = update.first() + 1; i < update.first() + update.count(); ++i) {
    if (!update.IsVariable(i)) continue;
    Variable* slot = p.variable(i);
    slots->push_back({slot, &slices->Of(slot), number});
  }
  return Ok();
}

// After an update: array(r) is where update_rank() r keeps the slot. Arrays
// seldom move: most steps find what they know.
template <class F>
void NoteSlot(KernelContext& k, const SlotOf& of, int ranks, const F& array) {
  SlotSlices::Slot& slot = *of.slot;
  bool known = static_cast<int>(slot.arrays.size()) == ranks;
  for (int r = 0; r < ranks && known; ++r) {
    known = slot.arrays[static_cast<size_t>(r)] == array(r);
  }
  if (known) return;
  std::vector<const void*> arrays;
  for (int r = 0; r < ranks; ++r) arrays.push_back(array(r));
  k.resources().Service<SlotSlices>()->NoteArrays(of.variable, &slot,
                                                  std::move(arrays));
}

inline Status PrepareWatch(PrepareContext& p, const InnerUpdate& update,
                           bool watched, SliceWatch* watch) {
  auto* sums = p.resources().Service<SliceSums>();
  if (sums == nullptr) {
    return FailedPrecondition("the session has no SliceSums");
  }
  const Variable& variable = *p.variable(update.first());
  watch->Prepare(sums->Of(variable.name()), watched, variable.dtype());
  return Ok();
}

inline Status ApplyWatched(const InnerUpdate& update, KernelContext& inner,
                           int64_t begin, int64_t count, const void* gradient,
                           SliceWatch* watch) {
  Variable& variable = inner.variable(0);
  const auto* values = static_cast<const char*>(variable.value().data()) +
                       static_cast<size_t>(begin) * DTypeSize(variable.dtype());
  return watch->Around(values, count, [&] {
    return update.Apply(inner, begin, count, gradient);
  });
}

inline Status EndWatch(KernelContext& k, const InnerUpdate& update,
                       SliceWatch* watch) {
  const Communicator& ranks = *k.resources().Service<Communicator>();
  return watch->End(k.variable(update.first()).name(),
                    ranks.label(ranks.rank()));
}

// A digest of a part of the new values to the other ranks, for plans without a
// _BatchShare, which compares them.
inline void TellNewValues(KernelContext& k,
                          std::span<const InnerUpdate> updates, size_t turn) {
  std::vector<ByteSpan> variables;
  for (const InnerUpdate& u : updates) {
    variables.push_back(BytesOf(k.variable(u.first()).value()));
  }
  TellDigest(k, DigestPart(variables, turn % VariableDigest::kParts,
                           VariableDigest::kParts));
}

}  // namespace lockstep
