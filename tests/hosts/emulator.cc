// SPDX-License-Identifier: Apache-2.0
#include "tests/hosts/emulator.h"

#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace lockstep {
namespace {

constexpr size_t kMacBytes = 6;
constexpr int64_t kIdleNanos = 20'000'000;

int64_t Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

NetworkEmulator::~NetworkEmulator() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  for (const Port& p : ports_) close(p.fd);
}

void NetworkEmulator::AddPort(int fd) {
  ports_.emplace_back();
  ports_.back().fd = fd;
}

void NetworkEmulator::Start() {
  thread_ = std::thread([this] { Run(); });
}

void NetworkEmulator::SetCut(size_t port, bool cut) {
  const std::lock_guard lock(mutex_);
  ports_[port].cut = cut;
}

void NetworkEmulator::SetLink(const LinkOptions& link) {
  const std::lock_guard lock(mutex_);
  link_ = link;
}

void NetworkEmulator::Enqueue(size_t from, size_t to, const char* frame,
                              size_t bytes, int64_t sent_ns) {
  Port& receiver = ports_[to];
  std::uniform_real_distribution<double> uniform;
  if (ports_[from].cut || receiver.cut ||
      (link_.loss > 0 && uniform(random_) < link_.loss)) {
    ++lost_;
    return;
  }
  const int64_t line_ns =
      link_.mbit > 0
          ? static_cast<int64_t>(static_cast<double>(bytes) * 8e3 / link_.mbit)
          : 0;
  const int64_t arrives = sent_ns + static_cast<int64_t>(link_.delay_us * 1e3);
  // A receiving line that is free takes the frame in as it arrives; its bits
  // have been on their way while the sender put them there.
  const int64_t taken = std::max(arrives, receiver.receives_until + line_ns);
  if (static_cast<double>(taken - arrives) > link_.queue_ms * 1e6) {
    ++lost_;
    return;
  }
  receiver.receives_until = taken;
  receiver.due.push_back(
      {.at_ns = receiver.receives_until, .frame = Frame(frame, frame + bytes)});
}

void NetworkEmulator::Forward(size_t from, const char* frame, size_t bytes) {
  if (bytes < 2 * kMacBytes) return;
  ++frames_;
  const int64_t now = Now();
  Port& sender = ports_[from];
  const int64_t line_ns =
      link_.mbit > 0
          ? static_cast<int64_t>(static_cast<double>(bytes) * 8e3 / link_.mbit)
          : 0;
  const int64_t begins = std::max(now, sender.sends_until);
  sender.sends_until = begins + line_ns;
  const bool to_all = (frame[0] & 1) != 0;
  const auto address = static_cast<unsigned char>(frame[kMacBytes - 1]);
  for (size_t to = 0; to < ports_.size(); ++to) {
    if (to == from || (!to_all && to + 1 != address)) continue;
    Enqueue(from, to, frame, bytes, sender.sends_until);
  }
}

void NetworkEmulator::TakeFrom(size_t port) {
  for (int i = 0; i < 64 && Ready(ports_[port], Now()); ++i) {
    const ssize_t bytes = read(ports_[port].fd, buffer_.data(), buffer_.size());
    if (bytes <= 0) return;
    Forward(port, buffer_.data(), static_cast<size_t>(bytes));
  }
}

int64_t NetworkEmulator::Deliver(int64_t now) {
  int64_t next = 0;
  for (Port& p : ports_) {
    while (!p.due.empty() && p.due.front().at_ns <= now) {
      const Frame& frame = p.due.front().frame;
      if (!p.cut && write(p.fd, frame.data(), frame.size()) < 0) ++lost_;
      p.due.pop_front();
    }
    if (p.due.empty()) continue;
    const int64_t at = p.due.front().at_ns;
    next = next == 0 ? at : std::min(next, at);
  }
  return next;
}

void NetworkEmulator::Run() {
  prctl(PR_SET_TIMERSLACK, 1000);  // 1 us
  // The network does not wait for a processor. One that is as fast as it goes
  // would take a whole one.
  const sched_param priority{.sched_priority = 1};
  if (link_.mbit > 0)
    pthread_setschedparam(pthread_self(), SCHED_RR, &priority);
  std::vector<pollfd> polled;
  for (const Port& p : ports_) polled.push_back({p.fd, POLLIN, 0});
  while (!stop_) {
    int64_t next = 0;
    {
      const std::lock_guard lock(mutex_);
      for (size_t i = 0; i < ports_.size(); ++i) {
        if ((polled[i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
          ports_[i].gone = true;
        }
        if ((polled[i].revents & POLLIN) != 0) TakeFrom(i);
      }
      const int64_t now = Now();
      next = Deliver(now);
      // A host whose line is busy is looked at when it is not.
      for (size_t i = 0; i < ports_.size(); ++i) {
        const Port& p = ports_[i];
        polled[i].fd = !p.gone && Ready(p, now) ? p.fd : -1;
        polled[i].revents = 0;
        if (p.gone || polled[i].fd >= 0) continue;
        const int64_t ready = p.sends_until - kAheadNanos;
        next = next == 0 ? ready : std::min(next, ready);
      }
    }
    const int64_t wait = std::clamp<int64_t>(
        next == 0 ? kIdleNanos : next - Now(), 0, kIdleNanos);
    const timespec timeout{wait / 1'000'000'000, wait % 1'000'000'000};
    if (ppoll(polled.data(), polled.size(), &timeout, nullptr) < 0) return;
  }
}

}  // namespace lockstep
