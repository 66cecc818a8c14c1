// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arenas: the host memory of a session's plans. Plans of one depth take turns
// and share an arena; a step that runs functions runs their plans one deeper.
// Internal to runtime/exec.

#include <memory>
#include <vector>

#include "runtime/device/arena.h"

namespace lockstep {

class Arenas {
 public:
  explicit Arenas(size_t limit) : limit_(limit) {}

  Result<Arena*> At(int depth) {
    while (static_cast<int>(arenas_.size()) <= depth) {
      LS_ASSIGN_OR_RETURN(std::unique_ptr<Arena> arena, Arena::Create(limit_));
      arenas_.push_back(std::move(arena));
    }
    return arenas_[static_cast<size_t>(depth)].get();
  }

 private:
  size_t limit_;
  std::vector<std::unique_ptr<Arena>> arenas_;
};

}  // namespace lockstep
