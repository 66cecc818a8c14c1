// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which ops run on a GPU, for which types, and which of their operands stay in
// host memory. Each family lists its own in ops/<family>/gpu_kernels.cc, which
// is compiled in every build: with CUDA the functions are those of the .cu
// files, without it there are none, and virtual GPUs run the CPU's kernels of
// just these ops. An op that needs no kernel (Const, Identity, a variable) is
// listed too: what is not listed is not placed on a GPU.
//
//   const GpuKernels kBinary = GpuKernels({"Add", "AddV2", "Sub"})
//       .Types("T", {kHalf, kFloat, kDouble}, LS_CUDA(gpu::Binary))
//       .OnHost("T", {kInt32});
//   const GpuKernels kReshape = GpuKernels({"Reshape"})
//       .HostMemory({"shape"}).Types("T", kGpuTypes);
//
// Static initialisers only.

#include <initializer_list>
#include <string>
#include <vector>

#include "runtime/op/op_def.h"

// LS_CUDA(run) or LS_CUDA(run, prepare): functions that only a build with CUDA
// has.
#ifdef LOCKSTEP_CUDA
#define LS_CUDA(...) \
  ::lockstep::GpuFunctions { __VA_ARGS__ }
#else
#define LS_CUDA(...) \
  ::lockstep::GpuFunctions {}
#endif

namespace lockstep {

struct GpuFunctions {
  RunFn run = nullptr;
  PrepareFn prepare = nullptr;
};

// Stands for the CPU's functions in a list; the registry puts those in.
Status SharedWithCpu(KernelContext& k);

// The types that most GPU kernels are for.
inline constexpr std::initializer_list<DType> kGpuFloats = {kHalf, kBfloat16,
                                                            kFloat, kDouble};
// The types that can be on a GPU; int32 is the host's by convention.
inline constexpr std::initializer_list<DType> kGpuTypes = {
    kHalf, kBfloat16, kFloat, kDouble, kInt64,  kBool,
    kInt8, kUint8,    kInt16, kUint16, kUint32, kUint64};

class GpuKernels {
 public:
  explicit GpuKernels(std::initializer_list<const char*> ops)
      : ops_(ops.begin(), ops.end()) {}
  // The functor that computes an element (element_functor.h): the ops can be
  // fused with neighbours on a GPU.
  GpuKernels& Element(const std::string& functor);
  // Args (by name) in host memory, for the kernels that follow.
  GpuKernels& HostMemory(std::vector<std::string> args);
  // A kernel for each type of attribute `attr`.
  GpuKernels& Types(const std::string& attr, std::initializer_list<DType> types,
                    GpuFunctions functions = {});
  // A kernel for the types that the constraints give.
  GpuKernels& Where(std::vector<TypeConstraint> constraints,
                    GpuFunctions functions = {});
  // One kernel for all types.
  GpuKernels& Always(GpuFunctions functions = {}) {
    return Where({}, functions);
  }
  // The CPU's functions, which launch on k.stream() where there is one, or
  // touch no elements.
  GpuKernels& Shared(const std::string& attr,
                     std::initializer_list<DType> types);
  GpuKernels& SharedAlways();
  // The CPU's kernel on host memory, all operands there.
  GpuKernels& OnHost(const std::string& attr,
                     std::initializer_list<DType> types);

 private:
  void Add(std::vector<TypeConstraint> constraints, KernelDef kernel);
  std::vector<std::string> ops_;
  std::vector<std::string> host_memory_;
};

}  // namespace lockstep
