// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/progress.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

struct Plans {
  std::mutex mu;
  std::map<uint32_t, const PlanText*> by_number;  // guarded by mu
  uint32_t last = 0;                              // guarded by mu
};

struct Slots {
  std::mutex mu;
  std::deque<ProgressSlot> all;       // guarded by mu; stable addresses
  std::vector<ProgressSlot*> unused;  // guarded by mu
};

// Never destroyed: threads may run while the process ends.
Plans& ThePlans() {
  static auto& plans = *new Plans;
  return plans;
}
Slots& TheSlots() {
  static auto& slots = *new Slots;
  return slots;
}

std::atomic<int64_t> current_step{-1};

// Returns the slot when its thread ends.
class SlotHolder {
 public:
  SlotHolder() {
    Slots& slots = TheSlots();
    const std::lock_guard lock(slots.mu);
    if (slots.unused.empty()) {
      slot_ = &slots.all.emplace_back();
    } else {
      slot_ = slots.unused.back();
      slots.unused.pop_back();
    }
  }
  ~SlotHolder() {
    slot_->at().store(0, std::memory_order_relaxed);
    slot_->EndWait();
    Slots& slots = TheSlots();
    const std::lock_guard lock(slots.mu);
    slots.unused.push_back(slot_);
  }
  ProgressSlot& slot() { return *slot_; }

 private:
  ProgressSlot* slot_;
};

std::string TextOf(uint32_t plan, uint32_t position) {
  Plans& plans = ThePlans();
  const std::unique_lock lock(plans.mu, std::try_to_lock);
  if (lock.owns_lock()) {
    const auto found = plans.by_number.find(plan);
    if (found != plans.by_number.end()) {
      return found->second->PositionText(position);
    }
  }
  return StrCat("step ", position, " of plan ", plan);
}

}  // namespace

uint32_t RegisterPlan(const PlanText* plan) {
  Plans& plans = ThePlans();
  const std::lock_guard lock(plans.mu);
  plans.by_number[++plans.last] = plan;
  return plans.last;
}

void UnregisterPlan(uint32_t number) {
  Plans& plans = ThePlans();
  const std::lock_guard lock(plans.mu);
  plans.by_number.erase(number);
}

ProgressSlot& ThisThreadsProgress() {
  thread_local SlotHolder holder;
  return holder.slot();
}

void SetProgressStep(int64_t step) {
  current_step.store(step, std::memory_order_relaxed);
}

int64_t ProgressStep() { return current_step.load(std::memory_order_relaxed); }

void ProgressSlot::BeginWait(const WaitInfo& wait) {
  char text[kTextWords * 8] = {};
  const size_t call = std::min<size_t>(wait.call.size(), 30);
  wait.call.copy(text, call);
  // The end of a long name tells more than its beginning.
  const size_t room = sizeof(text) - call - 2;
  std::string_view name = wait.name;
  if (name.size() > room) name.remove_prefix(name.size() - room);
  name.copy(text + call + 1, room);
  constexpr auto kRelaxed = std::memory_order_relaxed;
  Bump(&wait_sequence_);
  std::atomic_thread_fence(std::memory_order_release);
  waiting_.store(1, kRelaxed);
  number_.store(wait.number, kRelaxed);
  peer_.store(static_cast<uint64_t>(int64_t{wait.peer}), kRelaxed);
  start_.store(wait.start_micros, kRelaxed);
  deadline_.store(wait.deadline_micros, kRelaxed);
  for (size_t i = 0; i < kTextWords; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, text + 8 * i, 8);
    text_[i].store(word, kRelaxed);
  }
  wait_sequence_.store(wait_sequence_.load(kRelaxed) + 1,
                       std::memory_order_release);
}

void ProgressSlot::EndWait() {
  Bump(&wait_sequence_);
  std::atomic_thread_fence(std::memory_order_release);
  waiting_.store(0, std::memory_order_relaxed);
  wait_sequence_.store(wait_sequence_.load(std::memory_order_relaxed) + 1,
                       std::memory_order_release);
}

struct SlotReader {
  explicit SlotReader(const ProgressSlot& slot) : slot(slot) {}

  // False while the thread changes it.
  bool ReadWait(ProgressReport* report) const {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    const uint64_t before = slot.wait_sequence_.load(std::memory_order_acquire);
    const bool waits = slot.waiting_.load(kRelaxed) != 0;
    const uint64_t number = slot.number_.load(kRelaxed);
    const auto peer = static_cast<int64_t>(slot.peer_.load(kRelaxed));
    const uint64_t start = slot.start_.load(kRelaxed);
    const uint64_t deadline = slot.deadline_.load(kRelaxed);
    char text[ProgressSlot::kTextWords * 8 + 1] = {};
    for (size_t i = 0; i < ProgressSlot::kTextWords; ++i) {
      const uint64_t word = slot.text_[i].load(kRelaxed);
      std::memcpy(text + 8 * i, &word, 8);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 != 0 || slot.wait_sequence_.load(kRelaxed) != before) {
      return false;
    }
    report->waits = waits;
    if (!waits) return true;
    const std::string_view call(text);
    report->waiting = call;
    if (peer >= 0) report->waiting += StrCat(" rank ", peer);
    if (number > 0) report->waiting += StrCat(" #", number);
    if (const char* name = text + call.size() + 1; *name != '\0') {
      report->waiting += StrCat(" '", name, "'");
    }
    report->wait_start_micros = start;
    report->wait_deadline_micros = deadline;
    return true;
  }
  uint64_t at() const { return slot.at_.load(std::memory_order_relaxed); }
  uint64_t runs() const { return slot.runs_.load(std::memory_order_relaxed); }
  uint64_t parts() const { return slot.parts_.load(std::memory_order_relaxed); }
  uint64_t waits() const {
    return slot.wait_sequence_.load(std::memory_order_relaxed);
  }

  const ProgressSlot& slot;
};

ProgressReport ReadProgress() {
  ProgressReport report{.step = ProgressStep()};
  uint64_t at = 0;
  Slots& slots = TheSlots();
  {
    const std::unique_lock lock(slots.mu, std::try_to_lock);
    // A thread is just starting or ending: that is progress.
    if (!lock.owns_lock()) {
      static std::atomic<uint64_t> missed{0};
      report.word = ++missed;
      return report;
    }
    report.word = static_cast<uint64_t>(report.step);
    for (const ProgressSlot& slot : slots.all) {
      const SlotReader reader(slot);
      const uint64_t here = reader.at();
      report.runs += reader.runs();
      for (const uint64_t part :
           {here, reader.runs(), reader.parts(), reader.waits()}) {
        report.word = (report.word ^ part) * 0x9e3779b97f4a7c15ull;
        report.word ^= report.word >> 29;
      }
      ProgressReport mine;
      if (!report.waits && reader.ReadWait(&mine) && mine.waits) {
        report.waits = true;
        report.waiting = mine.waiting;
        report.wait_start_micros = mine.wait_start_micros;
        report.wait_deadline_micros = mine.wait_deadline_micros;
        at = here;
      } else if (at == 0 && !report.waits) {
        at = here;
      }
    }
  }
  report.plan = static_cast<uint32_t>(at >> 32);
  report.position = static_cast<uint32_t>(at);
  if (report.plan != 0) report.where = TextOf(report.plan, report.position);
  return report;
}

}  // namespace lockstep
