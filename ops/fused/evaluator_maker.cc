// SPDX-License-Identifier: Apache-2.0

// How an ElementEvaluator is made of a program.

#include <algorithm>
#include <map>

#include "ops/fused/evaluator.h"

namespace lockstep {
namespace {

constexpr int64_t kMaxBlock = 1024;
// Additions worth a thread.
constexpr int64_t kGrainWork = 65536;

}  // namespace

// Gives values their slots.
class ElementEvaluator::Maker {
 public:
  // `visited`: the result stays in a register. `made`: of the last input.
  Maker(const ElementProgram& program, bool visited, const SourceRule* made)
      : p_(program),
        visited_(visited),
        made_(made),
        last_(LastReads(program)) {}

  Result<ElementEvaluator> Make() {
    Expand();
    e_.size_ = p_.size;
    const size_t operands = p_.inputs.size() + p_.results.size();
    e_.first_register_ = static_cast<int>(operands);
    slot_of_.resize(types_.size(), -1);
    MakeInputs();
    LS_RETURN_IF_ERROR(MakeOutputs());
    for (size_t i = 0; i < code_.size(); ++i) Assign(static_cast<int>(i));
    for (size_t r = 0; r < p_.results.size(); ++r) {
      e_.outputs_[r].slot = slot_of_[static_cast<size_t>(p_.results[r])];
    }
    LS_RETURN_IF_ERROR(PlaceMemory(operands));
    e_.grain_ = RoundedUp(std::max<int64_t>(kGrainWork / cost_, 1), e_.block_);
    return std::move(e_);
  }

 private:
  // An instruction of at most three operands.
  struct Step {
    ElementFn run;
    std::vector<int> args;
    int result;
  };

  // Sums of many become several steps; their partial sums are values that come
  // after all others.
  void Expand() {
    for (const auto& in : p_.inputs) types_.push_back(in.dtype);
    for (const auto& i : p_.code) types_.push_back(i.dtype);
    for (size_t i = 0; i < p_.code.size(); ++i) {
      const ElementProgram::Instruction& from = p_.code[i];
      const ElementRule* rule = FindElementRule(*from.op, from.attrs);
      const ElementFn run = rule->RunOf(from.attrs);
      const int result = static_cast<int>(p_.inputs.size() + i);
      cost_ += rule->cost;
      if (!rule->folds || from.args.size() <= 2) {
        code_.push_back({run, from.args, result});
        continue;
      }
      int sum = from.args[0];
      for (size_t a = 1; a < from.args.size(); ++a) {
        const bool whole = a + 1 == from.args.size();
        const int next = whole ? result : static_cast<int>(types_.size());
        if (!whole) types_.push_back(from.dtype);
        code_.push_back({run, {sum, from.args[a]}, next});
        sum = next;
      }
    }
    last_.assign(types_.size(), -1);
    for (size_t i = 0; i < code_.size(); ++i) {
      for (const int arg : code_[i].args) Last(arg) = static_cast<int>(i);
    }
    for (const int r : p_.results) Last(r) = static_cast<int>(code_.size());
  }

  int& Last(int value) { return last_[static_cast<size_t>(value)]; }
  int BytesOf(int value) const {
    return static_cast<int>(DTypeSize(types_[static_cast<size_t>(value)]));
  }

  int NewRegister(int bytes) {
    std::vector<int>& free = free_[bytes];
    if (!free.empty()) {
      const int slot = free.back();
      free.pop_back();
      return slot;
    }
    register_bytes_.push_back(bytes);
    return e_.first_register_ + static_cast<int>(register_bytes_.size()) - 1;
  }

  void MakeInputs() {
    for (size_t i = 0; i < p_.inputs.size(); ++i) {
      const ElementProgram::Input& in = p_.inputs[i];
      Operand operand{.bytes = static_cast<int>(DTypeSize(in.dtype))};
      if (made_ != nullptr && i + 1 == p_.inputs.size()) {
        operand.kind = Operand::kMade;
        operand.slot = NewRegister(operand.bytes);
        cost_ += made_->cost;
      } else if (in.shape.NumElements() == p_.size) {
        operand.slot = static_cast<int>(i);
      } else {
        const bool scalar = in.shape.NumElements() == 1;
        operand.kind = scalar ? Operand::kScalar : Operand::kSpread;
        operand.slot = NewRegister(operand.bytes);
        if (!scalar) operand.walk = BroadcastWalk({&in.shape, 1}, in.over);
        cost_ += 1;
      }
      slot_of_[i] = operand.slot;
      e_.inputs_.push_back(std::move(operand));
    }
  }

