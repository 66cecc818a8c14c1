// SPDX-License-Identifier: Apache-2.0
#include "ops/control/object.h"

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

// Copies `from`'s elements into `to` beginning with element `at`.
void CopyElements(const Tensor& from, int64_t first, int64_t count, Tensor* to,
                  int64_t at) {
  if (from.dtype() == kString) {
    const auto src = from.flat<std::string>().subspan(
        static_cast<size_t>(first), static_cast<size_t>(count));
    std::ranges::copy(src, to->flat<std::string>().begin() + at);
    return;
  }
  const size_t size = DTypeSize(from.dtype());
  if (count == 0) return;
  std::memcpy(
      static_cast<char*>(to->data()) + static_cast<size_t>(at) * size,
      static_cast<const char*>(from.data()) + static_cast<size_t>(first) * size,
      static_cast<size_t>(count) * size);
}

Status CheckMovable(DType dtype) {
  if (IsObject(dtype)) {
    return Unimplemented("elements of ", DTypeName(dtype),
                         " cannot be put together");
  }
  return Ok();
}

}  // namespace

Result<int64_t> ScalarInt(const Tensor& t, const char* name) {
  if (t.NumElements() == 1 && t.dtype() == kInt32) {
    return int64_t{t.scalar<int32_t>()};
  }
  return InvalidArgument(name, " must be an int32 scalar, is ",
                         DTypeName(t.dtype()), " ", t.shape());
}

Status CopyToOutput(KernelContext& k, int i, const Tensor& value) {
  LS_RETURN_IF_ERROR(k.AllocateOutput(i, Shape(value.shape())));
  k.output(i).CopyFrom(value);
  return Ok();
}

Result<Tensor> ZeroTensor(DType dtype, const Shape& shape) {
  LS_ASSIGN_OR_RETURN(Tensor zeros, Tensor::Make(dtype, shape));
  if (IsPod(dtype)) std::memset(zeros.data(), 0, zeros.bytes());
  return zeros;
}

Result<Tensor> ZerosLike(const Tensor& t) {
  if (!IsObject(t.dtype())) return ZeroTensor(t.dtype(), t.shape());
  Tensor zeros = t.Clone();
  for (ObjectRef& o : zeros.flat<ObjectRef>()) {
    if (!o) continue;
    LS_ASSIGN_OR_RETURN(o, o->Zeros());
  }
  return zeros;
}

Result<Tensor> StackTensors(DType dtype, const Shape& element,
                            std::span<const Tensor> parts) {
  LS_RETURN_IF_ERROR(CheckMovable(dtype));
  std::vector<int64_t> dims = {static_cast<int64_t>(parts.size())};
  for (int i = 0; i < element.rank(); ++i) dims.push_back(element.dim(i));
  LS_ASSIGN_OR_RETURN(Shape shape, Shape::Make(dims));
  LS_ASSIGN_OR_RETURN(Tensor all, Tensor::Make(dtype, shape));
  int64_t at = 0;
  for (const Tensor& part : parts) {
    if (!(part.shape() == element)) {
      return InvalidArgument(
          "elements have inconsistent shapes: Index 0 has ", "shape: ", element,
          " but index ", &part - parts.data(), " has shape: ", part.shape());
    }
    CopyElements(part, 0, part.NumElements(), &all, at);
    at += part.NumElements();
  }
  return all;
}

Result<Tensor> RowsOf(const Tensor& value, int64_t begin, int64_t count,
                      bool drop_axis) {
  LS_RETURN_IF_ERROR(CheckMovable(value.dtype()));
  std::vector<int64_t> dims;
  int64_t row = 1;
  if (!drop_axis) dims.push_back(count);
  for (int i = 1; i < value.shape().rank(); ++i) {
    dims.push_back(value.shape().dim(i));
    row *= value.shape().dim(i);
  }
  LS_ASSIGN_OR_RETURN(Shape shape, Shape::Make(dims));
  LS_ASSIGN_OR_RETURN(Tensor rows, Tensor::Make(value.dtype(), shape));
  CopyElements(value, begin * row, count * row, &rows, 0);
  return rows;
}

Result<Tensor> ConcatTensors(DType dtype, const Shape& inner,
                             std::span<const Tensor> parts) {
  LS_RETURN_IF_ERROR(CheckMovable(dtype));
  int64_t rows = 0;
  for (const Tensor& part : parts) {
    const Shape& s = part.shape();
    bool fits = s.rank() == inner.rank() + 1;
    for (int i = 0; fits && i < inner.rank(); ++i) {
      fits = s.dim(i + 1) == inner.dim(i);
    }
    if (!fits) {
      return InvalidArgument("elements of shapes ", parts[0].shape(), " and ",
                             s, " cannot be concatenated");
    }
    rows += s.dim(0);
  }
  std::vector<int64_t> dims = {rows};
  for (int i = 0; i < inner.rank(); ++i) dims.push_back(inner.dim(i));
  LS_ASSIGN_OR_RETURN(Shape shape, Shape::Make(dims));
  LS_ASSIGN_OR_RETURN(Tensor all, Tensor::Make(dtype, shape));
  int64_t at = 0;
  for (const Tensor& part : parts) {
    CopyElements(part, 0, part.NumElements(), &all, at);
    at += part.NumElements();
  }
  return all;
}

Status AddInto(const Tensor& b, Tensor* a) {
  if (a->dtype() != b.dtype() || !(a->shape() == b.shape())) {
    return InvalidArgument("cannot add ", DTypeName(b.dtype()), " ", b.shape(),
                           " to ", DTypeName(a->dtype()), " ", a->shape());
  }
  return VisitDType(b.dtype(), [&]<class T>(std::type_identity<T>) {
    auto x = a->flat<T>();
    auto y = b.flat<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<T>(x[i] + y[i]);
    }
    return Ok();
  });
}

}  // namespace lockstep
