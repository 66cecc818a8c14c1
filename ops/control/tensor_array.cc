// SPDX-License-Identifier: Apache-2.0

// TensorArrayV3 and the ops on it: an array of tensors that a loop fills and
// reads by number.
//   handle: the array   index: int32 []   indices: int32 [n]
//   flow: float [], carries the order of the operations, its value is nothing
// Gradients of an array's values are collected in an array of their own, one
// for each `source`; there writes to one place add up.

#include <map>

#include "ops/control/object.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// More elements than this are a mistake.
constexpr int64_t kMaxSize = int64_t{1} << 30;

class TensorArray final : public Object {
 public:
  struct Options {
    std::string name;
    DType dtype = kInvalidType;
    Shape element_shape = Shape::Unknown();
    bool dynamic_size = false;
    bool clear_after_read = true;
    bool adds = false;  // a gradient
  };
  TensorArray(Options options, int64_t size)
      : options_(std::move(options)), elements_(static_cast<size_t>(size)) {}

  std::string DebugString() const override {
    return StrCat("tensor array '", options_.name, "' of ", elements_.size());
  }
  int64_t size() const { return static_cast<int64_t>(elements_.size()); }
  DType dtype() const { return options_.dtype; }

  Status Write(int64_t index, Tensor value) {
    if (value.dtype() != options_.dtype) {
      return InvalidArgument("TensorArray ", options_.name, " holds ",
                             DTypeName(options_.dtype), ", the value is ",
                             DTypeName(value.dtype()));
    }
    if (!options_.element_shape.IsCompatibleWith(value.shape())) {
      return InvalidArgument("TensorArray ", options_.name,
                             " holds elements of shape ",
                             options_.element_shape, ", the value has ",
                             value.shape());
    }
    LS_RETURN_IF_ERROR(Reach(index));
    Element& e = elements_[static_cast<size_t>(index)];
    if (e.value.defined() && options_.adds) return AddInto(value, &e.value);
    if (e.written) {
      return InvalidArgument("TensorArray ", options_.name,
                             ": Could not write to TensorArray index ", index,
                             " because it has already been written to.");
    }
    e.shape = value.shape();
    e.value = std::move(value);
    e.written = true;
    return Ok();
  }

  Result<Tensor> Read(int64_t index) {
    if (index < 0 || index >= size()) {
      return InvalidArgument("TensorArray ", options_.name,
                             ": Tried to read from index ", index,
                             " but array size is: ", size());
    }
    Element& e = elements_[static_cast<size_t>(index)];
    if (e.cleared) {
      return InvalidArgument("TensorArray ", options_.name,
                             ": Could not read index ", index,
                             " twice because it was cleared after a previous "
                             "read (perhaps try setting clear_after_read = "
                             "false?).");
    }
    if (!e.value.defined()) {
      const Shape& shape = e.shape.IsFullyKnown() ? e.shape
                                                  : options_.element_shape;
      if (!shape.IsFullyKnown()) {
        return InvalidArgument("TensorArray ", options_.name,
                               ": Could not read from TensorArray index ",
                               index, ": it was never written and its shape ",
                               shape, " is not fully known");
      }
      return ZeroTensor(options_.dtype, shape);
    }
    if (!options_.clear_after_read) return e.value.Clone();
    e.cleared = true;
    return std::move(e.value);
  }

  // The array of gradients for `source`; made when first asked for.
  std::shared_ptr<TensorArray> Gradient(const std::string& source,
                                        const std::vector<int64_t>& prepend) {
    std::shared_ptr<TensorArray>& slot = gradients_[source];
    if (slot) return slot;
    Options options = options_;
    options.name = StrCat(options_.name, "@", source);
    options.adds = true;
    options.clear_after_read = false;
    options.element_shape = Prepended(prepend, options_.element_shape);
    slot = std::make_shared<TensorArray>(std::move(options), size());
    for (size_t i = 0; i < elements_.size(); ++i) {
      slot->elements_[i].shape = Prepended(prepend, elements_[i].shape);
    }
    return slot;
  }

  void Clear() {
    elements_.clear();
    gradients_.clear();
  }

 private:
  struct Element {
    Tensor value;
    Shape shape = Shape::Unknown();  // of what was written
    bool written = false;
    bool cleared = false;
  };

  static Shape Prepended(const std::vector<int64_t>& dims, const Shape& shape) {
    if (dims.empty() || !shape.HasRank()) return shape;
    std::vector<int64_t> all = dims;
    for (int i = 0; i < shape.rank(); ++i) all.push_back(shape.dim(i));
    const Result<Shape> made = Shape::Make(all);
    return made.ok() ? *made : Shape::Unknown();
  }

  Status Reach(int64_t index) {
    if (index >= 0 && index < size()) return Ok();
    if (index < 0 || !options_.dynamic_size || index >= kMaxSize) {
      return InvalidArgument(
          "TensorArray ", options_.name, ": Tried to write to index ", index,
          options_.dynamic_size ? "" : " but array is not resizeable",
          " and size is: ", size());
    }
    elements_.resize(static_cast<size_t>(index) + 1);
    return Ok();
  }

