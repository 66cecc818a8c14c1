// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/tensor.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <limits>
#include <new>

#include "runtime/core/object.h"

namespace lockstep {
namespace {

// Elements and bytes of a tensor, or why it cannot exist.
struct Extent {
  int64_t elements = 0;
  size_t bytes = 0;
};

Result<Extent> ExtentOf(DType dtype, const Shape& shape) {
  const size_t size = DTypeSize(dtype);
  if (size == 0 || IsRef(dtype)) {
    return InvalidArgument("a tensor of ", DTypeName(dtype),
                           " cannot be allocated");
  }
  if (!shape.IsFullyKnown()) {
    return InvalidArgument("a tensor needs a fully known shape, got ", shape);
  }
  // Checked again: set_dim and AddDim take any size.
  LS_ASSIGN_OR_RETURN(const Shape checked, Shape::Make(shape.dims()));
  Extent extent{.elements = checked.NumElements()};
  constexpr size_t kLimit = std::numeric_limits<int64_t>::max() - (4 << 20);
  if (__builtin_mul_overflow(static_cast<size_t>(extent.elements), size,
                             &extent.bytes) ||
      extent.bytes > kLimit) {
    return InvalidArgument("a ", DTypeName(dtype), " tensor of shape ", shape,
                           " has more bytes than fit in int64");
  }
  return extent;
}

// Gives a block back to where it came from.
struct BlockDeleter {
  std::shared_ptr<Allocator> allocator;  // null: the heap
  size_t bytes = 0;

  void operator()(void* p) const {
    if (allocator) {
      allocator->Free(p, bytes);
    } else {
      std::free(p);
    }
  }
};

// Elements with constructors. Should the control block not be allocated, the
// deleter runs, so it must be right from here on.
template <class T>
std::shared_ptr<void> ConstructElements(void* data, size_t elements,
                                        BlockDeleter free) {
  std::uninitialized_value_construct_n(static_cast<T*>(data), elements);
  return std::shared_ptr<void>(data,
                               [elements, free = std::move(free)](void* p) {
                                 std::destroy_n(static_cast<T*>(p), elements);
                                 free(p);
                               });
}

std::shared_ptr<void> OwnElements(void* data, DType dtype, size_t elements,
                                  BlockDeleter free) {
  if (dtype == kString) {
    return ConstructElements<std::string>(data, elements, std::move(free));
  }
  if (IsObject(dtype)) {
    return ConstructElements<ObjectRef>(data, elements, std::move(free));
  }
  return std::shared_ptr<void>(data, std::move(free));
}

template <class T>
void AppendValue(std::string& out, const T& value) {
  detail::AppendPart(out, value);
}
void AppendValue(std::string& out, Half v) { out += StrCat(float{v}); }
void AppendValue(std::string& out, BFloat16 v) { out += StrCat(float{v}); }
template <class T>
void AppendValue(std::string& out, const std::complex<T>& v) {
  out += StrCat("(", v.real(), ",", v.imag(), ")");
}
void AppendValue(std::string& out, const ObjectRef& v) {
  out += v ? v->DebugString() : "none";
}
void AppendValue(std::string& out, const std::string& v) {
  out += StrCat("\"", v, "\"");
}

template <class T>
void AppendValues(std::string& out, const Tensor& t, int64_t count) {
  const auto values = t.flat<T>();
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    if (i > 0) out += ", ";
    AppendValue(out, values[i]);
  }
}

}  // namespace

Tensor::Tensor(DType dtype, const Shape& shape) {
  Result<Tensor> made = Make(dtype, shape);
  if (!made.ok()) throw std::bad_alloc();
  *this = *std::move(made);
}

Result<Tensor> Tensor::Make(DType dtype, const Shape& shape) {
  return Make(dtype, shape, nullptr);
}

