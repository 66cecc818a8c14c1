// SPDX-License-Identifier: Apache-2.0
#pragma once

// Axes given from outside: negative ones count from the back.
//
//   LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(-1, x.rank()));
//   LS_ASSIGN_OR_RETURN(AxisSet reduced, ResolveAxes(axes, x.rank()));

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/core/shape.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

using AxisSet = std::bitset<Shape::kMaxRank>;

// INVALID_ARGUMENT unless -rank <= axis < rank.
inline Result<int> ResolveAxis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    return InvalidArgument("axis ", axis, " is not in [", -rank, ", ", rank,
                           ") of an input with ", rank, " dimensions");
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

// INVALID_ARGUMENT for an axis out of range or given twice.
inline Result<AxisSet> ResolveAxes(std::span<const int64_t> axes, int rank) {
  AxisSet set;
  for (int64_t a : axes) {
    if (a < -rank || a >= rank) {
      return InvalidArgument("Invalid reduction dimension (", a,
                             " for input with ", rank, " dimension(s))");
    }
    const size_t axis = static_cast<size_t>(a < 0 ? a + rank : a);
    if (set.test(axis)) {
      return InvalidArgument(
          "Invalid reduction arguments: Axes contains duplicate dimension: ",
          axis);
    }
    set.set(axis);
  }
  return set;
}

// The single integer of input i; empty when its value is not known.
inline Result<std::optional<int64_t>> InputInt(const ShapeContext& c, int i) {
  LS_ASSIGN_OR_RETURN(std::optional<std::vector<int64_t>> v, c.InputInts(i));
  if (!v) return std::optional<int64_t>();
  if (v->size() != 1) {
    return InvalidArgument(c.InputText(i), " must be one integer, has shape ",
                           c.Input(i));
  }
  return std::optional<int64_t>((*v)[0]);
}

// Product of the dimensions [begin, end).
inline int64_t DimProduct(const Shape& s, int begin, int end) {
  int64_t n = 1;
  for (int d = begin; d < end; ++d) n *= s.dim(d);
  return n;
}

}  // namespace lockstep
