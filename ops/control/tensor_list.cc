// SPDX-License-Identifier: Apache-2.0

// TensorList*: lists of tensors as values, which TensorFlow 2's loops and
// their gradients carry from iteration to iteration.
//   input_handle, output_handle: variant [], a list; an op makes a new one
//   element_shape: int32 or int64; -1 alone: unknown rank, in a vector:
//   unknown size.   An element that was never set is zeros.

#include "ops/control/object.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 30;
constexpr const char* kWhat = "tensor list";

struct TensorList final : Object {
  DType dtype = kInvalidType;
  Shape element_shape = Shape::Unknown();
  int64_t max_length = -1;
  std::vector<Tensor> elements;  // undefined: not set

  std::string DebugString() const override {
    return StrCat("list of ", elements.size(), " ", DTypeName(dtype));
  }
};

Result<Shape> ShapeFrom(const Tensor& t) {
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> dims, ToInt64s(t));
  if (t.shape().rank() == 0) {
    if (dims[0] == -1) return Shape::Unknown();
    return InvalidArgument("a shape must be a vector or -1, is ", dims[0]);
  }
  return Shape::Make(dims);
}

std::shared_ptr<TensorList> NewList(const KernelContext& k, Shape shape) {
  auto list = std::make_shared<TensorList>();
  list->dtype = *GetIf<DType>(k.attrs(), "element_dtype");
  list->element_shape = shape;
  return list;
}

Result<int64_t> ScalarInt(const Tensor& t, const char* name) {
  if (t.NumElements() == 1 && t.dtype() == kInt32) {
    return int64_t{t.scalar<int32_t>()};
  }
  return InvalidArgument(name, " must be an int32 scalar, is ",
                         DTypeName(t.dtype()), " ", t.shape());
}

Status CheckElement(const TensorList& list, const Tensor& value) {
  if (value.dtype() != list.dtype) {
    return InvalidArgument("Invalid data types; op elements ",
                           DTypeName(value.dtype()), " but list elements ",
                           DTypeName(list.dtype));
  }
  if (!list.element_shape.IsCompatibleWith(value.shape())) {
    return InvalidArgument("Tried to append a tensor with incompatible shape "
                           "to a list. Op element shape: ", value.shape(),
                           " list shape: ", list.element_shape);
  }
  return Ok();
}

// The list's element, zeros where it was not set.
Result<Tensor> Element(const TensorList& list, int64_t index, const Shape& hint) {
  if (index < 0 || index >= static_cast<int64_t>(list.elements.size())) {
    return InvalidArgument("Trying to access element ", index,
                           " in a list with ", list.elements.size(),
                           " elements.");
  }
  const Tensor& e = list.elements[static_cast<size_t>(index)];
  if (e.defined()) return e;
  Result<Shape> shape = Shape::Merge(list.element_shape, hint);
  if (!shape.ok()) return shape.status();
  for (const Tensor& other : list.elements) {
    if (!shape->IsFullyKnown() && other.defined()) *shape = other.shape();
  }
  if (!shape->IsFullyKnown()) {
    return InvalidArgument("Trying to read an uninitialized tensor but "
                           "element_shape is not fully defined: ", *shape);
  }
  return ZeroTensor(list.dtype, *shape);
}

Status Empty(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ShapeFrom(k.input(0)));
  auto list = NewList(k, shape);
  LS_ASSIGN_OR_RETURN(list->max_length,
                      ScalarInt(k.input(1), "max_num_elements"));
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

Status Reserve(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ShapeFrom(k.input(0)));
  LS_ASSIGN_OR_RETURN(int64_t length, ScalarInt(k.input(1), "num_elements"));
  if (length < 0 || length > kMaxLength) {
    return InvalidArgument("The num_elements to reserve must be a non negative "
                           "number, but got ", length);
  }
  auto list = NewList(k, shape);
  list->elements.resize(static_cast<size_t>(length));
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

