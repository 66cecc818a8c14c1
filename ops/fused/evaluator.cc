// SPDX-License-Identifier: Apache-2.0
#include "ops/fused/evaluator.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "ops/array/element_unit.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

constexpr int64_t kMaxBlock = 1024;
constexpr size_t kMaxSlots = kFusedMemory / kElementBlock;
// Additions worth a thread.
constexpr int64_t kGrainWork = 65536;

template <class F>
void VisitBytes(int bytes, const F& f) {
  switch (bytes) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    case 8: return f(uint64_t());
    default: return f(Unit128());
  }
}

int64_t RoundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

// One thread's registers and the addresses of its operands.
class ElementEvaluator::Room {
 public:
  explicit Room(const ElementEvaluator& e) {
    for (size_t i = 0; i < e.registers_.size(); ++i) {
      slots_[static_cast<size_t>(e.first_register_) + i] =
          memory_ + e.registers_[i];
    }
  }
  void*& slot(int i) { return slots_[static_cast<size_t>(i)]; }
  std::byte* at(size_t offset) { return memory_ + offset; }

 private:
  std::array<void*, kMaxSlots> slots_;
  alignas(64) std::byte memory_[kFusedMemory];
};

// Gives values their slots.
class ElementEvaluator::Maker {
 public:
  // `visited`: the result stays in a register.
  Maker(const ElementProgram& program, bool visited)
      : p_(program), visited_(visited), last_(LastReads(program)) {}

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
    e_.grain_ = RoundUp(std::max<int64_t>(kGrainWork / cost_, 1), e_.block_);
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
      if (in.shape.NumElements() == p_.size) {
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
        used +=
            static_cast<size_t>(RoundUp(int64_t{o.bytes} * kElementBlock, 64));
      }
    }
    size_t bytes = 0;  // of an element in all registers
    for (const int b : register_bytes_) bytes += static_cast<size_t>(b);
    int64_t block = std::min(kMaxBlock, RoundUp(p_.size, kElementBlock));
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
  ElementEvaluator e_;
  std::vector<DType> types_;  // of values
  std::vector<int> last_;
  std::vector<Step> code_;
  std::vector<int> slot_of_;
  std::vector<int> register_bytes_;
  std::map<int, std::vector<int>> free_;  // by bytes
  int64_t cost_ = 1;
};

Result<ElementEvaluator> ElementEvaluator::Make(const ElementProgram& program) {
  return Maker(program, /*visited=*/false).Make();
}

Result<ElementEvaluator> ElementEvaluator::MakeVisited(
    const ElementProgram& program) {
  if (program.results.size() != 1) return InvalidArgument("not one result");
  return Maker(program, /*visited=*/true).Make();
}

void ElementEvaluator::Run(std::span<const void* const> inputs,
                           std::span<void* const> outputs) const {
  if (size_ <= grain_) return RunRange(inputs, outputs, 0, size_);
  ParallelFor(size_, grain_, [&](int64_t begin, int64_t end) {
    RunRange(inputs, outputs, begin, end);
  });
}

void ElementEvaluator::RunRange(std::span<const void* const> inputs,
                                std::span<void* const> outputs, int64_t begin,
                                int64_t end) const {
  Room room(*this);
  SpreadScalars(inputs, end - begin, room);
  for (int64_t at = begin; at < end; at += block_) {
    const int64_t n = std::min(block_, end - at);
    const int64_t whole = n - n % kElementBlock;
    if (whole > 0) RunBlock(inputs, outputs, at, whole, room);
    if (whole < n) RunLast(inputs, outputs, at + whole, n - whole, room);
  }
}

