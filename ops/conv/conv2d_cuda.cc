// SPDX-License-Identifier: Apache-2.0

// Conv2D, its gradients by image and by filter, and _FusedConv2D, by cuDNN.
//   image: [n, h, w, c], NCHW: [n, c, h, w]   filter: [r, s, c / groups, k]
//   dy, output: [n, p, q, k] or [n, k, p, q]   bias: [k]
// cuDNN wants the filter as [k, r, s, c] (NCHW: [k, c, r, s]) and pads both
// sides of an image alike: the filter is turned round in scratch memory, and an
// image that is padded unevenly is copied into a larger one there.

#include "ops/conv/conv_op.h"
#include "ops/conv/gpu.h"
#include "ops/conv/gpu_layout.h"
#include "ops/nn/gpu_bias.h"
#include "runtime/core/float_products.h"
#include "runtime/device/cuda/cuda_libraries.h"
#include "runtime/device/stream.h"
#include "runtime/op/gpu_prepare.h"

namespace lockstep::gpu {
namespace {

// cuDNN's default is TF32, as near to bfloat16 as it comes for floats.
bool WholeFloats(DType dtype) {
  return dtype == kFloat && GetFloatProducts() == FloatProducts::kFloat;
}

using detail::ConvDims;
using detail::ConvKind;

constexpr size_t kMostWorkspace = size_t{1} << 30;

struct ConvPrimitives {
  cudnnTensorDescriptor_t image = nullptr, output = nullptr;
  cudnnFilterDescriptor_t filter = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;

  ConvPrimitives() = default;
  ConvPrimitives(const ConvPrimitives&) = delete;
  ConvPrimitives& operator=(const ConvPrimitives&) = delete;
  ~ConvPrimitives() {
    if (image != nullptr) (void)cudnnDestroyTensorDescriptor(image);
    if (output != nullptr) (void)cudnnDestroyTensorDescriptor(output);
    if (filter != nullptr) (void)cudnnDestroyFilterDescriptor(filter);
    if (convolution != nullptr) {
      (void)cudnnDestroyConvolutionDescriptor(convolution);
    }
  }
};

struct ConvState : ConvPrimitives {
  ConvKind kind = ConvKind::kForward;
  ConvDims dims;
  bool bias = false, relu = false;
  bool is_double = false;
  // The image with what it lacks to be padded alike on both sides.
  int64_t h = 0, w = 0, top = 0, left = 0;
  int algorithm = 0;
  size_t workspace_bytes = 0;
  size_t workspace_at = 0, image_at = 0, filter_at = 0;  // in scratch

