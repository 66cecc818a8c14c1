// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce/reduce_plan.h"

namespace lockstep {
namespace {

constexpr int64_t kChunkElements = 32768;
// With so many outputs every thread has work without cutting any of them.
constexpr int64_t kManyItems = 32;

}  // namespace

ReducePlan::ReducePlan(const Shape& input, AxisSet reduced) {
  bool first = true;
  bool last_reduced = false;  // of the group being collected, inner to outer
  int64_t group = 1, stride = 1;
  auto close = [&] {
    if (group != 1) {
      if (first) {
        run_reduced_ = last_reduced;
        run_ = group;
        first = false;
      } else {
        (last_reduced ? reduced_ : kept_).Add(group, stride);
      }
    }
    stride *= group;
    group = 1;
  };
  for (int d = input.rank() - 1; d >= 0; --d) {
    const bool r = reduced.test(static_cast<size_t>(d));
    (r ? count_ : outputs_) *= input.dim(d);
    if (input.dim(d) == 1) continue;
    if (group != 1 && r != last_reduced) close();
    last_reduced = r;
    group *= input.dim(d);
  }
  close();
  const int64_t positions = run_reduced_ ? count_ : reduced_.size;
  const int64_t width = run_reduced_ ? 1 : std::min(run_, kColumns);
  const int64_t items =
      run_reduced_ ? outputs_ : kept_.size * ((run_ + kColumns - 1) / kColumns);
  chunk_ = std::max<int64_t>(1, positions);
  if (items < kManyItems && width > 0) {
    chunk_ = std::max<int64_t>(1, kChunkElements / width);
  }
  chunks_ = std::max<int64_t>(1, (positions + chunk_ - 1) / chunk_);
}

}  // namespace lockstep
