// SPDX-License-Identifier: Apache-2.0

// Conv1D, Conv2DTranspose, SeparableConv2D: compositions, as in TensorFlow.

#include "ops/array/array.h"
#include "ops/conv/conv.h"

namespace lockstep::ops {

Output Conv1D(const Scope& scope, const Input& input, const Input& filters,
              int64_t stride, const std::string& padding,
              const std::string& data_format, int64_t dilation) {
  const Scope s = scope.SubScope("conv1d");
  const bool ncw = data_format == "NCW";
  if (!ncw && data_format != "NWC") {
    scope.graph()->UpdateStatus(InvalidArgument(
        "Conv1D: data_format must be NWC or NCW, is ", data_format));
    return {};
  }
  // A height of 1.
  const int32_t height = ncw ? 2 : 1;
  Conv2DOptions options{.data_format = ncw ? "NCHW" : "NHWC"};
  std::vector<int64_t> strides = {1, 1, 1, 1};
  strides[ncw ? 3 : 2] = stride;
  options.dilations[ncw ? 3 : 2] = dilation;
  const Output y = Conv2D(s, ExpandDims(s, input, height),
                          ExpandDims(s, filters, 0), strides, padding, options);
  return Squeeze(s, y, {height});
}

Output Conv2DTranspose(const Scope& scope, const Input& input,
                       const Input& filters, const Input& output_shape,
                       const std::vector<int64_t>& strides,
                       const std::string& padding,
                       const Conv2DOptions& options) {
  return Conv2DBackpropInput(scope.SubScope("conv2d_transpose"), output_shape,
                             filters, input, strides, padding, options);
}

Output SeparableConv2D(const Scope& scope, const Input& input,
                       const Input& depthwise_filter,
                       const Input& pointwise_filter,
                       const std::vector<int64_t>& strides,
                       const std::string& padding,
                       const Conv2DOptions& options) {
  const Scope s = scope.SubScope("separable_conv2d");
  const Output depthwise =
      DepthwiseConv2dNative(s.WithName("depthwise"), input, depthwise_filter,
                            strides, padding, options);
  return Conv2D(s, depthwise, pointwise_filter, {1, 1, 1, 1}, "VALID",
                {.data_format = options.data_format});
}

}  // namespace lockstep::ops
