// SPDX-License-Identifier: Apache-2.0
#pragma once

// TensorArray: an array of tensors that a loop fills and reads by number; what
// the TensorArray ops share.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/control/object.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

// More elements than this are a mistake.
inline constexpr int64_t kMaxArraySize = int64_t{1} << 30;

class TensorArray final : public Object {
 public:
  struct Options {
    std::string name;
    DType dtype = kInvalidType;
    Shape element_shape = Shape::Unknown();
    bool dynamic_size = false;
    bool clear_after_read = true;
    bool identical_shapes = false;  // the first written tells element_shape
    bool adds = false;              // a gradient
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
      return InvalidArgument(
          "TensorArray ", options_.name, " holds elements of shape ",
          options_.element_shape, ", the value has ", value.shape());
    }
    LS_RETURN_IF_ERROR(Reach(index));
    Element& e = elements_[static_cast<size_t>(index)];
    if (e.value.defined() && options_.adds) return AddInto(value, &e.value);
    if (e.written) {
      return InvalidArgument("TensorArray ", options_.name,
                             ": Could not write to TensorArray index ", index,
                             " because it has already been written to.");
    }
    if (options_.identical_shapes) options_.element_shape = value.shape();
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
      const Shape& shape =
          e.shape.IsFullyKnown() ? e.shape : options_.element_shape;
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
    if (index < 0 || !options_.dynamic_size || index >= kMaxArraySize) {
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

// The array in input 0.
Result<TensorArray*> ArrayOf(KernelContext& k);
// Output i carries the order of the operations; its value is nothing.
void SetFlow(KernelContext& k, int i);
// INVALID_ARGUMENT unless attribute "dtype" is what the array holds.
Status CheckType(const KernelContext& k, const TensorArray& array);
// For registrations: an op on "handle".
OpBuilder ArrayOp(const char* name);

}  // namespace lockstep
