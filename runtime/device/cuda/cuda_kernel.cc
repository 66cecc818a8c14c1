// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda/cuda_kernel.h"

#include <map>
#include <mutex>

#include "runtime/device/cuda/cuda_status.h"
#include "runtime/device/cuda/nvrtc.h"

namespace lockstep {
namespace {

using Key = std::pair<int, std::string>;  // capability, source

struct Cache {
  std::mutex mutex;
  std::map<Key, std::shared_ptr<CudaKernel>> kernels;
};
// Not destroyed: the driver may be gone before.
Cache& TheCache() {
  static auto& cache = *new Cache;
  return cache;
}

Result<int> CapabilityOf(int gpu) {
  int major = 0, minor = 0;
  LS_RETURN_IF_CUDA(
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu));
  LS_RETURN_IF_CUDA(
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, gpu));
  return 10 * major + minor;
}

}  // namespace

Result<std::shared_ptr<CudaKernel>> CudaKernel::Get(const std::string& source,
                                                    const char* name, int gpu) {
  const CudaDeviceScope scope(gpu);
  LS_RETURN_IF_ERROR(scope.status());
  LS_ASSIGN_OR_RETURN(const int capability, CapabilityOf(gpu));
  Cache& cache = TheCache();
  const std::lock_guard lock(cache.mutex);
  const auto found = cache.kernels.find({capability, source});
  if (found != cache.kernels.end()) return found->second;
  if (cache.kernels.size() >= kMostKept) {
    std::erase_if(cache.kernels, [](const auto& kept) {
      return kept.second.use_count() == 1;
    });
  }
  LS_ASSIGN_OR_RETURN(std::shared_ptr<CudaKernel> made,
                      Make(source, name, capability));
  cache.kernels[{capability, source}] = made;
  return made;
}

Result<std::shared_ptr<CudaKernel>> CudaKernel::Make(const std::string& source,
                                                     const char* name,
                                                     int capability) {
  std::shared_ptr<CudaKernel> made(new CudaKernel);
  LS_ASSIGN_OR_RETURN(made->code_, CompileCuda(source, capability));
  LS_RETURN_IF_CUDA(cudaLibraryLoadData(&made->library_, made->code_.data(),
                                        nullptr, nullptr, 0, nullptr, nullptr,
                                        0));
  LS_RETURN_IF_CUDA(cudaLibraryGetKernel(&made->kernel_, made->library_, name));
  return made;
}

CudaKernel::~CudaKernel() {
  if (library_ != nullptr) (void)cudaLibraryUnload(library_);
}

Status CudaKernel::Launch(void* stream, unsigned blocks, unsigned threads,
                          void** arguments) const {
  LS_RETURN_IF_CUDA(cudaLaunchKernel(kernel_, dim3{blocks, 1, 1},
                                     dim3{threads, 1, 1}, arguments, 0,
                                     static_cast<cudaStream_t>(stream)));
  return Ok();
}

}  // namespace lockstep
