// SPDX-License-Identifier: Apache-2.0
#pragma once

// StartGuard: until the ranks have a lifeline, nothing but this knows of a rank
// that was stopped (SIGSTOP) meanwhile: the others would wait in MPI_Init for
// ever. A thread of each rank looks, after the first second, at the job's other
// processes on this machine; one that is stopped for long is named on standard
// error and killed, and this process leaves by `_exit`, which ends the job.
// Where the only rank of a machine is stopped nobody sees it.
//
//   StartGuard guard;           // before MPI_Init
//   ...                         // the ranks meet
//                               // its end: no longer looked after

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace lockstep {

class StartGuard {
 public:
  StartGuard();
  ~StartGuard();
  StartGuard(const StartGuard&) = delete;
  StartGuard& operator=(const StartGuard&) = delete;

 private:
  void Watch(const std::string& job, const std::string& rank);
  // False when this object ends.
  bool Sleep();

  std::mutex mu_;
  std::condition_variable ends_;
  bool ended_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace lockstep
