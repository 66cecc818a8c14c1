// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/fusion/reduction_end.h"

#include <bitset>

#include "runtime/graph/memory_spaces.h"
#include "runtime/op/reduce_rule.h"

namespace lockstep {
namespace {

// Shorter runs are reduced faster out of memory, several of them at once.
constexpr int64_t kShortestRun = 256;
// Fewer elements are in the cache anyway.
constexpr int64_t kFewestElements = 4096;

using Axes = std::bitset<Shape::kMaxRank>;

// The axes of a constant; none that are out of range, as the kernel says so.
template <class T>
bool ReadAxes(const Tensor& value, int rank, Axes* axes) {
  for (const T axis : value.flat<T>()) {
    const int64_t at = axis < 0 ? int64_t{axis} + rank : int64_t{axis};
    if (at < 0 || at >= rank) return false;
    axes->set(static_cast<size_t>(at));
  }
  return true;
}

bool ConstantAxes(const Node& n, int rank, Axes* axes) {
  if (n.num_inputs() == 1) {
    axes->set();
    return true;
  }
  const Node& from = *n.input(1).node;
  if (!from.traits().constant || !from.control_inputs().empty()) return false;
  const Tensor* value = GetIf<Tensor>(from.attrs(), "value");
  if (value == nullptr) return false;
  return value->dtype() == kInt32   ? ReadAxes<int32_t>(*value, rank, axes)
         : value->dtype() == kInt64 ? ReadAxes<int64_t>(*value, rank, axes)
                                    : false;
}

}  // namespace

int64_t ReducedRun(const Node& n) {
  if (n.num_outputs() != 1 || n.num_inputs() == 0 || n.num_inputs() > 2 ||
      !n.control_inputs().empty() || IsOnGpu(n) ||
      FindReduceRule(n.def(), n.attrs()) == nullptr) {
    return 0;
  }
  const Shape& x = n.input(0).shape();
  if (!x.IsFullyKnown() || !n.output_shape(0).IsFullyKnown() ||
      x.NumElements() < kFewestElements) {
    return 0;
  }
  Axes axes;
  if (!ConstantAxes(n, x.rank(), &axes)) return 0;
  int64_t run = 1;
  bool ended = false;
  for (int d = x.rank() - 1; d >= 0; --d) {
    if (x.dim(d) == 1) continue;
    const bool reduced = axes.test(static_cast<size_t>(d));
    if (reduced && ended) return 0;  // some further away
    ended = ended || !reduced;
    if (reduced) run *= x.dim(d);
  }
  return run >= kShortestRun ? run : 0;
}

Node* ReductionAtEndOf(Output o, const Consumers& consumers) {
  const auto& readers = consumers.Of(o);
  if (readers.size() != 1 || readers[0].second != 0 ||
      !consumers.ControlledBy(o.node).empty()) {
    return nullptr;
  }
  Node* reader = readers[0].first;
  const bool ends = ReducedRun(*reader) > 0 &&
                    reader->assigned_device() == o.node->assigned_device();
  return ends ? reader : nullptr;
}

}  // namespace lockstep
