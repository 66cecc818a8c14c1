// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of convolution and pooling over images. Images are
// [N,H,W,C], or [N,C,H,W] with data_format "NCHW"; filters [H,W,in,out].
// `strides`, `ksize` and `dilations` have four numbers, in the order of
// data_format.
//
//   Output h = ops::Conv2D(scope, image, filter, {1, 1, 1, 1}, "SAME");
//   h = ops::MaxPool(scope, h, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");

#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

struct Conv2DOptions {
  std::string data_format = "NHWC";
  std::vector<int64_t> dilations = {1, 1, 1, 1};
  // With padding "EXPLICIT": before and after, for each dimension.
  std::vector<int64_t> explicit_paddings = {};
};

// The filter may have fewer input channels than the image, a divisor: the
// convolution is then grouped.
Output Conv2D(const Scope& scope, const Input& input, const Input& filter,
              const std::vector<int64_t>& strides, const std::string& padding,
              const Conv2DOptions& options = {});
// The gradient of Conv2D by its input, whose shape is `input_sizes`.
Output Conv2DBackpropInput(const Scope& scope, const Input& input_sizes,
                           const Input& filter, const Input& out_backprop,
                           const std::vector<int64_t>& strides,
                           const std::string& padding,
                           const Conv2DOptions& options = {});
// The gradient of Conv2D by its filter, whose shape is `filter_sizes`.
Output Conv2DBackpropFilter(const Scope& scope, const Input& input,
                            const Input& filter_sizes,
                            const Input& out_backprop,
                            const std::vector<int64_t>& strides,
                            const std::string& padding,
                            const Conv2DOptions& options = {});

// Each channel of the image by itself: filters [H,W,in,multiplier] give
// in * multiplier channels.
Output DepthwiseConv2dNative(const Scope& scope, const Input& input,
                             const Input& filter,
                             const std::vector<int64_t>& strides,
                             const std::string& padding,
                             const Conv2DOptions& options = {});
Output DepthwiseConv2dNativeBackpropInput(
    const Scope& scope, const Input& input_sizes, const Input& filter,
    const Input& out_backprop, const std::vector<int64_t>& strides,
    const std::string& padding, const Conv2DOptions& options = {});
Output DepthwiseConv2dNativeBackpropFilter(
    const Scope& scope, const Input& input, const Input& filter_sizes,
    const Input& out_backprop, const std::vector<int64_t>& strides,
    const std::string& padding, const Conv2DOptions& options = {});

// Volumes [N,D,H,W,C], or [N,C,D,H,W] with data_format "NCDHW"; filters
// [D,H,W,in,out]; five strides and dilations.
Output Conv3D(const Scope& scope, const Input& input, const Input& filter,
              const std::vector<int64_t>& strides, const std::string& padding,
              const std::string& data_format = "NDHWC",
              const std::vector<int64_t>& dilations = {1, 1, 1, 1, 1});

Output MaxPool(const Scope& scope, const Input& input,
               const std::vector<int64_t>& ksize,
               const std::vector<int64_t>& strides, const std::string& padding,
               const std::string& data_format = "NHWC");
// With ksize and strides, int32 [4], that the graph computes.
Output MaxPoolV2(const Scope& scope, const Input& input, const Input& ksize,
                 const Input& strides, const std::string& padding,
                 const std::string& data_format = "NHWC");
struct MaxPoolWithArgmaxOutputs {
  Output output;
  Output argmax;  // (y W + x) C + c of the input element, int64
};
MaxPoolWithArgmaxOutputs MaxPoolWithArgmax(const Scope& scope,
                                           const Input& input,
                                           const std::vector<int64_t>& ksize,
                                           const std::vector<int64_t>& strides,
                                           const std::string& padding,
                                           bool include_batch_in_index = false);
// The mean over the part of each window that is inside the image.
Output AvgPool(const Scope& scope, const Input& value,
               const std::vector<int64_t>& ksize,
               const std::vector<int64_t>& strides, const std::string& padding,
               const std::string& data_format = "NHWC");

// Compositions. Conv1D: [N,W,C] ("NWC") or [N,C,W] ("NCW") with filters
// [W,in,out]. Conv2DTranspose: the gradient of a Conv2D by its input, with
// filters [H,W,out,in] and the shape to make. SeparableConv2D: depthwise, then
// a 1 by 1 convolution.
Output Conv1D(const Scope& scope, const Input& input, const Input& filters,
              int64_t stride, const std::string& padding,
              const std::string& data_format = "NWC", int64_t dilation = 1);
Output Conv2DTranspose(const Scope& scope, const Input& input,
                       const Input& filters, const Input& output_shape,
                       const std::vector<int64_t>& strides,
                       const std::string& padding = "SAME",
                       const Conv2DOptions& options = {});
Output SeparableConv2D(const Scope& scope, const Input& input,
                       const Input& depthwise_filter,
                       const Input& pointwise_filter,
                       const std::vector<int64_t>& strides,
                       const std::string& padding,
                       const Conv2DOptions& options = {});

// The largest of input + filter, [H,W,C], in each window.
Output Dilation2D(const Scope& scope, const Input& input, const Input& filter,
                  const std::vector<int64_t>& strides,
                  const std::vector<int64_t>& rates,
                  const std::string& padding);

}  // namespace lockstep::ops
