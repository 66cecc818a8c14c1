// SPDX-License-Identifier: Apache-2.0
#pragma once

// ShapeContext::WithRank where TensorFlow's kernel has words of its own, which
// people search for: the error is `words` and the input's shape.
//
//   LS_ASSIGN_OR_RETURN(Shape labels,
//                       WithRank(c, 1, 1, "labels must be 1-D, but got shape
//                       "));

#include <string_view>

#include "runtime/op/shape_context.h"

namespace lockstep {

inline Result<Shape> WithRank(const ShapeContext& c, int i, int rank,
                              std::string_view words) {
  Result<Shape> shape = c.WithRank(i, rank);
  if (!shape.ok()) return InvalidArgument(words, c.Input(i));
  return shape;
}

inline Result<Shape> WithRankAtLeast(const ShapeContext& c, int i, int rank,
                                     std::string_view words) {
  Result<Shape> shape = c.WithRankAtLeast(i, rank);
  if (!shape.ok()) return InvalidArgument(words, c.Input(i));
  return shape;
}

}  // namespace lockstep
