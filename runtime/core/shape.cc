// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/shape.h"

#include <algorithm>
#include <cassert>

namespace lockstep {

Shape::Shape(std::span<const int64_t> dims)
    : rank_(static_cast<int>(std::min<size_t>(dims.size(), kMaxRank))) {
  assert(dims.size() <= kMaxRank);
  assert(std::ranges::all_of(dims, [](int64_t d) { return d >= -1; }));
  std::copy_n(dims.begin(), rank_, dims_.begin());
}

Result<Shape> Shape::Make(std::span<const int64_t> dims) {
  if (dims.size() > kMaxRank) {
    return InvalidArgument("shape has ", dims.size(), " dimensions; at most ",
                           kMaxRank, " are supported");
  }
  int64_t known = 1;  // product of the known dims, 0 apart
  bool zero = false, overflow = false;
  for (const int64_t dim : dims) {
    if (dim < kUnknownDim) {
      return InvalidArgument("Dimension ", dim, " must be >= 0: shape [",
                             Join(dims, ","), "]");
    }
    zero = zero || dim == 0;
    if (dim > 0) overflow |= __builtin_mul_overflow(known, dim, &known);
  }
  if (overflow && !zero) {
    return InvalidArgument("shape [", Join(dims, ","),
                           "] has more elements than fit in int64");
  }
  return Shape(dims);
}

Shape Shape::UnknownOfRank(int rank) {
  Shape s;
  s.rank_ = rank;
  std::fill_n(s.dims_.begin(), rank, kUnknownDim);
  return s;
}

bool Shape::IsFullyKnown() const {
  return HasRank() && std::ranges::find(dims(), kUnknownDim) == dims().end();
}

void Shape::InsertDim(int at, int64_t value) {
  const auto begin = dims_.begin();
  std::copy_backward(begin + at, begin + rank_, begin + rank_ + 1);
  dims_[static_cast<size_t>(at)] = value;
  ++rank_;
}

void Shape::RemoveDim(int at) {
  const auto begin = dims_.begin();
  std::copy(begin + at + 1, begin + rank_, begin + at);
  --rank_;
}

int64_t Shape::NumElements() const {
  if (!IsFullyKnown()) return -1;
  uint64_t n = 1;  // unsigned: [2^40,2^40,0] is valid and passes through 2^80
  for (const int64_t dim : dims()) n *= static_cast<uint64_t>(dim);
  return static_cast<int64_t>(n);
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::ranges::equal(dims(), other.dims());
}

bool Shape::IsCompatibleWith(const Shape& other) const {
  if (!HasRank() || !other.HasRank()) return true;
  if (rank_ != other.rank_) return false;
  for (int i = 0; i < rank_; ++i) {
    if (dim(i) != other.dim(i) && dim(i) != kUnknownDim &&
        other.dim(i) != kUnknownDim) {
      return false;
    }
  }
  return true;
}

Result<Shape> Shape::Merge(const Shape& a, const Shape& b) {
  if (!a.IsCompatibleWith(b)) {
    return InvalidArgument("shapes ", a, " and ", b, " contradict each other");
  }
  if (!a.HasRank()) return b;
  if (!b.HasRank()) return a;
  Shape merged = a;
  for (int i = 0; i < a.rank(); ++i) {
    if (a.dim(i) == kUnknownDim) merged.set_dim(i, b.dim(i));
  }
  return merged;
}

Result<Shape> Shape::Broadcast(const Shape& a, const Shape& b) {
  if (!a.HasRank() || !b.HasRank()) return Unknown();
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int offset = longer.rank() - shorter.rank();
  Shape out = longer;
  for (int i = 0; i < shorter.rank(); ++i) {
    const int64_t x = longer.dim(i + offset);
    const int64_t y = shorter.dim(i);
    if (x == y || y == 1) continue;
    if (x == 1) {
      out.set_dim(i + offset, y);
    } else if (x == kUnknownDim) {
      out.set_dim(i + offset, y);  // unknown must be 1 or y to be allowed
    } else if (y != kUnknownDim) {
      return InvalidArgument("Incompatible shapes: ", a, " vs. ", b,
                             " cannot be broadcast together");
    }
  }
  return out;
}

std::string Shape::ToString() const {
  if (!HasRank()) return "<unknown>";
  std::string out = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) out += ',';
    out += dim(i) == kUnknownDim ? "?" : StrCat(dim(i));
  }
  return out + "]";
}

}  // namespace lockstep
