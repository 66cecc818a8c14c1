// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElementEvaluator: computes an ElementProgram on the CPU. Made once for a
// program, then run from any thread.
//
// The elements are taken in blocks: each instruction runs over a block with the
// loop that its op's kernel has (so that its results have the same bits), in
// registers that are arrays of a block on the stack and stay in the first-level
// cache. Inputs of all elements are read, and results written, where they are.
// The last elements, if they are no multiple of kElementBlock, are computed in
// a block of that many.
//
//   LS_ASSIGN_OR_RETURN(ElementEvaluator e, ElementEvaluator::Make(program));
//   e.Run(inputs, outputs);    // addresses
//
// An output may be in the place of an input that has as many bytes.

#include <cstddef>
#include <span>
#include <vector>

#include "ops/math/broadcast.h"
#include "runtime/graph/fusion/element_program.h"
#include "runtime/op/kernel.h"
#include "runtime/op/source_rule.h"

namespace lockstep {

// An input that is nowhere: its elements are made when they are read.
struct ElementSource {
  const SourceRule* rule = nullptr;
  const void* source = nullptr;  // what the rule's `make` made
  const RunInfo* run = nullptr;
};

class ElementEvaluator {
 public:
  ElementEvaluator() = default;
  // INVALID_ARGUMENT when its values do not fit into the registers. With `made`
  // the last input is a source: Run is given the address of an ElementSource.
  static Result<ElementEvaluator> Make(const ElementProgram& program,
                                       const SourceRule* made = nullptr);
  // For Visit. The program has one result.
  static Result<ElementEvaluator> MakeVisited(const ElementProgram& program);

  void Run(std::span<const void* const> inputs,
           std::span<void* const> outputs) const;
  // The elements [begin, end) of the one result, of an evaluator that was made
  // to be visited, block by block: f(values, n), n being a multiple of
  // kElementBlock but at the end. On the calling thread.
  using VisitFn = void (*)(void* to, const void* values, int64_t n);
  void Visit(std::span<const void* const> inputs, int64_t begin, int64_t end,
             VisitFn f, void* to) const;

  // Elements of a block, and of what one thread is given at least.
  int64_t block() const { return block_; }
  int64_t grain() const { return grain_; }

 private:
  struct Instruction {
    ElementFn run;
    int a, b, c, y;  // slots
  };
  // What an input or output is beside its slot.
  struct Operand {
    enum Kind {
      kFull,    // in place; in room of its own for the last elements
      kSpread,  // an input, repeated into a register
      kScalar,  // the same, once for all blocks
      kMade,    // an input, made in a register
      kCopied,  // an output, out of the register of `slot`
    };
    Kind kind = kFull;
    int slot = 0;
    int bytes = 0;                     // of an element
    size_t room = 0;                   // offset in memory
    BroadcastWalk walk{{}, Shape{0}};  // kSpread
  };
  class Maker;
  class Room;
  static constexpr size_t kMaxSlots = kFusedMemory / kElementBlock;

  static int64_t RoundedUp(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
  }

  void RunRange(std::span<const void* const> inputs,
                std::span<void* const> outputs, int64_t begin,
                int64_t end) const;
  void SpreadScalars(std::span<const void* const> inputs, int64_t n,
                     Room& room) const;
  // The values of a block, in their slots; of the last elements.
  void ReadBlock(std::span<const void* const> inputs, int64_t at, int64_t n,
                 Room& room) const;
  void ReadLast(std::span<const void* const> inputs, int64_t at, int64_t n,
                Room& room) const;
  void RunBlock(std::span<const void* const> inputs,
                std::span<void* const> outputs, int64_t at, int64_t n,
                Room& room) const;
  void RunLast(std::span<const void* const> inputs,
               std::span<void* const> outputs, int64_t at, int64_t n,
               Room& room) const;
  void Execute(int64_t n, Room& room) const;

  int64_t size_ = 0;
  int64_t block_ = kElementBlock;
  int64_t grain_ = 1;
  std::vector<Operand> inputs_;
  std::vector<Operand> outputs_;
  std::vector<Instruction> code_;
  // Slots are the addresses of operands and registers; registers come last, at
  // these offsets in memory.
  int first_register_ = 0;
  std::vector<size_t> registers_;
};

}  // namespace lockstep
