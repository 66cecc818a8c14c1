// SPDX-License-Identifier: Apache-2.0
#include "distributed/pending_call.h"

#include <chrono>
#include <utility>

#include "runtime/core/env.h"

namespace lockstep {

PendingCall& PendingCall::operator=(PendingCall&& other) noexcept {
  if (this != &other) {
    (void)Wait();
    state_ = std::move(other.state_);
  }
  return *this;
}

PendingCall::~PendingCall() { (void)Wait(); }

bool PendingCall::done() const {
  if (state_ == nullptr) return true;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->done;
}

Status PendingCall::Wait(uint64_t deadline_micros) {
  if (state_ == nullptr) return Ok();
  std::unique_lock<std::mutex> lock(state_->mutex);
  const auto done = [this] { return state_->done; };
  if (deadline_micros == 0) {
    state_->changed.wait(lock, done);
    return state_->result;
  }
  for (;;) {
    const uint64_t now = Env::Default()->SteadyMicros();
    const uint64_t left = now < deadline_micros ? deadline_micros - now : 0;
    if (state_->changed.wait_for(lock, std::chrono::microseconds(left), done)) {
      return state_->result;
    }
    if (left == 0) return DeadlineExceeded("the call is not done yet");
  }
}

CallQueue::~CallQueue() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

PendingCall CallQueue::Post(std::function<Status()> call) {
  auto state = std::make_shared<PendingCall::State>();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    pending_.fetch_add(1, std::memory_order_relaxed);
    waiting_.push_back({std::move(call), state});
    if (!thread_.joinable()) thread_ = std::thread([this] { Serve(); });
  }
  changed_.notify_all();
  return PendingCall(std::move(state));
}

void CallQueue::Drain() {
  if (pending_.load(std::memory_order_acquire) == 0) [[likely]]
    return;
  std::unique_lock<std::mutex> lock(mutex_);
  if (thread_.get_id() == std::this_thread::get_id()) return;
  changed_.wait(
      lock, [this] { return pending_.load(std::memory_order_relaxed) == 0; });
}

void CallQueue::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Entry entry = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Status result = entry.call();
    entry.call = nullptr;
    lock.lock();
    // Its handle knows before those who drain do.
    {
      const std::lock_guard<std::mutex> done(entry.state->mutex);
      entry.state->result = std::move(result);
      entry.state->done = true;
      entry.state->changed.notify_all();
    }
    pending_.fetch_sub(1, std::memory_order_release);
    changed_.notify_all();
  }
}

}  // namespace lockstep
