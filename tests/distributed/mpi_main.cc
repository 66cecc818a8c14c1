// SPDX-License-Identifier: Apache-2.0
// The programs that run the communicator suite under mpirun: every rank is a
// process, all run the same tests.
#include <gtest/gtest.h>

#include <cstdio>

#include "distributed/mpi_context.h"
#include "tests/distributed/rank_runner.h"

namespace lockstep {
namespace {

// Set before the tests are listed, ended before main returns.
MpiContext* context = nullptr;

}  // namespace

std::vector<RankSetup> RankSetups() {
  std::vector<RankSetup> setups = {{"shm", context->size()},
                                   {"mpi", context->size()}};
  // Machines of two, of three ranks one is alone.
  if (context->size() > 2) setups.push_back({"hierarchical", context->size()});
  return setups;
}

void RunRanks(const RankSetup& setup,
              const std::function<void(Communicator&)>& f,
              const RankOptions& options) {
  auto comm = context->MakeCommunicator(
      {.backend = setup.backend,
       .timeout_micros = options.timeout_micros,
       .chunk_bytes = options.half_bytes,
       .ranks_per_machine = setup.backend == "hierarchical" ? 2 : 0});
  ASSERT_TRUE(comm.ok()) << comm.status().ToString();
  f(**comm);
}

MpiContext& TestContext() { return *context; }

}  // namespace lockstep

int main(int argc, char** argv) {
  auto mpi = lockstep::MpiContext::Init(&argc, &argv);
  if (!mpi.ok()) {
    std::fprintf(stderr, "%s\n", mpi.status().ToString().c_str());
    return 2;
  }
  lockstep::context = mpi->get();
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  mpi->reset();
  return result;
}
