// SPDX-License-Identifier: Apache-2.0
#include "distributed/slot_slices.h"

#include <algorithm>
#include <cstring>

#include "distributed/collective_kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

SlotSlices::~SlotSlices() {
  std::vector<Tensor> arrays;
  for (auto& [variable, slot] : slots_) {
    if (slot.was_divided) arrays.push_back(std::move(variable->value()));
  }
  ranks_->CloseOwner(number_, std::move(arrays));
}

void SlotSlices::Complete(Variable* variable) {
  const auto found = slots_.find(variable);
  if (found == slots_.end() || found->second.arrays.empty()) return;
  const Division& division = found->second.division;
  std::vector<const void*>& arrays = found->second.arrays;
  Tensor& mine = variable->value();
  const int64_t count = mine.NumElements();
  const size_t element = DTypeSize(mine.dtype());
  for (int r = 0; r < ranks_->update_size(); ++r) {
    if (r == ranks_->update_rank()) continue;
    const Slice theirs = SliceOf(division.total, r, ranks_->update_size());
    const int64_t begin = std::max<int64_t>(0, theirs.begin - division.first);
    const int64_t end = std::min(count, theirs.end - division.first);
    if (begin >= end) continue;
    const size_t offset = static_cast<size_t>(begin) * element;
    std::memcpy(
        static_cast<char*>(mine.data()) + offset,
        static_cast<const char*>(arrays[static_cast<size_t>(r)]) + offset,
        static_cast<size_t>(end - begin) * element);
  }
  arrays.clear();
}

void SlotSlices::NoteArrays(Variable* variable, Slot* slot,
                            std::vector<const void*> arrays) {
  const bool divided = !slot->arrays.empty();
  slot->arrays = std::move(arrays);
  slot->was_divided = true;
  if (divided) return;
  Tensor& mine = variable->value();
  const size_t element = DTypeSize(mine.dtype());
  const Slice slice = SliceOf(slot->division.total, ranks_->update_rank(),
                              ranks_->update_size());
  const int64_t count = mine.NumElements();
  const int64_t begin =
      std::clamp<int64_t>(slice.begin - slot->division.first, 0, count);
  const int64_t end =
      std::clamp<int64_t>(slice.end - slot->division.first, 0, count);
  auto* data = static_cast<char*>(mine.data());
  ranks_->ForgetState(data, static_cast<size_t>(begin) * element);
  ranks_->ForgetState(data + static_cast<size_t>(end) * element,
                      static_cast<size_t>(count - end) * element);
}

void SlotSlices::Divide(Variable* variable, Slot* slot,
                        const Division& division) {
  if (slot->division == division) [[likely]]
    return;
  Complete(variable);
  slot->division = division;
}

namespace {

// _CompleteSlot: makes the variable's array whole before it is read.
Status CompleteCpu(KernelContext& k) {
  if (auto* slices = k.resources().Service<SlotSlices>()) {
    slices->Complete(&k.variable(0));
  }
  return Ok();
}

LOCKSTEP_OP("_CompleteSlot")
    .Input("variable: Ref(T)")
    .Attr("T: type")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.allows_uninitialized = true; })
    .Kernel(kCpu, {CompleteCpu});

LOCKSTEP_OP("_CompleteResourceSlot")
    .Input("variable: resource")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.allows_uninitialized = true; })
    .Kernel(kCpu, {CompleteCpu});

}  // namespace
}  // namespace lockstep
