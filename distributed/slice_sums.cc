// SPDX-License-Identifier: Apache-2.0
#include "distributed/slice_sums.h"

#include <cstring>
#include <utility>
#include <vector>

#include "runtime/core/simd.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

template <class Word>
uint32_t WordAt(const std::byte* data, int64_t i) {
  Word word;
  std::memcpy(&word, data + i * static_cast<int64_t>(sizeof(Word)),
              sizeof(Word));
  return word;
}

// Four quarters side by side: one addition would wait for the one before.
template <class Word>
LS_SIMD_CLONES uint32_t Sum(const std::byte* data, int64_t words) {
  const int64_t quarter = words / 4;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  for (int64_t i = 0; i < quarter; ++i) {
    a += WordAt<Word>(data, i);
    b += WordAt<Word>(data, i + quarter);
    c += WordAt<Word>(data, i + 2 * quarter);
    d += WordAt<Word>(data, i + 3 * quarter);
  }
  for (int64_t i = 4 * quarter; i < words; ++i) a += WordAt<Word>(data, i);
  return a + b + c + d;
}

}  // namespace

uint32_t SumOfWords(const void* values, int64_t count, DType dtype) {
  const auto* data = static_cast<const std::byte*>(values);
  const auto bytes = static_cast<int64_t>(DTypeSize(dtype));
  return bytes == 2 ? Sum<uint16_t>(data, count)
                    : Sum<uint32_t>(data, count * (bytes / 4));
}

void SliceWatch::Begin(const SlotSlices::Division& division) {
  before_ = std::exchange(*kept_, {.division = division});
  before_.valid = before_.valid && watched_ && before_.division == division;
  read_ = 0;
  wrote_ = 0;
}

Status SliceWatch::End(std::string_view variable, int rank) {
  kept_->sum = wrote_;
  kept_->valid = watched_;
  if (!before_.valid || before_.sum == read_) return Ok();
  return DataLoss("rank ", rank,
                  " does not find what it wrote last to the variable '",
                  variable,
                  "': the memory or the processor is at fault, or something "
                  "else wrote to it");
}

namespace {

// _ForgetSums: nobody expects any more what updates wrote to the variables.
// For plans that write to them otherwise.
using Sums = std::vector<SliceSum*>;

Status PrepareForget(PrepareContext& p) {
  auto& sums = p.MakeState<Sums>();
  auto* service = p.resources().Service<SliceSums>();
  if (service == nullptr) {
    return FailedPrecondition("the session has no SliceSums");
  }
  for (const auto& name : p.Attr<std::vector<std::string>>("variables")) {
    sums.push_back(service->Of(name));
  }
  return Ok();
}

Status ForgetCpu(KernelContext& k) {
  for (SliceSum* sum : k.state<Sums>()) sum->valid = false;
  return Ok();
}

LOCKSTEP_OP("_ForgetSums")
    .Attr("variables: list(string)")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {ForgetCpu, PrepareForget});

}  // namespace
}  // namespace lockstep
