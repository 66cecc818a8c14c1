// SPDX-License-Identifier: Apache-2.0
#pragma once

// Outbox: messages on their way to one rank. A thread sends them in order while
// their maker goes on. Thread-safe.
//
//   Outbox out(*communicator, /*to=*/1, [](const Status& why) { ... });
//   LS_RETURN_IF_ERROR(out.Post({.name = "x:0", .dtype = kFloat, ...}));
//   out.WaitUntilEmpty();

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
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
  // outbox. `failed` is called at most once, on the outbox's thread, when a
  // message could not be sent; later ones are dropped.
  Outbox(Communicator& communicator, int to,
         std::function<void(const Status&)> failed);
  // Waits until the messages are sent or one of them failed.
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Memory for a message: that of one sent earlier, where there is some.
  std::vector<std::byte> TakeBuffer(size_t bytes);
  void Post(OutgoingMessage message);
  // Each message has its deadline, so that this ends.
  void WaitUntilEmpty();

 private:
  void Run();

  Communicator& communicator_;
  const int to_;
  const std::function<void(const Status&)> failed_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<OutgoingMessage> waiting_;        // guarded by mu_
  std::vector<std::vector<std::byte>> spare_;  // guarded by mu_
  bool sending_ = false;                       // guarded by mu_
  bool broken_ = false;                        // guarded by mu_
  bool ending_ = false;                        // guarded by mu_
  std::thread thread_;
};

}  // namespace lockstep
