// SPDX-License-Identifier: Apache-2.0
#pragma once

// Slices and Indices: for authors of kernels that pick whole rows by number,
// whatever their dtype.
//
//   const Slices rows(x.dtype(), width);          // elements a row
//   const Indices at(k.input(1));                 // int32 or int64
//   rows.Copy(y.data(), i, x.data(), at[i]);      // y's row i = x's row at[i]

#include <algorithm>
#include <cstring>

#include "runtime/core/tensor.h"

namespace lockstep {

class Slices {
 public:
  Slices() = default;
  // Of any dtype whose elements have a size.
  Slices(DType dtype, int64_t elements)
      : string_(dtype == kString),
        elements_(elements),
        bytes_(elements * static_cast<int64_t>(DTypeSize(dtype))) {}

  int64_t bytes() const { return bytes_; }
  // `count` slices from `j` on to places from `i` on.
  void Copy(void* to, int64_t i, const void* from, int64_t j,
            int64_t count = 1) const {
    if (string_) {
      std::copy_n(static_cast<const std::string*>(from) + j * elements_,
                  count * elements_,
                  static_cast<std::string*>(to) + i * elements_);
    } else {
      std::memcpy(static_cast<char*>(to) + i * bytes_,
                  static_cast<const char*>(from) + j * bytes_,
                  static_cast<size_t>(count * bytes_));
    }
  }
  // Zeros (empty strings) in slices [begin, end).
  void Clear(void* to, int64_t begin, int64_t end) const {
    if (string_) {
      std::fill(static_cast<std::string*>(to) + begin * elements_,
                static_cast<std::string*>(to) + end * elements_, std::string());
    } else if (begin < end) {
      std::memset(static_cast<char*>(to) + begin * bytes_, 0,
                  static_cast<size_t>((end - begin) * bytes_));
    }
  }

 private:
  bool string_ = false;
  int64_t elements_ = 1;
  int64_t bytes_ = 1;
};

// The elements of an int32 or int64 tensor, which must outlive it.
class Indices {
 public:
  explicit Indices(const Tensor& t)
      : data_(t.data()), size_(t.NumElements()), wide_(t.dtype() == kInt64) {}
  int64_t size() const { return size_; }
  int64_t operator[](int64_t i) const {
    return wide_ ? static_cast<const int64_t*>(data_)[i]
                 : static_cast<const int32_t*>(data_)[i];
  }

 private:
  const void* data_;
  int64_t size_;
  bool wide_;
};

// Element `i` of an int32 or int64 tensor = v.
inline void SetInt(Tensor& t, int64_t i, int64_t v) {
  if (t.dtype() == kInt64) {
    static_cast<int64_t*>(t.data())[i] = v;
  } else {
    static_cast<int32_t*>(t.data())[i] = static_cast<int32_t>(v);
  }
}

}  // namespace lockstep
