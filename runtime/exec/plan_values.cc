// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_values.h"

#include <algorithm>

#include "runtime/exec/memory_planner.h"

namespace lockstep {

int PlanValues::Root(int buffer) const {
  while (buffers_[static_cast<size_t>(buffer)].merged_into >= 0) {
    buffer = buffers_[static_cast<size_t>(buffer)].merged_into;
  }
  return buffer;
}

Buffer& PlanValues::BufferOf(Output o) {
  return buffers_[static_cast<size_t>(Root(values_.at(o).buffer))];
}

int PlanValues::NewBuffer(Storage storage, const std::string& owner, int step,
                          size_t bytes) {
  buffers_.push_back({.storage = storage,
                      .bytes = bytes,
                      .first_step = step,
                      .last_step = step,
                      .owner = owner});
  return static_cast<int>(buffers_.size()) - 1;
}

Tensor* PlanValues::NewTensor(Output o, void* data) {
  const Shape& shape = o.shape();
  return NewTensor(Tensor::Borrow(
      BaseOf(o.dtype()), shape.IsFullyKnown() ? shape : Shape{0}, data));
}

Tensor* PlanValues::NewTensor(Tensor value) {
  tensors_.push_back(std::move(value));
  return &tensors_.back();
}

void PlanValues::AddView(Output o, int buffer, Tensor* tensor) {
  values_[o] = {tensor, buffer};
  buffers_[static_cast<size_t>(buffer)].views.push_back(tensor);
}

void PlanValues::Use(Output o, int step) {
  Buffer& b = BufferOf(o);
  b.last_step = std::max(b.last_step, step);
}

void PlanValues::ShareInPlace(Node* n, int step) {
  for (auto [out, in] : n->traits().in_place) {
    if (out >= n->num_outputs() || in >= n->num_inputs()) continue;
    const int from = Root(values_.at(n->input(in)).buffer);
    Buffer& a = buffers_[static_cast<size_t>(from)];
    Buffer& b = BufferOf(n->output(out));
    // An output that shares already begins before this step.
    if (&a == &b || a.storage != Storage::kArena ||
        b.storage != Storage::kArena || a.bytes != b.bytes || a.fetched ||
        a.last_step != step || b.first_step != step) {
      continue;
    }
    a.last_step = b.last_step;
    a.fetched = b.fetched;
    a.views.insert(a.views.end(), b.views.begin(), b.views.end());
    b = Buffer{.merged_into = from};
  }
}

Result<MemoryUse> PlanValues::Place(const PlanEnvironment& environment) {
  std::vector<BufferRequest> requests;
  std::vector<Buffer*> owners;
  for (Buffer& b : buffers_) {
    if (b.storage != Storage::kArena) continue;
    requests.push_back({.bytes = b.bytes,
                        .first_step = b.first_step,
                        .last_step = std::max(b.first_step, b.last_step)});
    owners.push_back(&b);
  }
  const MemoryPlan memory = PlanMemory(&requests);
  const size_t need = memory.arena_bytes +
                      environment.resources->variables().TotalBytes();
  const size_t limit = environment.options->cpu_memory_limit;
  if (limit > 0 && need > limit) return OverLimit(environment, need);
  DeviceMemory& device = *environment.devices->all()[0].memory;
  LS_ASSIGN_OR_RETURN(Arena * arena, device.ArenaOf(0, environment.depth));
  LS_RETURN_IF_ERROR(device.Grow(arena, memory.arena_bytes));
  base_ = arena->base();
  for (size_t i = 0; i < requests.size(); ++i) {
    for (Tensor* view : owners[i]->views) {
      view->Rebind(base_ + requests[i].offset);
    }
    owners[i]->offset = requests[i].offset;
  }
  return MemoryUse{memory.arena_bytes, memory.lower_bound_bytes};
}

void* PlanValues::Address(int buffer) const {
  return base_ + buffers_[static_cast<size_t>(buffer)].offset;
}

Status PlanValues::OverLimit(const PlanEnvironment& environment,
                             size_t need) const {
  std::vector<std::pair<size_t, std::string>> largest;
  for (const Buffer& b : buffers_) {
    if (b.storage == Storage::kArena) largest.emplace_back(b.bytes, b.owner);
  }
  for (const auto& [name, v] : environment.resources->variables().all()) {
    largest.emplace_back(v->value().bytes(), "variable " + name);
  }
  std::ranges::sort(largest, std::greater<>());
  if (largest.size() > 5) largest.resize(5);
  std::vector<std::string> texts;
  for (const auto& [bytes, name] : largest) {
    texts.push_back(StrCat(name, " ", HumanBytes(bytes)));
  }
  const size_t limit = environment.options->cpu_memory_limit;
  return ResourceExhausted("/cpu:0: the plan needs ", HumanBytes(need), " (",
                           need, " bytes), the limit is ", HumanBytes(limit),
                           " (", limit, " bytes); largest: ",
                           Join(texts, ", "));
}

}  // namespace lockstep