Status PushBack(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  LS_RETURN_IF_ERROR(CheckElement(*list, k.input(1)));
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
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  LS_ASSIGN_OR_RETURN(Shape hint, ShapeFrom(k.input(1)));
  if (list->elements.empty()) {
    return InvalidArgument("Trying to pop from an empty list.");
  }
  LS_ASSIGN_OR_RETURN(
      Tensor last,
      Element(*list, static_cast<int64_t>(list->elements.size()) - 1, hint));
  auto shorter = std::make_shared<TensorList>(*list);
  shorter->elements.pop_back();
  SetObject(k, 0, kVariant, std::move(shorter));
  k.SetOutput(1, last.Clone());
  return Ok();
}

Status GetItem(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_ASSIGN_OR_RETURN(Shape hint, ShapeFrom(k.input(2)));
  LS_ASSIGN_OR_RETURN(Tensor value, Element(*list, index, hint));
  k.SetOutput(0, value.Clone());
  return Ok();
}

Status SetItem(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_RETURN_IF_ERROR(CheckElement(*list, k.input(2)));
  auto changed = std::make_shared<TensorList>(*list);
  const bool grows =
      *GetIf<bool>(k.attrs(), "resize_if_index_out_of_bounds");
  const auto length = static_cast<int64_t>(list->elements.size());
  if (index < 0 || index >= (grows ? kMaxLength : length)) {
    return InvalidArgument("Trying to modify element ", index,
                           " in a list with ", length, " elements.");
  }
  if (index >= length) changed->elements.resize(static_cast<size_t>(index) + 1);
  changed->elements[static_cast<size_t>(index)] = k.input(2).Clone();
  SetObject(k, 0, kVariant, std::move(changed));
  return Ok();
}

Status Length(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{}));
  k.out<int32_t>(0)[0] = static_cast<int32_t>(list->elements.size());
  return Ok();
}

Status Resize(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  LS_ASSIGN_OR_RETURN(int64_t size, ScalarInt(k.input(1), "size"));
  if (size < 0 || size > kMaxLength) {
    return InvalidArgument("TensorListSlice expects size to be non-negative. "
                           "Got: ", size);
  }
  auto changed = std::make_shared<TensorList>(*list);
  changed->elements.resize(static_cast<size_t>(size));
  SetObject(k, 0, kVariant, std::move(changed));
  return Ok();
}

Status ElementShape(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
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

// The elements numbered by `indices`, stacked.
Status StackElements(KernelContext& k, const TensorList& list,
                     std::span<const int32_t> indices, const Tensor& shape) {
  LS_ASSIGN_OR_RETURN(Shape hint, ShapeFrom(shape));
  std::vector<Tensor> parts;
  for (int32_t i : indices) {
    LS_ASSIGN_OR_RETURN(Tensor part, Element(list, i, hint));
    parts.push_back(std::move(part));
  }
  LS_ASSIGN_OR_RETURN(Shape element, Shape::Merge(hint, list.element_shape));
  if (!parts.empty()) element = parts[0].shape();
  if (!element.IsFullyKnown()) {
    return InvalidArgument("Tried to stack elements of an empty list with "
                           "non-fully-defined element_shape: ", element);
  }
  LS_ASSIGN_OR_RETURN(Tensor all, StackTensors(list.dtype, element, parts));
  k.SetOutput(0, std::move(all));
  return Ok();
}

Status StackList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
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
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  return StackElements(k, *list, k.input(1).flat<int32_t>(), k.input(2));
}

