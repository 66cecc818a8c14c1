// SPDX-License-Identifier: Apache-2.0
#include "distributed/outbox.h"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

// Buffers kept for further messages.
constexpr size_t kMaxSpare = 64;

}  // namespace

Outbox::Outbox(Communicator& communicator, int to,
               std::function<void(const Status&)> failed)
    : communicator_(communicator),
      to_(to),
      failed_(std::move(failed)),
      thread_([this] { Run(); }) {}

Outbox::~Outbox() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::vector<std::byte> Outbox::TakeBuffer(size_t bytes) {
  std::vector<std::byte> buffer;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    auto best = spare_.end();
    for (auto it = spare_.begin(); it != spare_.end(); ++it) {
      if (it->capacity() >= bytes &&
          (best == spare_.end() || it->capacity() < best->capacity())) {
        best = it;
      }
    }
    if (best != spare_.end()) {
      buffer = std::move(*best);
      spare_.erase(best);
    }
  }
  buffer.resize(bytes);
  return buffer;
}

void Outbox::Post(OutgoingMessage message) {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (broken_) return;
    waiting_.push_back(std::move(message));
  }
  changed_.notify_all();
}

void Outbox::WaitUntilEmpty() {
  std::unique_lock<std::mutex> lock(mu_);
  changed_.wait(lock,
                [&] { return broken_ || (waiting_.empty() && !sending_); });
}

void Outbox::Run() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    OutgoingMessage message = std::move(waiting_.front());
    waiting_.pop_front();
    sending_ = true;
    lock.unlock();
    const Status sent =
        communicator_.Send(message.bytes.data(), message.count, message.dtype,
                           to_, message.tag, {.name = message.name});
    if (!sent.ok()) failed_(sent);
    lock.lock();
    sending_ = false;
    if (!sent.ok()) {
      broken_ = true;
      waiting_.clear();
    } else if (spare_.size() < kMaxSpare) {
      spare_.push_back(std::move(message.bytes));
    }
    changed_.notify_all();
  }
}

}  // namespace lockstep
