// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asynchronous calls of a communicator: the handle of one, and the thread that
// makes them, one after the other, in the order in which they were posted.
//
// A call ends by its own deadline, so every wait for one ends. Threading: a
// handle is used by one thread at a time; the queue by any.
//
//   PendingCall sum = comm.AllReduceAsync(x, x, n, kFloat);
//   Compute();                           // meanwhile; x is not to be touched
//   LS_RETURN_IF_ERROR(sum.Wait());

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/core/status.h"

namespace lockstep {

class PendingCall {
 public:
  PendingCall() = default;  // no call: done, OK
  PendingCall(PendingCall&&) = default;
  // Waits for the call that it had.
  PendingCall& operator=(PendingCall&& other) noexcept;
  // Waits until the call is done: nobody uses its arrays afterwards.
  ~PendingCall();

  bool done() const;
  // What the call returned. DEADLINE_EXCEEDED when `deadline_micros` (of
  // Env::SteadyMicros; 0: none but the call's own) passes first: the call goes
  // on, and may be waited for again.
  Status Wait(uint64_t deadline_micros = 0);

 private:
  friend class CallQueue;
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;  // guarded by mutex
    Status result;      // the same
  };
  // Shared with the queue.
  explicit PendingCall(std::shared_ptr<State> state)
      : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

class CallQueue {
 public:
  CallQueue() = default;
  // Requires that all calls are done.
  ~CallQueue();
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  // The thread starts with the first call.
  PendingCall Post(std::function<Status()> call);
  // Until all calls posted so far are done; returns at once on the queue's own
  // thread, where they are made.
  void Drain();

 private:
  struct Entry {
    std::function<Status()> call;
    std::shared_ptr<PendingCall::State> state;
  };
  void Serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> waiting_;  // guarded by mutex_
  bool ending_ = false;        // the same
  std::thread thread_;         // the same
  // Calls not done yet; read without the mutex where there are none.
  std::atomic<int> pending_{0};
};

}  // namespace lockstep
