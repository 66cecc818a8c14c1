// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ops that look at values while a graph runs: builder functions with
// TensorFlow's names and meanings. What must be checked before something else
// happens is made its control input, or checked values are used further on.
//
//   Node* ok = ops::Assert(s, ops::Greater(s, n, 0), {n});
//   Output y = ops::CheckNumerics(s, x, "the loss");
//   Output z = ops::Print(s, y, {y}, "y = ");

#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// INVALID_ARGUMENT with the first `summarize` elements of each of `data`
// unless `condition`, a scalar, is true.
Node* Assert(const Scope& scope, const Input& condition,
             const std::vector<Output>& data, int summarize = 3);
// `tensor`; INVALID_ARGUMENT with `message` when it holds a NaN or infinity.
Output CheckNumerics(const Scope& scope, const Input& tensor,
                     const std::string& message);
// `input`; writes `data` to standard error the first `first_n` times
// (negative: always).
Output Print(const Scope& scope, const Input& input,
             const std::vector<Output>& data, const std::string& message = "",
             int first_n = -1, int summarize = 3);
// Writes a string scalar to "stderr", "stdout", "log(info)", "log(warning)",
// "log(error)" or "file://<path>".
Node* PrintV2(const Scope& scope, const Input& input,
              const std::string& output_stream = "stderr",
              const std::string& end = "\n");
// `input`, whose shape must fit `shape`: INVALID_ARGUMENT otherwise.
Output EnsureShape(const Scope& scope, const Input& input,
                   const lockstep::Shape& shape);

}  // namespace lockstep::ops
