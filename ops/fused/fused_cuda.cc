// SPDX-License-Identifier: Apache-2.0

// _Fused on CUDA: its program as one kernel, which NVRTC compiles when the plan
// is made.

#include <algorithm>
#include <array>

#include "ops/fused/cuda_source.h"
#include "ops/fused/gpu.h"
#include "ops/fused/program_of.h"
#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_kernel.h"
#include "runtime/device/device_set.h"
#include "runtime/op/kernel.h"

namespace lockstep::gpu {
namespace {

constexpr int64_t kThreads = 256;
constexpr int64_t kMostBlocks = 4096;

struct FusedState {
  std::shared_ptr<CudaKernel> kernel;
  int64_t size = 0;
  int width = 1;
  bool wide = false;
};

}  // namespace

Status PrepareFused(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const ElementProgram program, ProgramOf(p));
  if (program.size == 0) {
    p.MakeState<FusedState>();
    return Ok();
  }
  LS_ASSIGN_OR_RETURN(const CudaElements made, CudaElementsOf(program));
  const int gpu = p.device().memory != nullptr
                      ? CudaIndex(p.device().memory->hardware())
                      : -1;
  FusedState& state = p.MakeState<FusedState>();
  state.size = program.size;
  state.width = made.width;
  state.wide = made.wide;
  if (gpu < 0) return Ok();  // it is only described
  LS_ASSIGN_OR_RETURN(
      state.kernel, CudaKernel::Get(kCudaFunctors + made.source, "Fused", gpu));
  return Ok();
}

Status Fused(KernelContext& k) {
  const FusedState& s = k.state<FusedState>();
  if (s.size == 0) return Ok();  // no blocks are no launch
  std::array<void*, kMaxFusedInputs + kMaxFusedOutputs> operands;
  size_t count = 0;
  uintptr_t bits = 0;  // of all addresses
  for (int i = 0; i < k.num_inputs(); ++i) {
    // Read only, though kernels' parameters do not say so.
    operands[count++] = const_cast<void*>(k.input(i).data());
  }
  for (int i = 0; i < k.num_outputs(); ++i) {
    operands[count++] = k.output(i).data();
  }
  for (size_t i = 0; i < count; ++i) {
    bits |= reinterpret_cast<uintptr_t>(operands[i]);
  }
  const bool aligned = bits % kFusedAlignment == 0;
  uint64_t packs = aligned ? static_cast<uint64_t>(s.size / s.width) : 0;
  uint64_t n = static_cast<uint64_t>(s.size);
  auto narrow_packs = static_cast<uint32_t>(packs);
  auto narrow_n = static_cast<uint32_t>(n);
  void* arguments[] = {s.wide ? static_cast<void*>(&packs) : &narrow_packs,
                       s.wide ? static_cast<void*>(&n) : &narrow_n,
                       operands.data()};
  const int64_t work = packs > 0 ? s.size / s.width : s.size;
  const int64_t blocks =
      std::min((work + kThreads - 1) / kThreads, kMostBlocks);
  return s.kernel->Launch(k.stream(), static_cast<unsigned>(blocks),
                          static_cast<unsigned>(kThreads), arguments);
}

}  // namespace lockstep::gpu
