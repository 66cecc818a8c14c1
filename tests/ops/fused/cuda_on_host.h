// SPDX-License-Identifier: Apache-2.0
#pragma once

// CudaOnHost: kernels of CudaElementsOf compiled by the host's compiler, with
// loops in place of blocks and threads, and loaded into this process. Shows
// what the sources compute where there is no GPU; not how a GPU runs them.
//
//   CudaOnHost code;
//   const int first = code.Add(program);
//   ASSERT_TRUE(code.Compile().ok());
//   code.Run(first, operands);            // addresses: inputs, then results

#include <string>
#include <vector>

#include "ops/fused/cuda_source.h"
#include "tests/testing/run_program.h"

namespace lockstep::testing {

class CudaOnHost {
 public:
  CudaOnHost() = default;
  ~CudaOnHost();
  CudaOnHost(const CudaOnHost&) = delete;
  CudaOnHost& operator=(const CudaOnHost&) = delete;

  // The number of the program's kernel.
  Result<int> Add(const ElementProgram& program);
  Status Compile();
  // Requires Compile. `packed`: as many elements as can be by packs.
  void Run(int kernel, const std::vector<void*>& operands,
           bool packed = true) const;
  const CudaElements& kernel(int number) const {
    return kernels_[static_cast<size_t>(number)];
  }

 private:
  using Loop = void (*)(uint64_t packs, uint64_t n, const void* operands);
  std::vector<CudaElements> kernels_;
  std::vector<int64_t> sizes_;
  std::vector<Loop> loops_;
  void* library_ = nullptr;
};

}  // namespace lockstep::testing
