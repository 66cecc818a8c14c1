// SPDX-License-Identifier: Apache-2.0

// Conv2D, its gradients by image and by filter, and _FusedConv2D, by cuDNN.
//   image: [n, h, w, c], NCHW: [n, c, h, w]   filter: [r, s, c / groups, k]
//   dy, output: [n, p, q, k] or [n, k, p, q]   bias: [k]
// cuDNN wants the filter as [k, r, s, c] (NCHW: [k, c, r, s]) and pads both
// sides of an image alike: the filter is turned round in scratch memory, and an
// image that is padded unevenly is copied into a larger one there. What it does
// not compute with channels last (doubles, some of groups) is given to it with
// channels first, by copies there too; and what it has no way for that gives
// the same bits each time, gradients with dilation among it, is left to
// DirectConv.

#include <algorithm>
#include <span>

#include "ops/conv/conv_op.h"
#include "ops/conv/gpu.h"
#include "ops/conv/gpu_direct.h"
#include "ops/conv/gpu_layout.h"
#include "ops/nn/gpu_bias.h"
#include "runtime/core/float_products.h"
#include "runtime/core/logging.h"
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
  ~ConvPrimitives() { Clear(); }
  void Clear() {
    if (image != nullptr) (void)cudnnDestroyTensorDescriptor(image);
    if (output != nullptr) (void)cudnnDestroyTensorDescriptor(output);
    if (filter != nullptr) (void)cudnnDestroyFilterDescriptor(filter);
    if (convolution != nullptr) {
      (void)cudnnDestroyConvolutionDescriptor(convolution);
    }
    image = output = nullptr;
    filter = nullptr;
    convolution = nullptr;
  }
};

struct ConvState : ConvPrimitives {
  ConvKind kind = ConvKind::kForward;
  ConvDims dims;
  bool bias = false, relu = false;
  bool is_double = false;
  bool direct = false;  // by a kernel of our own
  bool nchw = false;    // as cuDNN sees images
  // The image with what it lacks to be padded alike on both sides.
  int64_t h = 0, w = 0, top = 0, left = 0;
  int algorithm = 0;
  size_t workspace_bytes = 0;
  // In scratch.
  size_t workspace_at = 0, image_at = 0, filter_at = 0, output_at = 0;

  bool copies_output() const { return nchw != dims.nchw; }
  bool copies_image() const {
    return h != dims.h.in || w != dims.w.in || copies_output();
  }
};

FilterLayout FilterOf(const ConvState& s) {
  const ConvDims& d = s.dims;
  return {d.h.size * d.w.size, d.in_channels / d.groups, d.out_channels,
          s.nchw};
}
ImageLayout ImageOf(const ConvState& s) {
  const ConvDims& d = s.dims;
  return {d.batch, d.h.in, d.w.in, d.in_channels, s.h,
          s.w,     s.top,  s.left, d.nchw,        s.nchw};
}
ImageLayout OutputOf(const ConvState& s) {
  const ConvDims& d = s.dims;
  return {d.batch, d.h.out, d.w.out, d.out_channels, d.h.out,
          d.w.out, 0,       0,       d.nchw,         s.nchw};
}

