// SPDX-License-Identifier: Apache-2.0
// The ops that data_parallel.h puts into graphs; no program builds them. All
// are stateful and talk to the other ranks through the session's Communicator.
#include <algorithm>
#include <vector>

#include "distributed/collective_kernel.h"
#include "distributed/digest.h"
#include "distributed/gpu_exchange.h"
#include "distributed/variable_digest.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// Every output is like the input of the same number.
Status EachUnchangedShape(ShapeContext& c) {
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, c.Input(i)));
  }
  return Ok();
}

// _GradientExchange: outputs[i] = sum over ranks of weight * gradients[i].
//   gradients: N tensors of T; outputs: their shapes
// The weight is the rank's part of the global batch (see _BatchShare) when
// `weighted`, else 1 / ranks. A rank without samples contributes zeros.
// `on_gpu`: the gradients are in a GPU's memory, and go through the session's
// GpuExchange. With `compress` floats travel as bfloat16, rounded after they
// are weighted; they are added in float, and the sum is rounded once more.
struct ExchangeState {
  std::vector<Piece> pieces;
  bool weighted = false;
  bool compress = false;
  GpuCommunicator* gpus = nullptr;  // on_gpu
};

Status PrepareExchange(PrepareContext& p) {
  auto& state = p.MakeState<ExchangeState>();
  if (p.Attr<bool>("on_gpu")) {
    const auto* exchange = p.resources().Service<GpuExchange>();
    if (exchange == nullptr || exchange->communicator() == nullptr) {
      return FailedPrecondition(
          "the session's ranks have no way from GPU to GPU");
    }
    if (p.Attr<bool>("compress")) {
      return InvalidArgument("gradients are compressed by the host alone");
    }
    state.gpus = exchange->communicator();
  }
  state.pieces.resize(static_cast<size_t>(p.num_inputs()));
  state.weighted = p.Attr<bool>("weighted");
  state.compress = p.Attr<bool>("compress") && p.input_dtype(0) == kFloat;
  int64_t count = 0;
  for (int i = 0; i < p.num_inputs(); ++i) {
    count += p.input_shape(i).NumElements();
  }
  if (state.compress) {
    p.RequestScratch(static_cast<size_t>(count) * sizeof(BFloat16));
  }
  return CheckCommunicator(p);
}

Status ExchangeCompressed(KernelContext& k, std::span<const Piece> pieces,
                          float weight) {
  Communicator& ranks = *k.resources().Service<Communicator>();
  auto* const packed = static_cast<BFloat16*>(k.scratch());
  BFloat16* at = packed;
  for (const Piece& piece : pieces) {
    const auto* in = static_cast<const float*>(piece.in);
    // Zero, whatever the gradient is, for a rank without samples.
    for (int64_t i = 0; i < piece.count; ++i) {
      *at++ = weight == 0 ? BFloat16(0.0f) : BFloat16(weight * in[i]);
    }
  }
  LS_RETURN_IF_ERROR(ranks.AllReduce(packed, packed, at - packed, kBfloat16,
                                     ReduceOp::kSum, CollectiveOptions(k)));
  at = packed;
  for (const Piece& piece : pieces) {
    auto* out = static_cast<float*>(piece.out);
    for (int64_t i = 0; i < piece.count; ++i) {
      out[i] = static_cast<float>(*at++);
    }
  }
  return Ok();
}

Status Exchange(KernelContext& k) {
  Communicator& ranks = *k.resources().Service<Communicator>();
  auto& [pieces, weighted, compress, gpus] = k.state<ExchangeState>();
  for (int i = 0; i < k.num_inputs(); ++i) {
    pieces[static_cast<size_t>(i)] = {k.input(i).data(), k.output(i).data(),
                                      k.input(i).NumElements()};
  }
  const double weight = GradientWeight(k, weighted, ranks);
  if (compress) {
    return ExchangeCompressed(k, pieces, static_cast<float>(weight));
  }
  Communicator& by = gpus != nullptr ? *gpus : ranks;
  if (gpus != nullptr) gpus->FollowStream(k.stream());
  return by.AllReduce(pieces, k.input(0).dtype(), ReduceOp::kSum, weight,
                      CollectiveOptions(k));
}

Status ExchangeCpu(KernelContext& k) {
  LS_RETURN_IF_ERROR(Exchange(k));
  const auto& state = k.state<ExchangeState>();
  if (state.gpus == nullptr) NoteReduced(k);
  // Else the next _BatchShare tells.
  if (!state.weighted) TellDigest(k, ReducedSoFar(k).Take());
  return Ok();
}

LOCKSTEP_OP("_GradientExchange")
    .Input("gradients: N * T")
    .Output("outputs: N * T")
    .Attr("N: int >= 1")
    .Attr("T: {half, bfloat16, float, double}")
    .Attr("weighted: bool")
    .Attr("compress: bool = false")
    .Attr("on_gpu: bool = false")
    .Shape(EachUnchangedShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.synchronizes = true; })
    .Kernel(kCpu, {ExchangeCpu, PrepareExchange});

