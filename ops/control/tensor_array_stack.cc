// SPDX-License-Identifier: Apache-2.0

// TensorArrayGatherV3, ScatterV3, ConcatV3, SplitV3: many elements of an array
// at once. Inputs as in tensor_array.cc.

#include "ops/control/tensor_array.h"

namespace lockstep {
namespace {

Status Gather(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  LS_RETURN_IF_ERROR(CheckType(k, *array));
  std::vector<Tensor> parts;
  for (int32_t i : k.input(1).flat<int32_t>()) {
    LS_ASSIGN_OR_RETURN(Tensor part, array->Read(i));
    parts.push_back(std::move(part));
  }
  Shape element = *GetIf<Shape>(k.attrs(), "element_shape");
  if (!parts.empty()) element = parts[0].shape();
  if (!element.IsFullyKnown()) {
    return Unimplemented("TensorArray has size zero, but element shape ",
                         element,
                         " is not fully defined. Currently only "
                         "static shapes are supported when packing zero-size "
                         "TensorArrays.");
  }
  LS_ASSIGN_OR_RETURN(Tensor all, StackTensors(array->dtype(), element, parts));
  k.SetOutput(0, std::move(all));
  return Ok();
}

Status Scatter(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  const Tensor& value = k.input(2);
  const auto indices = k.input(1).flat<int32_t>();
  if (value.shape().rank() < 1 ||
      value.shape().dim(0) != static_cast<int64_t>(indices.size())) {
    return InvalidArgument("value of shape ", value.shape(),
                           " has not one row "
                           "for each of ",
                           indices.size(), " indices");
  }
  for (size_t i = 0; i < indices.size(); ++i) {
    LS_ASSIGN_OR_RETURN(Tensor row,
                        RowsOf(value, static_cast<int64_t>(i), 1, true));
    LS_RETURN_IF_ERROR(array->Write(indices[i], std::move(row)));
  }
  SetFlow(k, 0);
  return Ok();
}

Status Concat(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  LS_RETURN_IF_ERROR(CheckType(k, *array));
  std::vector<Tensor> parts;
  Tensor lengths(kInt64, Shape{array->size()});
  for (int64_t i = 0; i < array->size(); ++i) {
    LS_ASSIGN_OR_RETURN(Tensor part, array->Read(i));
    if (part.shape().rank() < 1) {
      return InvalidArgument("Concat saw a scalar shape at index ", i,
                             " but requires at least vectors.");
    }
    lengths.flat<int64_t>()[static_cast<size_t>(i)] = part.shape().dim(0);
    parts.push_back(std::move(part));
  }
  Shape inner = *GetIf<Shape>(k.attrs(), "element_shape_except0");
  if (!parts.empty()) {
    std::vector<int64_t> dims;
    for (int i = 1; i < parts[0].shape().rank(); ++i) {
      dims.push_back(parts[0].shape().dim(i));
    }
    LS_ASSIGN_OR_RETURN(inner, Shape::Make(dims));
  }
  if (!inner.IsFullyKnown()) {
    return Unimplemented(
        "an empty tensor array of unknown element shape "
        "cannot be concatenated");
  }
  LS_ASSIGN_OR_RETURN(Tensor all, ConcatTensors(array->dtype(), inner, parts));
  k.SetOutput(0, std::move(all));
  k.SetOutput(1, std::move(lengths));
  return Ok();
}

Status Split(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  const Tensor& value = k.input(1);
  const auto lengths = k.input(2).flat<int64_t>();
  int64_t rows = 0;
  for (int64_t n : lengths) {
    if (n < 0 || n > kMaxArraySize) return InvalidArgument("a length is ", n);
    rows += n;
  }
  if (value.shape().rank() < 1 || value.shape().dim(0) != rows) {
    return InvalidArgument(
        "Expected sum of lengths to be equal to "
        "values.shape[0], but sum of lengths is ",
        rows, " and value's shape is: ", value.shape());
  }
  int64_t at = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    LS_ASSIGN_OR_RETURN(Tensor part, RowsOf(value, at, lengths[i], false));
    LS_RETURN_IF_ERROR(array->Write(static_cast<int64_t>(i), std::move(part)));
    at += lengths[i];
  }
  SetFlow(k, 0);
  return Ok();
}

const OpRegistrar kGather = ArrayOp("TensorArrayGatherV3")
                                .Input("indices: int32")
                                .Input("flow_in: float")
                                .Output("value: dtype")
                                .Attr("dtype: type")
                                .Attr("element_shape: shape = unknown")
                                .Shape(UnknownShape)
                                .Kernel(kCpu, {Gather});
const OpRegistrar kScatter = ArrayOp("TensorArrayScatterV3")
                                 .Input("indices: int32")
                                 .Input("value: T")
                                 .Input("flow_in: float")
                                 .Output("flow_out: float")
                                 .Attr("T: type")
                                 .Shape(ScalarShape)
                                 .Kernel(kCpu, {Scatter});
const OpRegistrar kConcat = ArrayOp("TensorArrayConcatV3")
                                .Input("flow_in: float")
                                .Output("value: dtype")
                                .Output("lengths: int64")
                                .Attr("dtype: type")
                                .Attr("element_shape_except0: shape = unknown")
                                .Shape(UnknownShape)
                                .Kernel(kCpu, {Concat});
const OpRegistrar kSplit = ArrayOp("TensorArraySplitV3")
                               .Input("value: T")
                               .Input("lengths: int64")
                               .Input("flow_in: float")
                               .Output("flow_out: float")
                               .Attr("T: type")
                               .Shape(ScalarShape)
                               .Kernel(kCpu, {Split});

}  // namespace
}  // namespace lockstep
