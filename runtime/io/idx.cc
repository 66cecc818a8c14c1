// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/idx.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "runtime/io/coding.h"
#include "runtime/io/gzip.h"

namespace lockstep {
namespace {

DType TypeOfCode(uint8_t code) {
  switch (code) {
    case 0x08: return kUint8;
    case 0x09: return kInt8;
    case 0x0b: return kInt16;
    case 0x0c: return kInt32;
    case 0x0d: return kFloat;
    case 0x0e: return kDouble;
    default: return kInvalidType;
  }
}

uint8_t CodeOfType(DType type) {
  for (int code = 0x08; code <= 0x0e; ++code) {
    if (TypeOfCode(static_cast<uint8_t>(code)) == type) {
      return static_cast<uint8_t>(code);
    }
  }
  return 0;
}

// Turns every element of `width` bytes around, in place.
void SwapBytes(char* data, size_t bytes, size_t width) {
  if (width == 1) return;
  for (size_t i = 0; i + width <= bytes; i += width) {
    std::reverse(data + i, data + i + width);
  }
}

// The bytes of the file after decompression, front to back.
class Source {
 public:
  static Result<Source> Open(std::string_view bytes, const std::string& name) {
    Source s(bytes, name);
    if (IsGzip(bytes)) {
      LS_ASSIGN_OR_RETURN(s.gzip_, GunzipStream::Open(bytes, name));
    }
    return s;
  }

  Status ReadExactly(char* out, size_t n) {
    if (gzip_) return gzip_->ReadExactly(out, n);
    if (n > rest_.size()) {
      return DataLoss(name_, ": file is cut short: wanted ", n,
                      " more bytes, got ", rest_.size());
    }
    if (n > 0) std::memcpy(out, rest_.data(), n);
    rest_.remove_prefix(n);
    return Ok();
  }

  Status ExpectEnd() {
    if (gzip_) return gzip_->ExpectEnd();
    if (rest_.empty()) return Ok();
    return DataLoss(name_, ": ", rest_.size(),
                    " more bytes than its header declares");
  }

  // No more than this can still come.
  size_t MaxBytes() const {
    return gzip_ ? GunzipStream::MaxUncompressed(rest_.size()) : rest_.size();
  }

 private:
  Source(std::string_view bytes, const std::string& name)
      : rest_(bytes), name_(name) {}

  std::string_view rest_;
  std::string name_;
  std::unique_ptr<GunzipStream> gzip_;
};

Result<Shape> ReadShape(Source& in, int rank, const std::string& name) {
  if (rank > Shape::kMaxRank) {
    return InvalidArgument(name, ": IDX file of ", rank,
                           " dimensions, at most ", Shape::kMaxRank,
                           " are supported");
  }
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    char dim[4];
    LS_RETURN_IF_ERROR(in.ReadExactly(dim, sizeof(dim)));
    shape.AddDim(int64_t{LoadBig32(dim)});
  }
  return shape;
}

// The product of the dims and the element's width; DATA_LOSS beyond `limit`.
Result<size_t> CheckedBytes(const Shape& shape, DType type, size_t limit,
                            const std::string& name) {
  size_t bytes = DTypeSize(type);
  bool empty = false;
  bool too_large = false;
  for (int64_t dim : shape.dims()) {
    empty |= dim == 0;
    too_large |=
        __builtin_mul_overflow(bytes, static_cast<size_t>(dim), &bytes);
  }
  if (empty) return size_t{0};
  if (too_large || bytes > limit) {
    return DataLoss(name, ": header declares ", DTypeName(type), " ", shape,
                    ", more than the file can hold");
  }
  return bytes;
}

}  // namespace

Result<Tensor> DecodeIdx(std::string_view bytes, const std::string& name) {
  LS_ASSIGN_OR_RETURN(Source in, Source::Open(bytes, name));
  char magic[4];
  if (Status s = in.ReadExactly(magic, sizeof(magic)); !s.ok()) return s;
  const auto code = static_cast<uint8_t>(magic[2]);
  const DType type = TypeOfCode(code);
  if (magic[0] != 0 || magic[1] != 0 || type == kInvalidType) {
    return InvalidArgument(name, ": not an IDX file: wrong magic number ",
                           LoadBig32(magic));
  }
  LS_ASSIGN_OR_RETURN(const Shape shape,
                      ReadShape(in, static_cast<uint8_t>(magic[3]), name));
  LS_ASSIGN_OR_RETURN(const size_t size,
                      CheckedBytes(shape, type, in.MaxBytes(), name));
  // Make checks the element count, which dims of an empty tensor may overflow.
  auto checked = Shape::Make(shape.dims());
  if (!checked.ok()) return checked.status().WithContext(name);
  LS_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Make(type, *checked));
  char* data = static_cast<char*>(tensor.data());
  LS_RETURN_IF_ERROR(in.ReadExactly(data, size));
  LS_RETURN_IF_ERROR(in.ExpectEnd());
  SwapBytes(data, size, DTypeSize(type));
  return tensor;
}

Result<Tensor> ReadIdx(Env& env, const std::string& path) {
  LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(path));
  return DecodeIdx(bytes, path);
}

Result<std::string> EncodeIdx(const Tensor& tensor) {
  const uint8_t code = CodeOfType(tensor.dtype());
  if (code == 0) {
    return InvalidArgument("IDX files hold no elements of type ",
                           DTypeName(tensor.dtype()));
  }
  std::string out = {0, 0, static_cast<char>(code),
                     static_cast<char>(tensor.shape().rank())};
  for (int64_t dim : tensor.shape().dims()) {
    if (dim > std::numeric_limits<uint32_t>::max()) {
      return InvalidArgument("IDX: dimension ", dim, " is above 2^32 - 1");
    }
    PutFixed32(out, __builtin_bswap32(static_cast<uint32_t>(dim)));
  }
  const size_t header = out.size();
  if (tensor.bytes() > 0) {
    out.append(static_cast<const char*>(tensor.data()), tensor.bytes());
  }
  SwapBytes(out.data() + header, tensor.bytes(), DTypeSize(tensor.dtype()));
  return out;
}

}  // namespace lockstep