  Options options_;
  std::vector<Element> elements_;
  std::map<std::string, std::shared_ptr<TensorArray>> gradients_;
};

constexpr const char* kWhat = "tensor array";

void SetFlow(KernelContext& k, int i) {
  if (k.output(i).NumElements() == 1) k.out<float>(i)[0] = 0;
}

Result<int64_t> ScalarInt(const Tensor& t, const char* name) {
  if (t.NumElements() == 1 && t.dtype() == kInt32) {
    return int64_t{t.scalar<int32_t>()};
  }
  return InvalidArgument(name, " must be an int32 scalar, is ",
                         DTypeName(t.dtype()), " ", t.shape());
}

Status NewArray(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(int64_t size, ScalarInt(k.input(0), "size"));
  if (size < 0 || size > kMaxSize) {
    return InvalidArgument("TensorArray size must be in [0, ", kMaxSize,
                           "], is ", size);
  }
  const AttrMap& a = k.attrs();
  const std::string& name = *GetIf<std::string>(a, "tensor_array_name");
  TensorArray::Options options = {
      .name = name.empty() ? std::string(k.node_name()) : name,
      .dtype = *GetIf<DType>(a, "dtype"),
      .element_shape = *GetIf<Shape>(a, "element_shape"),
      .dynamic_size = *GetIf<bool>(a, "dynamic_size"),
      .clear_after_read = *GetIf<bool>(a, "clear_after_read")};
  SetObject(k, 0, kResource,
            std::make_shared<TensorArray>(std::move(options), size));
  SetFlow(k, 1);
  return Ok();
}

Status GradientArray(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
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
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_RETURN_IF_ERROR(array->Write(index, k.input(2).Clone()));
  SetFlow(k, 0);
  return Ok();
}

Status CheckType(const KernelContext& k, const TensorArray& array) {
  const DType wanted = *GetIf<DType>(k.attrs(), "dtype");
  if (wanted == array.dtype()) return Ok();
  return InvalidArgument("the tensor array holds ", DTypeName(array.dtype()),
                         ", ", DTypeName(wanted), " is wanted");
}

Status Read(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
  LS_RETURN_IF_ERROR(CheckType(k, *array));
  LS_ASSIGN_OR_RETURN(int64_t index, ScalarInt(k.input(1), "index"));
  LS_ASSIGN_OR_RETURN(Tensor value, array->Read(index));
  k.SetOutput(0, std::move(value));
  return Ok();
}

Status Gather(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
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
                         element, " is not fully defined. Currently only "
                         "static shapes are supported when packing zero-size "
                         "TensorArrays.");
  }
  LS_ASSIGN_OR_RETURN(Tensor all,
                      StackTensors(array->dtype(), element, parts));
  k.SetOutput(0, std::move(all));
  return Ok();
}

Status Scatter(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
  const Tensor& value = k.input(2);
  const auto indices = k.input(1).flat<int32_t>();
  if (value.shape().rank() < 1 ||
      value.shape().dim(0) != static_cast<int64_t>(indices.size())) {
    return InvalidArgument("value of shape ", value.shape(), " has not one row "
                           "for each of ", indices.size(), " indices");
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
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
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
    return Unimplemented("an empty tensor array of unknown element shape "
                         "cannot be concatenated");
  }
  LS_ASSIGN_OR_RETURN(Tensor all, ConcatTensors(array->dtype(), inner, parts));
  k.SetOutput(0, std::move(all));
  k.SetOutput(1, std::move(lengths));
  return Ok();
}

Status Split(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
  const Tensor& value = k.input(1);
  const auto lengths = k.input(2).flat<int64_t>();
  int64_t rows = 0;
  for (int64_t n : lengths) {
    if (n < 0 || n > kMaxSize) return InvalidArgument("a length is ", n);
    rows += n;
  }
  if (value.shape().rank() < 1 || value.shape().dim(0) != rows) {
    return InvalidArgument("Expected sum of lengths to be equal to "
                           "values.shape[0], but sum of lengths is ", rows,
                           " and value's shape is: ", value.shape());
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

Status Size(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{}));
  k.out<int32_t>(0)[0] = static_cast<int32_t>(array->size());
  return Ok();
}

Status Close(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(TensorArray * array, ObjectOf<TensorArray>(k, 0, kWhat));
  array->Clear();
  return Ok();
}

OpBuilder ArrayOp(const char* name) {
  OpBuilder b(name);
  b.Input("handle: resource").Stateful().NoGradient();
  return b;
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
const OpRegistrar kSize = ArrayOp("TensorArraySizeV3")
    .Input("flow_in: float")
    .Output("size: int32")
    .Shape(ScalarShape)
    .Kernel(kCpu, {Size});
const OpRegistrar kClose = ArrayOp("TensorArrayCloseV3")
    .Shape(NoOutputs)
    .Kernel(kCpu, {Close});

}  // namespace
}  // namespace lockstep
