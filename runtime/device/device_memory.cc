// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/device_memory.h"

#include <algorithm>

namespace lockstep {

Result<std::shared_ptr<DeviceMemory>> DeviceMemory::Create(
    std::shared_ptr<Hardware> hardware, std::string device, Options options) {
  const size_t all = hardware->memory_bytes();
  options.limit = options.limit == 0 ? all : std::min(options.limit, all);
  if (options.reserve) {
    Status held = hardware->SetShare(options.session, options.session_name,
                                     options.limit);
    if (!held.ok()) return held.WithContext(device);
  }
  return std::shared_ptr<DeviceMemory>(new DeviceMemory(
      std::move(hardware), std::move(device), std::move(options)));
}

DeviceMemory::DeviceMemory(std::shared_ptr<Hardware> hardware,
                           std::string device, Options options)
    : hardware_(std::move(hardware)),
      device_(std::move(device)),
      options_(std::move(options)) {}

DeviceMemory::~DeviceMemory() {
  arenas_.clear();
  (void)hardware_->SetShare(options_.session, options_.session_name, 0);
}

Status DeviceMemory::Take(size_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes > options_.limit - used_) {
    return ResourceExhausted(device_, ": ", options_.session_name, " holds ",
                             used_, " bytes and needs ", bytes,
                             " more, the limit is ", options_.limit, " (",
                             HumanBytes(options_.limit), ")");
  }
  if (!options_.reserve) {
    Status held = hardware_->SetShare(options_.session, options_.session_name,
                                      used_ + bytes);
    if (!held.ok()) return held.WithContext(device_);
  }
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return Ok();
}

void DeviceMemory::GiveBack(size_t bytes) {
  std::lock_guard lock(mutex_);
  used_ -= bytes;
  // Less than before is never refused.
  if (!options_.reserve) {
    (void)hardware_->SetShare(options_.session, options_.session_name, used_);
  }
}

Result<void*> DeviceMemory::Allocate(size_t bytes) {
  const size_t taken = AllocationSize(bytes);
  LS_RETURN_IF_ERROR(Take(taken));
  Result<void*> data = hardware_->Allocate(bytes);
  if (!data.ok()) {
    GiveBack(taken);
    return data.status().WithContext(device_);
  }
  return data;
}

void DeviceMemory::Free(void* data, size_t bytes) {
  hardware_->Free(data, bytes);
  GiveBack(AllocationSize(bytes));
}

Status DeviceMemory::Hold(size_t bytes) {
  LS_RETURN_IF_ERROR(Take(bytes));
  held_ += bytes;
  return Ok();
}

Status DeviceMemory::HoldResults(size_t bytes) {
  if (bytes <= results_) return Ok();
  LS_RETURN_IF_ERROR(Take(bytes - results_));
  results_ = bytes;
  return Ok();
}

Result<Arena*> DeviceMemory::ArenaOf(int depth) {
  std::unique_ptr<Arena>& arena = arenas_[depth];
  if (!arena) {
    LS_ASSIGN_OR_RETURN(arena, hardware_->MakeArena(options_.limit));
  }
  return arena.get();
}

size_t DeviceMemory::ArenaSize(int depth) const {
  const auto it = arenas_.find(depth);
  return it == arenas_.end() ? 0 : it->second->size();
}

Status DeviceMemory::Grow(Arena* arena, size_t bytes) {
  if (bytes <= arena->size()) return Ok();
  const size_t more = bytes - arena->size();
  LS_RETURN_IF_ERROR(Take(more));
  Status grown = arena->Grow(bytes);
  if (grown.ok()) return grown;
  GiveBack(more);
  return grown.WithContext(device_);
}

size_t DeviceMemory::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

size_t DeviceMemory::peak() const {
  std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace lockstep
