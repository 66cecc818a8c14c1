// SPDX-License-Identifier: Apache-2.0
#pragma once

// Descriptors of oneDNN primitives, made the same way for oneDNN 2.x and 3.x:
// the only place that knows the difference is dnnl_create.cc. All ask for a
// scratchpad given by the user (see DnnlProgram::Add).

#include "ops/dnnl/activation.h"
#include "ops/dnnl/dnnl.h"

namespace lockstep::detail {

// What is done to a result before it is written.
struct DnnlPostOps {
  bool sum = false;  // first: added to what is where it is written
  // Or to an array of the result's shape; null: none.
  const dnnl::memory::desc* added = nullptr;
  Activation activation;
};

// `bias` may be null.
Result<dnnl::matmul::primitive_desc> MakeMatMul(
    const dnnl::memory::desc& src, const dnnl::memory::desc& weights,
    const dnnl::memory::desc* bias, const dnnl::memory::desc& dst,
    const DnnlPostOps& post);

// A matrix product with operands 0 and 1 (src, weights), 2 (dst) and, where
// they are, `bias` and `post.added`; rows of dst are computed one sum after the
// other, whatever the other rows and columns are.
Result<DnnlProgram> MatMulProgram(const dnnl::memory::desc& src,
                                  const dnnl::memory::desc& weights,
                                  const dnnl::memory::desc& dst,
                                  const dnnl::memory::desc* bias,
                                  const DnnlPostOps& post);

// Sizes along (depth,) height and width. `dilations` are TensorFlow's: 1 is
// dense.
struct DnnlConvGeometry {
  dnnl::memory::dims strides;
  dnnl::memory::dims dilations;
  dnnl::memory::dims pad_before;
  dnnl::memory::dims pad_after;
  // By Winograd's transforms: 3 by 3, stride 1, in blocks of 16 channels.
  bool winograd = false;
};

// `bias` may be null.
Result<dnnl::convolution_forward::primitive_desc> MakeConvForward(
    const dnnl::memory::desc& src, const dnnl::memory::desc& weights,
    const dnnl::memory::desc* bias, const dnnl::memory::desc& dst,
    const DnnlConvGeometry& geometry, const DnnlPostOps& post);
Result<dnnl::convolution_backward_data::primitive_desc> MakeConvBackwardData(
    const dnnl::memory::desc& diff_src, const dnnl::memory::desc& weights,
    const dnnl::memory::desc& diff_dst, const DnnlConvGeometry& geometry);
// `diff_bias` may be null.
Result<dnnl::convolution_backward_weights::primitive_desc>
MakeConvBackwardWeights(const dnnl::memory::desc& src,
                        const dnnl::memory::desc& diff_weights,
                        const dnnl::memory::desc* diff_bias,
                        const dnnl::memory::desc& diff_dst,
                        const DnnlConvGeometry& geometry);

// A reference implementation or one through im2col: right but slow.
bool IsSlowImplementation(const dnnl::primitive_desc& pd);

}  // namespace lockstep::detail
