// SPDX-License-Identifier: Apache-2.0
#pragma once

// Saver: writes variables of a session to checkpoints and reads them back.
//
// It adds TensorFlow's saver nodes to the graph (save/Const, save/SaveV2,
// save/control_dependency, save/RestoreV2, save/Assign, save/restore_all), so
// that an exported graph can be saved and restored by others too; make it
// before the session. The session's random step goes along, under
// "lockstep/random_step", so that a resumed run draws what the uninterrupted
// one would have. Used from one thread at a time.
//
//   LS_ASSIGN_OR_RETURN(Saver saver, Saver::Create(root, {w, b}));
//   LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph));
//   LS_ASSIGN_OR_RETURN(std::string prefix,
//                       saver.Save(*session, "dir/model.ckpt", step));
//   LS_RETURN_IF_ERROR(saver.Restore(*session, prefix));

#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {

struct SaverOptions {
  int max_to_keep = 5;  // 0: all
  Env* env = nullptr;   // of the state file; null: Env::Default()
};

class Saver {
 public:
  // `variables` are outputs of variable nodes, saved under the nodes' names.
  static Result<Saver> Create(const Scope& scope,
                              const std::vector<Output>& variables,
                              SaverOptions options = {});

  // Writes `<prefix>-<global_step>` (`prefix` alone when the step is negative),
  // makes it the newest in the folder's `checkpoint` file, deletes the oldest.
  // Returns the name written. In a job of many ranks only one of them saves.
  Result<std::string> Save(Session& session, const std::string& prefix,
                           int64_t global_step = -1);

  // Compares the whole checkpoint with the variables first: one error lists
  // everything that is missing or has another dtype or shape, with near names.
  // DATA_LOSS when a file is damaged; the variables may then be partly restored.
  // Collective in a data-parallel session: every rank calls it.
  Status Restore(Session& session, const std::string& prefix);

 private:
  Saver() = default;
  Status CheckAgainst(const std::string& prefix, bool* has_random_step) const;
  Env& env() const { return options_.env ? *options_.env : *Env::Default(); }

  SaverOptions options_;
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
  };
  std::vector<Entry> variables_;
  std::string filename_;        // tensor names
  std::string save_;            // node names
  std::string restore_;
  std::string restore_random_;
};

}  // namespace lockstep
