// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the ops on stacks, tensor arrays and tensor lists share.

#include <memory>
#include <string_view>

#include "runtime/core/object.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// The object of type T in input i; INVALID_ARGUMENT when it is none.
template <class T>
Result<T*> ObjectOf(KernelContext& k, int i, std::string_view what) {
  const Tensor& handle = k.input(i);
  T* object = nullptr;
  if (handle.defined() && IsObject(handle.dtype()) &&
      handle.NumElements() == 1) {
    object = dynamic_cast<T*>(handle.scalar<ObjectRef>().get());
  }
  if (!object) return InvalidArgument("input ", i, " is no ", what);
  return object;
}

// Output i becomes a scalar that holds the object.
inline void SetObject(KernelContext& k, int i, DType dtype, ObjectRef object) {
  Tensor handle(dtype, Shape{});
  handle.flat<ObjectRef>()[0] = std::move(object);
  k.SetOutput(i, std::move(handle));
}

// The value of an int32 scalar called `name`.
Result<int64_t> ScalarInt(const Tensor& t, const char* name);
// Output i becomes a copy of `value`, in its memory where it has some.
Status CopyToOutput(KernelContext& k, int i, const Tensor& value);
// Elements that are zero, or empty strings.
Result<Tensor> ZeroTensor(DType dtype, const Shape& shape);
// Such elements in the shape of `t`; objects become their own zeros.
Result<Tensor> ZerosLike(const Tensor& t);
// Along a new axis 0: all of `parts`, equal in shape, one after the other.
Result<Tensor> StackTensors(DType dtype, const Shape& element,
                            std::span<const Tensor> parts);
// `count` rows of `value` beginning with row `begin`; one row has no axis 0
// when `drop_axis` says so.
Result<Tensor> RowsOf(const Tensor& value, int64_t begin, int64_t count,
                      bool drop_axis);
// Along axis 0: parts of equal inner shape.
Result<Tensor> ConcatTensors(DType dtype, const Shape& inner,
                             std::span<const Tensor> parts);
// a += b, element by element; INVALID_ARGUMENT when they do not fit.
Status AddInto(const Tensor& b, Tensor* a);

}  // namespace lockstep
