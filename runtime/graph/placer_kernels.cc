// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/placer_kernels.h"

#include <algorithm>
#include <unordered_set>

#include "runtime/graph/control_flow.h"
#include "runtime/graph/placer.h"

namespace lockstep {
namespace {

// Deeper calls cannot be inlined, which the run that needs them tells.
constexpr int kMaxDepth = 200;

// Parts of frames become a `_Loop`, so they belong where that is.
bool RunsOnCpuAlone(const Node& n) {
  return RunsFunctions(n) || IsMerge(n) || IsEnter(n) || IsExit(n) ||
         IsNextIteration(n) || IsLoopCond(n);
}

bool ForwardsHandle(const Node& n) {
  const int output = n.traits().alias.first;
  return n.num_outputs() > 0 && (output >= 0 || IsMerge(n)) &&
         IsHandle(n.output_type(std::max(output, 0)));
}

}  // namespace

int KernelKinds(const Node& node) {
  if (ForwardsHandle(node)) return kAllKinds;
  const OpDef& def = node.def();
  int kinds = 0;
  if (!NeedsKernel(def) || def.FindKernel(kCpu, node.attrs())) {
    kinds |= KindBit(kCpu);
  }
  if (!RunsOnCpuAlone(node) && def.FindKernel(kGpu, node.attrs())) {
    kinds |= KindBit(kGpu);
  }
  return kinds;
}

int FunctionKinds::OfArg(const std::string& name, int arg) {
  const auto [it, added] = known_.try_emplace({name, arg}, kAllKinds);
  if (!added) return it->second;
  const std::shared_ptr<const Function> function =
      functions_ ? functions_->Find(name) : nullptr;
  if (!function || arg >= static_cast<int>(function->args.size()) ||
      depth_ >= kMaxDepth) {
    return kAllKinds;
  }
  ++depth_;
  const int kinds = Find(*function, arg);
  --depth_;
  known_[{name, arg}] = kinds;
  return kinds;
}

int FunctionKinds::Find(const Function& function, int arg) {
  int kinds = kAllKinds;
  std::unordered_set<Output, OutputHash> handles = {
      {function.args[static_cast<size_t>(arg)], 0}};
  // Bodies are in order but for loops, whose parts are on the CPU anyway.
  for (Node* n : function.body.nodes()) {
    for (int i = 0; i < n->num_inputs(); ++i) {
      if (!handles.contains(n->input(i))) continue;
      if (IsCall(*n)) {
        for (const std::string& name : FunctionsOf(*n)) kinds &= OfArg(name, i);
        continue;
      }
      kinds &= KernelKinds(*n);
      for (int o = 0; ForwardsHandle(*n) && o < n->num_outputs(); ++o) {
        if (IsHandle(n->output_type(o))) handles.insert(n->output(o));
      }
    }
  }
  return kinds;
}

}  // namespace lockstep
