// SPDX-License-Identifier: Apache-2.0
// Linked into mnist it makes ranks misbehave, some time after they first come
// to a place: LOCKSTEP_TEST_FAULT="KIND RANK[,RANK] MICROS [PLACE]", where a
// place is an op, whose kernel runs (else the loss: the first training step),
// MPI_Init_thread, when it returns, or lifeline, when the ranks are connected
// but none watches the others yet. Before it does it writes "fault: at
// MICROS" (of the monotonic clock) to standard error. Not where the file
// LOCKSTEP_TEST_FAULT_ONCE exists; it is made then.
// LOCKSTEP_TEST_LATE_WORD="RANK MICROS": that rank is so late to say why it
// ends, as if it had no processor.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "distributed/communicator.h"
#include "runtime/core/env.h"
#include "runtime/core/strings.h"
#include "runtime/op/kernel.h"
#include "runtime/op/op_def.h"

namespace lockstep {
namespace {

constexpr const char* kLoss = "SoftmaxCrossEntropyWithLogits";
constexpr const char* kStart = "MPI_Init_thread";
constexpr const char* kLifeline = "lifeline";

struct Fault {
  std::string kind;
  std::string place = kLoss;
  uint64_t after = 0;
  bool mine = false;
};

// Files of this process find no room any more.
std::atomic<bool> disk_full = false;

Fault ReadFault() {
  Fault fault;
  const char* text = std::getenv("LOCKSTEP_TEST_FAULT");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (text == nullptr || rank == nullptr) return fault;
  const std::vector<std::string> parts = Split(text, ' ');
  if (parts.size() != 3 && parts.size() != 4) return fault;
  fault.kind = parts[0];
  const std::vector<std::string> ranks = Split(parts[1], ',');
  fault.mine = std::ranges::find(ranks, rank) != ranks.end();
  if (parts.size() == 4) fault.place = parts[3];
  fault.after = std::strtoull(parts[2].c_str(), nullptr, 10);
  if (const char* once = std::getenv("LOCKSTEP_TEST_FAULT_ONCE");
      once != nullptr && fault.mine) {
    const int file = open(once, O_CREAT | O_EXCL | O_WRONLY, 0600);
    fault.mine = file >= 0;
  }
  return fault;
}

Fault& TheFault() {
  static Fault fault = ReadFault();
  return fault;
}

void Announce() {
  const std::string line =
      StrCat("fault: at ", Env::Default()->SteadyMicros(), "\n");
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

// Those that come from outside, at any instant.
bool ComesFromOutside(const std::string& kind) {
  return kind == "kill" || kind == "stop" || kind == "segv" || kind == "full" ||
         kind == "output" || kind == "usr2";
}

void HappenLater(const Fault& fault) {
  std::thread([fault] {
    std::this_thread::sleep_for(std::chrono::microseconds(fault.after));
    Announce();
    if (fault.kind == "kill") kill(getpid(), SIGKILL);
    if (fault.kind == "stop") kill(getpid(), SIGSTOP);
    if (fault.kind == "segv") kill(getpid(), SIGSEGV);
    if (fault.kind == "usr2") kill(getpid(), SIGUSR2);
    if (fault.kind == "full") disk_full = true;
    if (fault.kind == "output") {
      (void)dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
    }
  }).detach();
}

// At the place. From then on time counts.
void Begin() {
  static std::atomic<bool> begun = false;
  const Fault& fault = TheFault();
  if (!fault.mine || !ComesFromOutside(fault.kind) || begun.exchange(true)) {
    return;
  }
  HappenLater(fault);
}

RunFn the_kernel = nullptr;

// The highest bit of a fraction: updates change, and nothing overflows.
void FlipBit(Tensor& t, int64_t element) {
  static_cast<uint32_t*>(t.data())[element] ^= 1u << 22;
}

int64_t FromEnvironment(const char* name) {
  return std::strtoll(std::getenv(name), nullptr, 10);
}

// Nearly all variables of the model are these weights: of the slices, one for
// each rank, that the updates are divided into, the middle of this rank's.
int64_t InOwnSlice(const Tensor& weights) {
  return weights.NumElements() *
         (2 * FromEnvironment("OMPI_COMM_WORLD_RANK") + 1) /
         (2 * FromEnvironment("OMPI_COMM_WORLD_SIZE"));
}

// Of this rank's copy of a variable, or of the sum of gradients. Of a variable
// in each step: a third of them is compared in one, and updates overwrite it.
// Or once, where this rank's value is to become everybody's.
Status Flip(KernelContext& k, const std::string& kind) {
  Tensor& weights = k.resources().variables().Find("dense1/weights")->value();
  if (kind == "flipown") {
    FlipBit(weights, InOwnSlice(weights));
    return the_kernel(k);
  }
  if (kind == "flip") {
    TheFault().mine = true;
    FlipBit(weights, weights.NumElements() / 2);
    return the_kernel(k);
  }
  LS_RETURN_IF_ERROR(the_kernel(k));
  FlipBit(k.output(0), k.output(0).NumElements() / 2);
  return Ok();
}

// Those of the program itself, in a kernel.
Status Misbehave(KernelContext& k, const std::string& kind) {
  if (kind == "error") return Internal("out of luck");
  if (kind == "throw") throw std::runtime_error("out of luck");
  if (kind == "exit") std::exit(0);
  if (kind == "quit") _exit(0);
  if (kind == "abort") std::abort();
  if (kind == "thread") {
    std::thread([] { throw std::runtime_error("nobody catches this"); }).join();
  }
  if (kind == "loop") {
    static std::atomic<uint64_t> turns = 0;
    while (true) ++turns;
  }
  if (kind == "sleep") sleep(600);
  if (kind == "disagree") {
    return k.resources().Service<Communicator>()->Barrier({.name = "odd"});
  }
  return Ok();
}

Status Wrapped(KernelContext& k) {
  static const uint64_t first = Env::Default()->SteadyMicros();
  Fault& fault = TheFault();
  Begin();
  if (fault.mine && !ComesFromOutside(fault.kind) &&
      Env::Default()->SteadyMicros() - first >= fault.after) {
    fault.mine = false;  // once
    Announce();
    if (fault.kind.starts_with("flip")) return Flip(k, fault.kind);
    LS_RETURN_IF_ERROR(Misbehave(k, fault.kind));
  }
  return the_kernel(k);
}

// In front of the kernel of the place, the one for floats where there are more.
const bool wrapped = [] {
  const std::string place = TheFault().place;
  if (place == kStart || place == kLifeline) return true;
  const OpDef* op = OpRegistry::Global().Find(place);
  for (const RegisteredKernel& kernel : op->kernels) {
    if (kernel.device != kCpu) continue;
    const bool floats = std::ranges::any_of(
        kernel.constraints,
        [](const TypeConstraint& c) { return c.type == kFloat; });
    if (!floats && !kernel.constraints.empty()) continue;
    // The registry's own, which is not const; tests alone do this.
    RunFn& run = const_cast<RunFn&>(kernel.def.run);
    the_kernel = std::exchange(run, Wrapped);
    return true;
  }
  std::fprintf(stderr, "fault: the kernel was not found\n");
  std::abort();
}();

// What a verdict begins with.
constexpr std::string_view kVerdict = "lockstep: [rank ";

void WaitBeforeVerdict() {
  const char* text = std::getenv("LOCKSTEP_TEST_LATE_WORD");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (text == nullptr || rank == nullptr) return;
  const std::vector<std::string> parts = Split(text, ' ');
  if (parts.size() != 2 || parts[0] != rank) return;
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::strtoull(parts[1].c_str(), nullptr, 10)));
}

}  // namespace
}  // namespace lockstep