Status Unstack(KernelContext& k, TensorList* list, const Tensor& value,
               std::span<const int32_t> indices) {
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= kMaxLength) {
      return InvalidArgument("Indices in TensorListScatter must all be "
                             "non-negative, one is ", indices[i]);
    }
    const auto at = static_cast<size_t>(indices[i]);
    if (at >= list->elements.size()) list->elements.resize(at + 1);
    LS_ASSIGN_OR_RETURN(list->elements[at],
                        RowsOf(value, static_cast<int64_t>(i), 1, true));
    LS_RETURN_IF_ERROR(CheckElement(*list, list->elements[at]));
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
  LS_ASSIGN_OR_RETURN(Shape shape, ShapeFrom(k.input(1)));
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
  LS_ASSIGN_OR_RETURN(Shape shape, ShapeFrom(k.input(2)));
  auto list = NewList(k, shape);
  if (k.num_inputs() > 3) {
    LS_ASSIGN_OR_RETURN(int64_t length, ScalarInt(k.input(3), "num_elements"));
    if (length > kMaxLength) return InvalidArgument("too many elements");
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
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  const auto indices = k.input(2).flat<int32_t>();
  LS_RETURN_IF_ERROR(
      CheckRows(k.input(1), static_cast<int64_t>(indices.size())));
  auto changed = std::make_shared<TensorList>(*list);
  LS_RETURN_IF_ERROR(Unstack(k, changed.get(), k.input(1), indices));
  SetObject(k, 0, kVariant, std::move(changed));
  return Ok();
}

Status ConcatList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorList * list, ObjectOf<TensorList>(k, 0, kWhat));
  std::vector<Tensor> parts;
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < list->elements.size(); ++i) {
    LS_ASSIGN_OR_RETURN(Tensor part, Element(*list, static_cast<int64_t>(i),
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
    return InvalidArgument("All except the first dimension must be fully "
                           "defined when concating an empty tensor list. "
                           "element_shape: ", from);
  }
  LS_ASSIGN_OR_RETURN(Tensor all, ConcatTensors(list->dtype, inner, parts));
  k.SetOutput(0, std::move(all));
  k.SetOutput(1, Tensor::Vector<int64_t>(lengths));
  return Ok();
}

Status SplitList(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Shape shape, ShapeFrom(k.input(1)));
  auto list = NewList(k, shape);
  int64_t at = 0;
  const auto lengths = k.input(2).flat<int64_t>();
  for (int64_t n : lengths) {
    if (n < 0 || n > kMaxLength) return InvalidArgument("a length is ", n);
    at += n;
  }
  LS_RETURN_IF_ERROR(CheckRows(k.input(0), at));
  at = 0;
  for (int64_t n : lengths) {
    LS_ASSIGN_OR_RETURN(Tensor part, RowsOf(k.input(0), at, n, false));
    LS_RETURN_IF_ERROR(CheckElement(*list, part));
    list->elements.push_back(std::move(part));
    at += n;
  }
  SetObject(k, 0, kVariant, std::move(list));
  return Ok();
}

// Made from a list: "input_handle" and more inputs.
OpBuilder From(const char* name) {
  OpBuilder b(name);
  b.Input("input_handle: variant").NoGradient();
  return b;
}
OpBuilder New(const char* name) {
  OpBuilder b(name);
  b.NoGradient();
  return b;
}
// Outputs a list: a scalar.
OpBuilder& ToList(OpBuilder& b, const char* output = "output_handle: variant") {
  return b.Output(output)
      .Attr("element_dtype: type")
      .Shape(ScalarShape);
}
OpBuilder& ShapeTyped(OpBuilder& b) {
  return b.Attr("shape_type: {int32, int64}");
}

OpBuilder EmptyOp() {
  OpBuilder b = New("EmptyTensorList");
  b.Input("element_shape: shape_type").Input("max_num_elements: int32");
  ShapeTyped(ToList(b, "handle: variant")).Kernel(kCpu, {Empty});
  return b;
}
OpBuilder ReserveOp() {
  OpBuilder b = New("TensorListReserve");
  b.Input("element_shape: shape_type").Input("num_elements: int32");
  ShapeTyped(ToList(b, "handle: variant")).Kernel(kCpu, {Reserve});
  return b;
}
OpBuilder FromTensorOp() {
  OpBuilder b = New("TensorListFromTensor");
  b.Input("tensor: element_dtype").Input("element_shape: shape_type");
  ShapeTyped(ToList(b)).Kernel(kCpu, {FromTensor});
  return b;
}
OpBuilder SplitOp() {
  OpBuilder b = New("TensorListSplit");
  b.Input("tensor: element_dtype").Input("element_shape: shape_type")
      .Input("lengths: int64");
  ShapeTyped(ToList(b)).Kernel(kCpu, {SplitList});
  return b;
}
OpBuilder ScatterOp(const char* name, bool v2) {
  OpBuilder b = New(name);
  b.Input("tensor: element_dtype").Input("indices: int32")
      .Input("element_shape: shape_type");
  if (v2) b.Input("num_elements: int32");
  ShapeTyped(ToList(b)).Kernel(kCpu, {ScatterList});
  return b;
}

