// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which memory the operands of a placed node are in: the host's, or that of
// the GPU it is assigned to.
//
//   const OperandMemory memory = OperandMemoryOf(node);
//   memory.input_on_gpu[0];
//   SpaceName(node, memory.output_on_gpu[0]);   // "/job:…/device:GPU:0"

#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

struct OperandMemory {
  std::vector<bool> input_on_gpu;
  std::vector<bool> output_on_gpu;
};

bool IsOnGpu(const Node& node);
// And works there: not by the CPU's kernel, as on int32.
bool WorksOnGpu(const Node& node);

// By what the op's GPU kernel says; all false for nodes on a CPU. What the
// caller feeds is in host memory.
OperandMemory OperandMemoryOf(const Node& node);

// The memory's name: the node's device, or /cpu:0 of its task for the operands
// of a node on a GPU that are in host memory.
std::string SpaceName(const Node& node, bool on_gpu);

}  // namespace lockstep
