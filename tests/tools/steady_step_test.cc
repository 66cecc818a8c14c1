// SPDX-License-Identifier: Apache-2.0
// A warmed step of the reference models takes no memory from the heap, on any
// thread, and no lock but the session's own, by which runs take turns. oneDNN
// takes some for the arguments of each primitive that is executed: that is
// counted apart and bounded. This program's malloc and pthread_mutex_lock stand
// before those of the C library and count; a step of Lockstep's that takes
// memory is named by where it was called from.
#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

#include "runtime/exec/session.h"
#include "tools/lockstep/bench_models.h"

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace lockstep {
namespace {

constexpr int kWarmup = 6;
constexpr int kSteps = 8;  // so that each batch is fed twice
constexpr int kBatch = 32;
constexpr int kFrames = 24;

std::atomic<bool> counting = false;
thread_local bool noting = false;

// Where oneDNN's code is.
struct Range {
  uintptr_t begin = 0;
  uintptr_t end = 0;
} dnnl;

int FindDnnl(dl_phdr_info* info, size_t, void*) {
  if (std::strstr(info->dlpi_name, "libdnnl") == nullptr) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
    dnnl = {info->dlpi_addr + part.p_vaddr,
            info->dlpi_addr + part.p_vaddr + part.p_memsz};
  }
  return 1;
}

// A call that is counted: `all` of Lockstep's, of which `first` keeps the
// stack of number `shown`, and oneDNN's.
struct Counter {
  explicit Counter(int n) : shown(n) {}
  void Note() {
    if (!counting.load(std::memory_order_relaxed) || noting) return;
    noting = true;
    std::array<void*, kFrames> frames;
    const int n = backtrace(frames.data(), kFrames);
    bool in_dnnl = false;
    for (int i = 0; i < n; ++i) {
      const auto at =
          reinterpret_cast<uintptr_t>(frames[static_cast<size_t>(i)]);
      in_dnnl = in_dnnl || (at >= dnnl.begin && at < dnnl.end);
    }
    if (in_dnnl) {
      ++of_dnnl;
    } else if (all.fetch_add(1) == shown) {
      first = frames;
      first_frames = n;
    }
    noting = false;
  }
  void Reset() { all = of_dnnl = first_frames = 0; }
  void ShowFirst() const {
    backtrace_symbols_fd(first.data(), first_frames, STDERR_FILENO);
  }

  const int shown;
  std::atomic<int> all = 0;
  std::atomic<int> of_dnnl = 0;
  std::array<void*, kFrames> first;
  std::atomic<int> first_frames = 0;
};

Counter allocations(0);
Counter locks(1);  // the one after the session's

using LockFn = int (*)(pthread_mutex_t*);
LockFn RealLock() {
  static const auto real =
      reinterpret_cast<LockFn>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return real;
}

}  // namespace
}  // namespace lockstep

extern "C" {

void* malloc(size_t size) {
  lockstep::allocations.Note();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  lockstep::allocations.Note();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  lockstep::allocations.Note();
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  lockstep::allocations.Note();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  *memory = memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  lockstep::locks.Note();
  return lockstep::RealLock()(mutex);
}

}  // extern "C"

namespace lockstep {
namespace {

void StartCounting() {
  void* unused[1];
  backtrace(unused, 1);  // its first call takes memory
  RealLock();
  dl_iterate_phdr(FindDnnl, nullptr);
  allocations.Reset();
  locks.Reset();
  counting = true;
}

TEST(SteadyStepCounters, Count) {
  StartCounting();
  auto text = std::make_unique<char[]>(100);
  asm volatile("" : : "r"(text.get()) : "memory");
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  counting = false;
  EXPECT_EQ(allocations.all, 1);
  EXPECT_EQ(allocations.of_dnnl, 0);
  EXPECT_EQ(locks.all, 1);
  EXPECT_LT(dnnl.begin, dnnl.end) << "is oneDNN still a shared library?";
}

struct Case {
  std::string model;
  int threads;
  int dnnl_allocations;  // at most so many a step
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.model << ", " << c.threads << " threads";
}

class SteadyStepTest : public ::testing::TestWithParam<Case> {};

TEST_P(SteadyStepTest, TakesNoMemoryAndOneLock) {
  auto model = MakeBenchModel(GetParam().model, {.batch = kBatch});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  SessionOptions options;
  options.intra_op_threads = GetParam().threads;
  auto session = Session::Create(model->graph, options);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  if (model->init) {
    ASSERT_TRUE((*session)->RunTargets({model->init->name()}).ok());
  }
  auto step =
      (*session)->MakeCallable(model->feeds, model->fetches, model->targets);
  ASSERT_TRUE(step.ok()) << step.status().ToString();
  std::vector<Tensor> out;
  bool ran = true;
  const auto run = [&](int i) {
    const auto& feeds =
        model->batches[static_cast<size_t>(i) % model->batches.size()];
    ran = (*step)->Run(feeds, &out).ok() && ran;
  };
  for (int i = 0; i < kWarmup; ++i) run(i);
  StartCounting();
  for (int i = 0; i < kSteps; ++i) run(i);
  counting = false;
  EXPECT_TRUE(ran);
  EXPECT_EQ(allocations.all, 0);
  if (allocations.all > 0) allocations.ShowFirst();
  EXPECT_EQ(locks.all, kSteps) << "one lock a step, the session's";
  if (locks.all > kSteps) locks.ShowFirst();
  EXPECT_LE(allocations.of_dnnl, kSteps * GetParam().dnnl_allocations);
  RecordProperty("dnnl_allocations", allocations.of_dnnl / kSteps);
  std::printf("oneDNN, a step: %d allocations, %d locks\n",
              allocations.of_dnnl / kSteps, locks.of_dnnl / kSteps);
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const auto& [model, most] :
       {std::pair("mlp", 100), std::pair("cnn", 520), std::pair("xor", 0),
        std::pair("linreg", 0), std::pair("chain", 0), std::pair("empty", 0)}) {
    for (const int threads : {1, 2}) cases.push_back({model, threads, most});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, SteadyStepTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) {
                           return info.param.model +
                                  std::to_string(info.param.threads);
                         });

}  // namespace
}  // namespace lockstep
