// SPDX-License-Identifier: Apache-2.0
// AudioSummary, AudioSummaryV2: the first sounds of a batch as WAVs. The older
// op has the sample rate as an attribute.
//   tag: []   tensor: [n,frames] or [n,frames,channels]   sample_rate: []
//   summary: []
#include "ops/summary/emit.h"
#include "ops/summary/summary.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct AudioState {
  int64_t max_outputs = 3;
  float sample_rate = 0;  // of the attribute
};

Status AudioPrepare(PrepareContext& p) {
  p.MakeState<AudioState>(
      AudioState{p.Attr<int64_t>("max_outputs"),
                 GetOr<float>(p.attrs(), "sample_rate", 0)});
  return Ok();
}

Status EmitAudio(KernelContext& k, float sample_rate) {
  LS_ASSIGN_OR_RETURN(const std::string tag, detail::TagOf(k, 0));
  Summary summary;
  LS_RETURN_IF_ERROR(summary.AddAudio(tag, k.input(1), sample_rate,
                                      k.state<AudioState>().max_outputs));
  return detail::Emit(k, summary);
}

Status AudioCpu(KernelContext& k) {
  return EmitAudio(k, k.state<AudioState>().sample_rate);
}

Status AudioV2Cpu(KernelContext& k) {
  if (k.input(2).NumElements() != 1) {
    return InvalidArgument("sample_rate must be one number, has shape ",
                           k.input(2).shape());
  }
  return EmitAudio(k, *k.in<float>(2));
}

LOCKSTEP_OP("AudioSummary")
    .Input("tag: string")
    .Input("tensor: float")
    .Output("summary: string")
    .Attr("sample_rate: float")
    .Attr("max_outputs: int >= 1 = 3")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {AudioCpu, AudioPrepare});

LOCKSTEP_OP("AudioSummaryV2")
    .Input("tag: string")
    .Input("tensor: float")
    .Input("sample_rate: float")
    .Output("summary: string")
    .Attr("max_outputs: int >= 1 = 3")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {AudioV2Cpu, AudioPrepare});

}  // namespace

Output ops::AudioSummary(const Scope& scope, const Input& tag,
                         const Input& tensor, const Input& sample_rate,
                         int64_t max_outputs) {
  return scope.Op("AudioSummaryV2")
      .In(tag)
      .In(tensor)
      .In(sample_rate)
      .Attr("max_outputs", max_outputs)
      .Out();
}

}  // namespace lockstep
