// SPDX-License-Identifier: Apache-2.0

// TensorList*: lists of tensors as values, which TensorFlow 2's loops and
// their gradients carry from iteration to iteration. Elements one at a time;
// several at once: tensor_list_stack.cc.
//   input_handle, output_handle: variant [], a list; an op makes a new one
//   element_shape: int32 or int64; -1 alone: unknown rank, in a vector:
//   unknown size.   An element that was never set is zeros.

#include "ops/control/tensor_list.h"

namespace lockstep {

Result<ObjectRef> TensorList::Zeros() const {
  auto zeros = std::make_shared<TensorList>(*this);
  for (Tensor& e : zeros->elements) {
    if (!e.defined()) continue;
    LS_ASSIGN_OR_RETURN(e, ZerosLike(e));
  }
  return ObjectRef(std::move(zeros));
}

Result<ObjectRef> TensorList::Plus(const Object& other) const {
  const auto* b = dynamic_cast<const TensorList*>(&other);
  if (!b || b->dtype != dtype || b->elements.size() != elements.size()) {
    return InvalidArgument("cannot add a ", other.DebugString(), " to a ",
                           DebugString());
  }
  auto sum = std::make_shared<TensorList>(*this);
  for (size_t i = 0; i < elements.size(); ++i) {
    const Tensor& y = b->elements[i];
    Tensor& x = sum->elements[i];
    if (!y.defined()) continue;
    if (!x.defined()) {
      x = y;
      continue;
    }
    x = x.Clone();
    LS_RETURN_IF_ERROR(AddInto(y, &x));
  }
  return ObjectRef(std::move(sum));
}

Result<TensorList*> ListOf(KernelContext& k, int i) {
  return ObjectOf<TensorList>(k, i, "tensor list");
}

Result<Shape> ListShape(const Tensor& t) {
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> dims, ToInt64s(t));
  if (t.shape().rank() == 0) {
    if (dims[0] == -1) return Shape::Unknown();
    return InvalidArgument("a shape must be a vector or -1, is ", dims[0]);
  }
  return Shape::Make(dims);
}

std::shared_ptr<TensorList> NewList(const KernelContext& k,
                                    const Shape& shape) {
  auto list = std::make_shared<TensorList>();
  list->dtype = *GetIf<DType>(k.attrs(), "element_dtype");
  list->element_shape = shape;
  return list;
}

Status TensorList::CheckElement(const Tensor& value) const {
  if (value.dtype() != dtype) {
    return InvalidArgument("Invalid data types; op elements ",
                           DTypeName(value.dtype()), " but list elements ",
                           DTypeName(dtype));
  }
  if (!element_shape.IsCompatibleWith(value.shape())) {
    return InvalidArgument(
        "Tried to append a tensor with incompatible shape "
        "to a  Op element shape: ",
        value.shape(), " list shape: ", element_shape);
  }
  return Ok();
}

Result<Tensor> TensorList::Element(int64_t index, const Shape& hint) const {
  if (index < 0 || index >= static_cast<int64_t>(elements.size())) {
    return InvalidArgument("Trying to access element ", index,
                           " in a list with ", elements.size(), " elements.");
  }
  const Tensor& e = elements[static_cast<size_t>(index)];
  if (e.defined()) return e;
  Result<Shape> shape = Shape::Merge(element_shape, hint);
  if (!shape.ok()) return shape.status();
  for (const Tensor& other : elements) {
    if (!shape->IsFullyKnown() && other.defined()) *shape = other.shape();
  }
  if (!shape->IsFullyKnown()) {
    return InvalidArgument(
        "Trying to read an uninitialized tensor but "
        "element_shape is not fully defined: ",
        *shape);
  }
  return ZeroTensor(dtype, *shape);
}

OpBuilder ListOp(const char* name) {
  OpBuilder b(name);
  b.NoGradient();
  return b;
}

OpBuilder FromList(const char* name) {
  OpBuilder b(name);
  b.Input("input_handle: variant").NoGradient();
  return b;
}

OpBuilder& ToList(OpBuilder& b, const char* output) {
  return b.Output(output).Attr("element_dtype: type").Shape(ScalarShape);
}

OpBuilder& ShapeTyped(OpBuilder& b) {
  return b.Attr("shape_type: {int32, int64}");
}

