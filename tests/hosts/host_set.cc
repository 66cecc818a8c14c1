// SPDX-License-Identifier: Apache-2.0
#include "tests/hosts/host_set.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

constexpr int kMostHosts = 64;

int RunCommand(const std::vector<std::string>& command) {
  const pid_t child = fork();
  if (child == 0) {
    // What this process keeps from itself is not kept from the command.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    std::vector<char*> argv;
    for (const std::string& a : command) {
      argv.push_back(const_cast<char*>(a.c_str()));
    }
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    std::fprintf(stderr, "%s: %s\n", argv[0], std::strerror(errno));
    _exit(127);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child < 0) return 127;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Status Ip(const std::string& arguments) {
  std::vector<std::string> command = {"ip"};
  for (std::string& word : Split(arguments, ' ')) command.push_back(word);
  const int status = RunCommand(command);
  if (status == 0) return Ok();
  return Internal("'ip ", arguments, "' ended with status ", status);
}

Result<int> OpenTap(const std::string& name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    return Unavailable("/dev/net/tun cannot be opened: ", std::strerror(errno));
  }
  ifreq request = {};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    const int error = errno;
    close(fd);
    return Unavailable("no TAP device: ", std::strerror(error));
  }
  return fd;
}

}  // namespace

Status HostSet::Available() {
  if (geteuid() != 0) {
    return Unavailable("hosts of network namespaces need root");
  }
  if (RunCommand({"sh", "-c", "command -v ip >/dev/null"}) != 0) {
    return Unavailable("there is no `ip` (Debian: iproute2)");
  }
  const std::string name = StrCat("lsprobe", getpid());
  if (RunCommand(
          {"sh", "-c",
           StrCat("ip netns add ", name, " 2>/dev/null && ip netns exec ", name,
                  " unshare --uts true")}) != 0) {
    RunCommand({"sh", "-c", StrCat("ip netns del ", name, " 2>/dev/null")});
    return Unavailable("network namespaces cannot be made here");
  }
  LS_RETURN_IF_ERROR(Ip(StrCat("netns del ", name)));
  LS_ASSIGN_OR_RETURN(const int tap, OpenTap(StrCat("lst", getpid())));
  close(tap);
  return Ok();
}

std::string HostSet::Address(int host) { return StrCat("10.77.0.", host + 1); }

Result<std::unique_ptr<HostSet>> HostSet::Make(int count,
                                               const LinkOptions& link, int mtu,
                                               const std::string& scratch) {
  if (count < 1 || count > kMostHosts) {
    return InvalidArgument("want 1 to ", kMostHosts, " hosts, got ", count);
  }
  LS_RETURN_IF_ERROR(Available());
  std::unique_ptr<HostSet> set(new HostSet(link));
  for (int i = 0; i < count; ++i) LS_RETURN_IF_ERROR(set->Add(i, mtu));
  set->agent_ = scratch + "/launch_agent";
  LS_RETURN_IF_ERROR(set->WriteAgent());
  set->SetMpiEnvironment();
  set->network_.Start();
  return set;
}

Status HostSet::Add(int host, int mtu) {
  const std::string name = StrCat("ls", getpid(), "-", host);
  const std::string tap = StrCat("t", getpid(), "-", host);
  LS_RETURN_IF_ERROR(Ip(StrCat("netns add ", name)));
  names_.push_back(name);
  LS_ASSIGN_OR_RETURN(const int fd, OpenTap(tap));
  network_.AddPort(fd);
  char mac[32];
  std::snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", host + 1);
  LS_RETURN_IF_ERROR(Ip(StrCat("link set ", tap, " netns ", name)));
  const std::string at = StrCat("-n ", name, " ");
  LS_RETURN_IF_ERROR(Ip(StrCat(at, "link set ", tap, " name eth0")));
  LS_RETURN_IF_ERROR(
      Ip(StrCat(at, "link set eth0 address ", mac, " mtu ", mtu, " up")));
  // A full queue of a TAP device loses frames instead of slowing senders down.
  LS_RETURN_IF_ERROR(Ip(StrCat(at, "link set eth0 txqueuelen 10000")));
  // What clusters have, whatever this machine does: BBR, for one, takes seconds
  // to find out that a line is its own again.
  LS_RETURN_IF_ERROR(
      Ip(StrCat("netns exec ", name,
                " sysctl -qw net.ipv4.tcp_congestion_control=reno "
                "net.ipv4.tcp_slow_start_after_idle=0")));
  LS_RETURN_IF_ERROR(Ip(StrCat(at, "link set lo up")));
  LS_RETURN_IF_ERROR(
      Ip(StrCat(at, "addr add ", Address(host), "/24 dev eth0")));
  // Where nothing is lost, what waits in a long queue is not sent again; no
  // acknowledgement is kept back for 40 ms.
  return Ip(StrCat(at, "route replace 10.77.0.0/24 dev eth0 src ",
                   Address(host), " quickack 1",
                   lossless_ ? " rto_min 2s" : ""));
}

