// SPDX-License-Identifier: Apache-2.0
#pragma once

// The program of a `_Fused` node, held to the node's inputs and outputs, or of
// a `_FusedReduce` node, `reduced`, whose output is not the result, or of a
// `_FusedRandom` node, whose last input is `made`. For the ops' kernels.

#include "runtime/graph/fusion/element_program.h"
#include "runtime/op/kernel.h"

// The attributes that ElementProgram reads and writes, and names for people.
#define LS_ELEMENT_PROGRAM_ATTRS        \
  .Attr("size: int >= 1")               \
      .Attr("over: list(shape)")        \
      .Attr("program: list(string)")    \
      .Attr("results: list(int)")       \
      .Attr("nodes: list(string) = []") \
      .Attr("readers: list(string) = []")

namespace lockstep {

Result<ElementProgram> ProgramOf(const PrepareContext& p, bool reduced = false,
                                 const ElementProgram::Input* made = nullptr);

}  // namespace lockstep
