// SPDX-License-Identifier: Apache-2.0
#include "distributed/agreed_status.h"

#include <algorithm>
#include <string>
#include <vector>

#include "distributed/digest.h"

namespace lockstep {
namespace {

// 0: no error.
uint64_t DigestOf(const Status& status) {
  if (status.ok()) return 0;
  return std::max<uint64_t>(1, DigestOfText(status.ToString()));
}

Status OfRanks(const Status& error, const std::vector<int>& ranks) {
  if (error.message().starts_with("[rank")) return error;
  return error.WithContext(
      StrCat(ranks.size() == 1 ? "[rank " : "[ranks ", Join(ranks, ", "), "]"));
}

}  // namespace

Status AgreeOnStatus(Communicator& ranks, const Status& mine,
                     const CallOptions& options, bool* talked) {
  const uint64_t own = DigestOf(mine);
  std::vector<uint64_t> errors(static_cast<size_t>(ranks.size()));
  const Status asked =
      ranks.AllGather(&own, errors.data(), 1, kUint64, options);
  if (talked != nullptr) *talked = asked.ok();
  if (!asked.ok()) return mine.ok() ? asked : OfRanks(mine, {ranks.rank()});
  const auto first =
      std::ranges::find_if(errors, [](uint64_t e) { return e != 0; });
  if (first == errors.end()) return mine;
  const auto teller = static_cast<int>(first - errors.begin());
  if (teller != ranks.rank()) {
    return Cancelled("rank ", teller, " has the error");
  }
  std::vector<int> same;
  for (int r = 0; r < ranks.size(); ++r) {
    if (errors[static_cast<size_t>(r)] == own) same.push_back(r);
  }
  return same.size() == errors.size() ? mine : OfRanks(mine, same);
}

}  // namespace lockstep