std::vector<std::string> HostSet::Prefix(int host) const {
  return {"ip",
          "netns",
          "exec",
          names_[static_cast<size_t>(host)],
          "unshare",
          "--uts",
          "sh",
          "-c",
          StrCat("hostname host", host, " && exec \"$@\""),
          "sh"};
}

// Called by mpirun in place of ssh: agent ADDRESS COMMAND...
Status HostSet::WriteAgent() {
  std::ofstream file(agent_);
  file << "#!/bin/sh\nhost=$((${1##*.} - 1))\nshift\n"
       << "exec ip netns exec ls" << getpid()
       << "-$host unshare --uts sh -c \"hostname host$host; $*\"\n";
  file.close();
  if (!file || chmod(agent_.c_str(), 0755) != 0) {
    return Internal("'", agent_, "' cannot be written");
  }
  return Ok();
}

std::vector<std::string> HostSet::Mpirun(const std::vector<int>& slots) const {
  std::vector<std::string> places;
  int ranks = 0;
  for (int i = 0; i < size(); ++i) {
    const auto at = std::min(static_cast<size_t>(i), slots.size() - 1);
    places.push_back(StrCat(Address(i), ":", slots[at]));
    ranks += slots[at];
  }
  return {MPIRUN, "--host", Join(places, ","), "-np", StrCat(ranks)};
}

// For every mpirun on the hosts, also one that a program starts.
void HostSet::SetMpiEnvironment() const {
  // As of every mpirun of the tests: see tools/mpi_environment.
  for (const std::string& setting : Split(MPI_ENVIRONMENT, ' ')) {
    const size_t at = setting.find('=');
    setenv(setting.substr(0, at).c_str(), setting.substr(at + 1).c_str(), 1);
  }
  const std::pair<const char*, std::string> settings[] = {
      {"plm_rsh_agent", agent_},
      {"plm_rsh_no_tree_spawn", "1"},
      {"hwloc_base_binding_policy", "none"},
      {"pml", "ob1"},
      {"btl", "tcp,self,vader"},
      {"btl_tcp_if_include", "10.77.0.0/24"},
      {"oob_tcp_if_include", "10.77.0.0/24"}};
  for (const auto& [name, value] : settings) {
    setenv(StrCat("OMPI_MCA_", name).c_str(), value.c_str(), 1);
  }
}

int HostSet::Run(int host, const std::vector<std::string>& command) const {
  std::vector<std::string> all = Prefix(host);
  all.insert(all.end(), command.begin(), command.end());
  return RunCommand(all);
}

void HostSet::EndAll() const {
  for (const std::string& name : names_) End(name);
}

void HostSet::End(const std::string& name) const {
  RunCommand({"sh", "-c",
              StrCat("for p in $(ip netns pids ", name,
                     " 2>/dev/null); do kill -9 $p; done")});
}

// Nobody is told: what its processes would send is cut off before they end.
void HostSet::Remove(int host) {
  network_.SetCut(static_cast<size_t>(host), true);
  const std::string& name = names_[static_cast<size_t>(host)];
  End(name);
  RunCommand({"ip", "netns", "del", name});
}

HostSet::~HostSet() {
  EndAll();
  for (const std::string& name : names_) {
    RunCommand({"sh", "-c", StrCat("ip netns del ", name, " 2>/dev/null")});
  }
}

}  // namespace lockstep
