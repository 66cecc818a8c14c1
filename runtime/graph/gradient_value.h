// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gradient of a tensor: all of it or, when `indices` is set, rows of it
// (slices along axis 0), TensorFlow's IndexedSlices: row indices[i] has
// values[i], rows that occur several times add up, others are zero.
//
//   ops::ApplyMomentum(scope, w, accum, 0.1f, {rows, indices}, 0.9f);

#include "runtime/graph/graph.h"

namespace lockstep {

struct GradientValue {
  Output values;   // undefined: no gradient
  Output indices;  // int32 or int64 [n]; undefined: values is all of it

  GradientValue() = default;
  GradientValue(Output dense) : values(dense) {}  // NOLINT: implicit
  GradientValue(Output v, Output rows) : values(v), indices(rows) {}
  bool defined() const { return values.defined(); }
  bool sparse() const { return indices.defined(); }
};

}  // namespace lockstep
