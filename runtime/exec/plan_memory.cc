// SPDX-License-Identifier: Apache-2.0
// PlanBuilder: memory on each device, known and limited before it is taken.
#include <algorithm>

#include "runtime/exec/batch_fit.h"
#include "runtime/exec/plan_assembly.h"

namespace lockstep {
namespace {

constexpr size_t kLargestShown = 5;
// Smaller results are copied in no time.
constexpr size_t kLeastHandedOut = 4096;
// Branches that run side by side take memory of each other only when it has
// been free for some steps, lest one waits for the other at each of them.
constexpr int kBranchSlack = 16;

size_t BytesOf(const Variable& v) {
  if (v.value().defined()) return v.value().bytes();
  const Shape& declared = v.declared_shape();
  if (!declared.IsFullyKnown()) return 0;
  return static_cast<size_t>(declared.NumElements()) * DTypeSize(v.dtype());
}

}  // namespace

// What a run is asked for is made in its caller's memory, not copied there.
void PlanBuilder::HandOutResults() {
  if (environment_.keeps_results) return;
  for (const Output& f : work_.fetches) {
    Buffer& b = values_.BufferOf(f);
    if (b.storage == Storage::kArena && b.device == 0 &&
        b.bytes >= kLeastHandedOut && conditions_->Of(f).empty()) {
      b.storage = Storage::kResult;
    }
  }
}

Status PlanBuilder::PlaceMemory() {
  Status first = Ok();
  const int count = static_cast<int>(environment_.devices->all().size());
  for (int d = 0; d < count; ++d) {
    // CPU devices are one memory, which the first stands for.
    if (d > 0 && DeviceAt(d).kind() == kCpu) continue;
    first.Update(PlaceOn(d));
    if (!first.ok() && !environment_.explain_only) return first;
  }
  PlanInfo& info = plan_->info_;
  for (const DeviceNeed& need : info.devices) {
    info.arena_bytes += need.arena_bytes;
    info.lower_bound_bytes += need.lower_bound_bytes;
    info.variable_bytes += need.variable_bytes;
  }
  return first;
}

Status PlanBuilder::PlaceOn(int device) {
  std::vector<BufferRequest> requests;
  std::vector<Buffer*> owners;
  bool used = device == 0;
  for (Buffer& b : values_.buffers()) {
    if (b.device != device || b.merged_into >= 0) continue;
    used = used || b.storage != Storage::kNone;
    if (b.storage != Storage::kArena) continue;
    requests.push_back({.bytes = b.bytes,
                        .first_step = b.first_step,
                        .last_step = std::max(b.first_step, b.last_step) +
                                     (beside_.empty() ? 0 : kBranchSlack)});
    owners.push_back(&b);
  }
  if (!used) return Ok();
  const MemoryPlan memory = PlanMemory(&requests);
  const DeviceNeed need = NeedOn(device, memory);
  plan_->info_.devices.push_back(need);
  if (environment_.explain_only) return Ok();
  if (need.total_bytes > need.limit_bytes) return OverLimit(need);
  LS_RETURN_IF_ERROR(DeviceAt(device).memory->HoldResults(need.result_bytes));
  LS_RETURN_IF_ERROR(TakeMemory(device, memory));
  LS_ASSIGN_OR_RETURN(Arena * arena,
                      DeviceAt(device).memory->ArenaOf(environment_.arena()));
  for (size_t i = 0; i < owners.size(); ++i) {
    owners[i]->offset = requests[i].offset;
    owners[i]->address = arena->base() + requests[i].offset;
    for (Tensor* view : owners[i]->views) view->Rebind(owners[i]->address);
  }
  return Ok();
}

DeviceNeed PlanBuilder::NeedOn(int device, const MemoryPlan& memory) {
  DeviceMemory& has = *DeviceAt(device).memory;
  DeviceNeed need{.device = DeviceAt(device).name.Short(),
                  .arena_bytes = memory.arena_bytes,
                  .lower_bound_bytes = memory.lower_bound_bytes,
                  .communication_bytes = has.held(),
                  .limit_bytes = has.limit(),
                  .largest = {}};
  size_t more = 0;  // than the session holds already
  const auto add = [&](const std::string& name, size_t bytes) {
    need.largest.emplace_back(name, bytes);
  };
  for (const Buffer& b : values_.buffers()) {
    if (b.device != device) continue;
    const bool result =
        b.storage == Storage::kResult && environment_.depth == 0;
    if (result) need.result_bytes += AllocationSize(b.bytes);
    if ((b.storage == Storage::kArena || result) && b.bytes > 0) {
      add(b.owner, b.bytes);
    }
    if (!b.constant.defined()) continue;
    add("constant " + b.owner, b.constant.bytes());
    need.constant_bytes += AllocationSize(b.constant.bytes());
  }
  std::vector<const Variable*> variables;
  for (const Buffer& b : values_.buffers()) {
    if (b.device != device || !b.variable || b.variable->value().defined() ||
        std::ranges::find(variables, b.variable) != variables.end()) {
      continue;
    }
    variables.push_back(b.variable);
    if (BytesOf(*b.variable) > 0) more += AllocationSize(BytesOf(*b.variable));
  }
  for (const auto& [name, v] : environment_.resources->variables().all()) {
    if (v->allocator() == &has && v->value().defined()) {
      variables.push_back(v.get());
    }
  }
  for (const Variable* v : variables) {
    if (BytesOf(*v) == 0) continue;
    add("variable " + v->name(), BytesOf(*v));
    need.variable_bytes += AllocationSize(BytesOf(*v));
  }
  if (has.held() > 0) add("buffers of communicators", has.held());
  const size_t arena = has.ArenaSize(environment_.arena());
  need.total_bytes =
      has.used() - arena + std::max(arena, memory.arena_bytes) - has.results() +
      std::max(has.results(), need.result_bytes) + more + need.constant_bytes;
  std::ranges::stable_sort(need.largest, std::greater<>(),
                           [](const auto& l) { return l.second; });
  if (need.largest.size() > kLargestShown) need.largest.resize(kLargestShown);
  return need;
}

Status PlanBuilder::TakeMemory(int device, const MemoryPlan& memory) {
  DeviceMemory& has = *DeviceAt(device).memory;
  LS_ASSIGN_OR_RETURN(Arena * arena, has.ArenaOf(environment_.arena()));
  LS_RETURN_IF_ERROR(has.Grow(arena, memory.arena_bytes));
  for (Buffer& b : values_.buffers()) {
    if (b.device != device) continue;
    if (b.variable && b.variable->declared_shape().IsFullyKnown() &&
        !b.variable->value().defined()) {
      LS_RETURN_IF_ERROR(b.variable->Allocate(b.variable->declared_shape()));
    }
    void* data = nullptr;
    if (b.storage == Storage::kVariable) {
      data = b.variable->value().data();
    } else if (b.constant.defined()) {
      LS_ASSIGN_OR_RETURN(Tensor copy, Tensor::Make(b.constant.dtype(),
                                                    b.constant.shape(), &has));
      LS_RETURN_IF_ERROR(has.hardware().Copy(copy.data(), b.constant.data(),
                                             b.constant.bytes()));
      data = copy.data();
      plan_->constants_.push_back(std::move(copy));
    }
    if (data == nullptr) continue;
    for (Tensor* view : b.views) {
      if (view != (b.variable ? &b.variable->value() : nullptr)) {
        view->Rebind(data);
      }
    }
  }
  return Ok();
}

Status PlanBuilder::OverLimit(const DeviceNeed& need) const {
  std::vector<std::string> texts;
  for (const auto& [name, bytes] : need.largest) {
    texts.push_back(StrCat(name, " ", HumanBytes(bytes)));
  }
  const std::string fits = LargestBatch(request_);
  return ResourceExhausted(
      need.device, ": the plan needs ", HumanBytes(need.total_bytes), " (",
      need.total_bytes, " bytes), the limit is ", HumanBytes(need.limit_bytes),
      " (", need.limit_bytes, " bytes); largest: ", Join(texts, ", "),
      fits.empty() ? "" : "; ", fits);
}

}  // namespace lockstep
