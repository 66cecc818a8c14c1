// SPDX-License-Identifier: Apache-2.0
#pragma once

// The CUDA C++ of an ElementProgram, for NVRTC: one kernel that reads each
// input and writes each result once. What an instruction computes is the
// functor of its op (ElementFunctorOf), whose source stands before the kernel,
// so fused and unfused ops have the same arithmetic on a GPU as on the CPU.
//
//   LS_ASSIGN_OR_RETURN(const CudaElements made, CudaElementsOf(program));
//   compile(kCudaFunctors + made.source);
//
// The kernel is
//
//   extern "C" __global__ void Fused(Index packs, Index n, Operands operands);
//
// operands: the addresses of the inputs, then of the results. The first packs *
// width elements are read and written `width` at once, which takes addresses
// that are multiples of kFusedAlignment; those up to n follow one by one. Any
// number of threads does. A result may be in the place of an input of as many
// elements. Index is unsigned, or 64 bits wide when `wide`.

#include <string>

#include "runtime/graph/fusion/element_program.h"

namespace lockstep {

inline constexpr size_t kFusedAlignment = 16;

// The functors' files, without a standard library, of a CUDA compiler's own.
extern const char kCudaFunctors[];

struct CudaElements {
  std::string source;
  int width = 1;
  bool wide = false;
};

// UNIMPLEMENTED naming the op or the type that there is no CUDA C++ for. `name`
// is the kernel's.
Result<CudaElements> CudaElementsOf(const ElementProgram& program,
                                    const std::string& name = "Fused");

}  // namespace lockstep
