// SPDX-License-Identifier: Apache-2.0

// All, Any: over the axes in `reduction_indices`; of nothing true (false).
//   input: bool, any rank   reduction_indices: int32|int64, rank <= 1

#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

template <bool kAll>
struct LogicalMonoid {
  using Acc = unsigned char;  // 0 or 1: vectorises where bool would not
  static Acc Init() { return kAll ? 1 : 0; }
  static Acc Step(Acc a, bool x) { return Merge(a, static_cast<Acc>(x)); }
  static Acc Merge(Acc a, Acc b) {
    return static_cast<Acc>(kAll ? a & b : a | b);
  }
  static bool Finish(Acc a, int64_t) { return a != 0; }
};

const OpRegistrar kAll =
    ReductionOp("All", nullptr, nullptr)
        .Kernel(kCpu, Reduction<LogicalMonoid<true>, bool>());
const OpRegistrar kAny =
    ReductionOp("Any", nullptr, nullptr)
        .Kernel(kCpu, Reduction<LogicalMonoid<false>, bool>());

}  // namespace

namespace ops {

Output All(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims) {
  return Reduce(scope, "All", x, axes, keep_dims);
}
Output Any(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims) {
  return Reduce(scope, "Any", x, axes, keep_dims);
}

}  // namespace ops
}  // namespace lockstep
