// SPDX-License-Identifier: Apache-2.0
#include "distributed/gpu_exchange.h"

#include <algorithm>
#include <array>
#include <set>

namespace lockstep {
namespace {

using Identity = std::array<char, 64>;

// One for each rank, none empty.
bool AllDiffer(const std::vector<Identity>& identities) {
  std::set<Identity> seen;
  return std::ranges::all_of(identities, [&](const Identity& i) {
    return i[0] != '\0' && seen.insert(i).second;
  });
}

}  // namespace

Status GpuExchange::Open(const std::vector<std::shared_ptr<Hardware>>& gpus) {
  if (links_ == nullptr || host_->size() < 2) return Ok();
  Identity mine{};
  if (!gpus.empty()) {
    const std::string identity = links_->identity(*gpus[0]);
    if (identity.size() >= mine.size()) {
      return Internal("the name of a GPU has ", identity.size(),
                      " characters: ", identity);
    }
    std::ranges::copy(identity, mine.begin());
  }
  std::vector<Identity> all(static_cast<size_t>(host_->size()));
  LS_RETURN_IF_ERROR(host_->AllGather(mine.data(), all.data(), mine.size(),
                                      kUint8, {.name = "GPUs of ranks"}));
  if (!AllDiffer(all)) return Ok();
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> part,
                      host_->Split(/*color=*/0, host_->rank()));
  LS_ASSIGN_OR_RETURN(communicator_,
                      links_->connect(std::move(part), *gpus[0]));
  return Ok();
}

#ifndef LOCKSTEP_CUDA
const GpuLinks* NcclLinks() { return nullptr; }
#endif

}  // namespace lockstep