  bool copies_image() const { return h != dims.h.in || w != dims.w.in; }
};

FilterLayout FilterOf(const ConvDims& d) {
  return {d.h.size * d.w.size, d.in_channels / d.groups, d.out_channels,
          d.nchw};
}
ImageLayout ImageOf(const ConvState& s) {
  const ConvDims& d = s.dims;
  return {d.batch, d.h.in, d.w.in, d.in_channels, s.h,
          s.w,     s.top,  s.left, d.nchw};
}

Status MakeDescriptors(ConvState& s, DType dtype, int pad_h, int pad_w) {
  const ConvDims& d = s.dims;
  LS_ASSIGN_OR_RETURN(const cudnnDataType_t type, CudnnType(dtype));
  const auto format = d.nchw ? CUDNN_TENSOR_NCHW : CUDNN_TENSOR_NHWC;
  const auto number = [](int64_t n) { return static_cast<int>(n); };
  LS_RETURN_IF_CUDNN(cudnnCreateTensorDescriptor(&s.image));
  LS_RETURN_IF_CUDNN(cudnnSetTensor4dDescriptor(
      s.image, format, type, number(d.batch), number(d.in_channels),
      number(s.h), number(s.w)));
  LS_RETURN_IF_CUDNN(cudnnCreateTensorDescriptor(&s.output));
  LS_RETURN_IF_CUDNN(cudnnSetTensor4dDescriptor(
      s.output, format, type, number(d.batch), number(d.out_channels),
      number(d.h.out), number(d.w.out)));
  LS_RETURN_IF_CUDNN(cudnnCreateFilterDescriptor(&s.filter));
  LS_RETURN_IF_CUDNN(cudnnSetFilter4dDescriptor(
      s.filter, type, format, number(d.out_channels),
      number(d.in_channels / d.groups), number(d.h.size), number(d.w.size)));
  LS_RETURN_IF_CUDNN(cudnnCreateConvolutionDescriptor(&s.convolution));
  LS_RETURN_IF_CUDNN(cudnnSetConvolution2dDescriptor(
      s.convolution, pad_h, pad_w, number(d.h.stride), number(d.w.stride),
      number(d.h.dilation), number(d.w.dilation), CUDNN_CROSS_CORRELATION,
      dtype == kDouble ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT));
  LS_RETURN_IF_CUDNN(
      cudnnSetConvolutionGroupCount(s.convolution, number(d.groups)));
  const auto math = WholeFloats(dtype) ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
  LS_RETURN_IF_CUDNN(cudnnSetConvolutionMathType(s.convolution, math));
  return Ok();
}

// The first of the ways that cuDNN proposes which gives the same bits each time
// and has a workspace that is not too large. Floats are multiplied as floats
// unless TF32 is allowed: ways that say so go first.
template <class Found>
Status Choose(ConvState& s, const Found* found, int count, DType dtype) {
  const bool full = WholeFloats(dtype);
  const auto fits = [](const Found& f) {
    return f.status == CUDNN_STATUS_SUCCESS &&
           f.determinism == CUDNN_DETERMINISTIC && f.memory <= kMostWorkspace;
  };
  const Found* best = nullptr;
  for (int i = 0; i < count; ++i) {
    if (!fits(found[i])) continue;
    if (best == nullptr) best = &found[i];
    if (!full) break;
    if (found[i].mathType == CUDNN_FMA_MATH) {
      best = &found[i];
      break;
    }
  }
  if (best == nullptr) {
    return Unimplemented("cuDNN has no way for this convolution");
  }
  s.algorithm = static_cast<int>(best->algo);
  s.workspace_bytes = best->memory;
  if (full) return Ok();
  LS_RETURN_IF_CUDNN(
      cudnnSetConvolutionMathType(s.convolution, best->mathType));
  return Ok();
}

Status ChooseAlgorithm(ConvState& s, DType dtype) {
  LS_ASSIGN_OR_RETURN(const cudnnHandle_t cudnn, CudnnHandle(nullptr));
  constexpr int kWays = 8;
  int count = 0;
  switch (s.kind) {
    case ConvKind::kForward: {
      cudnnConvolutionFwdAlgoPerf_t found[kWays];
      LS_RETURN_IF_CUDNN(cudnnGetConvolutionForwardAlgorithm_v7(
          cudnn, s.image, s.filter, s.convolution, s.output, kWays, &count,
          found));
      return Choose(s, found, count, dtype);
    }
    case ConvKind::kBackwardInput: {
      cudnnConvolutionBwdDataAlgoPerf_t found[kWays];
      LS_RETURN_IF_CUDNN(cudnnGetConvolutionBackwardDataAlgorithm_v7(
          cudnn, s.filter, s.output, s.convolution, s.image, kWays, &count,
          found));
      return Choose(s, found, count, dtype);
    }
    default: {
      cudnnConvolutionBwdFilterAlgoPerf_t found[kWays];
      LS_RETURN_IF_CUDNN(cudnnGetConvolutionBackwardFilterAlgorithm_v7(
          cudnn, s.image, s.output, s.convolution, s.filter, kWays, &count,
          found));
      return Choose(s, found, count, dtype);
    }
  }
}

// Sets where the image stands in one that is padded by `pad` on both sides.
int Widen(const Window& window, int64_t* size, int64_t* begin) {
  const int64_t pad = std::min(window.pad_before, window.pad_after);
  *size = window.in + window.pad_before + window.pad_after - 2 * pad;
  *begin = window.pad_before - pad;
  return static_cast<int>(pad);
}

Status Call(KernelContext& k, const ConvState& s, const void* image,
            const void* filter, const void* output) {
  LS_ASSIGN_OR_RETURN(const cudnnHandle_t cudnn, CudnnHandle(k.stream()));
  const float one = 1, zero = 0;
  const double one_double = 1, zero_double = 0;
  const void* alpha =
      s.is_double ? static_cast<const void*>(&one_double) : &one;
  const void* beta =
      s.is_double ? static_cast<const void*>(&zero_double) : &zero;
  void* workspace = static_cast<char*>(k.scratch()) + s.workspace_at;
  switch (s.kind) {
    case ConvKind::kForward:
      LS_RETURN_IF_CUDNN(cudnnConvolutionForward(
          cudnn, alpha, s.image, image, s.filter, filter, s.convolution,
          static_cast<cudnnConvolutionFwdAlgo_t>(s.algorithm), workspace,
          s.workspace_bytes, beta, s.output, const_cast<void*>(output)));
      return Ok();
    case ConvKind::kBackwardInput:
      LS_RETURN_IF_CUDNN(cudnnConvolutionBackwardData(
          cudnn, alpha, s.filter, filter, s.output, output, s.convolution,
          static_cast<cudnnConvolutionBwdDataAlgo_t>(s.algorithm), workspace,
          s.workspace_bytes, beta, s.image, const_cast<void*>(image)));
      return Ok();
    default:
      LS_RETURN_IF_CUDNN(cudnnConvolutionBackwardFilter(
          cudnn, alpha, s.image, image, s.output, output, s.convolution,
          static_cast<cudnnConvolutionBwdFilterAlgo_t>(s.algorithm), workspace,
          s.workspace_bytes, beta, s.filter, const_cast<void*>(filter)));
      return Ok();
  }
}

// After _FusedConv2D's product, in place; float.
Status AddConvBias(KernelContext& k, const ConvState& s) {
  return gpu::AddBias(k.stream(), k.out<float>(0), k.in<float>(2), k.output(0),
                      {.channels = s.dims.out_channels,
                       .inner = s.dims.nchw ? s.dims.h.out * s.dims.w.out : 1,
                       .relu = s.relu});
}

}  // namespace

Status PrepareConv2D(PrepareContext& p) {
  ConvState& s = p.MakeState<ConvState>();
  const std::string& op = p.def().name;
  detail::ConvRoles roles{.image = 0, .filter = 1};
  if (op == "Conv2DBackpropInput") {
    roles = {.filter = 1, .dy = 2, .sizes = 0};
  } else if (op == "Conv2DBackpropFilter") {
    roles = {.image = 0, .dy = 2, .sizes = 1};
  }
  s.kind = roles.kind();
  LS_ASSIGN_OR_RETURN(s.dims, detail::PreparedConvDims(p, roles));
  s.bias = op == "_FusedConv2D";
  s.relu = s.bias && p.Attr<bool>("relu");
  const DType dtype = p.output_dtype(0);
  s.is_double = dtype == kDouble;
  if (s.dims.IsEmpty()) return Ok();
  const GpuScope scope(p);
  LS_RETURN_IF_ERROR(scope.status());
  const int pad_h = Widen(s.dims.h, &s.h, &s.top);
  const int pad_w = Widen(s.dims.w, &s.w, &s.left);
  LS_RETURN_IF_ERROR(MakeDescriptors(s, dtype, pad_h, pad_w));
  LS_RETURN_IF_ERROR(ChooseAlgorithm(s, dtype));
  const auto bytes = [&](int64_t elements) {
    return static_cast<size_t>(elements) * DTypeSize(dtype);
  };
  const FilterLayout filter = FilterOf(s.dims);
  ScratchParts parts;
  s.workspace_at = parts.Add(s.workspace_bytes);
  s.filter_at = parts.Add(bytes(filter.size()));
  s.image_at = parts.Add(
      s.copies_image() ? bytes(s.dims.batch * s.h * s.w * s.dims.in_channels)
                       : 0);
  p.RequestScratch(parts.bytes());
  return Ok();
}

Status Conv2D(KernelContext& k) {
  const ConvState& s = k.state<ConvState>();
  Tensor& made = k.output(0);
  const DType dtype = made.dtype();
  if (s.convolution == nullptr) {
    LS_RETURN_IF_ERROR(ClearBytes(made.data(), made.bytes(), k.stream()));
    return s.bias ? AddConvBias(k, s) : Ok();
  }
  char* scratch = static_cast<char*>(k.scratch());
  void* filter = scratch + s.filter_at;
  if (s.kind != ConvKind::kBackwardFilter) {
    LS_RETURN_IF_ERROR(TurnFilter(k.stream(), FilterOf(s.dims), dtype,
                                  k.input(1).data(), filter));
  }
  void* large = scratch + s.image_at;
  const bool makes_image = s.kind == ConvKind::kBackwardInput;
  if (s.copies_image() && !makes_image) {
    LS_RETURN_IF_ERROR(
        EnlargeImage(k.stream(), ImageOf(s), dtype, k.input(0).data(), large));
  }
  const void* image = s.copies_image() ? large
                      : makes_image    ? made.data()
                                       : k.input(0).data();
  const void* output =
      s.kind == ConvKind::kForward ? made.data() : k.input(2).data();
  LS_RETURN_IF_ERROR(Call(k, s, image, filter, output));
  if (s.kind == ConvKind::kBackwardFilter) {
    return TurnFilterBack(k.stream(), FilterOf(s.dims), dtype, filter,
                          made.data());
  }
  if (makes_image && s.copies_image()) {
    return CutImage(k.stream(), ImageOf(s), dtype, large, made.data());
  }
  return s.bias ? AddConvBias(k, s) : Ok();
}

}  // namespace lockstep::gpu
