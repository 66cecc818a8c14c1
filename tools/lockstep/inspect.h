// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep inspect FILE: what a graph, checkpoint, event file, SavedModel or
// array holds, for reading or as JSON. Each kind has a function that makes the
// JSON and one that prints it for people.

#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "tools/lockstep/json.h"

namespace lockstep {

// The exit status: 0; 2, with one line on standard error, for bad options or a
// file that is none of these or is damaged.
int InspectMain(const std::vector<std::string>& args);

struct InspectOptions {
  int values = 0;       // elements shown of each tensor, or scalars of each tag
  bool stats = false;   // least, greatest, mean and so on of each tensor
  bool sha256 = false;  // of a checkpoint's tensors
  std::string only;     // tensors and tags whose name has this in it
};

// A .pb, .pbtxt or .meta file or a SavedModel's folder; its nodes need not be
// known here.
Result<Json> InspectGraph(Env& env, const std::string& path);
void PrintGraph(const Json& json);

// By its prefix.
Result<Json> InspectCheckpoint(Env& env, const std::string& prefix,
                               const InspectOptions& options);
void PrintCheckpoint(const Json& json);

Result<Json> InspectEvents(Env& env, const std::string& path,
                           const InspectOptions& options);
void PrintEvents(const Json& json);

// .npy and IDX.
Result<Json> InspectArray(Env& env, const std::string& path,
                          const InspectOptions& options);
void PrintArray(const Json& json);

}  // namespace lockstep