void ElementEvaluator::Visit(std::span<const void* const> inputs, int64_t begin,
                             int64_t end, VisitFn f, void* to) const {
  Room room(*this);
  SpreadScalars(inputs, end - begin, room);
  const int result = outputs_[0].slot;
  for (int64_t at = begin; at < end; at += block_) {
    const int64_t n = std::min(block_, end - at);
    const int64_t whole = n - n % kElementBlock;
    if (whole > 0) {
      ReadBlock(inputs, at, whole, room);
      Execute(whole, room);
      f(to, room.slot(result), whole);
    }
    if (whole < n) {
      ReadLast(inputs, at + whole, n - whole, room);
      Execute(kElementBlock, room);
      f(to, room.slot(result), n - whole);
    }
  }
}

void ElementEvaluator::SpreadScalars(std::span<const void* const> inputs,
                                     int64_t n, Room& room) const {
  n = std::min(block_, RoundUp(n, kElementBlock));
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Operand& in = inputs_[i];
    if (in.kind != Operand::kScalar) continue;
    VisitBytes(in.bytes, [&]<class U>(U) {
      std::fill_n(static_cast<U*>(room.slot(in.slot)), n,
                  *static_cast<const U*>(inputs[i]));
    });
  }
}

void ElementEvaluator::Execute(int64_t n, Room& room) const {
  for (const Instruction& i : code_) {
    i.run(room.slot(i.a), room.slot(i.b), room.slot(i.c), room.slot(i.y), n);
  }
}

void ElementEvaluator::ReadBlock(std::span<const void* const> inputs,
                                 int64_t at, int64_t n, Room& room) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Operand& in = inputs_[i];
    if (in.kind == Operand::kFull) {
      // Read only, though slots are not const.
      room.slot(in.slot) = const_cast<char*>(
          static_cast<const char*>(inputs[i]) + at * in.bytes);
    } else if (in.kind == Operand::kSpread) {
      VisitBytes(in.bytes, [&]<class U>(U) {
        in.walk.Spread(static_cast<const U*>(inputs[i]), at, n,
                       static_cast<U*>(room.slot(in.slot)));
      });
    }
  }
}

void ElementEvaluator::RunBlock(std::span<const void* const> inputs,
                                std::span<void* const> outputs, int64_t at,
                                int64_t n, Room& room) const {
  ReadBlock(inputs, at, n, room);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Operand& out = outputs_[i];
    if (out.kind == Operand::kFull) {
      room.slot(out.slot) = static_cast<char*>(outputs[i]) + at * out.bytes;
    }
  }
  Execute(n, room);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Operand& out = outputs_[i];
    if (out.kind == Operand::kFull) continue;
    std::memcpy(static_cast<char*>(outputs[i]) + at * out.bytes,
                room.slot(out.slot), static_cast<size_t>(n * out.bytes));
  }
}

// Fewer than kElementBlock elements, in a block of that many.
void ElementEvaluator::ReadLast(std::span<const void* const> inputs, int64_t at,
                                int64_t n, Room& room) const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Operand& in = inputs_[i];
    if (in.kind == Operand::kScalar) continue;
    VisitBytes(in.bytes, [&]<class U>(U) {
      const U* from = static_cast<const U*>(inputs[i]);
      if (in.kind == Operand::kFull) room.slot(in.slot) = room.at(in.room);
      U* to = static_cast<U*>(room.slot(in.slot));
      if (in.kind == Operand::kFull) {
        std::copy_n(from + at, n, to);
      } else {
        in.walk.Spread(from, at, n, to);
      }
      std::fill_n(to + n, kElementBlock - n, U());
    });
  }
}

void ElementEvaluator::RunLast(std::span<const void* const> inputs,
                               std::span<void* const> outputs, int64_t at,
                               int64_t n, Room& room) const {
  ReadLast(inputs, at, n, room);
  for (const Operand& out : outputs_) {
    if (out.kind == Operand::kFull) room.slot(out.slot) = room.at(out.room);
  }
  Execute(kElementBlock, room);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Operand& out = outputs_[i];
    std::memcpy(static_cast<char*>(outputs[i]) + at * out.bytes,
                room.slot(out.slot), static_cast<size_t>(n * out.bytes));
  }
}

}  // namespace lockstep
