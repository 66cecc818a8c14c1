// SPDX-License-Identifier: Apache-2.0

// TensorListStack, Gather, FromTensor, Scatter, Concat, Split: many elements of
// a list at once. Inputs as in tensor_list.cc.

#include "ops/control/tensor_list.h"

namespace lockstep {
namespace {

// The elements numbered by `indices`, stacked.
Status StackElements(KernelContext& k, const TensorList& list,
                     std::span<const int32_t> indices, const Tensor& shape) {
  LS_ASSIGN_OR_RETURN(Shape hint, ListShape(shape));
  std::vector<Tensor> parts;
  for (int32_t i : indices) {
    LS_ASSIGN_OR_RETURN(Tensor part, list.Element(i, hint));
    parts.push_back(std::move(part));
  }
  LS_ASSIGN_OR_RETURN(Shape element, Shape::Merge(hint, list.element_shape));
  if (!parts.empty()) element = parts[0].shape();
  if (!element.IsFullyKnown()) {
    return InvalidArgument(
        "Tried to stack elements of an empty list with "
        "non-fully-defined element_shape: ",
        element);
  }
  LS_ASSIGN_OR_RETURN(Tensor all, StackTensors(list.dtype, element, parts));
  k.SetOutput(0, std::move(all));
  return Ok();
}

Status StackList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  const auto wanted = *GetIf<int64_t>(k.attrs(), "num_elements");
  const auto length = static_cast<int64_t>(list->elements.size());
  if (wanted != -1 && wanted != length) {
    return InvalidArgument("Operation expected a list with ", wanted,
                           " elements but got a list with ", length,
                           " elements.");
  }
  std::vector<int32_t> indices;
  for (int64_t i = 0; i < length; ++i) {
    indices.push_back(static_cast<int32_t>(i));
  }
  return StackElements(k, *list, indices, k.input(1));
}

Status GatherList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  return StackElements(k, *list, k.input(1).flat<int32_t>(), k.input(2));
}

Status Unstack(KernelContext& k, TensorList* list, const Tensor& value,
               std::span<const int32_t> indices) {
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= kMaxListLength) {
      return InvalidArgument(
          "Indices in TensorListScatter must all be "
          "non-negative, one is ",
          indices[i]);
    }
    const auto at = static_cast<size_t>(indices[i]);
    if (at >= list->elements.size()) list->elements.resize(at + 1);
    LS_ASSIGN_OR_RETURN(list->elements[at],
                        RowsOf(value, static_cast<int64_t>(i), 1, true));
    LS_RETURN_IF_ERROR(list->CheckElement(list->elements[at]));
  }
  (void)k;
  return Ok();
}

Status CheckRows(const Tensor& value, int64_t rows) {
  if (value.shape().rank() >= 1 && value.shape().dim(0) == rows) return Ok();
  return InvalidArgument("a tensor of shape ", value.shape(), " has not ", rows,
                         " rows");
}

Status FromTensor(KernelContext& k) {
  const Tensor& value = k.input(0);
  if (value.shape().rank() < 1) {
    return InvalidArgument("Tensor must be at least a vector, but saw shape: ",
                           value.shape());
  }
  LS_ASSIGN_OR_RETURN(Shape shape, ListShape(k.input(1)));
  auto list = NewList(k, shape);
  std::vector<int32_t> indices;
  for (int64_t i = 0; i < value.shape().dim(0); ++i) {
    indices.push_back(static_cast<int32_t>(i));
  }
  LS_RETURN_IF_ERROR(Unstack(k, list.get(), value, indices));
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

// tensor, indices, element_shape and, in V2, num_elements.
Status ScatterList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ListShape(k.input(2)));
  auto list = NewList(k, shape);
  if (k.num_inputs() > 3) {
    LS_ASSIGN_OR_RETURN(int64_t length, ScalarInt(k.input(3), "num_elements"));
    if (length > kMaxListLength) return InvalidArgument("too many elements");
    if (length > 0) list->elements.resize(static_cast<size_t>(length));
  }
  const auto indices = k.input(1).flat<int32_t>();
  LS_RETURN_IF_ERROR(
      CheckRows(k.input(0), static_cast<int64_t>(indices.size())));
  LS_RETURN_IF_ERROR(Unstack(k, list.get(), k.input(0), indices));
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

Status ScatterIntoList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  const auto indices = k.input(2).flat<int32_t>();
  LS_RETURN_IF_ERROR(
      CheckRows(k.input(1), static_cast<int64_t>(indices.size())));
  auto changed = std::make_shared<TensorList>(*list);
  LS_RETURN_IF_ERROR(Unstack(k, changed.get(), k.input(1), indices));
  SetObject(k, 0, kVariant, std::move(changed));
  return Ok();
}

