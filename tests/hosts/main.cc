// SPDX-License-Identifier: Apache-2.0
//
// hosts: runs a program on hosts made of network namespaces, over a network
// with the delay, rate and loss that are asked for.
//
//   hosts --hosts 4 --delay-us 200 --mbit 100 -- build/.../mnist --steps 20
//   hosts --hosts 2 --one -- tests/hosts/probe ...   the command, on host 0
//   hosts --check                                    can they be made here?
//
// On the hosts, ranks are started by mpirun over TCP, --slots on each. With
// --control FIFO, lines that are written there change the network while the
// program runs: "cut 2", "join 2", "remove 2" (the host, as by a loss of
// power), "link DELAY_US MBIT LOSS", "end". The exit status is the program's;
// 77 where hosts cannot be made, with the reason.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/program_options.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

#include "tests/hosts/host_set.h"

namespace lockstep {
namespace {

namespace po = boost::program_options;

constexpr int kCannotBeMade = 77;

struct Options {
  int hosts = 2;
  std::vector<int> slots = {1};
  int mtu = 9000;
  LinkOptions link;
  std::string control;
  bool count = false;
  bool one = false;
  bool check = false;
};

void Obey(const std::string& line, LinkOptions link, HostSet* hosts) {
  NetworkEmulator* net = &hosts->network();
  std::istringstream words(line);
  std::string verb;
  int host = -1;
  words >> verb;
  if (verb == "link") {
    if (words >> link.delay_us >> link.mbit >> link.loss) net->SetLink(link);
  } else if ((verb == "cut" || verb == "join") && words >> host && host >= 0 &&
             host < hosts->size()) {
    net->SetCut(static_cast<size_t>(host), verb == "cut");
  } else if (verb == "remove" && words >> host && host > 0 &&
             host < hosts->size()) {
    hosts->Remove(host);
  } else if (verb == "end") {
    hosts->EndAll();
  } else {
    std::fprintf(stderr, "hosts: what is '%s'?\n", line.c_str());
  }
}

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, s);
  return signals;
}

// Takes commands, and signals as the wish to end, until `stop`.
void Listen(const Options& o, HostSet* hosts, const std::atomic<bool>& stop) {
  const int fd = o.control.empty()
                     ? -1
                     : open(o.control.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const sigset_t signals = EndingSignals();
  const timespec moment{0, 50'000'000};
  std::string text;
  while (!stop) {
    if (sigtimedwait(&signals, nullptr, &moment) > 0) hosts->EndAll();
    char buffer[256];
    const ssize_t bytes = fd < 0 ? 0 : read(fd, buffer, sizeof(buffer));
    if (bytes > 0) text.append(buffer, static_cast<size_t>(bytes));
    for (size_t end = text.find('\n'); end != text.npos;
         end = text.find('\n')) {
      Obey(text.substr(0, end), o.link, hosts);
      text.erase(0, end + 1);
    }
  }
  if (fd >= 0) close(fd);
}

Result<int> Run(const Options& o, const std::vector<std::string>& command) {
  char scratch[] = "/tmp/lockstep_hosts_XXXXXX";
  if (mkdtemp(scratch) == nullptr) return Internal("no scratch folder");
  Result<std::unique_ptr<HostSet>> hosts =
      HostSet::Make(o.hosts, o.link, o.mtu, scratch);
  int status = kCannotBeMade;
  if (hosts.ok()) {
    std::atomic<bool> stop = false;
    std::thread listener([&] { Listen(o, hosts->get(), stop); });
    std::vector<std::string> all;
    if (!o.one) all = (*hosts)->Mpirun(o.slots);
    all.insert(all.end(), command.begin(), command.end());
    status = (*hosts)->Run(0, all);
    stop = true;
    listener.join();
    if (o.count) {
      const NetworkEmulator& net = (*hosts)->network();
      std::fprintf(stderr, "hosts: %llu frames, %llu lost\n",
                   static_cast<unsigned long long>(net.frames()),
                   static_cast<unsigned long long>(net.lost()));
    }
    hosts->reset();
  }
  std::filesystem::remove_all(scratch);
  LS_RETURN_IF_ERROR(hosts.status());
  return status;
}

std::vector<int> ParseSlots(const std::string& text) {
  std::vector<int> slots;
  for (const std::string& word : Split(text, ',')) {
    slots.push_back(std::atoi(word.c_str()));
    if (slots.back() < 1) throw po::error(StrCat("slots '", text, "'"));
  }
  return slots;
}

int Main(int argc, char** argv) {
  Options o;
  std::string slots;
  int own = 1;
  while (own < argc && std::string_view(argv[own]) != "--") ++own;
  po::options_description options("hosts OPTIONS -- COMMAND ...");
  options.add_options()                                                      //
      ("hosts", po::value(&o.hosts)->default_value(o.hosts), "how many")     //
      ("slots", po::value(&slots), "ranks on each, or: 3,1,2")               //
      ("delay-us", po::value(&o.link.delay_us), "one way, in microseconds")  //
      ("mbit", po::value(&o.link.mbit), "of each host, in Mbit/s")           //
      ("loss", po::value(&o.link.loss), "part of the frames that is lost")   //
      ("seed", po::value(&o.link.seed), "of what is lost")                   //
      ("mtu", po::value(&o.mtu)->default_value(o.mtu), "bytes of a frame")   //
      ("control", po::value(&o.control), "a FIFO to take commands from")     //
      ("count", po::bool_switch(&o.count), "tell how many frames went")      //
      ("one", po::bool_switch(&o.one), "the command on host 0, no mpirun")   //
      ("check", po::bool_switch(&o.check), "only tell whether it can be done");
  po::variables_map values;
  try {
    po::store(po::parse_command_line(own, argv, options), values);
    po::notify(values);
    if (!slots.empty()) o.slots = ParseSlots(slots);
  } catch (const po::error& e) {
    std::cerr << "hosts: " << e.what() << '\n' << options;
    return 2;
  }
  const std::vector<std::string> command(argv + std::min(own + 1, argc),
                                         argv + argc);
  if (o.check || command.empty()) {
    const Status s = HostSet::Available();
    if (!s.ok()) std::printf("%s\n", s.message().c_str());
    return s.ok() ? 0 : kCannotBeMade;
  }
  // The hosts are removed before this process ends.
  const sigset_t signals = EndingSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const Result<int> status = Run(o, command);
  if (status.ok()) return *status;
  std::fprintf(stderr, "hosts: %s\n", status.status().ToString().c_str());
  return status.code() == Code::kUnavailable ? kCannotBeMade : 2;
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) { return lockstep::Main(argc, argv); }
