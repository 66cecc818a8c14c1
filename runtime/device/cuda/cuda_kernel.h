// SPDX-License-Identifier: Apache-2.0
#pragma once

// CudaKernel: a kernel that is compiled as the program runs. For builds with
// CUDA. Compiled once a process for each source and kind of GPU; what no plan
// uses any more is kept until there are kMostKept others.
//
//   LS_ASSIGN_OR_RETURN(std::shared_ptr<CudaKernel> kernel,
//                       CudaKernel::Get(source, "Fused", /*gpu=*/0));
//   void* arguments[] = {&n, &operands};
//   return kernel->Launch(k.stream(), blocks, threads, arguments);

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "runtime/core/status.h"

namespace lockstep {

class CudaKernel {
 public:
  static constexpr size_t kMostKept = 256;

  // Thread-safe.
  static Result<std::shared_ptr<CudaKernel>> Get(const std::string& source,
                                                 const char* name, int gpu);
  ~CudaKernel();
  CudaKernel(const CudaKernel&) = delete;
  CudaKernel& operator=(const CudaKernel&) = delete;

  // On a stream of the thread's current GPU, of the kind it was made for.
  Status Launch(void* stream, unsigned blocks, unsigned threads,
                void** arguments) const;

 private:
  CudaKernel() = default;
  static Result<std::shared_ptr<CudaKernel>> Make(const std::string& source,
                                                  const char* name,
                                                  int capability);
  std::string code_;
  cudaLibrary_t library_ = nullptr;
  cudaKernel_t kernel_ = nullptr;
};

}  // namespace lockstep
