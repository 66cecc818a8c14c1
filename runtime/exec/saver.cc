// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/saver.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "runtime/core/logging.h"
#include "runtime/exec/saver_graph.h"
#include "runtime/io/checkpoint_objects.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"
#include "runtime/op/task_channel.h"

namespace lockstep {
namespace {

// All nodes that `node` needs, itself included.
std::vector<Node*> Upstream(Node* node) {
  std::vector<Node*> found = {node};
  std::unordered_set<Node*> seen = {node};
  for (size_t i = 0; i < found.size(); ++i) {
    Node* at = found[i];
    for (const Output& input : at->inputs()) {
      if (seen.insert(input.node).second) found.push_back(input.node);
    }
    for (Node* control : at->control_inputs()) {
      if (seen.insert(control).second) found.push_back(control);
    }
  }
  return found;
}

// The strings of a Const that input `i` is; empty when it is none.
std::span<const std::string> ConstStrings(const Node& node, int i) {
  const Node* from = node.input(i).node;
  const Tensor* value = GetIf<Tensor>(from->attrs(), "value");
  if (!from->traits().constant || !value || value->dtype() != kString) {
    return {};
  }
  return value->flat<std::string>();
}

// The shape of the variable that `value` is assigned to.
Shape AssignedShape(const Consumers& consumers, Output value) {
  for (const auto& [node, number] : consumers.Of(value)) {
    if (node->op() == "Identity") {
      return AssignedShape(consumers, node->output(0));
    }
    if (number != 1) continue;
    if (node->input(0).node->traits().variable) return node->input(0).shape();
  }
  return Shape::Unknown();
}

// The input of a SaveV2 node that is the random step.
std::string RandomStepInput(const Node& save) {
  const auto names = ConstStrings(save, 1);
  const auto at = std::ranges::find(names, kRandomStepName);
  if (at == names.end()) return {};
  return save.input(static_cast<int>(at - names.begin()) + 3).name();
}

Result<Node*> NodeOfTensor(const Graph& graph, const std::string& tensor,
                           std::string_view what) {
  auto output = graph.FindOutput(tensor);
  if (!output.ok()) {
    return output.status().WithContext(StrCat("the saver's ", what));
  }
  return output->node;
}

}  // namespace

std::string CheckpointDifferences::ToString() const {
  std::vector<std::string> parts = missing;
  parts.insert(parts.end(), changed.begin(), changed.end());
  if (!extra.empty()) {
    parts.push_back(
        StrCat("only in the checkpoint: '", Join(extra, "', '"), "'"));
  }
  return Join(parts, "; ");
}

Result<Saver> Saver::Create(const Scope& scope,
                            const std::vector<Output>& variables,
                            SaverOptions options) {
  return Create(scope,
                std::vector<SavedVariable>(variables.begin(), variables.end()),
                std::move(options));
}

Result<Saver> Saver::Create(const Scope& scope,
                            const std::vector<SavedVariable>& variables,
                            SaverOptions options) {
  LS_ASSIGN_OR_RETURN(const SaverNames names,
                      AddSaverNodes(scope, variables, options));
  return ForGraph(*scope.graph(), names, std::move(options));
}

Result<Saver> Saver::ForGraph(const Graph& graph, const SaverNames& names,
                              SaverOptions options) {
  Saver saver;
  saver.options_ = std::move(options);
  saver.names_ = names;
  LS_RETURN_IF_ERROR(saver.FindVariables(graph));
  return saver;
}

Status Saver::FindVariables(const Graph& graph) {
  LS_ASSIGN_OR_RETURN(Node * filename,
                      NodeOfTensor(graph, names_.filename_tensor, "filename"));
  LS_ASSIGN_OR_RETURN(Node * save,
                      NodeOfTensor(graph, names_.save_tensor, "save tensor"));
  Node* restore = graph.Find(names_.restore_op);
  if (!restore) {
    return NotFound("the saver's restore op '", names_.restore_op,
                    "' is not in the graph");
  }
  for (Node* node : Upstream(restore)) {
    if (node->op() == "RestoreV2") {
      LS_RETURN_IF_ERROR(AddRestore(graph, *node));
    }
  }
  for (Node* node : Upstream(save)) {
    if (node->op() != "SaveV2") continue;
    const std::string input = RandomStepInput(*node);
    if (!input.empty()) random_step_in_ = input;
  }
  for (Node* node : graph.nodes()) {
    if (node->op() != "RestoreV2" || node->input(0).node != filename) continue;
    const auto asked = ConstStrings(*node, 1);
    if (asked.size() == 1 && asked[0] == kRandomStepName) {
      random_step_out_ = node->output(0).name();
    }
  }
  return Ok();
}

Status Saver::AddRestore(const Graph& graph, const Node& restore) {
  const auto asked = ConstStrings(restore, 1);
  const auto slices = ConstStrings(restore, 2);
  const auto& types = restore.Attr<std::vector<DType>>("dtypes");
  if (asked.size() != types.size() || slices.size() != types.size()) {
    return InvalidArgument("node '", restore.name(), "' restores ",
                           types.size(), " tensors by ", asked.size(),
                           " names that are known");
  }
  const Consumers consumers(graph);
  for (size_t i = 0; i < types.size(); ++i) {
    LS_ASSIGN_OR_RETURN(const ShapeAndSlice part,
                        ParseShapeAndSlice(slices[i]));
    const Output value{graph.Find(restore.name()), static_cast<int>(i)};
    variables_.push_back(
        {asked[i], types[i],
         part.whole ? AssignedShape(consumers, value) : part.full});
  }
  return Ok();
}

Status Saver::Write(Session& session, const std::string& path) {
  LS_RETURN_IF_ERROR(env().CreateDirs(DirName(path)));  // the op makes one
  std::vector<Session::Feed> feeds = {{names_.filename_tensor, Tensor(path)}};
  if (!random_step_in_.empty()) {
    const uint64_t step = session.resources().random_step();
    feeds.emplace_back(random_step_in_, Tensor(static_cast<int64_t>(step)));
  }
  return session.Run(feeds, {names_.save_tensor}).status();
}

Result<std::string> Saver::Save(Session& session, const std::string& prefix,
                                int64_t global_step) {
  const std::string path =
      global_step < 0 ? prefix : StrCat(prefix, "-", global_step);
  LS_RETURN_IF_ERROR(Write(session, path));
  // The tasks of a job save together; one of them keeps the list.
  const auto* tasks = session.resources().Service<TaskChannel>();
  if (tasks && tasks->task() > 0) return path;
  LS_RETURN_IF_ERROR(UpdateCheckpointState(
      env(), DirName(path), path,
      {.max_to_keep = options_.max_to_keep,
       .every_n_hours = options_.keep_checkpoint_every_n_hours}));
  return path;
}

Result<CheckpointDifferences> Saver::Compare(const std::string& prefix) const {
  LS_ASSIGN_OR_RETURN(auto checkpoint, CheckpointReader::Open(env(), prefix));
  CheckpointDifferences found;
  std::set<const CheckpointEntry*> used = {checkpoint->Find(kRandomStepName),
                                           checkpoint->Find(kObjectGraphKey)};
  for (const Entry& v : variables_) used.insert(checkpoint->Find(v.name));
  // What functions restore is not known; then nothing is said of the rest.
  for (const CheckpointEntry& e : checkpoint->entries()) {
    if (variables_.empty() || used.contains(&e)) continue;
    found.extra.push_back(e.variable.empty() ? e.name : e.variable);
  }
  for (const Entry& v : variables_) {
    const CheckpointEntry* e = checkpoint->Find(v.name);
    if (!e) {
      const std::string near = NearestName(v.name, found.extra);
      found.missing.push_back(
          StrCat("'", v.name, "' is missing",
                 near.empty() ? "" : StrCat(" (there is '", near, "')")));
    } else if (e->dtype != v.dtype) {
      found.changed.push_back(StrCat("'", v.name, "' is ", DTypeName(e->dtype),
                                     ", the variable is ", DTypeName(v.dtype)));
    } else if (!v.shape.IsCompatibleWith(e->shape)) {
      found.changed.push_back(StrCat("'", v.name, "' has shape ", e->shape,
                                     ", the variable has ", v.shape));
    }
  }
  return found;
}

Status Saver::Restore(Session& session, const std::string& prefix) {
  LS_ASSIGN_OR_RETURN(const CheckpointDifferences found, Compare(prefix));
  if (!found.fits()) {
    const Code code =
        found.missing.empty() ? Code::kInvalidArgument : Code::kNotFound;
    return Status(code, StrCat("checkpoint '", prefix,
                               "' does not fit the graph: ", found));
  }
  if (!found.extra.empty()) {
    LogInfo("checkpoint '", prefix, "': ", found);
  }
  const Session::Feed filename{names_.filename_tensor, Tensor(prefix)};
  LS_RETURN_IF_ERROR(session.RunTargets({names_.restore_op}, {filename}));
  if (random_step_out_.empty()) return Ok();
  // A checkpoint that TensorFlow wrote has none.
  auto step = session.RunOne({filename}, random_step_out_);
  if (step.code() == Code::kNotFound) return Ok();
  if (!step.ok()) return step.status();
  if (step->NumElements() != 1 || *step->flat<int64_t>().data() < 0) {
    return DataLoss("checkpoint '", prefix, "': ", kRandomStepName,
                    " is one number, not negative; got ", *step);
  }
  session.resources().set_random_step(
      static_cast<uint64_t>(step->scalar<int64_t>()));
  return Ok();
}

}  // namespace lockstep
