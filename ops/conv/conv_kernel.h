// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one convolution behind Conv2D and Conv3D, their gradients and
// _FusedConv2D.
// Float runs in oneDNN, and BFloat16 on processors that have it; else that and
// Half in float through oneDNN, other dtypes in direct loops. Made in prepare,
// used in run.
//
//   LS_ASSIGN_OR_RETURN(ConvDims d, ConvDims::From(attrs, image, filter));
//   return PrepareConv<T>(p, ConvKind::kForward, d);
//   ...
//   return RunConv<T>(k, image_input, filter_input);

#include <array>

#include "ops/conv/conv_dims.h"
#include "ops/dnnl/dnnl_create.h"
#include "runtime/op/kernel.h"

namespace lockstep::detail {

// What follows a forward convolution, of float and BFloat16. A gradient by the
// filter may have that by the bias with it, of float.
struct ConvEpilogue {
  bool bias = false;  // input 2, of the result's type; its gradient: output 1
  // The input behind it is added, of the result's type and shape; float.
  bool residual = false;
  Activation activation;
  bool wide = false;  // of BFloat16: the result is float
};

// How operands lie in memory, float only: in blocks of 16 channels (see
// blocked.h) or as the op says.
struct ConvLayout {
  bool image_blocked = false, output_blocked = false;
  bool winograd = false;  // if oneDNN can
};

struct ConvState {
  ConvKind kind = ConvKind::kForward;
  ConvDims dims;
  ConvEpilogue epilogue;
  ConvLayout layout;
  DnnlType type = DnnlType::f32;  // of the program's operands
  DnnlProgram program;
  bool adds_to_output = false;  // the residual has to be in the result's place
  // 16-bit floats in a program of floats: where the widened operands (the bias
  // last) are in scratch, and their sizes.
  std::array<size_t, 4> wide_offset{};
  std::array<int64_t, 4> wide_count{};
};

// Builds the program of a float convolution that is not empty, from all of `s`
// that stands before it. Run takes the operands in the order of RunConv's, the
// result and the bias or its gradient.
Status BuildConv(ConvState* s);

template <class T>
Status PrepareConv(PrepareContext& p, ConvKind kind, const ConvDims& dims,
                   const ConvEpilogue& epilogue = {},
                   const ConvLayout& layout = {});
// `a`, `b`: the numbers of the op's inputs that are (image, filter),
// (filter, output gradient) or (image, output gradient), by the kind.
template <class T>
Status RunConv(KernelContext& k, int a, int b);

}  // namespace lockstep::detail
