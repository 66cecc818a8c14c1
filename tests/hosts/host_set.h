// SPDX-License-Identifier: Apache-2.0
#pragma once

// HostSet: hosts made of network namespaces, each with a TAP device to a
// NetworkEmulator, an address 10.77.0.N and a name of its own. Needs root,
// `ip` and /dev/net/tun.
//
//   LS_ASSIGN_OR_RETURN(auto hosts, HostSet::Make(4, link, "/tmp/scratch"));
//   int status = hosts->Run(0, {"ip", "addr"});

#include <memory>
#include <string>
#include <vector>

#include "runtime/core/status.h"
#include "tests/hosts/emulator.h"

namespace lockstep {

class HostSet {
 public:
  // Why hosts cannot be made here; OK when they can.
  static Status Available();
  // `scratch`: an existing folder for the launch agent's script.
  static Result<std::unique_ptr<HostSet>> Make(int count,
                                               const LinkOptions& link, int mtu,
                                               const std::string& scratch);
  ~HostSet();  // ends what still runs on the hosts, then removes them

  int size() const { return static_cast<int>(names_.size()); }
  static std::string Address(int host);
  // `mpirun` for ranks on all hosts, `slots[i]` on host i, those behind the
  // last as many as there; to be run on host 0. What else it needs is in this
  // process's environment since Make.
  std::vector<std::string> Mpirun(const std::vector<int>& slots) const;
  // The command's exit status, 128 + n after a signal.
  int Run(int host, const std::vector<std::string>& command) const;
  // Ends, by SIGKILL, whatever runs on the hosts; from any thread.
  void EndAll() const;
  // The host vanishes with all that runs there, as by a loss of power.
  void Remove(int host);
  NetworkEmulator& network() { return network_; }

 private:
  explicit HostSet(const LinkOptions& link)
      : network_(link), lossless_(link.loss == 0) {}
  Status Add(int host, int mtu);
  Status WriteAgent();
  void SetMpiEnvironment() const;
  void End(const std::string& name) const;
  // What has to stand in front of a command on that host.
  std::vector<std::string> Prefix(int host) const;

  NetworkEmulator network_;
  const bool lossless_;
  std::vector<std::string> names_;  // of the namespaces
  std::string agent_;
};

}  // namespace lockstep
