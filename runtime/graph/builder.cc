// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/builder.h"

#include <algorithm>

#include "runtime/device/device_name.h"

namespace lockstep {
namespace {

bool IsNumeric(DType t) { return IsFloating(t) || IsInteger(t); }

// `value` with elements of `to`, by value.
Result<Tensor> ConvertNumeric(const Tensor& value, DType to) {
  Tensor out(to, value.shape());
  LS_RETURN_IF_ERROR(
      VisitDType(value.dtype(), [&]<class A>(std::type_identity<A>) {
        return VisitDType(to, [&]<class B>(std::type_identity<B>) {
          auto from = value.flat<A>();
          auto into = out.flat<B>();
          for (size_t i = 0; i < from.size(); ++i) {
            if constexpr (std::is_same_v<B, bool>) {
              into[i] = static_cast<double>(from[i]) != 0;
            } else if constexpr (std::is_same_v<B, Half> ||
                                 std::is_same_v<B, BFloat16>) {
              into[i] = B(static_cast<float>(from[i]));
            } else {
              into[i] = static_cast<B>(from[i]);
            }
          }
          return Ok();
        });
      }));
  return out;
}

// `device` over what outer scopes ask for. A lone name stays as it was written.
Result<std::string> Nested(const std::string& device,
                           const std::string& outer) {
  LS_ASSIGN_OR_RETURN(DeviceName inner, DeviceName::Parse(device));
  if (outer.empty() || device.empty()) return device;
  LS_ASSIGN_OR_RETURN(DeviceName around, DeviceName::Parse(outer));
  return inner.Over(around).ToString();
}

// Between the groups of a scope; no node's name has it.
constexpr char kGroupEnd = '\n';

std::vector<std::string> SortedGroups(const std::string& groups) {
  std::vector<std::string> names = Split(groups, kGroupEnd);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

Scope Scope::SubScope(std::string_view name) const {
  Scope s = *this;
  s.prefix_ = graph_->UniqueScopeName(StrCat(prefix_, name)) + "/";
  s.name_.clear();
  return s;
}

Scope Scope::WithName(std::string_view name) const {
  Scope s = *this;
  s.name_ = name;
  return s;
}

Scope Scope::WithDevice(std::string device) const {
  Scope s = *this;
  Result<std::string> nested = Nested(device, device_);
  if (nested.ok()) {
    s.device_ = *std::move(nested);
  } else {
    graph_->UpdateStatus(nested.status());
  }
  return s;
}

Scope Scope::WithControlDependencies(std::vector<Node*> nodes) const {
  Scope s = *this;
  s.control_.insert(s.control_.end(), nodes.begin(), nodes.end());
  std::erase(s.control_, nullptr);
  return s;
}

Scope Scope::WithControlDependencies(const std::vector<Output>& outputs) const {
  std::vector<Node*> nodes;
  for (const Output& o : outputs) nodes.push_back(o.node);
  return WithControlDependencies(std::move(nodes));
}

Scope Scope::ColocateWith(const Node* node) const {
  Scope s = *this;
  // Outer device scopes no longer count, as in TensorFlow: the node asks for
  // what the other asks for.
  s.device_ = node ? node->requested_device() : "";
  if (!node) {
    s.colocate_.clear();
    return s;
  }
  const auto* groups = GetIf<std::vector<std::string>>(node->attrs(), "_class");
  const std::string own = groups && !groups->empty()
                              ? Join(*groups, std::string(1, kGroupEnd))
                              : StrCat("loc:@", node->name());
  s.colocate_ = s.colocate_.empty() ? own : StrCat(s.colocate_, kGroupEnd, own);
  return s;
}

Scope Scope::WithSeed(int64_t seed) const {
  Scope s = *this;
  s.seed_ = seed;
  return s;
}

NodeBuilder Scope::Op(std::string_view op) const {
  return NodeBuilder(*this, op);
}

Output Input::Resolve(const Scope& scope, DType hint) const {
  if (output_.defined() || !value_.defined()) return output_;
  Tensor value = value_;
  hint = BaseOf(hint);
  if (value.dtype() != hint && IsNumeric(hint) && IsNumeric(value.dtype()) &&
      value.shape().rank() <= 1) {
    Result<Tensor> converted = ConvertNumeric(value, hint);
    if (converted.ok()) value = *std::move(converted);
  }
  const DType dtype = value.dtype();
  return scope.WithName("Const")
      .Op("Const")
      .Attr("dtype", dtype)
      .Attr("value", std::move(value))
      .Out();
}

NodeBuilder::NodeBuilder(const Scope& scope, std::string_view op)
    : scope_(scope) {
  spec_.op = op;
}

NodeBuilder& NodeBuilder::In(const Input& input) {
  DType hint = kInvalidType;
  const OpDef* def = OpRegistry::Global().Find(spec_.op);
  if (def && spec_.inputs.size() < def->inputs.size()) {
    hint = def->inputs[spec_.inputs.size()].type;
  }
  spec_.inputs.push_back(input.Resolve(scope_, hint));
  return *this;
}

NodeBuilder& NodeBuilder::InPair(const Input& a, const Input& b) {
  const DType type = a.is_value() ? b.dtype() : a.dtype();
  spec_.inputs.push_back(a.Resolve(scope_, type));
  spec_.inputs.push_back(b.Resolve(scope_, type));
  return *this;
}

NodeBuilder& NodeBuilder::In(const std::vector<Output>& inputs) {
  spec_.inputs.insert(spec_.inputs.end(), inputs.begin(), inputs.end());
  return *this;
}

NodeBuilder& NodeBuilder::Attr(std::string_view name, AttrValue value) {
  spec_.attrs[std::string(name)] = std::move(value);
  return *this;
}

NodeBuilder& NodeBuilder::ControlInput(Node* node) {
  if (node) spec_.control_inputs.push_back(node);
  return *this;
}

Node* NodeBuilder::Build() {
  if (done_) return built_;
  done_ = true;
  Graph* graph = scope_.graph();
  // After a first error inputs may be undefined; that error is the one to tell.
  if (!graph->status().ok()) return nullptr;
  spec_.name = graph->UniqueName(
      StrCat(scope_.prefix_, scope_.name_.empty() ? spec_.op : scope_.name_));
  spec_.device = scope_.device_;
  for (Node* c : scope_.control_) spec_.control_inputs.push_back(c);
  if (!scope_.colocate_.empty()) {
    spec_.attrs["_class"] = SortedGroups(scope_.colocate_);
  }
  Result<Node*> node = graph->AddNode(std::move(spec_));
  if (!node.ok()) {
    graph->UpdateStatus(node.status());
    return nullptr;
  }
  return built_ = *node;
}

Output NodeBuilder::Out(int index) {
  Node* node = Build();
  return node && index < node->num_outputs() ? Output{node, index} : Output{};
}

std::vector<Output> NodeBuilder::Outs() {
  Node* node = Build();
  std::vector<Output> outs;
  for (int i = 0; node && i < node->num_outputs(); ++i) {
    outs.push_back({node, i});
  }
  return outs;
}

}  // namespace lockstep
