// SPDX-License-Identifier: Apache-2.0

// Assert: INVALID_ARGUMENT "assertion failed: [..] [..]" with `data`, unless
// the condition holds.
//   condition: bool []   data: any tensors
// Attribute summarize: elements of each shown, negative for all.

#include "ops/check/check.h"
#include "ops/check/summarize.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status AssertCpu(KernelContext& k) {
  if (k.input(0).NumElements() != 1) {
    return InvalidArgument("In[0] should be a scalar: ", k.input(0).shape());
  }
  if (k.in<bool>(0)[0]) return Ok();
  const int64_t limit = GetOr<int64_t>(k.attrs(), "summarize", 3);
  std::string text = "assertion failed: ";
  for (int i = 1; i < k.num_inputs(); ++i) {
    if (i > 1) text += ' ';
    text += StrCat("[", SummarizeFlat(k.input(i), limit), "]");
  }
  return InvalidArgument(text);
}

LOCKSTEP_OP("Assert")
    .Input("condition: bool")
    .Input("data: T")
    .Attr("T: list(type) >= 1")
    .Attr("summarize: int = 3")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {AssertCpu});

}  // namespace

Node* ops::Assert(const Scope& scope, const Input& condition,
                  const std::vector<Output>& data, int summarize) {
  return scope.Op("Assert")
      .In(condition)
      .In(data)
      .Attr("summarize", summarize)
      .Build();
}

}  // namespace lockstep