  Status MakeOutputs() {
    for (size_t r = 0; r < p_.results.size(); ++r) {
      const int value = p_.results[r];
      // Another output may be in its place.
      if (!visited_ && static_cast<size_t>(value) < p_.inputs.size() &&
          e_.inputs_[static_cast<size_t>(value)].kind == Operand::kFull) {
        return InvalidArgument("result ", r, " is input ", value,
                               ", which is not spread");
      }
      Operand operand{.bytes = BytesOf(value)};
      if (WrittenInPlace(value)) {
        slot_of_[static_cast<size_t>(value)] =
            static_cast<int>(p_.inputs.size() + r);
      } else {
        operand.kind = Operand::kCopied;
      }
      e_.outputs_.push_back(std::move(operand));
    }
    return Ok();
  }

  // The instruction that makes it may write it to the output at once: nothing
  // reads, after that, an input that may be in the same place. What is the
  // result twice is copied.
  bool WrittenInPlace(int value) {
    const int inputs = static_cast<int>(p_.inputs.size());
    if (visited_ || value < inputs ||
        slot_of_[static_cast<size_t>(value)] >= 0) {
      return false;
    }
    const auto made = std::ranges::find(code_, value, &Step::result);
    const int when = static_cast<int>(made - code_.begin());
    for (int i = 0; i < inputs; ++i) {
      if (e_.inputs_[static_cast<size_t>(i)].kind == Operand::kFull &&
          BytesOf(i) == BytesOf(value) && Last(i) > when) {
        return false;
      }
    }
    return true;
  }

  // Registers of operands that are read for the last time are free for the
  // result already.
  void Assign(int number) {
    const Step& step = code_[static_cast<size_t>(number)];
    for (const int arg : step.args) {
      const int slot = slot_of_[static_cast<size_t>(arg)];
      if (Last(arg) != number || slot < e_.first_register_ ||
          arg < static_cast<int>(p_.inputs.size())) {
        continue;
      }
      free_[BytesOf(arg)].push_back(slot);
      Last(arg) = -1;  // an operand twice is freed once
    }
    int& result = slot_of_[static_cast<size_t>(step.result)];
    if (result < 0) result = NewRegister(BytesOf(step.result));
    const auto slot = [&](size_t i) {
      return i < step.args.size() ? slot_of_[static_cast<size_t>(step.args[i])]
                                  : slot_of_[static_cast<size_t>(step.args[0])];
    };
    e_.code_.push_back({step.run, slot(0), slot(1), slot(2), result});
  }

  // Room for the last elements of operands first, then the registers.
  Status PlaceMemory(size_t operands) {
    size_t used = 0;
    for (auto* list : {&e_.inputs_, &e_.outputs_}) {
      for (Operand& o : *list) {
        if (o.kind != Operand::kFull) continue;
        o.room = used;
        used += static_cast<size_t>(
            RoundedUp(int64_t{o.bytes} * kElementBlock, 64));
      }
    }
    size_t bytes = 0;  // of an element in all registers
    for (const int b : register_bytes_) bytes += static_cast<size_t>(b);
    int64_t block = std::min(kMaxBlock, RoundedUp(p_.size, kElementBlock));
    if (bytes > 0 && used < kFusedMemory) {
      const auto fit = static_cast<int64_t>((kFusedMemory - used) / bytes);
      block =
          std::min(block, fit / 64 > 0 ? fit / 64 * 64
                                       : fit / kElementBlock * kElementBlock);
    }
    if (used > kFusedMemory || block < kElementBlock ||
        operands + register_bytes_.size() > kMaxSlots) {
      return InvalidArgument("too many values: ", operands, " operands, ",
                             register_bytes_.size(), " registers of ", bytes,
                             " bytes an element");
    }
    e_.block_ = block;
    for (const int b : register_bytes_) {
      e_.registers_.push_back(used);
      used += static_cast<size_t>(block) * static_cast<size_t>(b);
    }
    return Ok();
  }

  const ElementProgram& p_;
  const bool visited_;
  const SourceRule* const made_;
  ElementEvaluator e_;
  std::vector<DType> types_;  // of values
  std::vector<int> last_;
  std::vector<Step> code_;
  std::vector<int> slot_of_;
  std::vector<int> register_bytes_;
  std::map<int, std::vector<int>> free_;  // by bytes
  int64_t cost_ = 1;
};

Result<ElementEvaluator> ElementEvaluator::Make(const ElementProgram& program,
                                                const SourceRule* made) {
  if (made != nullptr &&
      (program.inputs.empty() ||
       program.inputs.back().shape.NumElements() != program.size)) {
    return InvalidArgument("the last input does not have all elements");
  }
  return Maker(program, /*visited=*/false, made).Make();
}

Result<ElementEvaluator> ElementEvaluator::MakeVisited(
    const ElementProgram& program) {
  if (program.results.size() != 1) return InvalidArgument("not one result");
  return Maker(program, /*visited=*/true, nullptr).Make();
}

}  // namespace lockstep
