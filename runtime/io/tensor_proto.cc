// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/tensor_proto.h"

#include <algorithm>
#include <complex>

#include "proto/tensor.pb.h"
#include "proto/tensor_shape.pb.h"

namespace lockstep {
namespace {

// Fills `out` from a repeated field. A shorter list means that its last value
// (zero for an empty one) goes on to the end, as TensorFlow writes splats.
template <class T, class List, class Convert>
Status FillFrom(const List& list, Tensor* out, Convert convert) {
  auto to = out->flat<T>();
  const size_t n = static_cast<size_t>(list.size());
  if (n > to.size()) {
    return InvalidArgument("tensor of shape ", out->shape(), " has ", n,
                           " values");
  }
  for (size_t i = 0; i < n; ++i) to[i] = convert(list[static_cast<int>(i)]);
  const T last = n > 0 ? to[n - 1] : T();
  std::fill(to.begin() + static_cast<std::ptrdiff_t>(n), to.end(), last);
  return Ok();
}

template <class T, class List>
Status FillPlain(const List& list, Tensor* out) {
  return FillFrom<T>(list, out, [](auto v) { return static_cast<T>(v); });
}

template <class T>
Status FillBits(const proto::TensorProto& m, Tensor* out) {
  return FillFrom<T>(m.half_val(), out, [](int32_t bits) {
    T v;
    v.bits = static_cast<uint16_t>(bits);
    return v;
  });
}

// Real and imaginary parts take turns in the list.
template <class Complex, class List>
Status FillComplex(const List& list, Tensor* out) {
  auto to = out->flat<Complex>();
  const size_t n = static_cast<size_t>(list.size()) / 2;
  if (list.size() % 2 != 0 || n > to.size()) {
    return InvalidArgument("tensor of shape ", out->shape(), " has ",
                           list.size(), " parts of complex values");
  }
  for (size_t i = 0; i < n; ++i) {
    const int at = static_cast<int>(2 * i);
    to[i] = Complex(list[at], list[at + 1]);
  }
  const Complex last = n > 0 ? to[n - 1] : Complex();
  std::fill(to.begin() + static_cast<std::ptrdiff_t>(n), to.end(), last);
  return Ok();
}

Status FillValues(const proto::TensorProto& m, Tensor* out) {
  switch (out->dtype()) {
    case kFloat: return FillPlain<float>(m.float_val(), out);
    case kDouble: return FillPlain<double>(m.double_val(), out);
    case kInt32: return FillPlain<int32_t>(m.int_val(), out);
    case kInt16: return FillPlain<int16_t>(m.int_val(), out);
    case kInt8: return FillPlain<int8_t>(m.int_val(), out);
    case kUint8: return FillPlain<uint8_t>(m.int_val(), out);
    case kUint16: return FillPlain<uint16_t>(m.int_val(), out);
    case kInt64: return FillPlain<int64_t>(m.int64_val(), out);
    case kBool: return FillPlain<bool>(m.bool_val(), out);
    case kUint32: return FillPlain<uint32_t>(m.uint32_val(), out);
    case kUint64: return FillPlain<uint64_t>(m.uint64_val(), out);
    case kHalf: return FillBits<Half>(m, out);
    case kBfloat16: return FillBits<BFloat16>(m, out);
    case kComplex64:
      return FillComplex<std::complex<float>>(m.scomplex_val(), out);
    case kComplex128:
      return FillComplex<std::complex<double>>(m.dcomplex_val(), out);
    case kString:
      return FillFrom<std::string>(m.string_val(), out,
                                   [](const std::string& s) { return s; });
    default:
      return Unimplemented("tensors of dtype ", DTypeName(out->dtype()),
                           " cannot be read from a graph");
  }
}

}  // namespace

void ToProto(const Shape& shape, proto::TensorShapeProto* out) {
  out->Clear();
  if (!shape.HasRank()) {
    out->set_unknown_rank(true);
    return;
  }
  for (int64_t d : shape.dims()) out->add_dim()->set_size(d);
}

Result<Shape> FromProto(const proto::TensorShapeProto& shape) {
  if (shape.unknown_rank()) return Shape::Unknown();
  std::vector<int64_t> dims;
  for (const auto& d : shape.dim()) dims.push_back(d.size());
  return Shape::Make(dims);
}

Status ToProto(const Tensor& tensor, proto::TensorProto* out) {
  out->Clear();
  out->set_dtype(static_cast<proto::DataType>(tensor.dtype()));
  ToProto(tensor.shape(), out->mutable_tensor_shape());
  if (tensor.dtype() == kString) {
    for (const std::string& s : tensor.flat<std::string>()) {
      out->add_string_val(s);
    }
    return Ok();
  }
  if (!IsPod(tensor.dtype())) {
    return Unimplemented("tensors of dtype ", DTypeName(tensor.dtype()),
                         " cannot be written to a graph");
  }
  out->set_tensor_content(tensor.data(), tensor.bytes());
  return Ok();
}

Result<Tensor> FromProto(const proto::TensorProto& m) {
  const DType dtype = static_cast<DType>(m.dtype());
  LS_ASSIGN_OR_RETURN(Shape shape, FromProto(m.tensor_shape()));
  if (!shape.IsFullyKnown()) {
    return InvalidArgument("a tensor cannot have shape ", shape);
  }
  if (!IsPod(dtype) && dtype != kString) {
    return Unimplemented("tensors of dtype ", DTypeName(dtype),
                         " cannot be read from a graph");
  }
  const std::string& content = m.tensor_content();
  const uint64_t bytes =
      static_cast<uint64_t>(shape.NumElements()) * DTypeSize(dtype);
  if (shape.NumElements() > kMaxRepeatedBytes ||
      (content.empty() && bytes > static_cast<uint64_t>(kMaxRepeatedBytes))) {
    return ResourceExhausted("a constant of shape ", shape, " needs ",
                             HumanBytes(bytes), ", at most ",
                             HumanBytes(kMaxRepeatedBytes),
                             " are taken from repeated values");
  }
  if (!content.empty()) {
    if (!IsPod(dtype) || content.size() != bytes) {
      return InvalidArgument("a tensor of ", DTypeName(dtype), " ", shape,
                             " has ", bytes, " bytes, its content has ",
                             content.size());
    }
    LS_ASSIGN_OR_RETURN(Tensor t, Tensor::Make(dtype, shape));
    std::memcpy(t.data(), content.data(), content.size());
    return t;
  }
  LS_ASSIGN_OR_RETURN(Tensor t, Tensor::Make(dtype, shape));
  // TensorFlow writes the value that none of the elements has.
  if (t.NumElements() == 0) return t;
  LS_RETURN_IF_ERROR(FillValues(m, &t));
  return t;
}

}  // namespace lockstep
