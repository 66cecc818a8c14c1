// SPDX-License-Identifier: Apache-2.0
#pragma once

// SlotSlices: the optimiser's slots of a session whose updates are divided over
// the ranks. Each rank keeps the slice of a slot that it updates; the rest of
// its array is old. Whoever reads a slot, a saver for instance, completes it
// first: by copying the other ranks' slices from their memory, which takes no
// part of theirs. They do not change meanwhile: a divided update waits for all
// ranks before it writes.
//
// A service of the session. Threading: like the session's variables.
//
//   SlotSlices::Slot& m = slices.Of(&variable);
//   LS_RETURN_IF_ERROR(slices.Complete(&variable));

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "distributed/communicator.h"
#include "runtime/op/resource.h"

namespace lockstep {

class SlotSlices {
 public:
  explicit SlotSlices(std::shared_ptr<Communicator> ranks)
      : ranks_(std::move(ranks)), number_(ranks_->OpenOwner()) {}
  // Hands divided slots over, so that other ranks can still complete theirs.
  ~SlotSlices();
  SlotSlices(const SlotSlices&) = delete;
  SlotSlices& operator=(const SlotSlices&) = delete;

  // How a slot is divided: it is elements [first, first + its own) of `total`
  // that are divided by SliceOf.
  struct Division {
    int64_t first = 0;
    int64_t total = 0;
    bool operator==(const Division&) const = default;
  };
  struct Slot {
    Division division;
    std::vector<const void*> arrays;  // by rank; empty: whole on this rank
    bool was_divided = false;         // so another rank may need this one's
  };
  // Stays where it is.
  Slot& Of(Variable* variable) { return slots_[variable]; }

  // Makes the variable's array whole. Nothing to do where it is.
  void Complete(Variable* variable);
  // After an update: where each update_rank() keeps the slot. Memory for the
  // other ranks' slices is given back.
  void NoteArrays(Variable* variable, Slot* slot,
                  std::vector<const void*> arrays);
  // Before it is divided otherwise than it is.
  void Divide(Variable* variable, Slot* slot, const Division& division);

 private:
  // Shared: the session's kernels use it too.
  const std::shared_ptr<Communicator> ranks_;
  const uint64_t number_;  // see Communicator::OpenOwner
  std::unordered_map<Variable*, Slot> slots_;
};

}  // namespace lockstep
