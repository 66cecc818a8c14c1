// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which kinds of devices have a kernel for a node, and for what a function
// does with its arguments. Internal to the placer.

#include <map>
#include <string>
#include <utility>

#include "runtime/graph/function.h"
#include "runtime/op/op_def.h"

namespace lockstep {

// Sets of kinds are bits.
inline constexpr int KindBit(DeviceKind kind) { return 1 << kind; }
inline constexpr int kAllKinds = KindBit(kCpu) | KindBit(kGpu);

// All for a node that only hands a variable on, which runs nothing.
int KernelKinds(const Node& node);

class FunctionKinds {
 public:
  // May be null.
  explicit FunctionKinds(const FunctionLibrary* functions)
      : functions_(functions) {}
  // Where there are kernels for all that takes argument `arg`, a handle, in the
  // function and in those that it calls. All when there is no such function.
  int OfArg(const std::string& function, int arg);

 private:
  int Find(const Function& function, int arg);

  const FunctionLibrary* functions_;
  int depth_ = 0;  // of the calls within each other
  // Known, or being found: a function may call itself.
  std::map<std::pair<std::string, int>, int> known_;
};

}  // namespace lockstep