namespace {

Status Empty(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ListShape(k.input(0)));
  auto list = NewList(k, shape);
  LS_ASSIGN_OR_RETURN(list->max_length,
                      ScalarInt(k.input(1), "max_num_elements"));
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

Status Reserve(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ListShape(k.input(0)));
  LS_ASSIGN_OR_RETURN(int64_t length, ScalarInt(k.input(1), "num_elements"));
  if (length < 0 || length > kMaxListLength) {
    return InvalidArgument(
        "The num_elements to reserve must be a non negative "
        "number, but got ",
        length);
  }
  auto list = NewList(k, shape);
  list->elements.resize(static_cast<size_t>(length));
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

Status PushBack(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  LS_RETURN_IF_ERROR(list->CheckElement(k.input(1)));
  if (list->max_length >= 0 &&
      static_cast<int64_t>(list->elements.size()) >= list->max_length) {
    return InvalidArgument("Tried to push item into a full list: ",
                           list->max_length, " elements are its limit");
  }
  auto longer = std::make_shared<TensorList>(*list);
  longer->elements.push_back(k.input(1).Clone());
  SetObject(k, 0, kVariant, std::move(longer));
  return Ok();
}

Status PopBack(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  LS_ASSIGN_OR_RETURN(Shape hint, ListShape(k.input(1)));
  if (list->elements.empty()) {
    return InvalidArgument("Trying to pop from an empty list.");
  }
  LS_ASSIGN_OR_RETURN(
      Tensor last,
      list->Element(static_cast<int64_t>(list->elements.size()) - 1, hint));
  auto shorter = std::make_shared<TensorList>(*list);
  shorter->elements.pop_back();
  SetObject(k, 0, kVariant, std::move(shorter));
  k.SetOutput(1, last.Clone());
  return Ok();
}

Status GetItem(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_ASSIGN_OR_RETURN(Shape hint, ListShape(k.input(2)));
  LS_ASSIGN_OR_RETURN(Tensor value, list->Element(index, hint));
  k.SetOutput(0, value.Clone());
  return Ok();
}

Status SetItem(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_RETURN_IF_ERROR(list->CheckElement(k.input(2)));
  auto changed = std::make_shared<TensorList>(*list);
  const bool grows = *GetIf<bool>(k.attrs(), "resize_if_index_out_of_bounds");
  const auto length = static_cast<int64_t>(list->elements.size());
  if (index < 0 || index >= (grows ? kMaxListLength : length)) {
    return InvalidArgument("Trying to modify element ", index,
                           " in a list with ", length, " elements.");
  }
  if (index >= length) changed->elements.resize(static_cast<size_t>(index) + 1);
  changed->elements[static_cast<size_t>(index)] = k.input(2).Clone();
  SetObject(k, 0, kVariant, std::move(changed));
  return Ok();
}

Status Length(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{}));
  k.out<int32_t>(0)[0] = static_cast<int32_t>(list->elements.size());
  return Ok();
}

Status Resize(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  LS_ASSIGN_OR_RETURN(int64_t size, ScalarInt(k.input(1), "size"));
  if (size < 0 || size > kMaxListLength) {
    return InvalidArgument(
        "TensorListSlice expects size to be non-negative. "
        "Got: ",
        size);
  }
  auto changed = std::make_shared<TensorList>(*list);
  changed->elements.resize(static_cast<size_t>(size));
  SetObject(k, 0, kVariant, std::move(changed));
  return Ok();
}

Status ElementShape(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ListOf(k, 0));
  const Shape& s = list->element_shape;
  const Shape out = s.HasRank() ? Shape{s.rank()} : Shape{};
  const DType type = *GetIf<DType>(k.attrs(), "shape_type");
  LS_ASSIGN_OR_RETURN(Tensor value, Tensor::Make(type, out));
  for (int64_t i = 0; i < value.NumElements(); ++i) {
    const int64_t d = s.HasRank() ? s.dim(static_cast<int>(i)) : -1;
    if (type == kInt32) {
      value.flat<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(d);
    } else {
      value.flat<int64_t>()[static_cast<size_t>(i)] = d;
    }
  }
  k.SetOutput(0, std::move(value));
  return Ok();
}

OpBuilder EmptyOp() {
  OpBuilder b = ListOp("EmptyTensorList");
  b.Input("element_shape: shape_type").Input("max_num_elements: int32");
  ShapeTyped(ToList(b, "handle: variant")).Kernel(kCpu, {Empty});
  return b;
}

OpBuilder ReserveOp() {
  OpBuilder b = ListOp("TensorListReserve");
  b.Input("element_shape: shape_type").Input("num_elements: int32");
  ShapeTyped(ToList(b, "handle: variant")).Kernel(kCpu, {Reserve});
  return b;
}

const OpRegistrar kEmpty = EmptyOp();
const OpRegistrar kReserve = ReserveOp();
const OpRegistrar kPush = FromList("TensorListPushBack")
                              .Input("tensor: element_dtype")
                              .Output("output_handle: variant")
                              .Attr("element_dtype: type")
                              .Shape(ScalarShape)
                              .Kernel(kCpu, {PushBack});
const OpRegistrar kPop =
    FromList("TensorListPopBack")
        .Input("element_shape: int32")
        .Output("output_handle: variant")
        .Output("tensor: element_dtype")
        .Attr("element_dtype: type")
        .Shape([](ShapeContext& c) { return c.SetOutput(0, Shape{}); })
        .Kernel(kCpu, {PopBack});
const OpRegistrar kLength = FromList("TensorListLength")
                                .Output("length: int32")
                                .Shape(ScalarShape)
                                .Kernel(kCpu, {Length});
const OpRegistrar kElementShape = FromList("TensorListElementShape")
                                      .Output("element_shape: shape_type")
                                      .Attr("shape_type: {int32, int64}")
                                      .Shape(UnknownShape)
                                      .Kernel(kCpu, {ElementShape});
const OpRegistrar kResize = FromList("TensorListResize")
                                .Input("size: int32")
                                .Output("output_handle: variant")
                                .Shape(ScalarShape)
                                .Kernel(kCpu, {Resize});
const OpRegistrar kGetItem = FromList("TensorListGetItem")
                                 .Input("index: int32")
                                 .Input("element_shape: Tshape")
                                 .Output("item: element_dtype")
                                 .Attr("Tshape: {int32, int64} = DT_INT32")
                                 .Attr("element_dtype: type")
                                 .Shape(UnknownShape)
                                 .Kernel(kCpu, {GetItem});
const OpRegistrar kSetItem =
    FromList("TensorListSetItem")
        .Input("index: int32")
        .Input("item: element_dtype")
        .Output("output_handle: variant")
        .Attr("element_dtype: type")
        .Attr("resize_if_index_out_of_bounds: bool = false")
        .Shape(ScalarShape)
        .Kernel(kCpu, {SetItem});

}  // namespace
}  // namespace lockstep
