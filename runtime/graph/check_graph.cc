// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/check_graph.h"

#include <map>
#include <set>

#include "proto/meta_graph.pb.h"
#include "runtime/graph/attr_proto.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph_proto.h"
#include "runtime/graph/placer.h"

namespace lockstep {
namespace {

using Kind = GraphProblem::Kind;

// An attribute that the node's inputs decide may be left out.
bool Deducible(const OpDef& op, const std::string& attr) {
  for (const ArgDef& arg : op.inputs) {
    if (arg.type_attr == attr || arg.type_list_attr == attr ||
        arg.number_attr == attr) {
      return true;
    }
  }
  return false;
}

class Checker {
 public:
  explicit Checker(const proto::GraphDef& def) : def_(def) {
    for (const auto& f : def.library().function()) {
      functions_.insert(f.signature().name());
    }
  }

  GraphCheck Check() {
    check_.num_functions = static_cast<int>(functions_.size());
    for (const auto& node : def_.node()) CheckNode(node, "", false);
    for (const auto& f : def_.library().function()) {
      for (const auto& node : f.node_def()) {
        CheckNode(node, f.signature().name() + "/", true);
      }
    }
    for (auto& [key, problem] : problems_) {
      check_.problems.push_back(std::move(problem));
    }
    if (check_.problems.empty()) {
      const Status imported = FromProto(def_).status();
      if (!imported.ok()) {
        check_.problems.push_back({Kind::kGraph, "", imported.message(), {}});
      }
    }
    return std::move(check_);
  }

 private:
  void Add(Kind kind, const std::string& op, const std::string& text,
           const std::string& node) {
    GraphProblem& p = problems_[{kind, text}];
    p.kind = kind;
    p.op = op;
    p.text = text;
    p.nodes.push_back(node);
  }

  void CheckNode(const proto::NodeDef& node, const std::string& prefix,
                 bool in_function) {
    ++check_.num_nodes;
    const std::string name = prefix + node.name();
    const OpDef* op = OpRegistry::Global().Find(node.op());
    if (op == nullptr) {
      if (functions_.contains(node.op())) return;
      return Add(Kind::kUnknownOp, node.op(),
                 StrCat("there is no op '", node.op(), "'"), name);
    }
    AttrMap attrs;
    Status status;
    bool complete = true;
    for (const AttrDef& a : op->attrs) {
      const auto it = node.attr().find(a.name);
      if (it == node.attr().end()) {
        complete &= a.default_value.defined() || !Deducible(*op, a.name);
        continue;
      }
      // Within a function it may be a parameter of the function.
      if (it->second.value_case() == proto::AttrValue::kPlaceholder) {
        complete &= !in_function;
        continue;
      }
      CheckFunctions(it->second, op->name, name);
      Result<AttrValue> value = FromProto(it->second);
      if (!value.ok()) {
        status.Update(
            value.status().WithContext(StrCat("attribute '", a.name, "'")));
      } else if (value->defined()) {
        attrs[a.name] = *std::move(value);
      }
    }
    if (!complete) return;
    status.Update(CheckAttrs(*op, &attrs));
    if (!status.ok()) {
      return Add(Kind::kAttribute, op->name,
                 StrCat(op->name, ": ", status.message()), name);
    }
    if (!NeedsKernel(*op) || op->FindKernel(kCpu, attrs)) return;
    const std::string types = op->KernelTypes(attrs);
    Add(Kind::kKernel, op->name,
        StrCat(op->name, ": there is no kernel",
               types.empty() ? "" : StrCat(" for ", types)),
        name);
  }

  // Those that the attribute names.
  void CheckFunctions(const proto::AttrValue& value, const std::string& op,
                      const std::string& node) {
    const auto check = [&](const std::string& function) {
      if (function.empty() || functions_.contains(function)) return;
      Add(Kind::kAttribute, op,
          StrCat(op, ": the graph has no function '", function, "'"), node);
    };
    check(value.func().name());
    for (const auto& f : value.list().func()) check(f.name());
  }

  const proto::GraphDef& def_;
  std::set<std::string> functions_;
  std::map<std::pair<Kind, std::string>, GraphProblem> problems_;
  GraphCheck check_;
};

}  // namespace

Result<GraphCheck> CheckGraphFile(Env& env, const std::string& path) {
  proto::MetaGraphDef def;
  LS_RETURN_IF_ERROR(ReadMetaGraphDef(env, path, &def));
  return Checker(def.graph_def()).Check();
}

}  // namespace lockstep
