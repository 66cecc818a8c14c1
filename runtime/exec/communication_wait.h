// SPDX-License-Identifier: Apache-2.0
#pragma once

// A service of a session whose ops talk to other ranks on a lane of their own:
// how long its other steps waited for that lane. Thread-safe.

#include <atomic>
#include <cstdint>

namespace lockstep {

struct CommunicationWait {
  std::atomic<uint64_t> micros{0};
};

}  // namespace lockstep
