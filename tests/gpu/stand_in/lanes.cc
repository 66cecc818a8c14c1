// SPDX-License-Identifier: Apache-2.0
// The lanes of a group as fibers of one thread: each runs until it waits for
// the others. Sanitizers do not follow fibers; with them a group has one lane.
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "runtime/op/gpu_loops.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKSTEP_ONE_LANE 1
#endif

namespace lockstep::gpu {
namespace {

constexpr size_t kStack = size_t{64} << 10;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStack);
  bool ended = false;
};
struct Fibers {
  ucontext_t caller;
  std::vector<std::unique_ptr<Fiber>> all;
  int running = 0;
  const std::function<void(int)>* lane = nullptr;
};
thread_local Fibers fibers;

void RunFiber() {
  Fibers& f = fibers;
  (*f.lane)(f.running);
  Fiber& self = *f.all[static_cast<size_t>(f.running)];
  self.ended = true;
  (void)swapcontext(&self.context, &f.caller);
}

void Start(Fiber& fiber) {
  (void)getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  fiber.ended = false;
  makecontext(&fiber.context, RunFiber, 0);
}

}  // namespace

int LanesOf([[maybe_unused]] int width) {
#ifdef LOCKSTEP_ONE_LANE
  return 1;
#else
  return width;
#endif
}

void RunLanes(int lanes, const std::function<void(int)>& lane) {
  if (lanes == 1) return lane(0);
  Fibers& f = fibers;
  f.lane = &lane;
  const auto count = static_cast<size_t>(lanes);
  while (f.all.size() < count) f.all.push_back(std::make_unique<Fiber>());
  for (size_t i = 0; i < count; ++i) Start(*f.all[i]);
  for (size_t ended = 0; ended == 0;) {
    for (size_t i = 0; i < count; ++i) {
      f.running = static_cast<int>(i);
      (void)swapcontext(&f.caller, &f.all[i]->context);
      ended += f.all[i]->ended;
    }
    if (ended != 0 && ended != count) {
      std::fprintf(stderr, "%zu of %d lanes end while others wait for them\n",
                   ended, lanes);
      std::abort();
    }
  }
}

void AwaitLanes() {
  Fibers& f = fibers;
  (void)swapcontext(&f.all[static_cast<size_t>(f.running)]->context, &f.caller);
}

}  // namespace lockstep::gpu
