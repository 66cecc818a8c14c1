// SPDX-License-Identifier: Apache-2.0
#include "ops/fused/evaluator.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ops/array/element_unit.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

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

void Fill(const void* input, int64_t at, int64_t n, void* to) {
  const auto& made = *static_cast<const ElementSource*>(input);
  made.rule->fill(made.source, *made.run, at, n, to);
}

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
  n = std::min(block_, RoundedUp(n, kElementBlock));
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
    } else if (in.kind == Operand::kMade) {
      Fill(inputs[i], at, n, room.slot(in.slot));
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
      } else if (in.kind == Operand::kMade) {
        Fill(inputs[i], at, n, to);
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
