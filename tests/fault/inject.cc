// SPDX-License-Identifier: Apache-2.0
// Linked into mnist it makes one rank misbehave, some time after its first
// training step: LOCKSTEP_TEST_FAULT="KIND RANK MICROS". Before it does it
// writes "fault: at MICROS" (of the monotonic clock) to standard error. Not
// where the file LOCKSTEP_TEST_FAULT_ONCE exists; it is made then.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
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

struct Fault {
  std::string kind;
  uint64_t after = 0;
  bool mine = false;
};

Fault ReadFault() {
  Fault fault;
  const char* text = std::getenv("LOCKSTEP_TEST_FAULT");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (text == nullptr || rank == nullptr) return fault;
  const std::vector<std::string> parts = Split(text, ' ');
  if (parts.size() != 3) return fault;
  fault.kind = parts[0];
  fault.mine = parts[1] == rank;
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
bool ComesAsSignal(const std::string& kind) {
  return kind == "kill" || kind == "stop" || kind == "segv";
}

void SendSignal(const Fault& fault) {
  std::thread([fault] {
    std::this_thread::sleep_for(std::chrono::microseconds(fault.after));
    Announce();
    kill(getpid(), fault.kind == "kill"   ? SIGKILL
                   : fault.kind == "stop" ? SIGSTOP
                                          : SIGSEGV);
  }).detach();
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

RunFn the_kernel = nullptr;

Status Wrapped(KernelContext& k) {
  static const uint64_t first = Env::Default()->SteadyMicros();
  Fault& fault = TheFault();
  static const bool signals = fault.mine && ComesAsSignal(fault.kind);
  static std::atomic<bool> begun = false;
  if (signals && !begun.exchange(true)) SendSignal(fault);
  if (fault.mine && !signals &&
      Env::Default()->SteadyMicros() - first >= fault.after) {
    fault.mine = false;  // once
    Announce();
    LS_RETURN_IF_ERROR(Misbehave(k, fault.kind));
  }
  return the_kernel(k);
}

// In front of the loss's kernel for floats.
const bool wrapped = [] {
  const OpDef* op = OpRegistry::Global().Find("SoftmaxCrossEntropyWithLogits");
  for (const RegisteredKernel& kernel : op->kernels) {
    if (kernel.device != kCpu) continue;
    for (const TypeConstraint& c : kernel.constraints) {
      if (c.type != kFloat) continue;
      // The registry's own, which is not const; tests alone do this.
      RunFn& run = const_cast<RunFn&>(kernel.def.run);
      the_kernel = std::exchange(run, Wrapped);
      return true;
    }
  }
  std::fprintf(stderr, "fault: the kernel was not found\n");
  std::abort();
}();

}  // namespace
}  // namespace lockstep
