// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/node_import.h"

#include <algorithm>
#include <charconv>

#include "proto/graph.pb.h"
#include "runtime/graph/attr_proto.h"

namespace lockstep {
namespace {

// Unknown ops named in an error before it says "and N more".
constexpr size_t kMaxListed = 20;

// The only way that leads back.
bool IsNext(const proto::NodeDef& n) {
  return n.op() == "NextIteration" || n.op() == "RefNextIteration";
}

}  // namespace

Status NodeImporter::CheckOps() const {
  std::map<std::string, std::vector<std::string>> unknown;
  for (const auto& n : nodes_) {
    if (!OpRegistry::Global().Find(n.op()) && !functions_.contains(n.op())) {
      unknown[n.op()].push_back(n.name());
    }
  }
  if (unknown.empty()) return Ok();
  std::vector<std::string> lines;
  for (const auto& [op, nodes] : unknown) {
    if (lines.size() == kMaxListed) {
      lines.push_back(StrCat("and ", unknown.size() - kMaxListed, " more"));
      break;
    }
    lines.push_back(StrCat(op, " (node '", nodes[0], "'",
                           nodes.size() > 1
                               ? StrCat(" and ", nodes.size() - 1, " more")
                               : std::string(),
                           ")"));
  }
  return Unimplemented("the graph uses ", unknown.size(),
                       " unknown ops: ", Join(lines, ", "));
}

Status NodeImporter::Import() {
  LS_RETURN_IF_ERROR(CheckOps());
  for (int i = 0; i < nodes_.size(); ++i) {
    const std::string& name = nodes_[i].name();
    if (!known_.emplace(name, Known{.index = i}).second) {
      return InvalidArgument("there are two nodes '", name, "'");
    }
  }
  state_.assign(static_cast<size_t>(nodes_.size()), State::kNew);
  for (int i = 0; i < nodes_.size(); ++i) {
    LS_RETURN_IF_ERROR(AddWithInputs(i));
  }
  return CloseLoops();
}

Result<NodeImporter::InputName> NodeImporter::Parse(
    const std::string& text) const {
  InputName in{.node = text};
  if (text.starts_with('^')) {
    in.node = text.substr(1);
    in.control = true;
    return in;
  }
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) return in;
  in.node = text.substr(0, colon);
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  auto [ptr, error] = std::from_chars(begin, end, in.index);
  if (error != std::errc() || ptr != end || in.index < 0) {
    return InvalidArgument("'", text, "' is not the name of an input");
  }
  if (names_ == Names::kFunction) {
    colon = in.node.rfind(':');
    if (colon != std::string::npos) {
      in.output = in.node.substr(colon + 1);
      in.node = in.node.substr(0, colon);
    }
  }
  return in;
}

// Depth first, without recursion: hostile graphs may be very deep.
Status NodeImporter::AddWithInputs(int root) {
  std::vector<int> stack = {root};
  while (!stack.empty()) {
    const int at = stack.back();
    const proto::NodeDef& n = nodes_[at];
    State& state = state_[static_cast<size_t>(at)];
    if (state == State::kDone) {
      stack.pop_back();
      continue;
    }
    const bool ready = state == State::kOpen;
    state = State::kOpen;
    bool waiting = false, controlled = false;
    for (const std::string& text : n.input()) {
      LS_ASSIGN_OR_RETURN(InputName in, Parse(text));
      if (controlled && !in.control) {
        return InvalidArgument(
            "node '", n.name(),
            "': Control dependencies must come after regular dependencies");
      }
      controlled = in.control;
      const auto it = known_.find(in.node);
      if (it == known_.end()) {
        return InvalidArgument("node '", n.name(), "': its input '", text,
                               "' does not exist");
      }
      // Those of loops are joined at the end.
      if (it->second.node || IsNext(n)) continue;
      const State of_input = state_[static_cast<size_t>(it->second.index)];
      if (ready || of_input == State::kOpen) {
        return InvalidArgument("the graph has a cycle through node '", n.name(),
                               "'");
      }
      stack.push_back(it->second.index);
      waiting = true;
    }
    if (waiting) continue;
    LS_RETURN_IF_ERROR(AddNode(n));
    state = State::kDone;
    if (consumed_ && !IsNext(n)) {
      proto::NodeDef taken;
      taken.Swap(consumed_->Mutable(at));
    }
    stack.pop_back();
  }
  return Ok();
}

namespace {

// The number of a result by its name; -1 when there is none.
int ResultNamed(const std::string& name, const proto::FunctionDef& f) {
  const auto& results = f.signature().output_arg();
  const auto it =
      std::ranges::find(results, name, [](const auto& r) { return r.name(); });
  return it == results.end() ? -1 : static_cast<int>(it - results.begin());
}

}  // namespace

