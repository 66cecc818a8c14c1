// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/tensor_slice.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace lockstep {
namespace {

bool ParseInt(std::string_view text, int64_t& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end && value >= 0;
}

// A span of one dimension with its length resolved.
struct Range {
  int64_t start;
  int64_t length;
};

Range Resolve(const TensorSlice::Extent& e, int64_t dim) {
  return {e.start, e.length == TensorSlice::kAll ? dim - e.start : e.length};
}

// Where runs of elements lie that are contiguous in both parts.
struct Overlap {
  int rank = 0;
  std::array<int64_t, Shape::kMaxRank> length{};       // of the overlap
  std::array<int64_t, Shape::kMaxRank> from_stride{};  // in elements
  std::array<int64_t, Shape::kMaxRank> to_stride{};
  int64_t from_start = 0;
  int64_t to_start = 0;
  int64_t count = 1;
};

Overlap FindOverlap(const Shape& full, const TensorSlice& a,
                    const TensorSlice& b) {
  Overlap o;
  o.rank = full.rank();
  int64_t a_stride = 1;
  int64_t b_stride = 1;
  for (int d = o.rank - 1; d >= 0; --d) {
    const auto i = static_cast<size_t>(d);
    const Range ra = Resolve(a.extents[i], full.dim(d));
    const Range rb = Resolve(b.extents[i], full.dim(d));
    const int64_t start = std::max(ra.start, rb.start);
    const int64_t end = std::min(ra.start + ra.length, rb.start + rb.length);
    o.length[i] = std::max<int64_t>(0, end - start);
    o.count *= o.length[i];
    o.from_stride[i] = a_stride;
    o.to_stride[i] = b_stride;
    o.from_start += (start - ra.start) * a_stride;
    o.to_start += (start - rb.start) * b_stride;
    a_stride *= ra.length;
    b_stride *= rb.length;
  }
  return o;
}

// Calls f(from, to, n) for each run of n elements along the last dimension.
template <class F>
void ForEachRun(const Overlap& o, const F& f) {
  if (o.count == 0) return;
  const int last = o.rank - 1;
  const int64_t run = last < 0 ? 1 : o.length[static_cast<size_t>(last)];
  std::array<int64_t, Shape::kMaxRank> at{};
  int64_t from = o.from_start;
  int64_t to = o.to_start;
  for (int64_t done = 0; done < o.count; done += run) {
    f(from, to, run);
    for (int d = last - 1; d >= 0; --d) {
      const auto i = static_cast<size_t>(d);
      from += o.from_stride[i];
      to += o.to_stride[i];
      if (++at[i] < o.length[i]) break;
      from -= o.from_stride[i] * at[i];
      to -= o.to_stride[i] * at[i];
      at[i] = 0;
    }
  }
}

// Encodings whose bytewise order is the order of what they encode.

// A length, then that many bytes, big endian, without leading zeros.
void AppendOrdered(std::string& out, uint64_t value) {
  int n = 0;
  while (n < 8 && (value >> (8 * n)) != 0) ++n;
  out += static_cast<char>(n);
  for (int i = n - 1; i >= 0; --i) {
    out += static_cast<char>(value >> (8 * i));
  }
}

// Two's complement, big endian, in as many bytes n as its 7 n bits take; the
// first n bits are turned over, so that they tell n and the sign.
void AppendOrderedSigned(std::string& out, int64_t value) {
  const uint64_t magnitude = static_cast<uint64_t>(value < 0 ? ~value : value);
  int n = 1;
  while (n < 10 && (magnitude >> std::min(7 * n - 1, 63)) != 0) ++n;
  std::array<uint8_t, 10> bytes;
  for (int i = 0; i < n; ++i) {
    const int shift = std::min(8 * (n - 1 - i), 63);
    bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(value >> shift);
  }
  for (int bit = 0; bit < n; ++bit) {
    bytes[static_cast<size_t>(bit / 8)] ^=
        static_cast<uint8_t>(0x80u >> (bit % 8));
  }
  out.append(reinterpret_cast<const char*>(bytes.data()),
             static_cast<size_t>(n));
}

// The bytes 0x00 and 0xff are escaped; 0x00 0x01 ends the string.
void AppendOrdered(std::string& out, std::string_view text) {
  for (const char c : text) {
    out += c;
    if (c == '\0') out += '\xff';
    if (c == '\xff') out += '\0';
  }
  out += '\0';
  out += '\1';
}

}  // namespace

