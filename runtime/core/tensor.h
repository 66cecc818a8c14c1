// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tensor: a typed, dense, row-major array; a handle that is cheap to copy.
//
// A tensor owns its memory together with its copies, or borrows memory that
// somebody else keeps alive (an arena, a caller's array). Copies share the
// elements: writing through one is seen by all. Owned memory is aligned to 64
// bytes. Thread-compatible; distinct handles may be read concurrently.
//
//   Tensor x = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
//   Tensor y(kFloat, Shape{2, 2});           // uninitialised elements
//   std::ranges::copy(x.flat<float>(), y.flat<float>().begin());
//   float v = y.flat<float>()[3];
//   Tensor step(int64_t{7});                 // a scalar

#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/core/allocator.h"
#include "runtime/core/dtype.h"
#include "runtime/core/shape.h"

namespace lockstep {

class Tensor {
 public:
  Tensor() = default;  // no dtype, no elements
  // Allocates. Requires a fully known shape and a dtype with a size; running
  // out of memory throws std::bad_alloc (use Make for sizes from outside).
  // Strings and object references start empty; other elements are
  // uninitialised.
  Tensor(DType dtype, const Shape& shape);
  // A scalar.
  Tensor(float v) : Tensor(Scalar(v)) {}                   // NOLINT: implicit
  Tensor(double v) : Tensor(Scalar(v)) {}                  // NOLINT: implicit
  Tensor(int32_t v) : Tensor(Scalar(v)) {}                 // NOLINT: implicit
  Tensor(int64_t v) : Tensor(Scalar(v)) {}                 // NOLINT: implicit
  Tensor(bool v) : Tensor(Scalar(v)) {}                    // NOLINT: implicit
  Tensor(std::string v) : Tensor(Scalar(std::move(v))) {}  // NOLINT: implicit
  Tensor(const char* v) : Tensor(std::string(v)) {}        // NOLINT: implicit

  // RESOURCE_EXHAUSTED, INVALID_ARGUMENT instead of an exception.
  static Result<Tensor> Make(DType dtype, const Shape& shape);
  // With memory of `allocator`, or of the heap when that is null. Elements of
  // strings and objects need host memory.
  static Result<Tensor> Make(DType dtype, const Shape& shape,
                             Allocator* allocator);
  // Does not own `data`, which must stay valid while this or a copy is used.
  static Tensor Borrow(DType dtype, const Shape& shape, void* data);
  // Owns nothing itself; keeps `owner` alive as long as it or a copy lives.
  static Tensor Share(DType dtype, const Shape& shape, void* data,
                      std::shared_ptr<void> owner);
  // Requires as many values as the shape has elements.
  template <class T>
  static Tensor Of(const Shape& shape, std::initializer_list<T> values) {
    return FromSpan<T>(shape,
                       std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static Tensor FromSpan(const Shape& shape, std::span<const T> values) {
    Tensor t(DTypeOf<T>::value, shape);
    auto out = t.flat<T>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = values[i];
    return t;
  }
  // A rank-1 tensor; std::vector<bool> is not supported.
  template <class T>
  static Tensor Vector(const std::vector<T>& values) {
    return FromSpan<T>(Shape{static_cast<int64_t>(values.size())},
                       std::span<const T>(values));
  }
  template <class T>
  static Tensor Scalar(T v) {
    Tensor t(DTypeOf<T>::value, Shape{});
    t.flat<T>()[0] = std::move(v);
    return t;
  }

  bool defined() const { return dtype_ != kInvalidType; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t NumElements() const { return num_elements_; }
  size_t bytes() const {
    return static_cast<size_t>(num_elements_) * DTypeSize(dtype_);
  }
  void* data() { return data_; }
  const void* data() const { return data_; }
  bool owns_memory() const { return owner_ != nullptr; }
  // The only handle to owned memory: it may be overwritten unseen.
  bool unique() const { return owner_ != nullptr && owner_.use_count() == 1; }

  // All elements in row-major order. Requires T to be the dtype's type.
  template <class T>
  std::span<T> flat() {
    return {static_cast<T*>(data_), static_cast<size_t>(num_elements_)};
  }
  template <class T>
  std::span<const T> flat() const {
    return {static_cast<const T*>(data_), static_cast<size_t>(num_elements_)};
  }
  // Requires one element.
  template <class T>
  const T& scalar() const {
    return *static_cast<const T*>(data_);
  }

  // The same elements under another shape; INVALID_ARGUMENT unless it has as
  // many elements.
  Result<Tensor> Reshaped(const Shape& shape) const;
  // A new tensor with memory of its own and equal elements.
  Tensor Clone() const;
  // Copies the elements of `from`; requires equal dtype and element count.
  void CopyFrom(const Tensor& from);
  // Points at other memory of the same dtype and shape; drops ownership. For
  // the executor.
  void Rebind(void* data) { data_ = data; }

  // "float [2,2] {1, 2, 3, 4}", at most `max_values` values.
  std::string ToString(int max_values = 8) const;

 private:
  DType dtype_ = kInvalidType;
  Shape shape_;
  int64_t num_elements_ = 0;
  void* data_ = nullptr;
  // Shared: handles are copied freely between feeds, fetches and variables.
  std::shared_ptr<void> owner_;
};

// Element i of an integer tensor (int32 or int64) widened to int64.
int64_t IntAt(const Tensor& t, int64_t i);
// All elements of an int32 or int64 tensor; INVALID_ARGUMENT for others.
Result<std::vector<int64_t>> ToInt64s(const Tensor& t);
// Same dtype, shape and bytes (elements for strings and objects).
bool BitwiseEqual(const Tensor& a, const Tensor& b);

}  // namespace lockstep
