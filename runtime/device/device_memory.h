// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeviceMemory: the memory of one session on one device. Everything that the
// session puts there is taken from it and counted: arenas of plans, variables,
// constants, values whose size is known only as they are made. Thread-safe,
// but for its arenas (see Arena).
//
//   LS_ASSIGN_OR_RETURN(auto memory, DeviceMemory::Create(
//       hardware, "/gpu:0", {.session = 7, .limit = 64 << 20}));
//   LS_ASSIGN_OR_RETURN(Tensor x, Tensor::Make(kFloat, {2, 3}, memory.get()));
//   memory->used();   // 64

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/core/allocator.h"
#include "runtime/device/hardware.h"

namespace lockstep {

class DeviceMemory final : public Allocator {
 public:
  struct Options {
    uint64_t session = 0;      // see Hardware::SetShare
    std::string session_name;  // for messages
    // Bytes that the session may use; 0: as many as the hardware has.
    size_t limit = 0;
    // Whether the limit is taken out of the hardware's ledger now, rather than
    // what is used as it grows.
    bool reserve = false;
  };
  // RESOURCE_EXHAUSTED naming both sessions when others hold too much for the
  // limit to be reserved.
  static Result<std::shared_ptr<DeviceMemory>> Create(
      std::shared_ptr<Hardware> hardware, std::string device, Options options);
  ~DeviceMemory() override;

  // See Allocator. RESOURCE_EXHAUSTED: "/gpu:0: ...".
  Result<void*> Allocate(size_t bytes) override;
  void Free(void* data, size_t bytes) override;
  bool host_memory() const override { return hardware_->host_memory(); }

  // Counts `bytes` that others took for the session, to its end.
  // RESOURCE_EXHAUSTED over the limit.
  Status Hold(size_t bytes);
  size_t held() const { return held_; }
  // Counts room for what a run hands out, `bytes` or what another one needed:
  // the caller's memory, but the run's device has to have it.
  Status HoldResults(size_t bytes);
  size_t results() const { return results_; }

  // The arena of the plans of functions that are `depth` deep; made when first
  // asked for. Such plans take turns.
  Result<Arena*> ArenaOf(int depth);
  size_t ArenaSize(int depth) const;  // 0 when there is none yet
  // Makes at least `bytes` of it usable. RESOURCE_EXHAUSTED as above.
  Status Grow(Arena* arena, size_t bytes);

  Hardware& hardware() const { return *hardware_; }
  size_t limit() const { return options_.limit; }  // never 0
  // Bytes held now, and the most that were held at one time.
  size_t used() const;
  size_t peak() const;

 private:
  DeviceMemory(std::shared_ptr<Hardware> hardware, std::string device,
               Options options);
  Status Take(size_t bytes);
  void GiveBack(size_t bytes);

  std::shared_ptr<Hardware> hardware_;
  std::string device_;
  Options options_;
  mutable std::mutex mutex_;
  size_t used_ = 0;
  size_t peak_ = 0;
  size_t held_ = 0;     // part of used_
  size_t results_ = 0;  // so is this
  std::map<int, std::unique_ptr<Arena>> arenas_;
};

}  // namespace lockstep
