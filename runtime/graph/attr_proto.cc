// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/attr_proto.h"

#include "proto/attr_value.pb.h"
#include "runtime/io/tensor_proto.h"

namespace lockstep {
namespace {

Status WriteFunction(const FunctionRef& f, proto::NameAttrList* out) {
  out->set_name(f.name);
  if (!f.attrs) return Ok();
  for (const auto& [name, value] : *f.attrs) {
    LS_RETURN_IF_ERROR(ToProto(value, &(*out->mutable_attr())[name]));
  }
  return Ok();
}

struct AttrWriter {
  proto::AttrValue* out;
  Status operator()(std::monostate) { return Ok(); }
  Status operator()(int64_t v) {
    out->set_i(v);
    return Ok();
  }
  Status operator()(float v) {
    out->set_f(v);
    return Ok();
  }
  Status operator()(bool v) {
    out->set_b(v);
    return Ok();
  }
  Status operator()(const std::string& v) {
    out->set_s(v);
    return Ok();
  }
  Status operator()(DType v) {
    out->set_type(static_cast<proto::DataType>(v));
    return Ok();
  }
  Status operator()(const Shape& v) {
    ToProto(v, out->mutable_shape());
    return Ok();
  }
  Status operator()(const Tensor& v) {
    return ToProto(v, out->mutable_tensor());
  }
  Status operator()(const FunctionRef& v) {
    return WriteFunction(v, out->mutable_func());
  }
  template <class T>
  Status operator()(const SharedValue<T>& v) {
    return (*this)(*v);
  }
  template <class T>
  Status operator()(const std::vector<T>& list) {
    auto* l = out->mutable_list();
    for (size_t i = 0; i < list.size(); ++i) {
      const T& v = list[i];
      if constexpr (std::is_same_v<T, int64_t>) l->add_i(v);
      if constexpr (std::is_same_v<T, float>) l->add_f(v);
      if constexpr (std::is_same_v<T, std::string>) l->add_s(v);
      if constexpr (std::is_same_v<T, DType>) {
        l->add_type(static_cast<proto::DataType>(v));
      }
      if constexpr (std::is_same_v<T, Shape>) ToProto(v, l->add_shape());
      if constexpr (std::is_same_v<T, Tensor>) {
        LS_RETURN_IF_ERROR(ToProto(v, l->add_tensor()));
      }
      if constexpr (std::is_same_v<T, FunctionRef>) {
        LS_RETURN_IF_ERROR(WriteFunction(v, l->add_func()));
      }
    }
    return Ok();
  }
  Status operator()(const std::vector<bool>& list) {
    for (bool v : list) out->mutable_list()->add_b(v);
    return Ok();
  }
};

Result<FunctionRef> ReadFunction(const proto::NameAttrList& in) {
  FunctionRef f{.name = in.name(), .attrs = std::make_shared<AttrMap>()};
  for (const auto& [name, value] : in.attr()) {
    LS_ASSIGN_OR_RETURN((*f.attrs)[name], FromProto(value));
  }
  return f;
}

Result<AttrValue> ReadList(const proto::AttrValue::ListValue& l) {
  if (l.s_size()) {
    return AttrValue(std::vector<std::string>(l.s().begin(), l.s().end()));
  }
  if (l.f_size())
    return AttrValue(std::vector<float>(l.f().begin(), l.f().end()));
  if (l.b_size())
    return AttrValue(std::vector<bool>(l.b().begin(), l.b().end()));
  if (l.type_size()) {
    std::vector<DType> types;
    for (int t : l.type()) types.push_back(static_cast<DType>(t));
    return AttrValue(std::move(types));
  }
  if (l.shape_size()) {
    std::vector<Shape> shapes;
    for (const auto& s : l.shape()) {
      LS_ASSIGN_OR_RETURN(Shape shape, FromProto(s));
      shapes.push_back(shape);
    }
    return AttrValue(std::move(shapes));
  }
  if (l.tensor_size()) {
    std::vector<Tensor> tensors;
    for (const auto& t : l.tensor()) {
      LS_ASSIGN_OR_RETURN(Tensor tensor, FromProto(t));
      tensors.push_back(std::move(tensor));
    }
    return AttrValue(std::move(tensors));
  }
  if (l.func_size()) {
    std::vector<FunctionRef> functions;
    for (const auto& f : l.func()) {
      LS_ASSIGN_OR_RETURN(FunctionRef function, ReadFunction(f));
      functions.push_back(std::move(function));
    }
    return AttrValue(std::move(functions));
  }
  return AttrValue(std::vector<int64_t>(l.i().begin(), l.i().end()));
}

}  // namespace

Status ToProto(const AttrValue& value, proto::AttrValue* out) {
  return std::visit(AttrWriter{out},
                    static_cast<const AttrValue::variant&>(value));
}

Result<AttrValue> FromProto(const proto::AttrValue& in) {
  switch (in.value_case()) {
    case proto::AttrValue::kS: return AttrValue(in.s());
    case proto::AttrValue::kI: return AttrValue(int64_t{in.i()});
    case proto::AttrValue::kF: return AttrValue(in.f());
    case proto::AttrValue::kB: return AttrValue(in.b());
    case proto::AttrValue::kType:
      return AttrValue(static_cast<DType>(in.type()));
    case proto::AttrValue::kShape: {
      LS_ASSIGN_OR_RETURN(Shape shape, FromProto(in.shape()));
      return AttrValue(shape);
    }
    case proto::AttrValue::kTensor: {
      LS_ASSIGN_OR_RETURN(Tensor tensor, FromProto(in.tensor()));
      return AttrValue(std::move(tensor));
    }
    case proto::AttrValue::kFunc: {
      LS_ASSIGN_OR_RETURN(FunctionRef f, ReadFunction(in.func()));
      return AttrValue(std::move(f));
    }
    case proto::AttrValue::kList: return ReadList(in.list());
    default: return AttrValue();
  }
}

}  // namespace lockstep