Status ConcatList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  std::vector<Tensor> parts;
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < list->elements.size(); ++i) {
    LS_ASSIGN_OR_RETURN(Tensor part, list->Element(static_cast<int64_t>(i),
                                                   list->element_shape));
    if (part.shape().rank() < 1) {
      return InvalidArgument("Concat saw a scalar shape at index ", i,
                             " but requires at least vectors.");
    }
    lengths.push_back(part.shape().dim(0));
    parts.push_back(std::move(part));
  }
  const Shape& from = parts.empty() ? list->element_shape : parts[0].shape();
  std::vector<int64_t> dims;
  for (int i = 1; from.HasRank() && i < from.rank(); ++i) {
    dims.push_back(from.dim(i));
  }
  LS_ASSIGN_OR_RETURN(Shape inner, Shape::Make(dims));
  if (!from.HasRank() || !inner.IsFullyKnown()) {
    return InvalidArgument(
        "All except the first dimension must be fully "
        "defined when concating an empty tensor list. "
        "element_shape: ",
        from);
  }
  LS_ASSIGN_OR_RETURN(Tensor all, ConcatTensors(list->dtype, inner, parts));
  k.SetOutput(0, std::move(all));
  k.SetOutput(1, Tensor::Vector<int64_t>(lengths));
  return Ok();
}

Status SplitList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ListShape(k.input(1)));
  auto list = NewList(k, shape);
  int64_t at = 0;
  const auto lengths = k.input(2).flat<int64_t>();
  for (int64_t n : lengths) {
    if (n < 0 || n > kMaxListLength) return InvalidArgument("a length is ", n);
    at += n;
  }
  LS_RETURN_IF_ERROR(CheckRows(k.input(0), at));
  at = 0;
  for (int64_t n : lengths) {
    LS_ASSIGN_OR_RETURN(Tensor part, RowsOf(k.input(0), at, n, false));
    LS_RETURN_IF_ERROR(list->CheckElement(part));
    list->elements.push_back(std::move(part));
    at += n;
  }
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

OpBuilder FromTensorOp() {
  OpBuilder b = ListOp("TensorListFromTensor");
  b.Input("tensor: element_dtype").Input("element_shape: shape_type");
  ShapeTyped(ToList(b)).Kernel(kCpu, {FromTensor});
  return b;
}

OpBuilder SplitOp() {
  OpBuilder b = ListOp("TensorListSplit");
  b.Input("tensor: element_dtype")
      .Input("element_shape: shape_type")
      .Input("lengths: int64");
  ShapeTyped(ToList(b)).Kernel(kCpu, {SplitList});
  return b;
}

OpBuilder ScatterOp(const char* name, bool v2) {
  OpBuilder b = ListOp(name);
  b.Input("tensor: element_dtype")
      .Input("indices: int32")
      .Input("element_shape: shape_type");
  if (v2) b.Input("num_elements: int32");
  ShapeTyped(ToList(b)).Kernel(kCpu, {ScatterList});
  return b;
}

const OpRegistrar kFromTensor = FromTensorOp();
const OpRegistrar kSplit = SplitOp();
const OpRegistrar kScatter = ScatterOp("TensorListScatter", false);
const OpRegistrar kScatterV2 = ScatterOp("TensorListScatterV2", true);
const OpRegistrar kStack = FromList("TensorListStack")
                               .Input("element_shape: int32")
                               .Output("tensor: element_dtype")
                               .Attr("element_dtype: type")
                               .Attr("num_elements: int = -1")
                               .Shape(UnknownShape)
                               .Kernel(kCpu, {StackList});
const OpRegistrar kGather = FromList("TensorListGather")
                                .Input("indices: int32")
                                .Input("element_shape: int32")
                                .Output("values: element_dtype")
                                .Attr("element_dtype: type")
                                .Shape(UnknownShape)
                                .Kernel(kCpu, {GatherList});
const OpRegistrar kScatterInto = FromList("TensorListScatterIntoExistingList")
                                     .Input("tensor: element_dtype")
                                     .Input("indices: int32")
                                     .Output("output_handle: variant")
                                     .Attr("element_dtype: type")
                                     .Shape(ScalarShape)
                                     .Kernel(kCpu, {ScatterIntoList});
const OpRegistrar kConcat = FromList("TensorListConcat")
                                .Output("tensor: element_dtype")
                                .Output("lengths: int64")
                                .Attr("element_dtype: type")
                                .Attr("element_shape: shape = unknown")
                                .Shape(UnknownShape)
                                .Kernel(kCpu, {ConcatList});
const OpRegistrar kConcatV2 = FromList("TensorListConcatV2")
                                  .Input("element_shape: shape_type")
                                  .Input("leading_dims: int64")
                                  .Output("tensor: element_dtype")
                                  .Output("lengths: int64")
                                  .Attr("element_dtype: type")
                                  .Attr("shape_type: {int32, int64}")
                                  .Shape(UnknownShape)
                                  .Kernel(kCpu, {ConcatList});

}  // namespace
}  // namespace lockstep
