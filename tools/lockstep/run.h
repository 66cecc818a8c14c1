// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep run --graph FILE --case FILE --out DIR: the steps of a case file in
// one session. Step i's fetches become DIR/step<i>/<name>.npy (strings: .json),
// with ':' and '/' of the name as '_'; a step that fails leaves error.json
// there and the next one runs.

#include <string>
#include <vector>

namespace lockstep {

// The exit status: 0 when every step ran or failed as a step; 2, with one line
// on standard error, for a bad graph or case; 1 when nothing can be written.
int RunMain(const std::vector<std::string>& args);

}  // namespace lockstep
