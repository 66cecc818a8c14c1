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

#include "ops/array/array.h"
#include "runtime/graph/builder.h"

namespace lockstep::ops {

// A VariableV2: its output is a reference. Without initial value: see Assign.
Output Variable(const Scope& scope, DType dtype,
                const lockstep::Shape& shape = lockstep::Shape::Unknown());
// A variable of the value's dtype and shape, its Assign ("<name>/Assign") and
// a read of it ("<name>/read"); returns the variable's reference. The graph
// remembers the Assign for VariablesInitializer.
Output InitializedVariable(const Scope& scope, const Input& initial_value);
// The same with a resource variable; returns its handle.
Output InitializedResource(const Scope& scope, const Input& initial_value);
// A target ("init") that runs the Assigns of all variables made so far by
// these two in the scope's graph, and of those in `more`.
Node* VariablesInitializer(const Scope& scope,
                           const std::vector<Output>& more = {});

// The reference, after the assignment. With validate_shape false the value may
// have any shape.
Output Assign(const Scope& scope, const Input& ref, const Input& value,
              bool validate_shape = true);

// What follows changes a variable, given by its reference or, as ResourceX, by
// its handle. The output is the reference or a read of the resource, after the
// change. Values take the variable's dtype.
Output AssignAdd(const Scope& scope, const Input& variable, const Input& value);
Output AssignSub(const Scope& scope, const Input& variable, const Input& value);
// Rows of the variable, numbered by `indices`, set to (plus, minus, times, by,
// or the smaller or larger of them and) the rows of `updates`, or one scalar.
Output ScatterUpdate(const Scope& scope, const Input& variable,
                     const Input& indices, const Input& updates);
Output ScatterAdd(const Scope& scope, const Input& variable,
                  const Input& indices, const Input& updates);
Output ScatterSub(const Scope& scope, const Input& variable,
                  const Input& indices, const Input& updates);
Output ScatterMul(const Scope& scope, const Input& variable,
                  const Input& indices, const Input& updates);
Output ScatterDiv(const Scope& scope, const Input& variable,
                  const Input& indices, const Input& updates);
Output ScatterMin(const Scope& scope, const Input& variable,
                  const Input& indices, const Input& updates);
Output ScatterMax(const Scope& scope, const Input& variable,
                  const Input& indices, const Input& updates);
// The same of slices: each row of `indices` is a position along the first axes.
Output ScatterNdUpdate(const Scope& scope, const Input& variable,
                       const Input& indices, const Input& updates);
Output ScatterNdAdd(const Scope& scope, const Input& variable,
                    const Input& indices, const Input& updates);
Output ScatterNdSub(const Scope& scope, const Input& variable,
                    const Input& indices, const Input& updates);
Output ScatterNdMin(const Scope& scope, const Input& variable,
                    const Input& indices, const Input& updates);
Output ScatterNdMax(const Scope& scope, const Input& variable,
                    const Input& indices, const Input& updates);
// The slice that ops::StridedSlice reads, set to `value` (broadcast to it).
Output StridedSliceAssign(const Scope& scope, const Input& variable,
                          const Input& begin, const Input& end,
                          const Input& strides, const Input& value,
                          const StridedSliceMasks& masks = {});

// The value of an integer scalar before it grows by 1; OUT_OF_RANGE when it is
// `limit` or more.
Output CountUpTo(const Scope& scope, const Input& variable, int64_t limit);
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
Output VariableShape(const Scope& scope, const Input& handle,
                     DType out_type = kInt32);
// Rows, and slices, of the variable's value, without a copy of all of it.
Output ResourceGather(const Scope& scope, const Input& handle,
                      const Input& indices, int batch_dims = 0);
Output ResourceGatherNd(const Scope& scope, const Input& handle,
                        const Input& indices);

// Either kind: the dtype of the variable behind a reference or a handle;
// kInvalidType when there is none.
DType VariableDType(Output variable);
// Its value, in dtype VariableDType.
Output ReadVariable(const Scope& scope, Output variable);
// The reference that `update` hands on or, for a handle, a read behind it.
Output AfterUpdate(const Scope& scope, Node* update, Output variable);

}  // namespace lockstep::ops