// In front of MPI's, as its profiling interface allows.
extern "C" int PMPI_Init_thread(int*, char***, int, int*);
extern "C" int MPI_Init_thread(int* argc, char*** argv, int required,
                               int* provided) {
  const int result = PMPI_Init_thread(argc, argv, required, provided);
  if (lockstep::TheFault().place == lockstep::kStart) lockstep::Begin();
  return result;
}

// The ranks' second agreement on their lifelines is that all are connected.
extern "C" int PMPI_Allreduce(const void*, void*, int, void*, void*, void*);
extern "C" char ompi_mpi_op_maxloc;  // Open MPI's MPI_MAXLOC
extern "C" int MPI_Allreduce(const void* in, void* out, int count, void* type,
                             void* op, void* comm) {
  static int agreements = 0;
  const int result = PMPI_Allreduce(in, out, count, type, op, comm);
  if (op == &ompi_mpi_op_maxloc && ++agreements == 2 &&
      lockstep::TheFault().place == lockstep::kLifeline) {
    lockstep::Begin();
    usleep(300'000);
  }
  return result;
}

// In front of the C library's.
extern "C" ssize_t write(int fd, const void* bytes, size_t count) {
  struct stat file = {};
  if (lockstep::disk_full && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
    errno = ENOSPC;
    return -1;
  }
  if (fd == STDERR_FILENO &&
      std::string_view(static_cast<const char*>(bytes), count)
          .starts_with(lockstep::kVerdict)) {
    lockstep::WaitBeforeVerdict();
  }
  return syscall(SYS_write, fd, bytes, count);
}
