// SPDX-License-Identifier: Apache-2.0
#pragma once

// StartGuard: until the ranks have a lifeline, nothing but this knows of a rank
// that was stopped (SIGSTOP) meanwhile: the others would wait in MPI_Init for
// ever. A thread of each rank looks, after the first second, at the job's other
// processes on this host; one that is stopped for long is named on standard
// error and killed, and this process leaves by `_exit`, which ends the job.
// Nobody sees those of another host: when the ranks have not met within a time
// limit, each says which of them run on its own host, and leaves.
//
//   StartGuard guard(300'000'000);  // before MPI_Init
//   ...                             // the ranks meet
//                                   // its end: no longer looked after

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace lockstep {

class StartGuard {
 public:
  explicit StartGuard(uint64_t limit_micros);  // 0: none
  ~StartGuard();
  StartGuard(const StartGuard&) = delete;
  StartGuard& operator=(const StartGuard&) = delete;

 private:
  struct Member;
  void Watch(const Member& me);
  [[noreturn]] void EndUnmet(const Member& me) const;
  // False when this object ends.
  bool Sleep();

  const uint64_t limit_micros_;
  std::mutex mu_;
  std::condition_variable ends_;
  bool ended_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace lockstep
