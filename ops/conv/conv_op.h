// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shape rule and kernel of the nine convolution ops: Conv2D, Conv3D,
// DepthwiseConv2dNative and their gradients by image and by filter. For those
// files.
//
//   inline constexpr ConvRoles kForward{.image = 0, .filter = 1};
//   .Shape(ConvShape<kForward>).Kernels<float>(kCpu, []<class T>() {
//     return ConvKernel<T, kForward>(); })

#include "ops/conv/conv_kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep::detail {

// Which of the op's inputs is what; -1 for the one it computes.
struct ConvRoles {
  int image = -1, filter = -1, dy = -1;
  int sizes = -1;  // the shape of what is computed; -1: follows
  // The filter is [h,w,C,M]: channel c of the image makes channels c M + i of
  // the output. That is C groups of a filter [h,w,1,C M], laid out the same.
  bool depthwise = false;
  int rank = 4;  // of images, or of volumes: 5

  ConvKind kind() const {
    return image < 0    ? ConvKind::kBackwardInput
           : filter < 0 ? ConvKind::kBackwardFilter
                        : ConvKind::kForward;
  }
};

// Of Conv2D, its gradients and _FusedConv2D, by the op's name.
inline ConvRoles RolesOf(std::string_view op) {
  if (op == "Conv2DBackpropInput") return {.filter = 1, .dy = 2, .sizes = 0};
  if (op == "Conv2DBackpropFilter") return {.image = 0, .dy = 2, .sizes = 1};
  return {.image = 0, .filter = 1};
}

// The dimensions for shapes of rank 4 or 5, perhaps partial. INVALID_ARGUMENT
// also when `dy`, if given, is not shaped like the output.
Result<ConvDims> CheckedConvDims(const AttrMap& attrs, bool depthwise,
                                 const Shape& image, const Shape& filter,
                                 const Shape* dy);
Status ConvShapeOf(ShapeContext& c, const ConvRoles& roles);
Result<ConvDims> PreparedConvDims(const PrepareContext& p,
                                  const ConvRoles& roles);

// Roles are template arguments by value: of references to constants alike in
// name, in two files' unnamed namespaces, GCC 14 makes one and the same
// function.
template <ConvRoles kRoles>
Status ConvShape(ShapeContext& c) {
  return ConvShapeOf(c, kRoles);
}

template <class T, ConvRoles kRoles>
Status ConvPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const ConvDims dims, PreparedConvDims(p, kRoles));
  return PrepareConv<T>(p, kRoles.kind(), dims);
}

template <class T, ConvRoles kRoles>
Status ConvRun(KernelContext& k) {
  if constexpr (kRoles.dy < 0) {
    return RunConv<T>(k, kRoles.image, kRoles.filter);
  } else {
    return RunConv<T>(k, std::max(kRoles.image, kRoles.filter), kRoles.dy);
  }
}

template <class T, ConvRoles kRoles>
KernelDef ConvKernel() {
  return {ConvRun<T, kRoles>, ConvPrepare<T, kRoles>};
}

}  // namespace lockstep::detail
