// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/gpu_kernel.h"

#include "runtime/op/element_functor.h"

namespace lockstep {

Status SharedWithCpu(KernelContext&) {
  return Internal("a GPU shares a kernel that the CPU does not have");
}

GpuKernels& GpuKernels::Element(const std::string& functor) {
  for (const std::string& op : ops_) AddElementFunctor(op, functor);
  return *this;
}

GpuKernels& GpuKernels::HostMemory(std::vector<std::string> args) {
  host_memory_ = std::move(args);
  return *this;
}

GpuKernels& GpuKernels::Types(const std::string& attr,
                              std::initializer_list<DType> types,
                              GpuFunctions functions) {
  for (DType type : types) Where({{attr, type}}, functions);
  return *this;
}

GpuKernels& GpuKernels::Where(std::vector<TypeConstraint> constraints,
                              GpuFunctions functions) {
  Add(std::move(constraints), {.run = functions.run,
                               .prepare = functions.prepare,
                               .host_memory = host_memory_});
  return *this;
}

GpuKernels& GpuKernels::Shared(const std::string& attr,
                               std::initializer_list<DType> types) {
  for (DType type : types) {
    Add({{attr, type}}, {.run = SharedWithCpu, .host_memory = host_memory_});
  }
  return *this;
}

GpuKernels& GpuKernels::SharedAlways() {
  Add({}, {.run = SharedWithCpu, .host_memory = host_memory_});
  return *this;
}

GpuKernels& GpuKernels::OnHost(const std::string& attr,
                               std::initializer_list<DType> types) {
  for (DType type : types) Add({{attr, type}}, {.on_host = true});
  return *this;
}

void GpuKernels::Add(std::vector<TypeConstraint> constraints,
                     KernelDef kernel) {
  for (const std::string& op : ops_) {
    OpRegistry::Global().AddKernel(op, {kGpu, constraints, kernel});
  }
}

}  // namespace lockstep
