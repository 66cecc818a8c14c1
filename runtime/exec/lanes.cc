// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/lanes.h"

#include "runtime/core/denormals.h"
#include "runtime/core/env.h"
#include "runtime/core/strings.h"
#include "runtime/core/threads.h"

namespace lockstep {

Lanes::Lanes(const DeviceSet* devices)
    : devices_(*devices),
      num_devices_(static_cast<int>(devices->all().size())),
      lanes_(static_cast<size_t>(count())) {}

Lanes::~Lanes() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (Lane& lane : lanes_) {
    if (lane.thread.joinable()) lane.thread.join();
  }
}

int Lanes::Compute(int index) const {
  const Device& device = devices_.all()[static_cast<size_t>(index)];
  return device.kind() == kCpu ? 0 : 1 + 2 * index;
}

int Lanes::Copy(int index) const {
  const int compute = Compute(index);
  return compute == 0 ? 0 : compute + 1;
}

std::string Lanes::Name(int lane) const {
  if (lane == 0) return "/cpu:0";
  if (lane == Communication()) return "communication";
  if (lane == Beside()) return "/cpu:0 beside";
  const Device& device = devices_.all()[static_cast<size_t>((lane - 1) / 2)];
  return StrCat(device.name.Short(), lane % 2 == 1 ? "" : " copy");
}

Status Lanes::Open(std::span<const int> lanes) {
  for (int number : lanes) {
    Lane& lane = lanes_[static_cast<size_t>(number)];
    if (lane.queue) continue;
    const bool talks = number == Communication();
    const bool host = number == 0 || number == Beside() || talks;
    const int device = host ? 0 : (number - 1) / 2;
    const bool copies = !host && number % 2 == 0;
    Hardware& hardware =
        devices_.all()[static_cast<size_t>(device)].memory->hardware();
    LS_ASSIGN_OR_RETURN(lane.queue,
                        hardware.MakeQueue(talks    ? QueueKind::kCommunication
                                           : copies ? QueueKind::kCopy
                                                    : QueueKind::kCompute));
    if (number != 0)
      lane.thread = std::thread([this, number] { Serve(number); });
  }
  return Ok();
}

template <class F>
void Lanes::Spin(const F& done) {
  constexpr uint64_t kSpinMicros = 60;
  const uint64_t end = Env::Default()->SteadyMicros() + kSpinMicros;
  while (!done() && Env::Default()->SteadyMicros() < end) {
  }
}

void Lanes::Serve(int number) {
  Lane& lane = lanes_[static_cast<size_t>(number)];
  // The team of threads is the host's; a virtual GPU is one processor.
  SetThreads(1);
  FlushDenormals::OnThisThread();
  std::unique_lock lock(mutex_);
  lane.attached = lane.queue->Attach();
  uint64_t seen = runs_;
  while (true) {
    // The other lanes' threads wait for devices and ranks anyway.
    if (number == Beside() && lane.work == nullptr && !closing_) {
      lock.unlock();
      Spin([&] { return runs_.load(std::memory_order_acquire) != seen; });
      lock.lock();
    }
    seen = runs_;
    changed_.wait(lock, [&] { return closing_ || lane.work != nullptr; });
    if (lane.work == nullptr) return;
    const std::function<void(int)>& work = *lane.work;
    lock.unlock();
    work(number);
    lock.lock();
    lane.work = nullptr;
    if (busy_.fetch_sub(1, std::memory_order_release) == 1) {
      changed_.notify_all();
    }
  }
}

void Lanes::Run(std::span<const int> used,
                const std::function<void(int)>& work) {
  {
    std::lock_guard lock(mutex_);
    for (int number : used.subspan(1)) {
      lanes_[static_cast<size_t>(number)].work = &work;
      ++busy_;
    }
    runs_.fetch_add(1, std::memory_order_release);
  }
  changed_.notify_all();
  work(0);
  if (used.back() == Beside()) {
    Spin([&] { return busy_.load(std::memory_order_acquire) == 0; });
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return busy_ == 0; });
}

}  // namespace lockstep
