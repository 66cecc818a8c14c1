// SPDX-License-Identifier: Apache-2.0
// ImageSummary: the first images of a batch as PNGs.
//   tag: []   tensor: [n,height,width,channels]   summary: []
// Floating images are scaled one by one; a pixel with a value that is not
// finite gets bad_color.
#include "ops/summary/emit.h"
#include "ops/summary/summary.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ImagePrepare(PrepareContext& p) {
  const Tensor& color = p.Attr<Tensor>("bad_color");
  if (color.dtype() != kUint8 || color.shape().rank() != 1) {
    return InvalidArgument("bad_color must be a vector of uint8, is ",
                           DTypeName(color.dtype()), " ", color.shape());
  }
  const auto values = color.flat<uint8_t>();
  p.MakeState<ImageOptions>(
      ImageOptions{p.Attr<int64_t>("max_images"),
                   std::vector<uint8_t>(values.begin(), values.end())});
  return Ok();
}

Status ImageCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const std::string tag, detail::TagOf(k, 0));
  Summary summary;
  LS_RETURN_IF_ERROR(
      summary.AddImages(tag, k.input(1), k.state<ImageOptions>()));
  return detail::Emit(k, summary);
}

LOCKSTEP_OP("ImageSummary")
    .Input("tag: string")
    .Input("tensor: T")
    .Output("summary: string")
    .Attr("max_images: int >= 1 = 3")
    .Attr("T: {uint8, float, half, double} = float")
    .Attr("bad_color: tensor = uint8[255, 0, 0, 255]")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {ImageCpu, ImagePrepare});

}  // namespace

Output ops::ImageSummary(const Scope& scope, const Input& tag,
                         const Input& tensor, const ImageSummaryAttrs& attrs) {
  return scope.Op("ImageSummary")
      .In(tag)
      .In(tensor)
      .Attr("max_images", attrs.max_images)
      .Attr("bad_color", Tensor::Vector(attrs.bad_color))
      .Out();
}

}  // namespace lockstep
