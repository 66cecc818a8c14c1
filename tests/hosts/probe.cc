// SPDX-License-Identifier: Apache-2.0
//
// probe: what the network between ranks 0 and 1 does: the time of a small
// message there and back, and the rate of a large one. Run by hosts (main.cc);
// rank 0 prints "rtt_us 412.0 mbit 98.7". Messages are those of the
// communicator that training uses.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "distributed/mpi_context.h"
#include "runtime/core/env.h"

namespace lockstep {
namespace {

constexpr int kRounds = 50;
constexpr int64_t kLarge = 4 << 20;

double Micros() { return static_cast<double>(Env::Default()->SteadyMicros()); }

// There and back: `bytes` one way, one byte the other.
Result<double> RoundTrip(Communicator& ranks, std::vector<char>* data) {
  const auto bytes = static_cast<int64_t>(data->size());
  const double begin = Micros();
  if (ranks.rank() == 0) {
    LS_RETURN_IF_ERROR(ranks.Send(data->data(), bytes, kInt8, 1, 1));
    LS_RETURN_IF_ERROR(ranks.Recv(data->data(), 1, kInt8, 1, 2));
  } else if (ranks.rank() == 1) {
    LS_RETURN_IF_ERROR(ranks.Recv(data->data(), bytes, kInt8, 0, 1));
    LS_RETURN_IF_ERROR(ranks.Send(data->data(), 1, kInt8, 0, 2));
  }
  return Micros() - begin;
}

Status Probe(int* argc, char*** argv) {
  LS_ASSIGN_OR_RETURN(auto mpi, MpiContext::Init(argc, argv));
  if (mpi->size() < 2) return InvalidArgument("want two ranks or more");
  LS_ASSIGN_OR_RETURN(auto ranks, mpi->MakeCommunicator({.backend = "mpi"}));
  std::vector<char> small(1), large(kLarge);
  std::vector<double> rtt;
  for (int i = 0; i < kRounds; ++i) {
    LS_ASSIGN_OR_RETURN(const double micros, RoundTrip(*ranks, &small));
    rtt.push_back(micros);
  }
  std::ranges::sort(rtt);
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    LS_ASSIGN_OR_RETURN(const double micros, RoundTrip(*ranks, &large));
    best = std::max(best, static_cast<double>(kLarge) * 8 / micros);
  }
  if (mpi->rank() == 0) {
    std::printf("rtt_us %.1f mbit %.1f\n", rtt[kRounds / 2], best);
  }
  return ranks->Barrier();
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  const lockstep::Status status = lockstep::Probe(&argc, &argv);
  if (status.ok()) return 0;
  std::fprintf(stderr, "probe: %s\n", status.ToString().c_str());
  return 1;
}
