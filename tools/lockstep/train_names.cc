// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/train_names.h"

#include <algorithm>
#include <unordered_set>

#include "runtime/exec/training_variables.h"

namespace lockstep {
namespace {

Result<std::string> NodeNamed(const Graph& graph, const char* option,
                              const std::string& name) {
  if (graph.Find(name) != nullptr) return name;
  std::vector<std::string> names;
  for (const Node* n : graph.nodes()) names.push_back(n->name());
  const std::string near = NearestName(name, names);
  return NotFound("--", option, ": there is no node '", name, "'",
                  near.empty() ? "" : StrCat(" (", near, "?)"));
}

Status CheckTensor(const Graph& graph, const char* option,
                   const std::string& name) {
  return graph.FindOutput(name).status().WithContext(StrCat("--", option));
}

// "w/Assign" of "w/Assign" or "w/Assign:0".
std::string NodeOf(const std::string& name) {
  return name.substr(0, name.find(':'));
}

Result<std::vector<std::string>> FindInit(const MetaGraph& meta,
                                          const std::string& option) {
  const Graph& graph = meta.graph;
  if (!option.empty()) {
    LS_ASSIGN_OR_RETURN(std::string name, NodeNamed(graph, "init", option));
    return std::vector{std::move(name)};
  }
  std::vector<std::string> init = meta.NodeCollection("init_op");
  for (const std::string& local : meta.NodeCollection("local_init_op")) {
    init.push_back(local);
  }
  if (!init.empty()) return init;
  const Node* node = graph.Find("init");
  if (node != nullptr && node->op() == "NoOp") return std::vector{node->name()};
  for (const char* name : {"variables", "local_variables"}) {
    LS_ASSIGN_OR_RETURN(const std::vector<VariableInfo> variables,
                        meta.VariableCollection(name));
    for (const VariableInfo& v : variables) {
      init.push_back(NodeOf(v.initializer));
    }
  }
  if (!init.empty()) return init;
  return InvalidArgument(
      "the graph has no collection init_op or variables and "
      "no node 'init': --init has to name the initialiser");
}

// Whether `node`, or a node that it needs, is such.
template <class F>
bool EndsIn(const Node* node, F is_such) {
  std::vector<const Node*> stack = {node};
  std::unordered_set<const Node*> seen = {node};
  while (!stack.empty()) {
    const Node* at = stack.back();
    stack.pop_back();
    if (is_such(*at)) return true;
    const auto visit = [&](const Node* next) {
      if (seen.insert(next).second) stack.push_back(next);
    };
    for (const Output& in : at->inputs()) visit(in.node);
    for (const Node* c : at->control_inputs()) visit(c);
  }
  return false;
}

// The unused nodes that end in Apply* ops; where there are none, in updates of
// simple ops that train.
std::vector<std::string> FindTrainOps(const Graph& graph) {
  const Consumers consumers(graph);
  const auto unused = [&](const auto& is_such) {
    std::vector<std::string> found;
    for (const Node* n : graph.nodes()) {
      if (consumers.Unused(n) && EndsIn(n, is_such)) found.push_back(n->name());
    }
    return found;
  };
  std::vector<std::string> found =
      unused([](const Node& n) { return n.traits().applies_gradient >= 0; });
  if (!found.empty()) return found;
  const std::unordered_set<const Node*> training = ComposedTraining(graph);
  return unused([&](const Node& n) { return training.contains(&n); });
}

Result<std::string> FindTrain(const MetaGraph& meta,
                              const std::string& option) {
  if (!option.empty()) return NodeNamed(meta.graph, "train", option);
  // An op may be listed twice.
  std::vector<std::string> found;
  for (const std::string& name : meta.NodeCollection("train_op")) {
    if (std::ranges::find(found, NodeOf(name)) == found.end()) {
      found.push_back(NodeOf(name));
    }
  }
  if (found.empty()) found = FindTrainOps(meta.graph);
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return InvalidArgument(
        "the graph has no collection train_op and no node "
        "that applies gradients: --train has to name one");
  }
  return InvalidArgument("--train has to name one of the graph's train ops: ",
                         Join(found, ", "));
}

}  // namespace

Result<TrainNames> FindTrainNames(const MetaGraph& meta,
                                  const TrainOptions& options) {
  TrainNames names;
  const Graph& graph = meta.graph;
  LS_ASSIGN_OR_RETURN(names.init, FindInit(meta, options.init));
  LS_ASSIGN_OR_RETURN(names.train, FindTrain(meta, options.train));
  names.loss = options.loss;
  const std::vector<std::string> losses = meta.NodeCollection("losses");
  if (names.loss.empty() && losses.size() == 1) names.loss = losses[0];
  const Node* loss = graph.Find("loss");
  if (names.loss.empty() && loss != nullptr && loss->num_outputs() == 1 &&
      loss->output_type(0) == kFloat) {
    names.loss = "loss:0";
  }
  if (!names.loss.empty()) {
    LS_RETURN_IF_ERROR(CheckTensor(graph, "loss", names.loss));
  }
  for (const std::string& metric : options.metrics) {
    LS_RETURN_IF_ERROR(CheckTensor(graph, "metric", metric));
  }
  names.metrics = options.metrics;
  if (!options.summary.empty()) {
    LS_RETURN_IF_ERROR(CheckTensor(graph, "summary", options.summary));
    names.summaries = {options.summary};
  } else {
    names.summaries = meta.NodeCollection("summary_op");
    if (names.summaries.empty()) {
      names.summaries = meta.NodeCollection("summaries");
    }
  }
  return names;
}

}  // namespace lockstep
