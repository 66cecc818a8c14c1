// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/png.h"

#include <png.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

namespace lockstep {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 26;

constexpr int kColorTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                               PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};

// libpng leaves by longjmp. What it jumps over, the functions below that call
// it and the callbacks, has no objects with destructors.
struct Failure {
  char text[128] = "";
};

[[noreturn]] void OnError(png_structp png, png_const_charp text) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::snprintf(failure->text, sizeof failure->text, "%s", text);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

class Reader {
 public:
  explicit Reader(std::string_view bytes)
      : left_(bytes),
        png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, OnError,
                                    OnWarning)),
        info_(png_ == nullptr ? nullptr : png_create_info_struct(png_)) {}
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool ReadHeader() {
    if (info_ == nullptr || setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, Take);
    png_read_info(png_, info_);
    return true;
  }

  bool Convert(int channels, bool wide) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    ConvertAlpha(channels % 2 == 0);
    if (depth() == 16 && !wide) png_set_strip_16(png_);
    if (depth() == 16 && wide && std::endian::native == std::endian::little) {
      png_set_swap(png_);
    }
    if (color() == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    const bool grey = (color() & PNG_COLOR_MASK_COLOR) == 0;
    if (grey && depth() < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if (grey && channels > 2) png_set_gray_to_rgb(png_);
    if (!grey && channels < 3) {
      png_set_rgb_to_gray(png_, PNG_ERROR_ACTION_NONE, 0.299, 0.587);
    }
    png_set_packing(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool ReadRows(std::span<png_bytep> rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows.data());
    png_read_end(png_, info_);
    return true;
  }

  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int depth() const { return png_get_bit_depth(png_, info_); }
  size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  const char* error() const { return failure_.text; }

  // As the file has it.
  int channels() const {
    if (color() != PNG_COLOR_TYPE_PALETTE) return png_get_channels(png_, info_);
    return transparent() ? 4 : 3;
  }

 private:
  int color() const { return png_get_color_type(png_, info_); }
  bool transparent() const {
    return png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
  }

  void ConvertAlpha(bool wanted) {
    const bool has = (color() & PNG_COLOR_MASK_ALPHA) != 0;
    if (!wanted) {
      if (has || transparent()) png_set_strip_alpha(png_);
    } else if (!has && transparent()) {
      png_set_tRNS_to_alpha(png_);
    } else if (!has) {
      png_set_add_alpha(png_, (1U << depth()) - 1, PNG_FILLER_AFTER);
    }
  }

  static void Take(png_structp png, png_bytep to, size_t n) {
    std::string_view& left = static_cast<Reader*>(png_get_io_ptr(png))->left_;
    if (left.size() < n) png_error(png, "it ends too early");
    std::memcpy(to, left.data(), n);
    left.remove_prefix(n);
  }

  std::string_view left_;
  Failure failure_;
  png_structp png_;
  png_infop info_;
};

class Writer {
 public:
  Writer()
      : png_(png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure_, OnError,
                                     OnWarning)),
        info_(png_ == nullptr ? nullptr : png_create_info_struct(png_)) {}
  ~Writer() { png_destroy_write_struct(&png_, &info_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool Write(const Shape& shape, int bits, int compression,
             std::span<png_bytep> rows) {
    if (info_ == nullptr || setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_write_fn(png_, &bytes_, Append, nullptr);
    png_set_compression_level(png_, compression);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(shape.dim(1)),
                 static_cast<png_uint_32>(shape.dim(0)), bits,
                 kColorTypes[shape.dim(2) - 1], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    if (bits == 16 && std::endian::native == std::endian::little) {
      png_set_swap(png_);
    }
    png_write_image(png_, rows.data());
    png_write_end(png_, nullptr);
    return true;
  }

  std::string& bytes() { return bytes_; }
  const char* error() const { return failure_.text; }

 private:
  static void Append(png_structp png, png_bytep from, size_t n) {
    static_cast<std::string*>(png_get_io_ptr(png))
        ->append(reinterpret_cast<const char*>(from), n);
  }

  std::string bytes_;
  Failure failure_;
  png_structp png_;
  png_infop info_;
};

// Where each row of an image [height,...] begins.
std::vector<png_bytep> RowsOf(void* data, int64_t height, size_t row_bytes) {
  std::vector<png_bytep> rows(static_cast<size_t>(height));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<png_bytep>(data) + i * row_bytes;
  }
  return rows;
}

// uint8 to uint16, 255 to 65535.
Result<Tensor> Stretch(const Tensor& narrow) {
  LS_ASSIGN_OR_RETURN(Tensor wide, Tensor::Make(kUint16, narrow.shape()));
  std::ranges::transform(
      narrow.flat<uint8_t>(), wide.flat<uint16_t>().begin(),
      [](uint8_t v) { return static_cast<uint16_t>(v * 257); });
  return wide;
}

}  // namespace

Result<Tensor> DecodePng(std::string_view bytes, int channels, DType dtype) {
  Reader reader(bytes);
  if (!reader.ReadHeader()) {
    return InvalidArgument("Invalid PNG. Failed to initialize decoder: ",
                           reader.error());
  }
  const int64_t height = reader.height(), width = reader.width();
  if (height > kMaxPixels / std::max<int64_t>(1, width)) {
    return ResourceExhausted("a PNG of ", width, " x ", height,
                             " pixels: at most ", kMaxPixels, " are read");
  }
  if (channels == 0) channels = reader.channels();
  const bool wide = dtype == kUint16 && reader.depth() == 16;
  if (!reader.Convert(channels, wide)) {
    return InvalidArgument("Invalid PNG: ", reader.error());
  }
  LS_ASSIGN_OR_RETURN(
      Tensor image,
      Tensor::Make(wide ? kUint16 : kUint8, Shape{height, width, channels}));
  const size_t row_bytes =
      static_cast<size_t>(width * channels) * (wide ? 2 : 1);
  if (reader.row_bytes() != row_bytes) {
    return Internal("a row of the PNG takes ", reader.row_bytes(),
                    " bytes, not ", row_bytes);
  }
  std::vector<png_bytep> rows = RowsOf(image.data(), height, row_bytes);
  if (!reader.ReadRows(rows)) {
    return InvalidArgument("Invalid PNG data, size ", bytes.size(), ": ",
                           reader.error());
  }
  return dtype == kUint16 && !wide ? Stretch(image) : Result<Tensor>(image);
}

Result<std::string> EncodePng(const Tensor& image, int compression) {
  const Shape& shape = image.shape();
  const bool wide = image.dtype() == kUint16;
  if ((!wide && image.dtype() != kUint8) || shape.rank() != 3 ||
      shape.dim(2) < 1 || shape.dim(2) > 4 || shape.NumElements() == 0) {
    return InvalidArgument("a PNG is made of uint8 or uint16 ",
                           "[height,width,1..4] with at least one pixel, got ",
                           DTypeName(image.dtype()), " ", shape);
  }
  if (shape.dim(0) > kMaxPixels / shape.dim(1)) {
    return ResourceExhausted("an image of shape ", shape, ": at most ",
                             kMaxPixels, " pixels are written");
  }
  const size_t row_bytes =
      static_cast<size_t>(shape.dim(1) * shape.dim(2)) * (wide ? 2 : 1);
  std::vector<png_bytep> rows =
      RowsOf(const_cast<void*>(image.data()), shape.dim(0), row_bytes);
  Writer writer;
  if (!writer.Write(shape, wide ? 16 : 8, compression, rows)) {
    return Internal("PNG of shape ", shape, ": ", writer.error());
  }
  return std::move(writer.bytes());
}

}  // namespace lockstep
