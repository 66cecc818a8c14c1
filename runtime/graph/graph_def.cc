// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/graph_def.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "proto/graph.pb.h"
#include "runtime/graph/attr_proto.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

// TensorFlow's GraphDef version that the used features belong to.
constexpr int kProducerVersion = 1286;
// Unknown ops named in an error before it says "and N more".
constexpr size_t kMaxListed = 20;

// Adds a GraphDef's nodes in an order in which inputs come first.
class Importer {
 public:
  explicit Importer(const proto::GraphDef& def) : def_(def) {}

  Result<Graph> Import() {
    LS_RETURN_IF_ERROR(CheckOps());
    for (int i = 0; i < def_.node_size(); ++i) {
      if (!index_.emplace(def_.node(i).name(), i).second) {
        return InvalidArgument("there are two nodes '", def_.node(i).name(),
                               "'");
      }
    }
    state_.assign(static_cast<size_t>(def_.node_size()), State::kNew);
    for (int i = 0; i < def_.node_size(); ++i) LS_RETURN_IF_ERROR(AddWithInputs(i));
    return std::move(graph_);
  }

 private:
  enum class State : char { kNew, kOpen, kDone };

  Status CheckOps() const {
    std::map<std::string, std::vector<std::string>> unknown;
    for (const auto& n : def_.node()) {
      if (!OpRegistry::Global().Find(n.op())) unknown[n.op()].push_back(n.name());
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

  struct InputName {
    std::string node;
    int index = 0;
    bool control = false;
  };
  static Result<InputName> ParseInput(const std::string& text) {
    InputName in{.node = text};
    if (text.starts_with('^')) {
      in.node = text.substr(1);
      in.control = true;
      return in;
    }
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos) return in;
    in.node = text.substr(0, colon);
    const char* begin = text.data() + colon + 1;
    const char* end = text.data() + text.size();
    auto [ptr, error] = std::from_chars(begin, end, in.index);
    if (error != std::errc() || ptr != end || in.index < 0) {
      return InvalidArgument("'", text, "' is not the name of an input");
    }
    return in;
  }

  // Depth first, without recursion: hostile graphs may be very deep.
  Status AddWithInputs(int root) {
    std::vector<int> stack = {root};
    while (!stack.empty()) {
      const int at = stack.back();
      State& state = state_[static_cast<size_t>(at)];
      if (state == State::kDone) {
        stack.pop_back();
        continue;
      }
      const bool ready = state == State::kOpen;
      state = State::kOpen;
      bool waiting = false;
      for (const std::string& text : def_.node(at).input()) {
        LS_ASSIGN_OR_RETURN(InputName in, ParseInput(text));
        auto it = index_.find(in.node);
        if (it == index_.end()) {
          return InvalidArgument("node '", def_.node(at).name(),
                                 "': its input '", text, "' does not exist");
        }
        const State of_input = state_[static_cast<size_t>(it->second)];
        if (of_input == State::kDone) continue;
        if (ready || of_input == State::kOpen) {
          return InvalidArgument("the graph has a cycle through node '",
                                 def_.node(at).name(), "'");
        }
        stack.push_back(it->second);
        waiting = true;
      }
      if (waiting) continue;
      LS_RETURN_IF_ERROR(AddNode(def_.node(at)));
      state = State::kDone;
      stack.pop_back();
    }
    return Ok();
  }

  Status AddNode(const proto::NodeDef& n) {
    NodeSpec spec{.name = n.name(), .op = n.op(), .device = n.device()};
    for (const std::string& text : n.input()) {
      LS_ASSIGN_OR_RETURN(InputName in, ParseInput(text));
      Node* from = graph_.Find(in.node);
      if (in.control) {
        spec.control_inputs.push_back(from);
      } else if (in.index >= from->num_outputs()) {
        return InvalidArgument("node '", n.name(), "': its input '", text,
                               "' does not exist: the node has ",
                               from->num_outputs(), " outputs");
      } else {
        spec.inputs.push_back({from, in.index});
      }
    }
    const OpDef* op = OpRegistry::Global().Find(n.op());
    for (const auto& [name, value] : n.attr()) {
      // Attributes of newer versions that the op does not know are dropped.
      if (!name.starts_with('_') && !op->FindAttr(name)) continue;
      Result<AttrValue> attr = FromProto(value);
      if (!attr.ok()) {
        return attr.status().WithContext(
            StrCat("node '", n.name(), "' attribute '", name, "'"));
      }
      if (attr->defined()) spec.attrs[name] = *std::move(attr);
    }
    return graph_.AddNode(std::move(spec)).status();
  }

  const proto::GraphDef& def_;
  Graph graph_;
  std::unordered_map<std::string, int> index_;
  std::vector<State> state_;
};

}  // namespace

Status ToProto(const Graph& graph, proto::GraphDef* def) {
  def->mutable_versions()->set_producer(kProducerVersion);
  for (const Node* n : graph.nodes()) {
    proto::NodeDef* out = def->add_node();
    out->set_name(n->name());
    out->set_op(n->op());
    out->set_device(n->requested_device());
    for (const Output& in : n->inputs()) {
      out->add_input(in.index == 0 ? in.node->name() : in.name());
    }
    for (const Node* c : n->control_inputs()) {
      out->add_input("^" + c->name());
    }
    for (const auto& [name, value] : n->attrs()) {
      Status s = ToProto(value, &(*out->mutable_attr())[name]);
      if (!s.ok()) return s.WithContext(StrCat("node '", n->name(), "'"));
    }
  }
  return Ok();
}

Result<std::string> ToGraphDef(const Graph& graph) {
  proto::GraphDef def;
  LS_RETURN_IF_ERROR(ToProto(graph, &def));
  return SerializeProto(def);
}

Result<Graph> FromProto(const proto::GraphDef& def) {
  return Importer(def).Import();
}

Result<Graph> FromGraphDef(std::string_view bytes) {
  proto::GraphDef def;
  if (!ParseProto(bytes, def).ok()) {
    return InvalidArgument("not a serialized GraphDef (", bytes.size(),
                           " bytes)");
  }
  return FromProto(def);
}

Result<Graph> FromGraphDefText(std::string_view text) {
  proto::GraphDef def;
  const Status parsed = ParseTextProto(text, def);
  if (!parsed.ok()) {
    return InvalidArgument("not a GraphDef in text form: ", parsed.message());
  }
  return FromProto(def);
}

}  // namespace lockstep
