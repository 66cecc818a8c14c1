// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/saver_graph.h"

#include <map>
#include <utility>

namespace lockstep {
namespace {

// What one SaveV2 or RestoreV2 node is about.
struct Batch {
  std::vector<std::string> names;
  std::vector<std::string> slices;
  std::vector<Output> values;     // of a save
  std::vector<Output> variables;  // of a restore
  std::vector<DType> types;
};

bool IsResource(Output variable) { return variable.dtype() == kResource; }

DType ValueType(Output variable) {
  return IsResource(variable) ? variable.node->Attr<DType>("dtype")
                              : BaseOf(variable.dtype());
}

std::string NameOf(const SavedVariable& v) {
  if (!v.name.empty()) return v.name;
  const std::string shared =
      GetOr<std::string>(v.variable.node->attrs(), "shared_name", "");
  return IsResource(v.variable) && !shared.empty() ? shared
                                                   : v.variable.node->name();
}

// "" for a whole variable, else "<full shape> <slice>".
std::string SliceText(const SavedVariable& v) {
  if (!v.full) return "";
  return StrCat(Join(v.full->dims(), " "), " ", v.slice);
}

Output Strings(const Scope& scope, std::string_view name,
               const std::vector<std::string>& values) {
  return scope.WithName(name)
      .Op("Const")
      .Attr("dtype", kString)
      .Attr("value", Tensor::Vector(values))
      .Out();
}

Output ReadValue(const Scope& scope, Output variable) {
  if (!IsResource(variable)) return variable;
  return scope.WithName(variable.node->name() + "/Read")
      .Op("ReadVariableOp")
      .In(variable)
      .Attr("dtype", ValueType(variable))
      .Out();
}

void Add(const Scope& save, const SavedVariable& v, Batch& batch) {
  batch.names.push_back(NameOf(v));
  batch.slices.push_back(SliceText(v));
  batch.values.push_back(ReadValue(save, v.variable));
  batch.variables.push_back(v.variable);
  batch.types.push_back(ValueType(v.variable));
}

Node* AddSave(const Scope& save, Output filename, const Batch& batch) {
  return save.WithName("SaveV2")
      .Op("SaveV2")
      .In(filename)
      .In(Strings(save, "SaveV2/tensor_names", batch.names))
      .In(Strings(save, "SaveV2/shape_and_slices", batch.slices))
      .In(batch.values)
      .Build();
}

Node* AddRestoreNode(const Scope& save, Output filename, const Batch& batch) {
  return save.WithName("RestoreV2")
      .Op("RestoreV2")
      .In(filename)
      .In(Strings(save, "RestoreV2/tensor_names", batch.names))
      .In(Strings(save, "RestoreV2/shape_and_slices", batch.slices))
      .Attr("dtypes", batch.types)
      .Build();
}

Node* AddAssign(const Scope& save, Output variable, Output value) {
  if (IsResource(variable)) {
    return save.WithName("AssignVariableOp")
        .Op("AssignVariableOp")
        .In(variable)
        .In(value)
        .Build();
  }
  return save.WithName("Assign").Op("Assign").In(variable).In(value).Build();
}

// Each batch to a shard beside, then all merged; the tensor that says so.
Output AddShardedSave(const Scope& save, Output filename,
                      const std::vector<Batch>& batches) {
  const auto count = static_cast<int32_t>(batches.size());
  const Output base = save.Op("StringJoin")
                          .In({filename, Input("_temp/part").Resolve(save)})
                          .Out();
  std::vector<Output> shards;
  std::vector<Node*> done;
  for (int32_t i = 0; i < count; ++i) {
    const Output shard =
        save.Op("ShardedFilename").In(base).In(i).In(count).Out();
    shards.push_back(shard);
    done.push_back(AddSave(save, shard, batches[static_cast<size_t>(i)]));
  }
  if (!save.ok()) return {};
  const Output prefixes =
      save.WithName("MergeV2Checkpoints/checkpoint_prefixes")
          .WithControlDependencies(done)
          .Op("Pack")
          .In(shards)
          .Out();
  Node* merge = save.Op("MergeV2Checkpoints").In(prefixes).In(filename).Build();
  return save.Op("Identity").In(filename).ControlInput(merge).Out();
}

// All batches restored and assigned: the node that stands for it.
Node* AddRestoreAll(const Scope& save, Output filename,
                    const std::vector<Batch>& batches) {
  std::vector<Node*> assigns;
  for (const Batch& batch : batches) {
    if (batch.variables.empty()) continue;
    Node* restore = AddRestoreNode(save, filename, batch);
    for (size_t i = 0; restore && i < batch.variables.size(); ++i) {
      assigns.push_back(
          AddAssign(save, batch.variables[i], {restore, static_cast<int>(i)}));
    }
  }
  return save.WithName("restore_all")
      .WithControlDependencies(assigns)
      .Op("NoOp")
      .Build();
}

// A batch, or with `sharded` one for each device, in the order of first use.
std::vector<Batch> MakeBatches(const Scope& save,
                               const std::vector<SavedVariable>& variables,
                               bool sharded) {
  std::vector<Batch> batches(1);
  std::map<std::string, size_t> by_device;
  for (const SavedVariable& v : variables) {
    const std::string device =
        sharded ? v.variable.node->requested_device() : "";
    const size_t at =
        by_device.try_emplace(device, by_device.size()).first->second;
    if (at == batches.size()) batches.emplace_back();
    Add(save, v, batches[at]);
  }
  return batches;
}

}  // namespace

Result<SaverNames> AddSaverNodes(const Scope& scope,
                                 const std::vector<SavedVariable>& variables,
                                 const SaverOptions& options) {
  LS_RETURN_IF_ERROR(scope.status());
  for (const SavedVariable& v : variables) {
    if (!v.variable.defined() || !v.variable.node->traits().variable) {
      return InvalidArgument("the saver takes variables, '", v.variable.name(),
                             "' is none");
    }
  }
  const Scope save = scope.SubScope("save");
  const Output filename = save.WithName("Const")
                              .Op("PlaceholderWithDefault")
                              .In(Input(Tensor("model")))
                              .Attr("shape", Shape{})
                              .Out();
  std::vector<Batch> batches = MakeBatches(save, variables, options.sharded);
  Node* restore_all = AddRestoreAll(save, filename, batches);

  Batch random{{kRandomStepName}, {""}, {}, {}, {kInt64}};
  AddRestoreNode(save, filename, random);
  batches[0].names.push_back(kRandomStepName);
  batches[0].slices.push_back("");
  batches[0].values.push_back(save.WithName("random_step")
                                  .Op("PlaceholderWithDefault")
                                  .In(Input(Tensor(int64_t{0})))
                                  .Attr("shape", Shape{})
                                  .Out());
  const Output done =
      options.sharded ? AddShardedSave(save, filename, batches)
                      : save.WithName("control_dependency")
                            .Op("Identity")
                            .In(filename)
                            .ControlInput(AddSave(save, filename, batches[0]))
                            .Out();
  LS_RETURN_IF_ERROR(scope.status());
  return SaverNames{filename.name(),
                    done.name(),
                    restore_all->name(),
                    options.max_to_keep,
                    options.sharded,
                    static_cast<float>(options.keep_checkpoint_every_n_hours)};
}

}  // namespace lockstep
