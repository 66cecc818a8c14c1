// SPDX-License-Identifier: Apache-2.0
#pragma once

// The process's one thread team: OpenMP's, which oneDNN uses too.
//
// Work is cut into chunks that depend on the size alone, never on the number
// of threads, so results do not change with it. Call from one thread at a
// time per team; nested calls run on the calling thread.
//
//   ParallelFor(n, /*grain=*/4096, [&](int64_t begin, int64_t end) {
//     for (int64_t i = begin; i < end; ++i) y[i] = f(x[i]);
//   });

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "runtime/core/denormals.h"

// libgomp is not instrumented, so ParallelFor tells the thread sanitizer itself
// that a team's work happens between its fork and its join.
#if defined(__SANITIZE_THREAD__) || defined(LOCKSTEP_TSAN)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#define LS_TSAN_ACQUIRE(address) __tsan_acquire(address)
#define LS_TSAN_RELEASE(address) __tsan_release(address)
#define LS_TSAN_IGNORE __attribute__((no_sanitize("thread")))
#else
#define LS_TSAN_ACQUIRE(address) ((void)0)
#define LS_TSAN_RELEASE(address) ((void)0)
#define LS_TSAN_IGNORE
#endif

namespace lockstep {

// Processors in this process's affinity mask (what mpirun gave the rank).
int AffinityCount();
// Sets the width of parallel regions started by the calling thread, oneDNN's
// included; 0 means AffinityCount(). Returns the width set.
int SetThreads(int count);
inline int Threads() { return omp_get_max_threads(); }

// While it lives, the calling thread's parallel regions have `count` threads,
// oneDNN's primitives that are made meanwhile included; then as many as before.
class ThreadsScope {
 public:
  explicit ThreadsScope(int count) : before_(Threads()) {
    if (count != before_) SetThreads(count);
  }
  ~ThreadsScope() {
    if (Threads() != before_) SetThreads(before_);
  }
  ThreadsScope(const ThreadsScope&) = delete;
  ThreadsScope& operator=(const ThreadsScope&) = delete;

 private:
  int before_;
};

// Runs f(begin, end) over [0, n) in chunks of at least `grain`; on the calling
// thread alone when n <= grain. f must not throw. Chunk borders are multiples
// of `grain`, so f may rely on its alignment. Other threads of the team flush
// denormals, as the caller does in a run.
template <class F>
LS_TSAN_IGNORE void ParallelFor(int64_t n, int64_t grain, const F& f) {
  if (n <= 0) return;
  const int64_t chunks = (n + grain - 1) / grain;
  const int width =
      static_cast<int>(std::min<int64_t>(chunks, omp_get_max_threads()));
  if (width <= 1 || omp_in_parallel()) {
    f(int64_t{0}, n);
    return;
  }
  [[maybe_unused]] char fork = 0, join = 0;
  LS_TSAN_RELEASE(&fork);
#pragma omp parallel num_threads(width)
  {
    LS_TSAN_ACQUIRE(&fork);
    const int64_t team = omp_get_num_threads();
    const int64_t me = omp_get_thread_num();
    const int64_t begin = chunks * me / team * grain;
    const int64_t end = std::min(n, chunks * (me + 1) / team * grain);
    if (me > 0) FlushDenormals::OnThisThread();
    if (begin < end) f(begin, end);
    LS_TSAN_RELEASE(&join);
  }
  LS_TSAN_ACQUIRE(&join);
}

}  // namespace lockstep
