// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/saver.h"

#include <algorithm>

#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"

namespace lockstep {
namespace {

constexpr char kRandomStep[] = "lockstep/random_step";

Output Strings(const Scope& scope, std::string_view name,
               const std::vector<std::string>& values) {
  return scope.WithName(name).Op("Const").Attr("dtype", kString)
      .Attr("value", Tensor::Vector(values)).Out();
}

}  // namespace

Result<Saver> Saver::Create(const Scope& scope,
                            const std::vector<Output>& variables,
                            SaverOptions options) {
  Saver saver;
  saver.options_ = options;
  std::vector<std::string> names;
  std::vector<Output> values;
  for (const Output& v : variables) {
    if (!v.defined() || !v.node->traits().variable) {
      return InvalidArgument("the saver takes variables, '", v.name(),
                             "' is none");
    }
    names.push_back(v.node->name());
    values.push_back(v);
    saver.variables_.push_back(
        {v.node->name(), BaseOf(v.dtype()), v.shape()});
  }
  const Scope save = scope.SubScope("save");
  const Output filename =
      save.WithName("Const").Op("PlaceholderWithDefault")
          .In(Input(Tensor("model"))).Attr("shape", Shape{}).Out();
  names.push_back(kRandomStep);
  values.push_back(save.WithName("random_step").Op("_RandomStep").Out());
  const std::vector<std::string> whole(names.size());
  const Output name_list = Strings(save, "SaveV2/tensor_names", names);
  const Output slices = Strings(save, "SaveV2/shape_and_slices", whole);
  Node* save_node = save.WithName("SaveV2").Op("SaveV2").In(filename)
                        .In(name_list).In(slices).In(values).Build();
  const Output done = save.WithName("control_dependency").Op("Identity")
                          .In(filename).ControlInput(save_node).Out();

  names.pop_back();
  std::vector<DType> types;
  for (const Entry& e : saver.variables_) types.push_back(e.dtype);
  const std::vector<std::string> all(names.size());
  const Scope restored = save.WithName("restore_all");
  std::vector<Node*> assigns;
  if (!names.empty()) {
    Node* restore = save.WithName("RestoreV2").Op("RestoreV2").In(filename)
                        .In(Strings(save, "RestoreV2/tensor_names", names))
                        .In(Strings(save, "RestoreV2/shape_and_slices", all))
                        .Attr("dtypes", types).Build();
    for (size_t i = 0; restore && i < variables.size(); ++i) {
      assigns.push_back(save.WithName("Assign").Op("Assign").In(variables[i])
                            .In(Output{restore, static_cast<int>(i)}).Build());
    }
  }
  Node* restore_all =
      restored.WithControlDependencies(assigns).Op("NoOp").Build();
  const Output random =
      save.WithName("RestoreV2_random").Op("RestoreV2").In(filename)
          .In(Strings(save, "RestoreV2_random/tensor_names", {kRandomStep}))
          .In(Strings(save, "RestoreV2_random/shape_and_slices", {""}))
          .Attr("dtypes", std::vector<DType>{kInt64}).Out();
  Node* set_random = save.WithName("set_random_step").Op("_SetRandomStep")
                         .In(random).Build();
  LS_RETURN_IF_ERROR(scope.status());
  saver.filename_ = filename.name();
  saver.save_ = done.node->name();
  saver.restore_ = restore_all->name();
  saver.restore_random_ = set_random->name();
  return saver;
}

Result<std::string> Saver::Save(Session& session, const std::string& prefix,
                                int64_t global_step) {
  const std::string path =
      global_step < 0 ? prefix : StrCat(prefix, "-", global_step);
  LS_RETURN_IF_ERROR(session.RunTargets({save_}, {{filename_, Tensor(path)}}));
  LS_RETURN_IF_ERROR(UpdateCheckpointState(env(), DirName(path), path,
                                           options_.max_to_keep));
  return path;
}

Status Saver::CheckAgainst(const std::string& prefix,
                           bool* has_random_step) const {
  LS_ASSIGN_OR_RETURN(auto checkpoint, CheckpointReader::Open(env(), prefix));
  *has_random_step = checkpoint->Find(kRandomStep) != nullptr;
  std::vector<std::string> names;
  for (const CheckpointEntry& e : checkpoint->entries()) names.push_back(e.name);
  std::vector<std::string> wrong;
  for (const Entry& v : variables_) {
    const CheckpointEntry* e = checkpoint->Find(v.name);
    if (!e) {
      const std::string near = NearestName(v.name, names);
      wrong.push_back(StrCat("'", v.name, "' is missing",
                             near.empty() ? "" : StrCat(" (there is '", near, "')")));
    } else if (e->dtype != v.dtype) {
      wrong.push_back(StrCat("'", v.name, "' is ", DTypeName(e->dtype),
                             ", the variable is ", DTypeName(v.dtype)));
    } else if (!v.shape.IsCompatibleWith(e->shape)) {
      wrong.push_back(StrCat("'", v.name, "' has shape ", e->shape,
                             ", the variable has ", v.shape));
    }
  }
  if (wrong.empty()) return Ok();
  return NotFound("checkpoint '", prefix, "' does not fit the graph: ",
                  Join(wrong, "; "));
}

Status Saver::Restore(Session& session, const std::string& prefix) {
  bool has_random_step = false;
  LS_RETURN_IF_ERROR(CheckAgainst(prefix, &has_random_step));
  std::vector<std::string> targets = {restore_};
  if (has_random_step) targets.push_back(restore_random_);
  return session.RunTargets(targets, {{filename_, Tensor(prefix)}});
}

}  // namespace lockstep
