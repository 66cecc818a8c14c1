// SPDX-License-Identifier: Apache-2.0
#pragma once

// FakeGpu: hardware that behaves as CUDA's does and a virtual GPU does not. Its
// queues do their work later, on threads of their own, and its memory is at
// addresses that the host cannot use: what reads or writes it without a queue
// crashes. Kernels of test ops enqueue functions on `k.stream()`:
//
//   Status NegOnFake(KernelContext& k) {
//     FakeQueue::Of(k)->Enqueue([x = k.in<float>(0), y = k.out<float>(0), n] {
//       const float* from = FakeGpu::Real(x); ... });
//     return Ok();
//   }
//   SessionOptions options;
//   options.gpu_options.hardware = {std::make_shared<FakeGpu>("fake 0")};

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/core/allocator.h"
#include "runtime/device/hardware.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// Addresses of the fake's memory have this bit, which no real ones have.
inline constexpr uintptr_t kFakeBit = uintptr_t{1} << 60;

class FakeQueue final : public Queue {
 public:
  FakeQueue() : worker_([this] { Work(); }) {}
  ~FakeQueue() override {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }
  static FakeQueue* Of(KernelContext& k) {
    return static_cast<FakeQueue*>(k.stream());
  }

  void Enqueue(std::function<void()> work) {
    if (recording_) {
      recordings_.back().push_back(std::move(work));
      return;
    }
    std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    changed_.notify_all();
  }

  Status Attach() override {
    attached_ = std::this_thread::get_id();
    return Ok();
  }
  void* stream() const override { return const_cast<FakeQueue*>(this); }
  Status Copy(void* to, const void* from, size_t bytes) override;
  Status Mark(int number) override {
    const uint64_t mark = ++marks_[number];
    Enqueue([this, number, mark] {
      std::lock_guard lock(mutex_);
      passed_[number] = mark;
      changed_.notify_all();
    });
    std::lock_guard lock(mutex_);
    marked_[number] = mark;
    return Ok();
  }
  Status Await(int number) override {
    std::unique_lock lock(mutex_);
    const uint64_t mark = marked_[number];
    changed_.wait(lock, [&] { return passed_[number] >= mark; });
    return Ok();
  }
  Status WaitFor(Queue& other, int number) override {
    auto* fake = dynamic_cast<FakeQueue*>(&other);
    if (fake == nullptr) return other.Await(number);
    // The mark as it is now, not when the queue comes to it.
    std::unique_lock lock(fake->mutex_);
    const uint64_t mark = fake->marked_[number];
    lock.unlock();
    Enqueue([fake, number, mark] {
      std::unique_lock other_lock(fake->mutex_);
      fake->changed_.wait(other_lock,
                          [&] { return fake->passed_[number] >= mark; });
    });
    return Ok();
  }
  Status Finish() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return work_.empty() && !working_; });
    return Ok();
  }

  bool recording() const { return recording_; }
  bool CanRecord() const override { return true; }
  Status BeginRecord() override {
    recording_ = true;
    recordings_.emplace_back();
    return Ok();
  }
  Result<int> EndRecord() override {
    recording_ = false;
    if (refuse_recordings) {
      recordings_.pop_back();
      return FailedPrecondition("this cannot be recorded");
    }
    return static_cast<int>(recordings_.size()) - 1;
  }
  Status Replay(int recording) override {
    ++replays;
    for (const auto& work : recordings_[static_cast<size_t>(recording)]) {
      Enqueue(work);
    }
    return Ok();
  }
  // Of all queues.
  static inline std::atomic<bool> refuse_recordings = false;
  static inline std::atomic<int> replays = 0;

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return closing_ || !work_.empty(); });
      if (work_.empty()) return;
      const std::function<void()> next = std::move(work_.front());
      work_.pop_front();
      working_ = true;
      lock.unlock();
      // Late enough for anybody who does not wait to come first.
      if (++done_ % 3 == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
      next();
      lock.lock();
      working_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool recording_ = false;  // by the thread that enqueues
  std::vector<std::vector<std::function<void()>>> recordings_;
  bool working_ = false;
  bool closing_ = false;
  int done_ = 0;
  std::map<int, uint64_t> marks_;  // of the enqueuing thread
  std::map<int, uint64_t> marked_;
  std::map<int, uint64_t> passed_;
  std::thread::id attached_;
  std::thread worker_;
};

class FakeGpu final : public Hardware {
 public:
  explicit FakeGpu(std::string name, size_t bytes = size_t{64} << 20)
      : name_(std::move(name)), bytes_(bytes) {}

  // Where the host has what is at an address of the fake's memory.
  template <class T>
  static T* Real(T* address) {
    return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(address) &
                                ~kFakeBit);
  }
  template <class T>
  static T* Fake(T* address) {
    return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(address) |
                                kFakeBit);
  }

  DeviceKind kind() const override { return kGpu; }
  const std::string& description() const override { return name_; }
  size_t memory_bytes() const override { return bytes_; }
  bool host_memory() const override { return false; }
  Result<void*> Allocate(size_t bytes) override {
    return Fake(AllocateHostBlock(bytes));
  }
  void Free(void* data, size_t) override { std::free(Real(data)); }
  Result<std::unique_ptr<Arena>> MakeArena(size_t limit) override {
    LS_ASSIGN_OR_RETURN(std::unique_ptr<Arena> host, MakeHostArena(limit));
    return std::unique_ptr<Arena>(std::make_unique<FakeArena>(std::move(host)));
  }
  Result<std::unique_ptr<Queue>> MakeQueue(QueueKind) override {
    return std::unique_ptr<Queue>(std::make_unique<FakeQueue>());
  }
  Status Copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(Real(to), Real(from), bytes);
    return Ok();
  }

 private:
  class FakeArena final : public Arena {
   public:
    explicit FakeArena(std::unique_ptr<Arena> host)
        : Arena(Fake(host->base()), host->limit()), host_(std::move(host)) {}

   protected:
    Status Extend(size_t bytes) override { return host_->Grow(bytes); }

   private:
    std::unique_ptr<Arena> host_;
  };

  const std::string name_;
  const size_t bytes_;
};

inline Status FakeQueue::Copy(void* to, const void* from, size_t bytes) {
  Enqueue([=] {
    if (bytes > 0) std::memcpy(FakeGpu::Real(to), FakeGpu::Real(from), bytes);
  });
  return Ok();
}

}  // namespace lockstep