const OpRegistrar kEmpty = EmptyOp();
const OpRegistrar kReserve = ReserveOp();
const OpRegistrar kFromTensor = FromTensorOp();
const OpRegistrar kSplit = SplitOp();
const OpRegistrar kScatter = ScatterOp("TensorListScatter", false);
const OpRegistrar kScatterV2 = ScatterOp("TensorListScatterV2", true);
const OpRegistrar kPush = From("TensorListPushBack")
    .Input("tensor: element_dtype")
    .Output("output_handle: variant")
    .Attr("element_dtype: type")
    .Shape(ScalarShape)
    .Kernel(kCpu, {PushBack});
const OpRegistrar kPop = From("TensorListPopBack")
    .Input("element_shape: int32")
    .Output("output_handle: variant")
    .Output("tensor: element_dtype")
    .Attr("element_dtype: type")
    .Shape([](ShapeContext& c) { return c.SetOutput(0, Shape{}); })
    .Kernel(kCpu, {PopBack});
const OpRegistrar kLength = From("TensorListLength")
    .Output("length: int32")
    .Shape(ScalarShape)
    .Kernel(kCpu, {Length});
const OpRegistrar kElementShape = From("TensorListElementShape")
    .Output("element_shape: shape_type")
    .Attr("shape_type: {int32, int64}")
    .Shape(UnknownShape)
    .Kernel(kCpu, {ElementShape});
const OpRegistrar kResize = From("TensorListResize")
    .Input("size: int32")
    .Output("output_handle: variant")
    .Shape(ScalarShape)
    .Kernel(kCpu, {Resize});
const OpRegistrar kGetItem = From("TensorListGetItem")
    .Input("index: int32")
    .Input("element_shape: int32")
    .Output("item: element_dtype")
    .Attr("element_dtype: type")
    .Shape(UnknownShape)
    .Kernel(kCpu, {GetItem});
const OpRegistrar kSetItem = From("TensorListSetItem")
    .Input("index: int32")
    .Input("item: element_dtype")
    .Output("output_handle: variant")
    .Attr("element_dtype: type")
    .Attr("resize_if_index_out_of_bounds: bool = false")
    .Shape(ScalarShape)
    .Kernel(kCpu, {SetItem});
const OpRegistrar kStack = From("TensorListStack")
    .Input("element_shape: int32")
    .Output("tensor: element_dtype")
    .Attr("element_dtype: type")
    .Attr("num_elements: int = -1")
    .Shape(UnknownShape)
    .Kernel(kCpu, {StackList});
const OpRegistrar kGather = From("TensorListGather")
    .Input("indices: int32")
    .Input("element_shape: int32")
    .Output("values: element_dtype")
    .Attr("element_dtype: type")
    .Shape(UnknownShape)
    .Kernel(kCpu, {GatherList});
const OpRegistrar kScatterInto = From("TensorListScatterIntoExistingList")
    .Input("tensor: element_dtype")
    .Input("indices: int32")
    .Output("output_handle: variant")
    .Attr("element_dtype: type")
    .Shape(ScalarShape)
    .Kernel(kCpu, {ScatterIntoList});
const OpRegistrar kConcat = From("TensorListConcat")
    .Output("tensor: element_dtype")
    .Output("lengths: int64")
    .Attr("element_dtype: type")
    .Attr("element_shape: shape = unknown")
    .Shape(UnknownShape)
    .Kernel(kCpu, {ConcatList});
const OpRegistrar kConcatV2 = From("TensorListConcatV2")
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
