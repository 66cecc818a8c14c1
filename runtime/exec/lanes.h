// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lanes: what the steps of a session's plans run on, side by side. Lane 0 is
// the thread that calls Run, for all CPU devices; each GPU has a lane that
// computes and one that copies, each a thread with a queue of the device; one
// is a second thread of the CPU, for branches beside lane 0; one more waits for
// other ranks. They are made when a plan first needs them. One run at a time.
// Internal to runtime/exec.
//
//   Lanes lanes(&devices);
//   LS_RETURN_IF_ERROR(lanes.Open({0, lanes.Compute(gpu), lanes.Copy(gpu)}));
//   lanes.Run(used, [&](int lane) { ... lanes.queue(lane) ... });

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "runtime/device/device_set.h"

namespace lockstep {

class Lanes {
 public:
  // `devices` must outlive the lanes.
  explicit Lanes(const DeviceSet* devices);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  int count() const { return 3 + 2 * num_devices_; }
  // The lane of device `index` of the set.
  int Compute(int index) const;
  int Copy(int index) const;
  // Of branches on the CPU (branch_lanes.h).
  int Beside() const { return count() - 2; }
  // Of ops that talk to other ranks.
  int Communication() const { return count() - 1; }
  // "/gpu:0 copy", for traces and messages.
  std::string Name(int lane) const;

  // Makes queues and threads of the lanes that have none yet.
  Status Open(std::span<const int> lanes);
  // Of a lane that is open.
  Queue& queue(int lane) { return *lanes_[static_cast<size_t>(lane)].queue; }
  // Whether the lane's thread could take its queue; asked on that thread.
  const Status& attached(int lane) const {
    return lanes_[static_cast<size_t>(lane)].attached;
  }
  // Calls work(lane) for each of `used`, which are open and begin with 0, each
  // on its own thread; returns when all have returned.
  void Run(std::span<const int> used, const std::function<void(int)>& work);

 private:
  struct Lane {
    std::unique_ptr<Queue> queue;
    std::thread thread;
    Status attached;
    const std::function<void(int)>* work = nullptr;  // to be done
  };
  void Serve(int number);
  // Looks for a while whether `done()`, as sleeping and waking take longer
  // than many a branch.
  template <class F>
  static void Spin(const F& done);

  const DeviceSet& devices_;
  int num_devices_;
  std::vector<Lane> lanes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int> busy_ = 0;
  std::atomic<uint64_t> runs_ = 0;  // begun
  bool closing_ = false;
};

}  // namespace lockstep
