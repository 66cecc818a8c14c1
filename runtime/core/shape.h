// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shape: the dimensions of a tensor, some or all of them perhaps unknown.
//
// A dimension of kUnknownDim (-1) is unknown; a Shape may also have an unknown
// rank. Tensors only ever have fully known shapes; partial ones occur while a
// graph is built. At most kMaxRank dimensions; no allocation.
//
//   Shape s{-1, 784};           // [?,784]
//   s.IsFullyKnown();           // false
//   s.set_dim(0, 100);
//   s.NumElements();            // 78400

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "runtime/core/status.h"

namespace lockstep {

inline constexpr int64_t kUnknownDim = -1;

class Shape {
 public:
  static constexpr int kMaxRank = 16;

  Shape() = default;  // a scalar: rank 0
  // Requires at most kMaxRank dims, each >= -1 (checked in debug builds); use
  // Make for sizes from outside.
  Shape(std::initializer_list<int64_t> dims)
      : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);

  // INVALID_ARGUMENT for too many dims, a dim below -1, or more elements than
  // fit in int64.
  static Result<Shape> Make(std::span<const int64_t> dims);
  static Shape Unknown() {
    Shape s;
    s.rank_ = -1;
    return s;
  }
  // `rank` unknown dimensions.
  static Shape UnknownOfRank(int rank);

  bool HasRank() const { return rank_ >= 0; }
  bool IsScalar() const { return rank_ == 0; }
  bool IsFullyKnown() const;
  int rank() const { return rank_; }  // -1 when unknown
  // Requires 0 <= i < rank().
  int64_t dim(int i) const { return dims_[static_cast<size_t>(i)]; }
  void set_dim(int i, int64_t value) { dims_[static_cast<size_t>(i)] = value; }
  // Requires HasRank() and rank() < kMaxRank.
  void AddDim(int64_t value) { dims_[static_cast<size_t>(rank_++)] = value; }
  void InsertDim(int at, int64_t value);
  void RemoveDim(int at);
  std::span<const int64_t> dims() const {
    return {dims_.data(), static_cast<size_t>(rank_ < 0 ? 0 : rank_)};
  }
  // Product of the dims; 1 for a scalar; -1 unless fully known.
  int64_t NumElements() const;

  bool operator==(const Shape& other) const;
  // True when some tensor could have both shapes.
  bool IsCompatibleWith(const Shape& other) const;
  // The more precise of both; INVALID_ARGUMENT when they contradict.
  static Result<Shape> Merge(const Shape& a, const Shape& b);
  // NumPy broadcasting, with unknowns; INVALID_ARGUMENT when impossible.
  static Result<Shape> Broadcast(const Shape& a, const Shape& b);

  // "[100,784]", "[?,10]", "[]", "<unknown>".
  std::string ToString() const;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace lockstep
