// SPDX-License-Identifier: Apache-2.0

// DecodePng: contents: string [] -> image: uint8|uint16 [height, width,
// channels]; channels 0 are the file's own.
// EncodePng: image: uint8|uint16 [..., height, width, 1 to 4] -> contents:
// string [...]; compression -1 is zlib's default.

#include <algorithm>

#include "runtime/io/png.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status DecodeShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 0).status());
  const int64_t channels = c.Attr<int64_t>("channels");
  if (channels != 0 && channels != 1 && channels != 3 && channels != 4) {
    return InvalidArgument("channels must be 0, 1, 3, or 4, got ", channels);
  }
  return c.SetOutput(0, Shape{kUnknownDim, kUnknownDim,
                              channels == 0 ? kUnknownDim : channels});
}

Status DecodeCpu(KernelContext& k) {
  const auto channels = GetOr<int64_t>(k.attrs(), "channels", 0);
  LS_ASSIGN_OR_RETURN(
      Tensor image, DecodePng(*k.in<std::string>(0), static_cast<int>(channels),
                              GetOr<DType>(k.attrs(), "dtype", kUint8)));
  k.SetOutput(0, std::move(image));
  return Ok();
}

Status EncodeShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRankAtLeast(0, 3));
  const int64_t compression = c.Attr<int64_t>("compression");
  if (compression < -1 || compression > 9) {
    return InvalidArgument("compression should be in range [-1, 9], got ",
                           compression);
  }
  if (!image.HasRank()) return c.SetOutput(0, Shape::Unknown());
  const int64_t channels = image.dim(image.rank() - 1);
  if (channels != kUnknownDim && (channels < 1 || channels > 4)) {
    return InvalidArgument("image must have 1, 2, 3, or 4 channels, got ",
                           channels);
  }
  return c.SetOutput(
      0, Shape(image.dims().first(static_cast<size_t>(image.rank() - 3))));
}

template <class T>
Status EncodeCpu(KernelContext& k) {
  const Tensor& images = k.input(0);
  const Shape one(images.shape().dims().last(3));
  std::string* contents = k.out<std::string>(0);
  for (int64_t i = 0; i < k.output(0).NumElements(); ++i) {
    LS_ASSIGN_OR_RETURN(Tensor image, Tensor::Make(DTypeOf<T>::value, one));
    std::copy_n(k.in<T>(0) + i * one.NumElements(), one.NumElements(),
                image.flat<T>().data());
    LS_ASSIGN_OR_RETURN(contents[i],
                        EncodePng(image, static_cast<int>(GetOr<int64_t>(
                                             k.attrs(), "compression", -1))));
  }
  return Ok();
}

LOCKSTEP_OP("DecodePng")
    .Input("contents: string")
    .Output("image: dtype")
    .Attr("channels: int = 0")
    .Attr("dtype: {uint8, uint16} = DT_UINT8")
    .Shape(DecodeShape)
    .NoGradient()
    .Kernel(kCpu, {DecodeCpu});
LOCKSTEP_OP("EncodePng")
    .Input("image: T")
    .Output("contents: string")
    .Attr("compression: int = -1")
    .Attr("T: {uint8, uint16} = DT_UINT8")
    .Shape(EncodeShape)
    .NoGradient()
    .Kernels<uint8_t, uint16_t>(
        kCpu, []<class T>() { return KernelDef{EncodeCpu<T>}; }, "T");

}  // namespace
}  // namespace lockstep
