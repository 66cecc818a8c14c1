// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text file `checkpoint` of a folder, which says which checkpoints are
// kept there and which is the newest, as TensorFlow reads and writes it.
//
// Paths inside the folder are stored relative to it, so that it can be moved;
// here they are given with the folder in front. The file is replaced
// atomically. One writer for a folder at a time; otherwise thread-safe.
//
//   LS_RETURN_IF_ERROR(UpdateCheckpointState(env, dir, prefix, {}));
//   LS_ASSIGN_OR_RETURN(std::string newest, LatestCheckpoint(env, dir));

#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"

namespace lockstep {

struct CheckpointState {
  std::string latest;            // a prefix
  std::vector<std::string> all;  // prefixes, oldest first
  // Seconds since 1970, one for each of `all`, or none.
  std::vector<double> timestamps;
  // Seconds since 1970: when the newest one was made that is kept for good, or
  // when the first one was; 0: unknown.
  double last_preserved = 0;
};

// NOT_FOUND when there is no state file, DATA_LOSS when it is no such file.
Result<CheckpointState> ReadCheckpointState(Env& env, const std::string& dir);
Status WriteCheckpointState(Env& env, const std::string& dir,
                            const CheckpointState& state);

// The newest checkpoint that the state file names and that exists; NOT_FOUND
// when there is none.
Result<std::string> LatestCheckpoint(Env& env, const std::string& dir);

// The newest one that can be read to its end with the checksums it was written
// with, which is read for that; the state file names it as the newest from then
// on. A warning says of each newer one what is wrong; their files stay.
// NOT_FOUND when none is whole.
Result<std::string> GoBackToWholeCheckpoint(Env& env, const std::string& dir);

// Of restoring the newest one: to damage, which checkpoint is before it.
Status NamingOlderCheckpoint(Env& env, const std::string& dir, Status restored);

struct KeepPolicy {
  int max_to_keep = 5;  // 0: all
  // Of the ones that are too many, one is kept for good each time that so many
  // hours have passed; 0: none is.
  double every_n_hours = 0;
};

// Makes `prefix`, which is complete, the newest one, and then deletes the
// oldest beyond what `keep` says, and what killed writers of checkpoints of
// this name left. Failing to delete is logged, not an error. A damaged state
// file is replaced, with a warning.
Status UpdateCheckpointState(Env& env, const std::string& dir,
                             const std::string& prefix, const KeepPolicy& keep);

// Of a rename of files just written: to NOT_FOUND, what may have taken them.
Status NamingOtherRuns(Status renamed);

// Deletes the files of a checkpoint, the index first, so that what a kill
// leaves is no checkpoint. OK when there is none.
Status DeleteCheckpoint(Env& env, const std::string& prefix);

}  // namespace lockstep
