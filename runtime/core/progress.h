// SPDX-License-Identifier: Apache-2.0
#pragma once

// Progress: what the threads of this process are doing now, for a thread that
// watches them (the lifeline between ranks, a trace). Not a trace itself: only
// the present is kept.
//
// Each thread that runs plans has a slot of its own and writes it without
// locks: one relaxed store a step. Watchers read at any time; what they read of
// one slot may be a step apart, never torn text.
//
//   ProgressSlot& slot = ThisThreadsProgress();       // once a run
//   slot.Enter(plan_number, position);                // each step
//   const WaitScope wait({.call = "AllReduce", .number = 12, .name = "grads"});
//   const ProgressReport now = ReadProgress();        // the watcher
//   now.where                                  // "node 'fc1/MatMul' (MatMul)"

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

// Says what a position of a plan is. Called by watchers, while the plan may be
// running.
class PlanText {
 public:
  virtual ~PlanText() = default;
  // "node 'fc1/MatMul' (MatMul)".
  virtual std::string PositionText(uint32_t position) const = 0;
};

// Gives `plan` a number, never 0 and never used before. The plan must be
// unregistered before it ends: watchers ask registered ones for text.
uint32_t RegisterPlan(const PlanText* plan);
void UnregisterPlan(uint32_t number);

// What a thread waits in for other ranks.
struct WaitInfo {
  std::string_view call;      // "AllReduce"
  uint64_t number = 0;        // of the group's calls; 0: not counted
  int32_t peer = -1;          // the other rank, when it is one
  std::string_view name;      // who asks, such as a node
  uint64_t start_micros = 0;  // of Env::SteadyMicros
  // When the program itself said how long it has patience; 0: it did not.
  uint64_t deadline_micros = 0;
};

// Written by its own thread alone, read by any.
class ProgressSlot {
 public:
  void BeginRun() { Bump(&runs_); }
  void NotePart() { Bump(&parts_); }
  void Enter(uint32_t plan, uint32_t position) {
    at_.store(uint64_t{plan} << 32 | position, std::memory_order_relaxed);
  }
  // For loops: the same, without the shift.
  std::atomic<uint64_t>& at() { return at_; }

  void BeginWait(const WaitInfo& wait);
  void EndWait();

 private:
  friend struct SlotReader;
  static constexpr size_t kTextWords = 16;

  static void Bump(std::atomic<uint64_t>* counter) {
    counter->store(counter->load(std::memory_order_relaxed) + 1,
                   std::memory_order_relaxed);
  }

  alignas(64) std::atomic<uint64_t> at_{0};  // plan << 32 | position
  std::atomic<uint64_t> runs_{0};
  std::atomic<uint64_t> parts_{0};
  // A sequence lock: odd while the words below it change.
  std::atomic<uint64_t> wait_sequence_{0};
  std::atomic<uint64_t> waiting_{0};  // 0 or 1
  std::atomic<uint64_t> number_{0};
  std::atomic<uint64_t> peer_{0};
  std::atomic<uint64_t> start_{0};
  std::atomic<uint64_t> deadline_{0};
  // The call's name, then the asker's, both ended by a 0.
  std::array<std::atomic<uint64_t>, kTextWords> text_{};
};

// The calling thread's, for its whole life. Threads that ended leave theirs to
// new ones.
ProgressSlot& ThisThreadsProgress();

// For what takes long in one step, such as writing a file: it moves on.
inline void NoteProgress() { ThisThreadsProgress().NotePart(); }

// Waiting for other ranks, as long as it lives.
class WaitScope {
 public:
  explicit WaitScope(const WaitInfo& wait) : slot_(ThisThreadsProgress()) {
    slot_.BeginWait(wait);
  }
  ~WaitScope() { slot_.EndWait(); }
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  ProgressSlot& slot_;
};

// The training step that the program is at; -1 before it says so.
void SetProgressStep(int64_t step);
int64_t ProgressStep();

struct ProgressReport {
  int64_t step = -1;
  uint64_t runs = 0;  // begun, of all threads
  uint64_t word = 0;  // differs from an earlier report's when anything moved
  uint32_t plan = 0;  // 0: between runs
  uint32_t position = 0;
  std::string where;    // "node 'x' (MatMul)"; empty between runs
  bool waits = false;   // for other ranks, the rest says in what
  std::string waiting;  // "AllReduce #12 'grads'"
  uint64_t wait_start_micros = 0;
  uint64_t wait_deadline_micros = 0;
};

// Of the thread that waits for other ranks if there is one, else of one that
// runs a plan, the longest-lived first. Never blocks: text that cannot be had
// at once is "step P of plan N".
ProgressReport ReadProgress();

}  // namespace lockstep