Result<Output> NodeImporter::Resolve(const InputName& in,
                                     const std::string& text) const {
  Node* from = FindNode(in.node);
  if (!from) return InvalidArgument("'", text, "' does not exist");
  int index = in.index;
  const int at = known_.at(in.node).index;
  const auto called =
      at < 0 ? functions_.end() : functions_.find(nodes_[at].op());
  if (!in.output.empty() && called != functions_.end()) {
    // Outputs of a node whose op is a function have its results' names.
    const int result = ResultNamed(in.output, *called->second);
    index = index == 0 && result >= 0 ? result : from->num_outputs();
  } else if (!in.output.empty()) {
    const auto& outputs = from->def().outputs;
    auto arg = std::ranges::find(outputs, in.output, &ArgDef::name);
    if (arg == outputs.end()) {
      return InvalidArgument("'", text, "' does not exist: op ", from->op(),
                             " has no output '", in.output, "'");
    }
    LS_ASSIGN_OR_RETURN(auto range,
                        ArgRange(from->def(), outputs, from->attrs(),
                                 static_cast<int>(arg - outputs.begin())));
    if (index >= range.second) index = from->num_outputs();
    index += range.first;
  }
  if (index >= from->num_outputs()) {
    return InvalidArgument("'", text, "' does not exist: the node has ",
                           from->num_outputs(), " outputs");
  }
  return Output{from, index};
}

Result<Output> NodeImporter::Find(const std::string& text) const {
  LS_ASSIGN_OR_RETURN(InputName in, Parse(text));
  return Resolve(in, text);
}

Node* NodeImporter::FindNode(const std::string& name) const {
  const auto it = known_.find(name);
  return it == known_.end() ? nullptr : it->second.node;
}

namespace {

Status ReadAttrs(const proto::NodeDef& n, const OpDef& op, AttrMap* attrs) {
  for (const auto& [name, value] : n.attr()) {
    // Attributes of newer versions that the op does not know are dropped.
    if (!name.starts_with('_') && !op.FindAttr(name)) continue;
    Result<AttrValue> attr = FromProto(value);
    if (!attr.ok()) {
      return attr.status().WithContext(
          StrCat("node '", n.name(), "' attribute '", name, "'"));
    }
    if (attr->defined()) (*attrs)[name] = *std::move(attr);
  }
  return Ok();
}

// A node whose op is a function calls it.
void MakeCall(const proto::FunctionDef& f, NodeSpec* spec) {
  std::vector<DType> in, out;
  for (const auto& arg : f.signature().input_arg()) {
    in.push_back(static_cast<DType>(arg.type()));
  }
  for (const auto& arg : f.signature().output_arg()) {
    out.push_back(static_cast<DType>(arg.type()));
  }
  spec->attrs = {{"f", FunctionRef{.name = spec->op}},
                 {"Tin", std::move(in)},
                 {"Tout", std::move(out)}};
  spec->op = "StatefulPartitionedCall";
}

}  // namespace

Status NodeImporter::AddNode(const proto::NodeDef& n) {
  NodeSpec spec{.name = n.name(), .op = n.op(), .device = n.device()};
  if (const OpDef* op = OpRegistry::Global().Find(n.op())) {
    LS_RETURN_IF_ERROR(ReadAttrs(n, *op, &spec.attrs));
  } else {
    MakeCall(*functions_.at(n.op()), &spec);
  }
  if (IsNext(n)) {
    next_iterations_.push_back(&n);
    LS_ASSIGN_OR_RETURN(
        Node * later,
        graph_.AddNode({.name = graph_.UniqueName(n.name() + "/_later"),
                        .op = "_BackEdge",
                        .attrs = {{"T", GetOr(spec.attrs, "T", kFloat)}}}));
    spec.inputs.push_back(later->output(0));
  } else {
    for (const std::string& text : n.input()) {
      LS_ASSIGN_OR_RETURN(InputName in, Parse(text));
      if (in.control) {
        spec.control_inputs.push_back(FindNode(in.node));
        continue;
      }
      Result<Output> input = Resolve(in, text);
      if (!input.ok()) {
        return input.status().WithContext(
            StrCat("node '", n.name(), "': its input"));
      }
      spec.inputs.push_back(*input);
    }
  }
  LS_ASSIGN_OR_RETURN(known_[n.name()].node, graph_.AddNode(std::move(spec)));
  return Ok();
}

Status NodeImporter::CloseLoops() {
  for (const proto::NodeDef* n : next_iterations_) {
    Node* next = FindNode(n->name());
    Node* later = next->input(0).node;
    bool joined = false;
    for (const std::string& text : n->input()) {
      LS_ASSIGN_OR_RETURN(InputName in, Parse(text));
      if (in.control) {
        graph_.AddControlEdge(FindNode(in.node), next);
        continue;
      }
      LS_ASSIGN_OR_RETURN(Output input, Resolve(in, text));
      if (joined || BaseOf(input.dtype()) != BaseOf(next->output_type(0))) {
        return InvalidArgument(
            "node '", n->name(), "': its input '", text, "' is ",
            joined ? "one too many" : DTypeName(input.dtype()));
      }
      graph_.SetInput(next, 0, input);
      joined = true;
    }
    if (!joined) {
      return InvalidArgument("node '", n->name(), "' has no input");
    }
    graph_.RemoveNode(later);
  }
  return Ok();
}

}  // namespace lockstep
