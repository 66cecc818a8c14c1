// SPDX-License-Identifier: Apache-2.0
#pragma once

// Saver: writes variables of a session to checkpoints and reads them back.
//
// It adds TensorFlow's saver nodes to the graph (save/Const, save/SaveV2,
// save/control_dependency, save/RestoreV2, save/Assign, save/restore_all), so
// that an exported graph can be saved and restored by others too; make it
// before the session. Or it uses the nodes that an imported graph has. The
// session's random step goes along, under "lockstep/random_step", so that a
// resumed run draws what the uninterrupted one would have; an imported graph
// that TensorFlow made has no place for it. Used from one thread at a time.
//
//   LS_ASSIGN_OR_RETURN(Saver saver, Saver::Create(root, {w, b}));
//   LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph));
//   LS_ASSIGN_OR_RETURN(std::string prefix,
//                       saver.Save(*session, "dir/model.ckpt", step));
//   LS_RETURN_IF_ERROR(saver.Restore(*session, prefix));

#include <optional>
#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/io/tensor_slice.h"

namespace lockstep {

struct SaverOptions {
  int max_to_keep = 5;  // 0: all
  // Of the ones that are too many, one is kept for good each time that so many
  // hours have passed; 0: none is.
  double keep_checkpoint_every_n_hours = 10000;
  // A data file for the variables of each device, written side by side.
  bool sharded = false;
  Env* env = nullptr;  // of the state file; null: Env::Default()
};

// A variable and how it is saved.
struct SavedVariable {
  explicit SavedVariable(Output v) : variable(v) {}
  // A part of a variable that is kept in several: in the checkpoint it is one
  // tensor `name` of shape `full`.
  SavedVariable(Output v, std::string name_in_checkpoint, Shape full_shape,
                TensorSlice part)
      : variable(v),
        name(std::move(name_in_checkpoint)),
        full(full_shape),
        slice(std::move(part)) {}

  Output variable;        // a reference or a resource handle
  std::string name = {};  // empty: the variable's own
  std::optional<Shape> full = {};
  TensorSlice slice = {};
};

// How a checkpoint and a graph's variables differ.
struct CheckpointDifferences {
  std::vector<std::string> missing;  // "'w' is missing (there is 'v')"
  std::vector<std::string> changed;  // "'w' is int64, the variable is float"
  std::vector<std::string> extra;    // names that no variable has

  bool fits() const { return missing.empty() && changed.empty(); }
  std::string ToString() const;
};

class Saver {
 public:
  // `variables` are outputs of variable nodes, saved under the nodes' names
  // (resources: under their shared names).
  static Result<Saver> Create(const Scope& scope,
                              const std::vector<Output>& variables,
                              SaverOptions options = {});
  static Result<Saver> Create(const Scope& scope,
                              const std::vector<SavedVariable>& variables,
                              SaverOptions options = {});
  // With the nodes that `graph` has. INVALID_ARGUMENT when they are no saver's.
  static Result<Saver> ForGraph(const Graph& graph, const SaverNames& names,
                                SaverOptions options = {});

  // Writes `<prefix>-<global_step>` (`prefix` alone when the step is negative),
  // makes it the newest in the folder's `checkpoint` file, deletes the oldest.
  // Returns the name written. In a job of many ranks only one of them saves.
  Result<std::string> Save(Session& session, const std::string& prefix,
                           int64_t global_step = -1);

  // Writes the checkpoint `path` only, and leaves the folder's state alone.
  Status Write(Session& session, const std::string& path);

  // Compares the whole checkpoint with the variables first: one error lists
  // everything that is missing (NOT_FOUND) or has another dtype or shape
  // (INVALID_ARGUMENT), with near names, and what is there beside.
  // DATA_LOSS when a file is damaged; the variables may then be partly
  // restored. Collective in a data-parallel session: every rank calls it.
  Status Restore(Session& session, const std::string& prefix);

  // What Restore would find. Errors are those of opening the checkpoint.
  Result<CheckpointDifferences> Compare(const std::string& prefix) const;

  // For the export of the graph.
  const SaverNames& names() const { return names_; }

 private:
  Saver() = default;
  Env& env() const { return options_.env ? *options_.env : *Env::Default(); }
  Status FindVariables(const Graph& graph);
  Status AddRestore(const Graph& graph, const Node& restore);

  SaverOptions options_;
  SaverNames names_;
  // What the restore nodes ask for.
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
  };
  std::vector<Entry> variables_;
  // Tensors by which the random step goes in and comes out; perhaps empty.
  std::string random_step_in_;
  std::string random_step_out_;
};

}  // namespace lockstep
