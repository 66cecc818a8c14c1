// SPDX-License-Identifier: Apache-2.0

// TensorArrayV3 and the ops on one of its elements; those on many are in
// tensor_array_stack.cc.
//   handle: the array   index: int32 []   indices: int32 [n]
//   flow: float [], carries the order of the operations, its value is nothing
// Gradients of an array's values are collected in an array of their own, one
// for each `source`; there writes to one place add up.

#include "ops/control/tensor_array.h"

namespace lockstep {

Result<TensorArray*> ArrayOf(KernelContext& k) {
  return ObjectOf<TensorArray>(k, 0, "tensor array");
}

void SetFlow(KernelContext& k, int i) {
  if (k.output(i).NumElements() == 1) k.out<float>(i)[0] = 0;
}

Status CheckType(const KernelContext& k, const TensorArray& array) {
  const DType wanted = *GetIf<DType>(k.attrs(), "dtype");
  if (wanted == array.dtype()) return Ok();
  return InvalidArgument("the tensor array holds ", DTypeName(array.dtype()),
                         ", ", DTypeName(wanted), " is wanted");
}

OpBuilder ArrayOp(const char* name) {
  OpBuilder b(name);
  b.Input("handle: resource").Stateful().NoGradient();
  return b;
}

namespace {

Status NewArray(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(int64_t size, ScalarInt(k.input(0), "size"));
  if (size < 0 || size > kMaxArraySize) {
    return InvalidArgument("TensorArray size must be in [0, ", kMaxArraySize,
                           "], is ", size);
  }
  const AttrMap& a = k.attrs();
  const std::string& name = *GetIf<std::string>(a, "tensor_array_name");
  TensorArray::Options options = {
      .name = name.empty() ? std::string(k.node_name()) : name,
      .dtype = *GetIf<DType>(a, "dtype"),
      .element_shape = *GetIf<Shape>(a, "element_shape"),
      .dynamic_size = *GetIf<bool>(a, "dynamic_size"),
      .clear_after_read = *GetIf<bool>(a, "clear_after_read"),
      .identical_shapes = *GetIf<bool>(a, "identical_element_shapes")};
  SetObject(k, 0, kResource,
            std::make_shared<TensorArray>(std::move(options), size));
  SetFlow(k, 1);
  return Ok();
}

Status GradientArray(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  std::vector<int64_t> prepend;
  if (k.num_inputs() > 2) {
    LS_ASSIGN_OR_RETURN(prepend, ToInt64s(k.input(2)));
  }
  SetObject(k, 0, kResource,
            array->Gradient(*GetIf<std::string>(k.attrs(), "source"), prepend));
  SetFlow(k, 1);
  return Ok();
}

Status Write(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_RETURN_IF_ERROR(array->Write(index, k.input(2).Clone()));
  SetFlow(k, 0);
  return Ok();
}

Status Read(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  LS_RETURN_IF_ERROR(CheckType(k, *array));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_ASSIGN_OR_RETURN(Tensor value, array->Read(index));
  k.SetOutput(0, std::move(value));
  return Ok();
}

Status Size(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{}));
  k.out<int32_t>(0)[0] = static_cast<int32_t>(array->size());
  return Ok();
}

Status Close(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ArrayOf(k));
  array->Clear();
  return Ok();
}

LOCKSTEP_OP("TensorArrayV3")
    .Input("size: int32")
    .Output("handle: resource")
    .Output("flow: float")
    .Attr("dtype: type")
    .Attr("element_shape: shape = unknown")
    .Attr("dynamic_size: bool = false")
    .Attr("clear_after_read: bool = true")
    .Attr("identical_element_shapes: bool = false")
    .Attr("tensor_array_name: string = ''")
    .Shape(ScalarShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {NewArray});

const OpRegistrar kGrad = ArrayOp("TensorArrayGradV3")
                              .Input("flow_in: float")
                              .Output("grad_handle: resource")
                              .Output("flow_out: float")
                              .Attr("source: string")
                              .Shape(ScalarShape)
                              .Kernel(kCpu, {GradientArray});
const OpRegistrar kGradWithShape = ArrayOp("TensorArrayGradWithShape")
                                       .Input("flow_in: float")
                                       .Input("shape_to_prepend: int32")
                                       .Output("grad_handle: resource")
                                       .Output("flow_out: float")
                                       .Attr("source: string")
                                       .Shape(ScalarShape)
                                       .Kernel(kCpu, {GradientArray});
const OpRegistrar kWrite = ArrayOp("TensorArrayWriteV3")
                               .Input("index: int32")
                               .Input("value: T")
                               .Input("flow_in: float")
                               .Output("flow_out: float")
                               .Attr("T: type")
                               .Shape(ScalarShape)
                               .Kernel(kCpu, {Write});
const OpRegistrar kRead = ArrayOp("TensorArrayReadV3")
                              .Input("index: int32")
                              .Input("flow_in: float")
                              .Output("value: dtype")
                              .Attr("dtype: type")
                              .Shape(UnknownShape)
                              .Kernel(kCpu, {Read});
const OpRegistrar kSize = ArrayOp("TensorArraySizeV3")
                              .Input("flow_in: float")
                              .Output("size: int32")
                              .Shape(ScalarShape)
                              .Kernel(kCpu, {Size});
const OpRegistrar kClose =
    ArrayOp("TensorArrayCloseV3").Shape(NoOutputs).Kernel(kCpu, {Close});

}  // namespace
}  // namespace lockstep
