// SPDX-License-Identifier: Apache-2.0
#pragma once

// What streams and events share: for streams.cc and events.cc.

#include <condition_variable>
#include <map>
#include <mutex>

#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {

// One for all streams and events: they are few, and wait for each other.
struct StreamState {
  std::mutex mutex;
  std::condition_variable changed;
  Handles<cudaStream_t> streams{"stream"};
  Handles<cudaEvent_t> events{"event"};
  std::map<int, cudaStream_t> legacy;
};
StreamState& TheStreams();

// With the mutex held: has all that streams were given done, in any mode.
void AllowAll(StreamState& s);
// With the mutex held: the stream's next task.
void Give(StreamState& s, cudaStream_t stream, Task task);

}  // namespace lockstep::stand_in
