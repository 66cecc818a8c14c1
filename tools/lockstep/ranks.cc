// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/ranks.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace lockstep {

bool IsRank() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr ||
         std::getenv("PMIX_RANK") != nullptr;
}

void SetMpirunDefaults() {
  for (const auto& [name, value] :
       {std::pair("OMPI_ALLOW_RUN_AS_ROOT", "1"),
        std::pair("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        std::pair("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        // Open MPI 5's.
        std::pair("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
        std::pair("OMPI_MCA_btl_vader_single_copy_mechanism", "none"),
        std::pair("HWLOC_HIDE_ERRORS", "2")}) {
    setenv(name, value, /*replace=*/0);
  }
}

Status BecomeRanks(int ranks, const std::vector<std::string>& args) {
  SetMpirunDefaults();
  std::vector<std::string> words = {"mpirun", "-np", std::to_string(ranks),
                                    "/proc/self/exe"};
  char self[4096] = {};
  if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0) words[3] = self;
  words.insert(words.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp("mpirun", argv.data());
  return NotFound("mpirun: ", strerror(errno));
}

}  // namespace lockstep
