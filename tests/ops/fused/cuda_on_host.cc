// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/fused/cuda_on_host.h"

#include <dlfcn.h>

#include <fstream>
#include <iterator>

#include "tests/gpu/stand_in/host_cuda.h"

namespace lockstep::testing {
namespace {

// Two blocks of three threads, one after the other.
std::string LoopOver(const std::string& kernel) {
  return StrCat(R"(
extern "C" void Loop)",
                kernel, R"((uint64_t packs, uint64_t n, const void* operands) {
  using namespace lockstep::gpu;
  gridDim.x = 2;
  blockDim.x = 3;
  for (blockIdx.x = 0; blockIdx.x < 2; ++blockIdx.x) {
    for (threadIdx.x = 0; threadIdx.x < 3; ++threadIdx.x) {
      )",
                kernel, "(packs, n, *static_cast<const ", kernel,
                R"(Operands*>(operands));
    }
  }
}
)");
}

std::string NameOf(size_t kernel) { return StrCat("Fused", kernel); }

}  // namespace

CudaOnHost::~CudaOnHost() {
  if (library_ != nullptr) dlclose(library_);
}

Result<int> CudaOnHost::Add(const ElementProgram& program) {
  LS_ASSIGN_OR_RETURN(CudaElements made,
                      CudaElementsOf(program, NameOf(kernels_.size())));
  kernels_.push_back(std::move(made));
  sizes_.push_back(program.size);
  return static_cast<int>(kernels_.size()) - 1;
}

Status CudaOnHost::Compile() {
  const ScratchFolder folder;
  {
    std::ofstream file(folder / "fused.cc");
    file << stand_in::kHostCuda << kCudaFunctors;
    for (size_t i = 0; i < kernels_.size(); ++i) {
      file << kernels_[i].source << LoopOver(NameOf(i));
    }
  }
  std::vector<std::string> command = {LOCKSTEP_CXX};
  command.insert(command.end(), std::begin(stand_in::kHostCudaOptions),
                 std::end(stand_in::kHostCudaOptions));
  command.insert(command.end(),
                 {"-o", folder / "fused.so", folder / "fused.cc"});
  const Finished compiler = RunProgram(command);
  if (compiler.status != 0) {
    return Internal("the host's compiler: ", compiler.err.substr(0, 4000));
  }
  library_ = dlopen((folder / "fused.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) return Internal(dlerror());
  for (size_t i = 0; i < kernels_.size(); ++i) {
    void* const loop = dlsym(library_, StrCat("Loop", NameOf(i)).c_str());
    if (loop == nullptr) return Internal("no Loop", NameOf(i));
    loops_.push_back(reinterpret_cast<Loop>(loop));
  }
  return Ok();
}

void CudaOnHost::Run(int kernel, const std::vector<void*>& operands,
                     bool packed) const {
  const size_t k = static_cast<size_t>(kernel);
  const int64_t packs = packed ? sizes_[k] / kernels_[k].width : 0;
  loops_[k](static_cast<uint64_t>(packs), static_cast<uint64_t>(sizes_[k]),
            operands.data());
}

}  // namespace lockstep::testing