Status MakeDescriptors(ConvState& s, DType dtype, int pad_h, int pad_w) {
  const ConvDims& d = s.dims;
  LS_ASSIGN_OR_RETURN(const cudnnDataType_t type, CudnnType(dtype));
  const auto format = s.nchw ? CUDNN_TENSOR_NCHW : CUDNN_TENSOR_NHWC;
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

cudnnStatus_t WorkspaceOf(cudnnHandle_t cudnn, const ConvState& s,
                          cudnnConvolutionFwdAlgo_t way, size_t* bytes) {
  return cudnnGetConvolutionForwardWorkspaceSize(
      cudnn, s.image, s.filter, s.convolution, s.output, way, bytes);
}
cudnnStatus_t WorkspaceOf(cudnnHandle_t cudnn, const ConvState& s,
                          cudnnConvolutionBwdDataAlgo_t way, size_t* bytes) {
  return cudnnGetConvolutionBackwardDataWorkspaceSize(
      cudnn, s.filter, s.output, s.convolution, s.image, way, bytes);
}
cudnnStatus_t WorkspaceOf(cudnnHandle_t cudnn, const ConvState& s,
                          cudnnConvolutionBwdFilterAlgo_t way, size_t* bytes) {
  return cudnnGetConvolutionBackwardFilterWorkspaceSize(
      cudnn, s.image, s.output, s.convolution, s.filter, way, bytes);
}

// The first of the ways that cuDNN proposes which gives the same bits each time
// and has a workspace that is not too large. Floats are multiplied as floats
// unless TF32 is allowed: ways that say so go first. The workspace is asked for
// again, of the descriptor as it will be used.
template <class Found>
Status Choose(cudnnHandle_t cudnn, ConvState& s, std::span<Found> found,
              DType dtype) {
  const bool full = WholeFloats(dtype);
  if (full) {
    std::ranges::stable_partition(
        found, [](const Found& f) { return f.mathType == CUDNN_FMA_MATH; });
  }
  for (const Found& f : found) {
    if (f.status != CUDNN_STATUS_SUCCESS ||
        f.determinism != CUDNN_DETERMINISTIC) {
      continue;
    }
    size_t bytes = 0;
    LS_RETURN_IF_CUDNN(cudnnSetConvolutionMathType(
        s.convolution, full ? CUDNN_FMA_MATH : f.mathType));
    if (WorkspaceOf(cudnn, s, f.algo, &bytes) != CUDNN_STATUS_SUCCESS ||
        bytes > kMostWorkspace) {
      continue;
    }
    s.algorithm = static_cast<int>(f.algo);
    s.workspace_bytes = bytes;
    return Ok();
  }
  return Unimplemented("cuDNN has no way for this convolution");
}

Status ChooseAlgorithm(ConvState& s, DType dtype) {
  LS_ASSIGN_OR_RETURN(const cudnnHandle_t cudnn, CudnnHandle(nullptr));
  constexpr int kWays = 16;  // a way may be there once for each kind of product
  int count = 0;
  const auto first = [&](auto& found) {
    return std::span(found).first(static_cast<size_t>(count));
  };
  switch (s.kind) {
    case ConvKind::kForward: {
      cudnnConvolutionFwdAlgoPerf_t found[kWays];
      LS_RETURN_IF_CUDNN(cudnnGetConvolutionForwardAlgorithm_v7(
          cudnn, s.image, s.filter, s.convolution, s.output, kWays, &count,
          found));
      return Choose(cudnn, s, first(found), dtype);
    }
    case ConvKind::kBackwardInput: {
      cudnnConvolutionBwdDataAlgoPerf_t found[kWays];
      LS_RETURN_IF_CUDNN(cudnnGetConvolutionBackwardDataAlgorithm_v7(
          cudnn, s.filter, s.output, s.convolution, s.image, kWays, &count,
          found));
      return Choose(cudnn, s, first(found), dtype);
    }
    default: {
      cudnnConvolutionBwdFilterAlgoPerf_t found[kWays];
      LS_RETURN_IF_CUDNN(cudnnGetConvolutionBackwardFilterAlgorithm_v7(
          cudnn, s.image, s.output, s.convolution, s.filter, kWays, &count,
          found));
      return Choose(cudnn, s, first(found), dtype);
    }
  }
}

// Whether cuDNN is well but will not do what it is asked for.
bool IsRefusal(const Status& status) {
  return status.code() == Code::kUnimplemented ||
         status.code() == Code::kInvalidArgument;
}

// With the images' own layout if cuDNN has a way for it, else with channels
// first, which it has more ways for.
Status MakePrimitives(ConvState& s, DType dtype, int pad_h, int pad_w) {
  Status made;
  // cuDNN does not compute doubles with channels last.
  if (s.dims.nchw || dtype != kDouble) {
    s.nchw = s.dims.nchw;
    made = MakeDescriptors(s, dtype, pad_h, pad_w);
    if (made.ok()) made = ChooseAlgorithm(s, dtype);
    if (!IsRefusal(made) || s.nchw) return made;
    s.Clear();
  }
  s.nchw = true;
  LS_RETURN_IF_ERROR(MakeDescriptors(s, dtype, pad_h, pad_w));
  return ChooseAlgorithm(s, dtype);
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
  void* workspace = ScratchParts::At(k.scratch(), s.workspace_at);
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
  const detail::ConvRoles roles = detail::RolesOf(op);
  s.kind = roles.kind();
  LS_ASSIGN_OR_RETURN(s.dims, detail::PreparedConvDims(p, roles));
  s.bias = op == "_FusedConv2D" && p.num_inputs() > 2;
  const auto activation = GetOr<std::string>(p.attrs(), "activation", "");
  s.relu = s.bias && activation == "Relu";
  if (!s.relu && !activation.empty()) {
    return Unimplemented(op, " on a GPU ends in a bias and perhaps Relu, not ",
                         activation);
  }
  const DType dtype = p.output_dtype(0);
  s.is_double = dtype == kDouble;
  if (s.dims.IsEmpty()) return Ok();
  const GpuScope scope(p);
  LS_RETURN_IF_ERROR(scope.status());
  const int pad_h = Widen(s.dims.h, &s.h, &s.top);
  const int pad_w = Widen(s.dims.w, &s.w, &s.left);
  if (const Status made = MakePrimitives(s, dtype, pad_h, pad_w); !made.ok()) {
    if (!IsRefusal(made)) return made;
    LogWarning(op, " is computed slowly: ", made.message());
    s.Clear();
    s.direct = true;
    return Ok();
  }
  const auto bytes = [&](int64_t elements) {
    return static_cast<size_t>(elements) * DTypeSize(dtype);
  };
  ScratchParts parts;
  s.workspace_at = parts.Add(s.workspace_bytes);
  s.filter_at = parts.Add(bytes(FilterOf(s).size()));
  s.image_at = parts.Add(s.copies_image() ? bytes(ImageOf(s).large_size()) : 0);
  s.output_at =
      parts.Add(s.copies_output() ? bytes(OutputOf(s).large_size()) : 0);
  p.RequestScratch(parts.bytes());
  return Ok();
}

Status Conv2D(KernelContext& k) {
  const ConvState& s = k.state<ConvState>();
  Tensor& made = k.output(0);
  const DType dtype = made.dtype();
  if (s.direct) {
    LS_RETURN_IF_ERROR(DirectConv(k, s.kind, s.dims));
    return s.bias ? AddConvBias(k, s) : Ok();
  }
  if (s.convolution == nullptr) {
    LS_RETURN_IF_ERROR(ClearBytes(made.data(), made.bytes(), k.stream()));
    return s.bias ? AddConvBias(k, s) : Ok();
  }
  // Our arrays, and what cuDNN is given for them.
  const bool makes_image = s.kind == ConvKind::kBackwardInput;
  const bool makes_output = s.kind == ConvKind::kForward;
  const void* our_image = makes_image ? made.data() : k.input(0).data();
  const void* our_output = makes_output ? made.data() : k.input(2).data();
  void* filter = ScratchParts::At(k.scratch(), s.filter_at);
  void* large = ScratchParts::At(k.scratch(), s.image_at);
  void* turned = ScratchParts::At(k.scratch(), s.output_at);
  if (s.kind != ConvKind::kBackwardFilter) {
    LS_RETURN_IF_ERROR(
        TurnFilter(k.stream(), FilterOf(s), dtype, k.input(1).data(), filter));
  }
  if (s.copies_image() && !makes_image) {
    LS_RETURN_IF_ERROR(
        EnlargeImage(k.stream(), ImageOf(s), dtype, our_image, large));
  }
  if (s.copies_output() && !makes_output) {
    LS_RETURN_IF_ERROR(
        EnlargeImage(k.stream(), OutputOf(s), dtype, our_output, turned));
  }
  LS_RETURN_IF_ERROR(Call(k, s, s.copies_image() ? large : our_image, filter,
                          s.copies_output() ? turned : our_output));
  if (s.kind == ConvKind::kBackwardFilter) {
    return TurnFilterBack(k.stream(), FilterOf(s), dtype, filter, made.data());
  }
  if (makes_image) {
    return s.copies_image()
               ? CutImage(k.stream(), ImageOf(s), dtype, large, made.data())
               : Ok();
  }
  if (s.copies_output()) {
    LS_RETURN_IF_ERROR(
        CutImage(k.stream(), OutputOf(s), dtype, turned, made.data()));
  }
  return s.bias ? AddConvBias(k, s) : Ok();
}

}  // namespace lockstep::gpu