// _BatchShare: tells the run this rank's part of the global batch: how many
// samples it has (dimension 0 of `batch`; a scalar is one), how many the ranks
// before it have, and how many there are. Also makes the ranks draw the random
// numbers of the same step, rank 0's: one of them may have evaluated alone. And
// compares digests of the variables that the plan trains (variable_digest.h)
// and of what the exchanges of the step before gave (reduced_digest.h), which
// the lifeline's heartbeats tell, too.
struct Share {
  int64_t samples = 0;
  uint64_t random_step = 0;
  uint64_t names = 0;  // of what the next two are of
  uint64_t variables = 0;
  uint64_t reduced = 0;
};
constexpr int64_t kShareWords = 5;
static_assert(sizeof(Share) == kShareWords * sizeof(int64_t));
struct ShareState {
  explicit ShareState(std::vector<std::string> names)
      : variables(std::move(names)) {}
  VariableDigest variables;
  size_t* turns = nullptr;  // see ReducedDigest
  std::vector<Share> shares;
  std::vector<uint64_t> digests;
};

Status PrepareShare(PrepareContext& p) {
  LS_RETURN_IF_ERROR(CheckCommunicator(p));
  auto& state =
      p.MakeState<ShareState>(p.Attr<std::vector<std::string>>("variables"));
  state.turns = &TurnsOf(p);
  const auto ranks =
      static_cast<size_t>(p.resources().Service<Communicator>()->size());
  state.shares.resize(ranks);
  state.digests.resize(ranks);
  return Ok();
}

// Ranks that run different plans are told so by their exchanges.
bool TrainTheSame(const std::vector<Share>& shares) {
  return std::ranges::all_of(
      shares, [&](const Share& s) { return s.names == shares[0].names; });
}

Status CompareDigests(ShareState* state, uint64_t Share::*digest,
                      const std::string& what) {
  for (size_t r = 0; r < state->shares.size(); ++r) {
    state->digests[r] = state->shares[r].*digest;
  }
  const std::vector<int> odd = OddOnes(state->digests);
  return odd.empty() ? Ok() : Difference(odd, state->shares.size(), what);
}

Status ShareCpu(KernelContext& k) {
  Communicator& ranks = *k.resources().Service<Communicator>();
  auto& state = k.state<ShareState>();
  std::vector<Share>& shares = state.shares;
  RunInfo& run = k.run();
  const Shape& batch = k.input(0).shape();
  const Share mine{
      batch.rank() > 0 ? batch.dim(0) : 1, run.random_step,
      state.variables.names_digest(),
      state.variables.OfPart((*state.turns)++, &k.resources().variables()),
      ReducedSoFar(k).Take()};
  LS_RETURN_IF_ERROR(ranks.AllGather(&mine, shares.data(), kShareWords, kInt64,
                                     CollectiveOptions(k)));
  if (TrainTheSame(shares)) {
    TellDigest(k, mine.variables ^ mine.reduced);
    LS_RETURN_IF_ERROR(CompareDigests(&state, &Share::reduced,
                                      "the gradients summed over the ranks"));
    LS_RETURN_IF_ERROR(
        CompareDigests(&state, &Share::variables, state.variables.What()));
  }
  run.sample_offset = 0;
  run.local_samples = mine.samples;
  run.global_samples = 0;
  for (int r = 0; r < ranks.size(); ++r) {
    const int64_t samples = shares[static_cast<size_t>(r)].samples;
    if (r < ranks.rank()) run.sample_offset += samples;
    run.global_samples += samples;
  }
  // The session counts on from there.
  const uint64_t counted = k.resources().random_step() - run.random_step;
  run.random_step = shares[0].random_step;
  k.resources().set_random_step(run.random_step + counted);
  return Ok();
}

LOCKSTEP_OP("_BatchShare")
    .Input("batch: T")
    .Attr("T: type")
    .Attr("variables: list(string)")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.synchronizes = true; })
    .Kernel(kCpu, {ShareCpu, PrepareShare});

// _BroadcastFromRoot: rank 0's value, on every rank; shapes must be equal.
Status PrepareBroadcast(PrepareContext& p) { return CheckCommunicator(p); }

Status BroadcastCpu(KernelContext& k) {
  Communicator& ranks = *k.resources().Service<Communicator>();
  const Tensor& value = k.input(0);
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, value.shape()));
  Tensor& out = k.output(0);
  if (out.data() != value.data()) out.CopyFrom(value);
  return ranks.Broadcast(out.data(), out.NumElements(), out.dtype(),
                         /*root=*/0, CollectiveOptions(k));
}

LOCKSTEP_OP("_BroadcastFromRoot")
    .Input("value: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(UnchangedShape)
    .NoGradient()
    .Stateful()
    .InPlace(0, 0)
    .With([](OpTraits& t) { t.synchronizes = true; })
    .Kernel(kCpu, {BroadcastCpu, PrepareBroadcast});

}  // namespace
}  // namespace lockstep
