// SPDX-License-Identifier: Apache-2.0
// How a node comes into a graph: what its inputs decide of its attributes, the
// checks of its op's definition, and the shapes and values that are known.
#include <algorithm>

#include "runtime/graph/graph.h"

namespace lockstep {
namespace {

// Fills in the dtype and count attributes that the inputs decide.
Status DeduceAttrs(const OpDef& def, const std::vector<Output>& inputs,
                   AttrMap* attrs) {
  // Tensors left for the one argument of unknown length, if there is one.
  int64_t singles = 0;
  for (const ArgDef& arg : def.inputs) {
    if (arg.number_attr.empty() && arg.type_list_attr.empty()) ++singles;
  }
  size_t at = 0;
  for (const ArgDef& arg : def.inputs) {
    int64_t count = 1;
    if (!arg.number_attr.empty()) {
      const int64_t* n = GetIf<int64_t>(*attrs, arg.number_attr);
      count = n ? *n : static_cast<int64_t>(inputs.size()) - singles;
      if (!n && count >= 0) (*attrs)[arg.number_attr] = count;
    } else if (!arg.type_list_attr.empty()) {
      auto* list = GetIf<std::vector<DType>>(*attrs, arg.type_list_attr);
      // An empty list may have been stored as a list of another kind.
      const bool empty = !list && attrs->contains(arg.type_list_attr);
      count = list    ? static_cast<int64_t>(list->size())
              : empty ? 0
                      : static_cast<int64_t>(inputs.size()) - singles;
      if (!list && count >= 0 &&
          at + static_cast<size_t>(count) <= inputs.size()) {
        std::vector<DType> types;
        for (int64_t i = 0; i < count; ++i) {
          types.push_back(BaseOf(inputs[at + static_cast<size_t>(i)].dtype()));
        }
        (*attrs)[arg.type_list_attr] = std::move(types);
      }
    }
    if (count < 0 || at + static_cast<size_t>(count) > inputs.size()) {
      return InvalidArgument("op ", def.name, " has too few inputs for '",
                             arg.name, "': got ", inputs.size());
    }
    if (!arg.type_attr.empty() && count > 0 &&
        !GetIf<DType>(*attrs, arg.type_attr)) {
      (*attrs)[arg.type_attr] = BaseOf(inputs[at].dtype());
    }
    at += static_cast<size_t>(count);
  }
  if (at != inputs.size()) {
    return InvalidArgument("op ", def.name, " takes ", at, " inputs, got ",
                           inputs.size());
  }
  return Ok();
}

Status CheckInputTypes(const OpDef& def, const AttrMap& attrs,
                       const std::vector<Output>& inputs) {
  LS_ASSIGN_OR_RETURN(std::vector<DType> want,
                      ArgTypes(def, def.inputs, attrs));
  if (want.size() != inputs.size()) {
    return InvalidArgument("op ", def.name, " takes ", want.size(),
                           " inputs, got ", inputs.size());
  }
  for (size_t i = 0; i < want.size(); ++i) {
    const DType got = inputs[i].dtype();
    if (BaseOf(got) != BaseOf(want[i]) || (IsRef(want[i]) && !IsRef(got))) {
      return InvalidArgument("input ", i, " must be ", DTypeName(want[i]),
                             ", '", inputs[i].name(), "' is ", DTypeName(got));
    }
  }
  return Ok();
}

bool ValidName(std::string_view name) {
  auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
  };
  if (name.empty() || !(letter(name[0]) || name[0] == '.' || name[0] == '_')) {
    return false;
  }
  return std::ranges::all_of(name, [&](char c) {
    return letter(c) || c == '_' || c == '.' || c == '-' || c == '/' ||
           c == '\\' || c == '>' || c == ':';
  });
}

// Sizes stay so small that the planner's sums of bytes cannot overflow.
Status CheckSize(const Shape& shape) {
  constexpr int64_t kMaxElements = int64_t{1} << 48;
  if (!shape.IsFullyKnown()) return Ok();
  LS_ASSIGN_OR_RETURN(const Shape checked, Shape::Make(shape.dims()));
  if (checked.NumElements() > kMaxElements) {
    return InvalidArgument("an output of shape ", shape,
                           " has too many elements");
  }
  return Ok();
}

}  // namespace

