// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/png.h"

#include <png.h>

#include <algorithm>

namespace lockstep {
namespace {

// libpng's simplified interface: no longjmp, and errors as text.
struct Image : png_image {
  Image() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~Image() { png_image_free(this); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
};

constexpr png_uint_32 kFormats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA,
                                    PNG_FORMAT_RGB, PNG_FORMAT_RGBA};

}  // namespace

Result<std::string> EncodePng(const Tensor& pixels) {
  const Shape& shape = pixels.shape();
  if (pixels.dtype() != kUint8 || shape.rank() != 3 || shape.dim(2) < 1 ||
      shape.dim(2) > 4 || shape.dim(0) < 1 || shape.dim(1) < 1) {
    return InvalidArgument("a PNG is made of uint8 [height,width,1..4] with ",
                           "at least one pixel, got ",
                           DTypeName(pixels.dtype()), " ", shape);
  }
  if (shape.dim(0) > kMaxPngPixels / shape.dim(1)) {
    return ResourceExhausted("an image of shape ", shape, ": at most ",
                             kMaxPngPixels, " pixels are written");
  }
  Image image;
  image.height = static_cast<png_uint_32>(shape.dim(0));
  image.width = static_cast<png_uint_32>(shape.dim(1));
  image.format = kFormats[shape.dim(2) - 1];
  std::string out(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = out.size();
  if (!png_image_write_to_memory(&image, out.data(), &size, 0, pixels.data(), 0,
                                 nullptr)) {
    return Internal("PNG of shape ", shape, ": ",
                    std::string_view(image.message));
  }
  out.resize(size);
  return out;
}

Result<Tensor> DecodePng(std::string_view bytes) {
  Image image;
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) {
    return InvalidArgument("not a PNG: ", std::string_view(image.message));
  }
  const int64_t height = image.height;
  const int64_t width = image.width;
  if (height > kMaxPngPixels / std::max<int64_t>(1, width)) {
    return ResourceExhausted("a PNG of ", width, " x ", height,
                             " pixels: at most ", kMaxPngPixels, " are read");
  }
  image.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
  const int64_t channels = PNG_IMAGE_SAMPLE_CHANNELS(image.format);
  LS_ASSIGN_OR_RETURN(Tensor out,
                      Tensor::Make(kUint8, Shape{height, width, channels}));
  if (!png_image_finish_read(&image, nullptr, out.data(), 0, nullptr)) {
    return InvalidArgument("damaged PNG: ", std::string_view(image.message));
  }
  return out;
}

}  // namespace lockstep
