// SPDX-License-Identifier: Apache-2.0
#pragma once

// Outbox: messages on their way to one rank, each an asynchronous call of the
// communicator, while their maker goes on; and memory for them, used again.
// Thread-safe.
//
//   Outbox out(*communicator, /*to=*/1, [](const Status& why) { ... });
//   out.Post({.name = "x:0", .dtype = kFloat, ...});
//   out.WaitUntilEmpty();

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "distributed/communicator.h"

namespace lockstep {

struct OutgoingMessage {
  std::string name;
  DType dtype = kInvalidType;
  int64_t count = 0;
  int tag = 0;
  std::vector<std::byte> bytes;
};

class Outbox {
 public:
  // `communicator` is used for sending to `to` by nobody else and outlives the
  // outbox. `failed` is called on the communicator's thread with the error of
  // each message that could not be sent; it breaks the communicator, so that
  // later ones fail at once.
  Outbox(Communicator& communicator, int to,
         std::function<void(const Status&)> failed)
      : communicator_(communicator), to_(to), failed_(std::move(failed)) {}
  // Waits until the messages are sent or one of them failed.
  ~Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Memory for a message: that of one sent earlier, where there is some.
  std::vector<std::byte> TakeBuffer(size_t bytes);
  void Post(OutgoingMessage message);
  // Each message has its deadline, so that this ends.
  void WaitUntilEmpty();

 private:
  struct Entry {
    std::unique_ptr<OutgoingMessage> message;
    PendingCall call;  // ends before its message
  };
  // Keeps the memory of messages that are sent. Requires mu_.
  void Collect();

  Communicator& communicator_;
  const int to_;
  const std::function<void(const Status&)> failed_;
  std::mutex mu_;
  std::vector<std::vector<std::byte>> spare_;  // guarded by mu_
  std::deque<Entry> sending_;                  // guarded by mu_; in order
};

}  // namespace lockstep