Result<Node*> Graph::AddNode(NodeSpec spec) {
  auto where = [&] { return StrCat("node '", spec.name, "'"); };
  const OpDef* def = OpRegistry::Global().Find(spec.op);
  if (!def) {
    const std::string near = NearestName(spec.op, OpRegistry::Global().Names());
    return NotFound(where(), ": there is no op '", spec.op, "'",
                    near.empty() ? "" : StrCat("; did you mean '", near, "'?"));
  }
  if (!ValidName(spec.name)) {
    return InvalidArgument("'", spec.name, "' is not a valid node name");
  }
  if (by_name_.contains(spec.name)) {
    return InvalidArgument("there is already a node '", spec.name, "'");
  }
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const Output& in = spec.inputs[i];
    if (!in.defined() || in.index < 0 || in.index >= in.node->num_outputs()) {
      return InvalidArgument(where(), ": input ", i, " is undefined");
    }
    const auto id = static_cast<size_t>(in.node->id());
    if (id >= nodes_.size() || nodes_[id].get() != in.node) {
      return InvalidArgument(where(), ": input '", in.name(),
                             "' is of another graph; a function takes what it "
                             "uses as arguments");
    }
  }
  auto fail = [&](const Status& s) { return s.WithContext(where()); };
  Status s = DeduceAttrs(*def, spec.inputs, &spec.attrs);
  if (s.ok()) s = CheckAttrs(*def, &spec.attrs);
  if (s.ok()) s = CheckInputTypes(*def, spec.attrs, spec.inputs);
  if (!s.ok()) return fail(s);
  Result<std::vector<DType>> types = ArgTypes(*def, def->outputs, spec.attrs);
  if (!types.ok()) return fail(types.status());

  auto node = std::make_unique<Node>();
  node->id_ = static_cast<int>(nodes_.size());
  node->name_ = spec.name;
  node->def_ = def;
  node->attrs_ = std::move(spec.attrs);
  node->inputs_ = std::move(spec.inputs);
  node->requested_device_ = std::move(spec.device);
  node->output_types_ = *std::move(types);
  node->output_shapes_.assign(node->output_types_.size(), Shape::Unknown());
  s = InferShapes(node.get());
  if (!s.ok()) return s;
  Node* added = node.get();
  nodes_.push_back(std::move(node));
  by_name_.emplace(added->name_, added);
  for (Node* c : spec.control_inputs) AddControlEdge(c, added);
  return added;
}

Status Graph::InferShapes(Node* node, int* identity) {
  std::vector<Shape> shapes;
  std::vector<const Tensor*> values;
  for (const Output& in : node->inputs_) {
    shapes.push_back(in.shape());
    const Tensor& v = in.node->output_value(in.index);
    values.push_back(v.defined() ? &v : nullptr);
  }
  ShapeContext c(node->def(), node->attrs_, shapes, values,
                 node->num_outputs());
  if (node->def().shape) {
    Status s = node->def().shape(c);
    if (!s.ok()) {
      return s.WithContext(
          StrCat("node '", node->name_, "' (", node->op(), ")"));
    }
  }
  for (int i = 0; i < node->num_outputs(); ++i) {
    Status s = CheckSize(c.outputs()[static_cast<size_t>(i)]);
    if (!s.ok()) {
      return s.WithContext(
          StrCat("node '", node->name_, "' (", node->op(), ")"));
    }
  }
  if (identity) *identity = node->def().identity ? node->def().identity(c) : -1;
  node->output_shapes_ = c.outputs();
  node->output_values_.clear();
  for (int i = 0; i < node->num_outputs(); ++i) {
    const Tensor& value = c.output_values()[static_cast<size_t>(i)];
    if (value.defined()) node->set_output_value(i, value);
  }
  if (node->traits().constant) {
    node->set_output_value(0, node->Attr<Tensor>("value"));
    node->output_shapes_[0] = node->output_value(0).shape();
  }
  return Ok();
}

}  // namespace lockstep
