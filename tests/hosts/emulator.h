// SPDX-License-Identifier: Apache-2.0
#pragma once

// NetworkEmulator: an Ethernet switch in user space between TAP devices, one a
// host, that makes the network as slow, far and lossy as a test wants. In place
// of `tc netem`, which many kernels lack.
//
// A frame goes out at the sender's rate, travels for `delay`, and comes in at
// the receiver's rate; each port sends and receives at once. Frames keep their
// order. A port that is cut loses everything. A host whose line is busy is not
// asked for more, so that its own queues fill up and slow its senders down, as
// those of a network card do.
//
// Threading: SetCut and SetLink from any thread while it runs.
//
//   NetworkEmulator net({.delay_us = 200, .mbit = 1000});
//   net.AddPort(tap_fd);  // port 0: frames for MAC ...:01
//   net.Start();
//   net.SetCut(0, true);

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace lockstep {

struct LinkOptions {
  double delay_us = 0;    // one way
  double mbit = 0;        // of each port, each way; 0: as fast as it goes
  double loss = 0;        // part of the frames
  double queue_ms = 500;  // a frame that would wait longer to get in is lost
  uint64_t seed = 1;
};

class NetworkEmulator {
 public:
  explicit NetworkEmulator(const LinkOptions& link)
      : link_(link), random_(link.seed) {}
  ~NetworkEmulator();  // stops; closes the ports

  // Takes the descriptor of a TAP device. Port p owns the MAC address whose
  // last byte is p + 1. Before Start.
  void AddPort(int fd);
  void Start();
  void SetCut(size_t port, bool cut);
  void SetLink(const LinkOptions& link);
  uint64_t frames() const { return frames_; }
  uint64_t lost() const { return lost_; }

 private:
  static constexpr int64_t kAheadNanos = 10'000'000;
  using Frame = std::vector<char>;
  struct Due {
    int64_t at_ns = 0;
    Frame frame;
  };
  struct Port {
    int fd = -1;
    bool cut = false;
    bool gone = false;        // so is its device
    int64_t sends_until = 0;  // the sender's line is busy until then
    int64_t receives_until = 0;
    std::deque<Due> due;  // to be delivered, in order
  };

  void Run();
  // The sender's line needs more frames soon. On a busy machine "soon" is when
  // this thread runs next.
  static bool Ready(const Port& port, int64_t now) {
    return port.sends_until - now <= kAheadNanos;
  }
  // What waits at the port's device, as far as its line takes it.
  void TakeFrom(size_t port);
  void Forward(size_t from, const char* frame, size_t bytes);
  void Enqueue(size_t from, size_t to, const char* frame, size_t bytes,
               int64_t sent_ns);
  // Returns when the next frame is due; 0: none is.
  int64_t Deliver(int64_t now);

  std::mutex mutex_;  // of the members down to random_
  LinkOptions link_;
  std::vector<Port> ports_;
  std::mt19937_64 random_;
  std::atomic<uint64_t> frames_ = 0;
  std::atomic<uint64_t> lost_ = 0;
  std::atomic<bool> stop_ = false;
  std::vector<char> buffer_ = std::vector<char>(1 << 17);
  std::thread thread_;
};

}  // namespace lockstep
