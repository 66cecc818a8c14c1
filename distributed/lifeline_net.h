// SPDX-License-Identifier: Apache-2.0
#pragma once

// LifelineNet: the connections of a lifeline, a star around rank 0. Internal to
// the lifeline; everything on the thread that runs `io`, but for Listen and
// Connect, which come before Start.

#include <array>
#include <boost/asio.hpp>
#include <memory>
#include <string>
#include <vector>

#include "distributed/lifeline.h"

namespace lockstep {

class LifelineNet {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnFrame(int from, const LifelineFrame& frame) = 0;
    virtual void OnClosed(int from) = 0;
  };

  LifelineNet(boost::asio::io_context* io, int rank, int size,
              Handler* handler);
  ~LifelineNet();

  // Rank 0.
  Result<HubAddress> Listen();
  // The others, within some seconds. `near`: rank 0 is on this machine.
  Status Connect(const HubAddress& hub, bool near);
  void Start();

  // Never blocks: what the system does not take now goes later.
  void Send(int to, const LifelineFrame& frame);
  // The process is about to end: waits, at most `millis`, until the others have
  // read what was sent. A connection that is closed with unread data would
  // take it from them.
  void Drain(int millis);

 private:
  struct Connection;
  using Shared = std::shared_ptr<Connection>;  // pending calls hold it too

  void Accept();
  void Read(const Shared& connection);
  void TakeFrames(const Shared& connection);
  bool Hello(const Shared& connection, const LifelineFrame& frame);
  void Write(const Shared& connection);
  void Close(const Shared& connection);

  boost::asio::io_context& io_;
  const int rank_;
  Handler& handler_;
  uint64_t token_ = 0;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<Shared> connections_;  // by rank
};

}  // namespace lockstep
