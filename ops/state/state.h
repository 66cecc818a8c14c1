// SPDX-License-Identifier: Apache-2.0
#pragma once

// Variables: values that a session keeps from run to run.
//
//   Output w = ops::InitializedVariable(s.WithName("w"),
//       ops::TruncatedNormal(s, {784, 300}, kFloat));
//   Output step = ops::InitializedVariable(s.WithName("step"), int64_t{0});
//   Node* init = ops::VariablesInitializer(s);      // target: run it first
//   Output next = ops::AssignAdd(s, step, int64_t{1});
//   Output value = ops::Identity(s, w);             // or w itself, anywhere
//
// Reading a variable before an Assign ran is FAILED_PRECONDITION naming it.

#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// A VariableV2: its output is a reference. Without initial value: see Assign.
Output Variable(const Scope& scope, DType dtype,
                const lockstep::Shape& shape = lockstep::Shape::Unknown());
// A variable of the value's dtype and shape, its Assign ("<name>/Assign") and
// a read of it ("<name>/read"); returns the variable's reference. The graph
// remembers the Assign for VariablesInitializer.
Output InitializedVariable(const Scope& scope, const Input& initial_value);
// A target ("init") that runs the Assigns of all variables made so far by
// InitializedVariable in the scope's graph, and of those in `more`.
Node* VariablesInitializer(const Scope& scope,
                           const std::vector<Output>& more = {});

// The reference, after the assignment. With validate_shape false the value may
// have any shape.
Output Assign(const Scope& scope, const Input& ref, const Input& value,
              bool validate_shape = true);
Output AssignAdd(const Scope& scope, const Input& ref, const Input& value);
Output AssignSub(const Scope& scope, const Input& ref, const Input& value);
// Rows of the variable, numbered by `indices`, set to (plus, minus) the rows
// of `updates`, or to one scalar.
Output ScatterUpdate(const Scope& scope, const Input& ref, const Input& indices,
                     const Input& updates);
Output ScatterAdd(const Scope& scope, const Input& ref, const Input& indices,
                  const Input& updates);
Output ScatterSub(const Scope& scope, const Input& ref, const Input& indices,
                  const Input& updates);
Output IsVariableInitialized(const Scope& scope, const Input& ref);

// Resource variables: the output is a handle; values are read explicitly, and
// control edges order reads and writes. A variable of an unknown shape takes
// that of the value assigned.
Output VarHandleOp(const Scope& scope, DType dtype,
                   const lockstep::Shape& shape = lockstep::Shape::Unknown());
Output ReadVariableOp(const Scope& scope, const Input& handle, DType dtype);
Node* AssignVariableOp(const Scope& scope, const Input& handle,
                       const Input& value);
Output VarIsInitializedOp(const Scope& scope, const Input& handle);

}  // namespace lockstep::ops
