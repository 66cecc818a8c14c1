// SPDX-License-Identifier: Apache-2.0
#include "distributed/outbox.h"

#include <utility>

namespace lockstep {
namespace {

// Buffers kept for further messages.
constexpr size_t kMaxSpare = 64;

}  // namespace

void Outbox::Collect() {
  while (!sending_.empty() && sending_.front().call.done()) {
    if (spare_.size() < kMaxSpare) {
      spare_.push_back(std::move(sending_.front().message->bytes));
    }
    sending_.pop_front();
  }
}

std::vector<std::byte> Outbox::TakeBuffer(size_t bytes) {
  std::vector<std::byte> buffer;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    Collect();
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
  auto kept = std::make_unique<OutgoingMessage>(std::move(message));
  const OutgoingMessage* m = kept.get();
  const std::lock_guard<std::mutex> lock(mu_);
  sending_.push_back(
      {std::move(kept), communicator_.Start([this, m](Communicator& c) {
         Status sent = c.Send(m->bytes.data(), m->count, m->dtype, to_, m->tag,
                              {.name = m->name});
         if (!sent.ok()) failed_(sent);
         return sent;
       })});
}

void Outbox::WaitUntilEmpty() {
  const std::lock_guard<std::mutex> lock(mu_);
  for (Entry& entry : sending_) (void)entry.call.Wait();
  Collect();
}

}  // namespace lockstep
