// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElementProgram: a chain of element-wise ops in one description, which the
// attributes of a `_Fused` node hold and every back end compiles: the CPU's
// evaluator (ops/fused/evaluator.h).
//
// It is straight code over numbered values: first the inputs, then what each
// instruction makes, all seen as `size` elements in row-major order. An
// instruction is an op with the attributes that say its types, and computes
// what the op's kernel would, to the bit. An input that has fewer elements is
// repeated as NumPy broadcasts its shape to `over`.
//
//   inputs [100,300] float, [300] float over [100,300]
//   program {"Mul T=float 0 1", "Relu T=float 2"}, results {3}
//
// A plain value; made by passes, read by kernels.

#include <string>
#include <vector>

#include "runtime/op/attr.h"
#include "runtime/op/element_rule.h"

namespace lockstep {

struct ElementProgram {
  struct Input {
    DType dtype = kInvalidType;
    Shape shape;
    Shape over;  // has `size` elements
  };
  struct Instruction {
    const OpDef* op = nullptr;
    AttrMap attrs;               // that are types
    std::vector<int> args;       // values
    DType dtype = kInvalidType;  // of the result

    std::string ToString() const;  // "Mul T=float 0 1"
  };

  int64_t size = 0;
  std::vector<Input> inputs;
  std::vector<Instruction> code;
  std::vector<int> results;  // values, the node's outputs

  DType TypeOf(int value) const;
  // Attributes "size", "over", "program" and "results".
  void WriteTo(AttrMap* attrs) const;
  // INVALID_ARGUMENT saying which instruction is wrong, and how.
  static Result<ElementProgram> Read(const AttrMap& attrs,
                                     const std::vector<DType>& input_types,
                                     const std::vector<Shape>& input_shapes);
  // The op of an instruction, its types from the node's attributes; null dtype
  // when there is no rule for it.
  static Instruction Of(const OpDef& op, const AttrMap& node_attrs,
                        std::vector<int> args);
};

// What a node may have of each.
inline constexpr int kMaxFusedInputs = 32;
inline constexpr int kMaxFusedOutputs = 16;

// Bytes that a thread of the CPU's back end has for registers and the last
// elements of operands: half of a first-level cache.
inline constexpr size_t kFusedMemory = 16 << 10;
// Whether the program can be run in them.
bool FitsRegisters(const ElementProgram& program);
// By value: the last instruction that reads it; results: code.size().
std::vector<int> LastReads(const ElementProgram& program);

}  // namespace lockstep