Result<Tensor> Tensor::Make(DType dtype, const Shape& shape,
                            Allocator* allocator) {
  LS_ASSIGN_OR_RETURN(const Extent extent, ExtentOf(dtype, shape));
  const auto what = [&] {
    return StrCat("a ", DTypeName(dtype), " tensor of shape ", shape);
  };
  BlockDeleter free{.allocator = nullptr, .bytes = extent.bytes};
  void* data = nullptr;
  if (allocator != nullptr) {
    if (!IsPod(dtype) && !allocator->host_memory()) {
      return InvalidArgument(what(), " cannot be in a device's memory");
    }
    free.allocator = allocator->shared_from_this();
    Result<void*> block = allocator->Allocate(free.bytes);
    if (!block.ok()) return block.status().WithContext(what());
    data = *block;
  } else {
    data = AllocateHostBlock(extent.bytes);
  }
  Tensor t;
  try {
    if (data != nullptr) {
      t.owner_ = OwnElements(data, dtype, static_cast<size_t>(extent.elements),
                             std::move(free));
    }
  } catch (const std::bad_alloc&) {
    t.owner_ = nullptr;
  }
  if (t.owner_ == nullptr) {
    return ResourceExhausted("out of memory: ", what(), " takes ",
                             HumanBytes(extent.bytes));
  }
  t.dtype_ = dtype;
  t.shape_ = shape;
  t.num_elements_ = extent.elements;
  t.data_ = t.owner_.get();
  return t;
}

Tensor Tensor::Borrow(DType dtype, const Shape& shape, void* data) {
  return Share(dtype, shape, data, nullptr);
}

Tensor Tensor::Share(DType dtype, const Shape& shape, void* data,
                     std::shared_ptr<void> owner) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = shape;
  t.num_elements_ = shape.NumElements();
  t.data_ = data;
  t.owner_ = std::move(owner);
  return t;
}

Result<Tensor> Tensor::Reshaped(const Shape& shape) const {
  if (!shape.IsFullyKnown() || shape.NumElements() != num_elements_) {
    return InvalidArgument("cannot reshape ", shape_, " (", num_elements_,
                           " elements) to ", shape);
  }
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::Clone() const {
  if (!defined()) return Tensor();
  Tensor t(dtype_, shape_);
  t.CopyFrom(*this);
  return t;
}

void Tensor::CopyFrom(const Tensor& from) {
  assert(dtype_ == from.dtype_ && num_elements_ == from.num_elements_);
  if (num_elements_ == 0 || data_ == from.data_) return;
  if (dtype_ == kString) {
    std::ranges::copy(from.flat<std::string>(), flat<std::string>().begin());
  } else if (IsObject(dtype_)) {
    std::ranges::copy(from.flat<ObjectRef>(), flat<ObjectRef>().begin());
  } else {
    std::memcpy(data_, from.data_, bytes());
  }
}

std::string Tensor::ToString(int max_values) const {
  if (!defined()) return "undefined tensor";
  std::string out = StrCat(DTypeName(dtype_), " ", shape_, " {");
  const int64_t count = std::min<int64_t>(num_elements_, max_values);
  switch (dtype_) {
    case kString: AppendValues<std::string>(out, *this, count); break;
    case kResource:
    case kVariant: AppendValues<ObjectRef>(out, *this, count); break;
    case kComplex64:
      AppendValues<std::complex<float>>(out, *this, count);
      break;
    case kComplex128:
      AppendValues<std::complex<double>>(out, *this, count);
      break;
    default: {
      const Status plain =
          VisitDType(dtype_, [&]<class T>(std::type_identity<T>) {
            AppendValues<T>(out, *this, count);
            return Ok();
          });
      if (!plain.ok()) return StrCat(DTypeName(dtype_), " ", shape_);
    }
  }
  if (count < num_elements_) out += count > 0 ? ", ..." : "...";
  return out + "}";
}

int64_t IntAt(const Tensor& t, int64_t i) {
  const auto at = static_cast<size_t>(i);
  return t.dtype() == kInt32 ? t.flat<int32_t>()[at] : t.flat<int64_t>()[at];
}

Result<std::vector<int64_t>> ToInt64s(const Tensor& t) {
  if (t.dtype() != kInt32 && t.dtype() != kInt64) {
    return InvalidArgument("want int32 or int64, got ", DTypeName(t.dtype()));
  }
  std::vector<int64_t> values(static_cast<size_t>(t.NumElements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = IntAt(t, static_cast<int64_t>(i));
  }
  return values;
}

bool BitwiseEqual(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return false;
  if (a.NumElements() == 0 || a.data() == b.data()) return true;
  if (a.dtype() == kString) {
    return std::ranges::equal(a.flat<std::string>(), b.flat<std::string>());
  }
  if (IsObject(a.dtype())) {
    return std::ranges::equal(a.flat<ObjectRef>(), b.flat<ObjectRef>());
  }
  return std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

}  // namespace lockstep
