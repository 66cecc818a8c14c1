// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_values.h"

#include <algorithm>

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

int PlanValues::NewBuffer(Storage storage, int device, const std::string& owner,
                          int step, size_t bytes) {
  Buffer b;
  b.storage = storage;
  b.device = device;
  b.bytes = bytes;
  b.first_step = b.last_step = step;
  b.uses = {step};
  b.owner = owner;
  buffers_.push_back(std::move(b));
  return static_cast<int>(buffers_.size()) - 1;
}

Tensor* PlanValues::NewTensor(Output o) {
  const Shape& shape = o.shape();
  return NewTensor(Tensor::Borrow(
      BaseOf(o.dtype()), shape.IsFullyKnown() ? shape : Shape{0}, nullptr));
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
  if (b.storage == Storage::kArena) b.uses.push_back(step);
}

void PlanValues::ShareInPlace(Node* n, int step,
                              std::vector<int>* overwritten) {
  for (auto [out, in] : n->traits().in_place) {
    if (out >= n->num_outputs() || in >= n->num_inputs()) continue;
    const int from = Root(values_.at(n->input(in)).buffer);
    Buffer& a = buffers_[static_cast<size_t>(from)];
    Buffer& b = BufferOf(n->output(out));
    // An output that shares already begins before this step.
    if (&a == &b || a.storage != Storage::kArena ||
        b.storage != Storage::kArena || a.device != b.device ||
        a.bytes != b.bytes || a.fetched || a.last_step != step ||
        b.first_step != step) {
      continue;
    }
    overwritten->insert(overwritten->end(), a.uses.begin(), a.uses.end());
    a.last_step = b.last_step;
    a.fetched = b.fetched;
    a.views.insert(a.views.end(), b.views.begin(), b.views.end());
    a.uses.insert(a.uses.end(), b.uses.begin(), b.uses.end());
    b = Buffer{};
    b.merged_into = from;
  }
}

void PlanValues::AddMemoryNeeds(const std::vector<int>& lane_of,
                                std::vector<LaneClock>* needs) const {
  const auto lane = [&](int step) {
    return lane_of[static_cast<size_t>(step)];
  };
  std::vector<const Buffer*> placed;
  for (const Buffer& b : buffers_) {
    if (b.storage == Storage::kArena && b.bytes > 0) placed.push_back(&b);
  }
  std::ranges::stable_sort(placed, {}, &Buffer::first_step);
  for (size_t later = 0; later < placed.size(); ++later) {
    const Buffer& b = *placed[later];
    for (size_t earlier = 0; earlier < later; ++earlier) {
      const Buffer& a = *placed[earlier];
      if (a.device != b.device || a.offset >= b.offset + b.bytes ||
          b.offset >= a.offset + a.bytes || a.last_step >= b.first_step) {
        continue;
      }
      for (int use : a.uses) {
        if (use < b.first_step && lane(use) != lane(b.first_step)) {
          After(&(*needs)[static_cast<size_t>(b.first_step)], lane(use), use);
        }
      }
    }
  }
}

void* PlanValues::Address(int buffer) const {
  return buffers_[static_cast<size_t>(Root(buffer))].address;
}

}  // namespace lockstep
