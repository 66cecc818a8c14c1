// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes one checkpoint of several that were written side by side: the shards
// of a sharded save. The data files are moved, not copied.
//
// Until the new checkpoint is there, one that was at `destination` before
// stays whole. One caller for a destination at a time.
//
//   LS_RETURN_IF_ERROR(MergeCheckpoints(env, {"m_temp/part-00000-of-00002",
//       "m_temp/part-00001-of-00002"}, "m"));

#include <span>
#include <string>

#include "runtime/core/env.h"
#include "runtime/core/status.h"

namespace lockstep {

struct MergeCheckpointsOptions {
  // Folders of the shards that are empty then are deleted too.
  bool delete_old_dirs = true;
  // Shards that do not exist are left out, if one does.
  bool allow_missing_files = false;
};

// INVALID_ARGUMENT when two shards have the same tensor or part, or parts of
// tensors that differ in type or shape. The shards are gone afterwards.
Status MergeCheckpoints(Env& env, std::span<const std::string> shards,
                        const std::string& destination,
                        const MergeCheckpointsOptions& options = {});

}  // namespace lockstep
