// SPDX-License-Identifier: Apache-2.0
// _GradientUpdate: several updates of variables (Apply* ops) by gradients that
// are summed over the ranks, weighted as by _GradientExchange. Each rank
// updates its slice of all the variables laid end to end, slots included, and
// gives the variables to the others: equal values, divided work.
//   inputs: those of the updates, one update's after the other
//   updates: the updates' ops and attributes
//   watched: for each whether nothing else in the plan writes to its variable
// A rank's slots are up to date in its own slice only: see slot_slices.h.
#include <algorithm>
#include <memory>
#include <vector>

#include "distributed/update_kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct UpdateState {
  std::vector<InnerUpdate> updates;
  std::vector<SliceWatch> watches;
  std::vector<SlotOf> slots;
  std::vector<void*> slot_arrays;
  std::vector<Piece> pieces;
  std::vector<KernelContext> contexts;
  bool weighted = false;
  size_t* turns = nullptr;  // see ReducedDigest
};

Status PrepareUpdate(PrepareContext& p, const FunctionRef& ref, int first,
                     UpdateState* state) {
  LS_ASSIGN_OR_RETURN(InnerUpdate update, InnerUpdate::Find(ref, first));
  LS_RETURN_IF_ERROR(update.Prepare(p));
  LS_RETURN_IF_ERROR(
      FindSlots(p, update, state->updates.size(), &state->slots));
  state->updates.push_back(std::move(update));
  return Ok();
}

Status PrepareWatches(PrepareContext& p, UpdateState* state) {
  const auto& watched = p.Attr<std::vector<bool>>("watched");
  if (watched.size() != state->updates.size()) {
    return InvalidArgument("attribute watched has ", watched.size(),
                           " elements for ", state->updates.size(), " updates");
  }
  state->watches = std::vector<SliceWatch>(watched.size());
  for (size_t i = 0; i < watched.size(); ++i) {
    LS_RETURN_IF_ERROR(
        PrepareWatch(p, state->updates[i], watched[i], &state->watches[i]));
  }
  return Ok();
}

Status PrepareUpdates(PrepareContext& p) {
  LS_RETURN_IF_ERROR(CheckCommunicator(p));
  auto& state = p.MakeState<UpdateState>();
  state.weighted = p.Attr<bool>("weighted");
  state.turns = &TurnsOf(p);
  int first = 0;
  for (const FunctionRef& ref : p.Attr<std::vector<FunctionRef>>("updates")) {
    Status prepared = PrepareUpdate(p, ref, first, &state);
    if (!prepared.ok()) return prepared.WithContext(ref.name);
    first += state.updates.back().count();
  }
  LS_RETURN_IF_ERROR(PrepareWatches(p, &state));
  state.slot_arrays.resize(state.slots.size());
  state.pieces.resize(state.updates.size());
  state.contexts.resize(state.updates.size());
  return Ok();
}

// Binds the updates and says what is exchanged.
Status MakePieces(KernelContext& k, UpdateState* state) {
  for (size_t i = 0; i < state->updates.size(); ++i) {
    const InnerUpdate& u = state->updates[i];
    state->contexts[i] = u.Context(k);
    const Tensor& gradient = k.input(u.gradient());
    Tensor& value = k.variable(u.first()).value();
    if (value.shape() != gradient.shape()) {
      return InvalidArgument("variable '", k.variable(u.first()).name(),
                             "' has shape ", value.shape(), ", its gradient ",
                             gradient.shape());
    }
    state->pieces[i] = {gradient.data(), value.data(), value.NumElements()};
  }
  for (size_t s = 0; s < state->slots.size(); ++s) {
    const SlotOf& slot = state->slots[s];
    state->slot_arrays[s] = slot.variable->value().data();
    Piece& piece = state->pieces[slot.update];
    if (slot.variable->value().NumElements() != piece.count) {
      return InvalidArgument("slot '", slot.variable->name(), "' has shape ",
                             slot.variable->value().shape(),
                             ", unlike its variable");
    }
    void* const* array = &state->slot_arrays[s];
    piece.state = {piece.state.empty() ? array : piece.state.data(),
                   piece.state.size() + 1};
  }
  return Ok();
}

// The slots as they are to be divided in this exchange; what is expected of
// the variables.
void Divide(KernelContext& k, UpdateState* state) {
  auto* slices = k.resources().Service<SlotSlices>();
  const int64_t total = TotalCount(state->pieces);
  int64_t first = 0;
  size_t s = 0;
  for (size_t i = 0; i < state->pieces.size(); ++i) {
    state->watches[i].Begin({.first = first, .total = total});
    for (; s < state->slots.size() && state->slots[s].update == i; ++s) {
      slices->Divide(state->slots[s].variable, state->slots[s].slot,
                     {.first = first, .total = total});
    }
    first += state->pieces[i].count;
  }
}

void NoteSlots(KernelContext& k, const Communicator& ranks,
               const UpdateState& state) {
  for (size_t s = 0; s < state.slots.size(); ++s) {
    NoteSlot(k, state.slots[s], ranks.update_size(),
             [&](int r) { return ranks.StateArrays(r)[s]; });
  }
}

Status UpdateCpu(KernelContext& k) {
  auto& state = k.state<UpdateState>();
  Communicator& ranks = *k.resources().Service<Communicator>();
  LS_RETURN_IF_ERROR(MakePieces(k, &state));
  Divide(k, &state);
  const auto update = [&state](const Part& part, const void* gradient) {
    return ApplyWatched(state.updates[part.piece], state.contexts[part.piece],
                        part.begin, part.count, gradient,
                        &state.watches[part.piece]);
  };
  const DType dtype = k.input(state.updates[0].gradient()).dtype();
  LS_RETURN_IF_ERROR(ranks.AllReduceUpdate(
      state.pieces, dtype, ReduceOp::kSum,
      GradientWeight(k, state.weighted, ranks), update, CollectiveOptions(k)));
  for (size_t i = 0; i < state.updates.size(); ++i) {
    LS_RETURN_IF_ERROR(EndWatch(k, state.updates[i], &state.watches[i]));
  }
  if (!state.weighted) TellNewValues(k, state.updates, (*state.turns)++);
  NoteSlots(k, ranks, state);
  return Ok();
}

LOCKSTEP_OP("_GradientUpdate")
    .Input("inputs: Tin")
    .Attr("Tin: list(type) >= 1")
    .Attr("updates: list(func)")
    .Attr("watched: list(bool)")
    .Attr("weighted: bool")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.synchronizes = true; })
    .Kernel(kCpu, {UpdateCpu, PrepareUpdates});

}  // namespace
}  // namespace lockstep
