// SPDX-License-Identifier: Apache-2.0
// Kernels: those of .cu files, which come as loops, and those that the stand-in
// for NVRTC has compiled, which come as shared objects.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "runtime/device/cuda/cuda_status.h"
#include "runtime/op/gpu_loops.h"
#include "tests/gpu/stand_in/compiled.h"
#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

struct Object {
  explicit Object(void* h) : handle(h) {}
  ~Object() { (void)dlclose(handle); }
  void* handle;
};

}  // namespace
}  // namespace lockstep::stand_in

struct CUkern_st {
  std::shared_ptr<lockstep::stand_in::Object> object;  // while it is at work
  const lockstep::stand_in::CompiledKernel* compiled;
};
struct CUlib_st {
  std::shared_ptr<lockstep::stand_in::Object> object;
  std::vector<std::unique_ptr<CUkern_st>> kernels;
};

namespace lockstep::stand_in {
namespace {

struct State {
  std::mutex mutex;
  Handles<cudaLibrary_t> libraries{"library"};
  Handles<const void*> kernels{"kernel"};
  static State& Get() {
    static auto& state = *new State;
    return state;
  }
};

// Loads what is in memory; its size is that of the file it says it is.
void* Load(const char* code) {
  char name[] = "/tmp/lockstep_stand_in_XXXXXX";
  const int file = mkstemp(name);
  if (file < 0) return nullptr;
  size_t bytes = 0;
  std::memcpy(&bytes, code, sizeof(bytes));
  const bool written =
      write(file, code + sizeof(bytes), bytes) == static_cast<ssize_t>(bytes);
  (void)close(file);
  void* const handle = written ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : nullptr;
  (void)unlink(name);
  return handle;
}

// The parameters of a launch, which has them from when it is called.
struct Parameters {
  std::vector<std::vector<std::max_align_t>> values;
  std::vector<void*> addresses;
  std::vector<Use> uses;

  Parameters(const CompiledKernel& kernel, void** from) {
    for (size_t i = 0; i < kernel.parameters; ++i) {
      const size_t bytes = kernel.sizes[i];
      values.emplace_back(bytes / sizeof(std::max_align_t) + 1);
      std::memcpy(values.back().data(), from[i], bytes);
      for (const Use& use : AddressesIn(from[i], bytes)) uses.push_back(use);
    }
    for (auto& value : values) addresses.push_back(value.data());
  }
};

}  // namespace
}  // namespace lockstep::stand_in

namespace lockstep::gpu {

Status RunLoops(void* stream, const void* captured, size_t bytes,
                std::function<void()> loops) {
  if (stream == nullptr) stand_in::Misuse("a kernel is launched on no stream");
  (void)stand_in::EnqueueKernel(static_cast<cudaStream_t>(stream), "a kernel",
                                stand_in::AddressesIn(captured, bytes),
                                std::move(loops));
  // As after a launch.
  LS_RETURN_IF_CUDA(cudaGetLastError());
  return Ok();
}

}  // namespace lockstep::gpu

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code,
                                cudaJitOption*, void**, unsigned,
                                cudaLibraryOption*, void**, unsigned) {
  void* const handle = Load(static_cast<const char*>(code));
  if (handle == nullptr) return Noted(cudaErrorInvalidKernelImage);
  *library = new CUlib_st{std::make_shared<Object>(handle), {}};
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  s.libraries.Add(*library);
  return Noted(BrokenBy());
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library,
                                 const char* name) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.libraries.Has(library)) return Noted(cudaErrorInvalidResourceHandle);
  const void* const found = dlsym(
      library->object->handle, lockstep::StrCat(kCompiledPrefix, name).c_str());
  if (found == nullptr) return Noted(cudaErrorSymbolNotFound);
  library->kernels.push_back(std::make_unique<CUkern_st>(
      library->object, static_cast<const CompiledKernel*>(found)));
  *kernel = library->kernels.back().get();
  s.kernels.Add(*kernel);
  return Noted(BrokenBy());
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.libraries.Remove(library)) {
    return Noted(cudaErrorInvalidResourceHandle);
  }
  for (const auto& kernel : library->kernels) s.kernels.Remove(kernel.get());
  delete library;
  return Noted(BrokenBy());
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block,
                             void** arguments, size_t, cudaStream_t stream) {
  constexpr unsigned kMostThreads = 1024;
  if (grid.x == 0 || grid.y != 1 || grid.z != 1 || block.x == 0 ||
      block.x > kMostThreads || block.y != 1 || block.z != 1) {
    return Noted(cudaErrorInvalidConfiguration);
  }
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.kernels.Has(function)) {
    return Noted(cudaErrorInvalidDeviceFunction);
  }
  const auto& kernel = *static_cast<const CUkern_st*>(function);
  auto parameters = std::make_shared<Parameters>(*kernel.compiled, arguments);
  return EnqueueKernel(
      stream, "a compiled kernel", parameters->uses, [=, kernel = kernel] {
        kernel.compiled->run(grid.x, block.x, parameters->addresses.data());
      });
}

}  // extern "C"
