// SPDX-License-Identifier: Apache-2.0
#pragma once

// case.json: runs of one session, each with feeds, fetches and targets.
//
//   {"config": {"allow_soft_placement": true},
//    "steps": [{"feed": {"x:0": "x.npy"}, "fetch": ["y:0"], "targets": []}]}
//
// A fed value is the name of an .npy file beside the case file,
// {"strings": ["a", {"b64": "..."}], "shape": [2]}, {"path": "model.ckpt"} (a
// path beside the case file) or {"out": "model.ckpt"} (a path in the output
// folder). Unknown fields are ignored.

#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/exec/session.h"

namespace lockstep {

struct CaseStep {
  std::vector<Session::Feed> feeds;
  std::vector<std::string> fetches;
  std::vector<std::string> targets;
};

struct Case {
  SessionOptions options;
  std::vector<CaseStep> steps;
};

// Reads the case and every file it feeds. Errors name the file and, within it,
// the step and the field. A step feeds a tensor named in one file only once in
// memory, however many steps do.
Result<Case> ReadCase(Env& env, const std::string& path,
                      const std::string& out_dir);
// The same from text; `dir` is the case file's folder.
Result<Case> ParseCase(Env& env, std::string_view text, const std::string& dir,
                       const std::string& out_dir);

}  // namespace lockstep