Result<TensorSlice> TensorSlice::Parse(std::string_view text) {
  TensorSlice slice;
  if (text.empty()) return slice;
  for (const std::string& part : Split(text, ':')) {
    Extent e;
    if (part != "-") {
      const size_t comma = part.find(',');
      if (comma == std::string::npos ||
          !ParseInt(std::string_view(part).substr(0, comma), e.start) ||
          !ParseInt(std::string_view(part).substr(comma + 1), e.length)) {
        return InvalidArgument("'", text, "' is not a slice: want ",
                               "'start,length' or '-' for each dimension");
      }
    }
    slice.extents.push_back(e);
  }
  return slice;
}

std::string TensorSlice::ToString() const {
  std::string out;
  for (const Extent& e : extents) {
    if (!out.empty()) out += ':';
    out += e.length == kAll ? "-" : StrCat(e.start, ",", e.length);
  }
  return out;
}

Result<Shape> TensorSlice::ShapeIn(const Shape& full) const {
  if (static_cast<int>(extents.size()) != full.rank()) {
    return InvalidArgument("slice '", ToString(), "' has ", extents.size(),
                           " dimensions, the tensor has shape ", full);
  }
  Shape shape = full;
  for (int d = 0; d < full.rank(); ++d) {
    const Extent& e = extents[static_cast<size_t>(d)];
    if (e.length == kAll && e.start == 0) continue;
    if (e.start < 0 || e.length < 0 || e.start > full.dim(d) ||
        e.length > full.dim(d) - e.start) {
      return InvalidArgument("slice '", ToString(),
                             "' is not within a tensor of shape ", full);
    }
    shape.set_dim(d, e.length);
  }
  return shape;
}

Result<ShapeAndSlice> ParseShapeAndSlice(std::string_view text) {
  ShapeAndSlice out;
  if (text.empty()) return out;
  out.whole = false;
  const std::vector<std::string> words = Split(text, ' ');
  std::vector<int64_t> dims;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    int64_t dim = 0;
    if (!ParseInt(words[i], dim)) {
      return InvalidArgument("'", text, "' is not a shape and slice: '",
                             words[i], "' is no dimension");
    }
    dims.push_back(dim);
  }
  LS_ASSIGN_OR_RETURN(out.full, Shape::Make(dims));
  LS_ASSIGN_OR_RETURN(out.slice, TensorSlice::Parse(words.back()));
  LS_ASSIGN_OR_RETURN(out.part, out.slice.ShapeIn(out.full));
  return out;
}

int64_t CountOverlap(const Shape& full, const TensorSlice& a,
                     const TensorSlice& b) {
  return FindOverlap(full, a, b).count;
}

int64_t CopyOverlap(const Shape& full, const TensorSlice& from_slice,
                    const Tensor& from, const TensorSlice& to_slice,
                    Tensor& to) {
  const Overlap o = FindOverlap(full, from_slice, to_slice);
  if (from.dtype() == kString) {
    const auto in = from.flat<std::string>();
    const auto out = to.flat<std::string>();
    ForEachRun(o, [&](int64_t a, int64_t b, int64_t n) {
      std::copy_n(in.begin() + a, n, out.begin() + b);
    });
    return o.count;
  }
  const auto width = static_cast<int64_t>(DTypeSize(from.dtype()));
  const char* in = static_cast<const char*>(from.data());
  char* out = static_cast<char*>(to.data());
  ForEachRun(o, [&](int64_t a, int64_t b, int64_t n) {
    std::memcpy(out + b * width, in + a * width,
                static_cast<size_t>(n * width));
  });
  return o.count;
}

std::string SliceKey(std::string_view name, const TensorSlice& slice) {
  std::string key;
  AppendOrdered(key, uint64_t{0});
  AppendOrdered(key, name);
  AppendOrdered(key, uint64_t{slice.extents.size()});
  for (const TensorSlice::Extent& e : slice.extents) {
    AppendOrderedSigned(key, e.start);
    AppendOrderedSigned(key, e.length);
  }
  return key;
}

}  // namespace lockstep
