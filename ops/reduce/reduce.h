// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reductions over axes: builder functions with TensorFlow's names and
// meanings. Negative axes count from the back; keep_dims leaves reduced axes
// with size 1. ReduceAll gives the axes for "all of them".
//
//   Output loss = ops::Mean(s, losses, {0});
//   Output total = ops::Sum(s, x, ops::ReduceAll(s, x));
//   Output guess = ops::ArgMax(s, logits, 1);

#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// [0, 1, .. rank of x), known at once when x's rank is.
Output ReduceAll(const Scope& scope, const Input& x);

Output Sum(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims = false);
Output Mean(const Scope& scope, const Input& x, const Input& axes,
            bool keep_dims = false);
Output Prod(const Scope& scope, const Input& x, const Input& axes,
            bool keep_dims = false);
// The root of the sum of |x|^2.
Output EuclideanNorm(const Scope& scope, const Input& x, const Input& axes,
                     bool keep_dims = false);
Output Max(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims = false);
Output Min(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims = false);
Output All(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims = false);
Output Any(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims = false);

// The first index of the extreme along an axis.
Output ArgMax(const Scope& scope, const Input& x, const Input& axis,
              DType output_type = kInt64);
Output ArgMin(const Scope& scope, const Input& x, const Input& axis,
              DType output_type = kInt64);

// Running totals along an axis; `exclusive` leaves each element itself out,
// `reverse` runs from the end.
Output Cumsum(const Scope& scope, const Input& x, const Input& axis,
              bool exclusive = false, bool reverse = false);
Output Cumprod(const Scope& scope, const Input& x, const Input& axis,
               bool exclusive = false, bool reverse = false);

Output CumulativeLogsumexp(const Scope& scope, const Input& x,
                           const Input& axis, bool exclusive = false,
                           bool reverse = false);

// sum(x ^ 2) / 2, a scalar.
Output L2Loss(const Scope& scope, const Input& x);

// Row i of the output combines the rows of `data` whose id is i. Unsorted:
// negative ids are left out, num_segments rows come out. Sorted: ids ascend,
// rows without an id are 0 (Prod: 1). Sparse: the rows of `data` that `indices`
// names.
Output UnsortedSegmentSum(const Scope& scope, const Input& data,
                          const Input& segment_ids, const Input& num_segments);
Output UnsortedSegmentProd(const Scope& scope, const Input& data,
                           const Input& segment_ids, const Input& num_segments);
Output UnsortedSegmentMax(const Scope& scope, const Input& data,
                          const Input& segment_ids, const Input& num_segments);
Output UnsortedSegmentMin(const Scope& scope, const Input& data,
                          const Input& segment_ids, const Input& num_segments);
Output SegmentSum(const Scope& scope, const Input& data,
                  const Input& segment_ids);
Output SegmentMean(const Scope& scope, const Input& data,
                   const Input& segment_ids);
Output SegmentProd(const Scope& scope, const Input& data,
                   const Input& segment_ids);
Output SegmentMax(const Scope& scope, const Input& data,
                  const Input& segment_ids);
Output SegmentMin(const Scope& scope, const Input& data,
                  const Input& segment_ids);
Output SparseSegmentSum(const Scope& scope, const Input& data,
                        const Input& indices, const Input& segment_ids);
Output SparseSegmentMean(const Scope& scope, const Input& data,
                         const Input& indices, const Input& segment_ids);
// The sum divided by the root of the number of rows.
Output SparseSegmentSqrtN(const Scope& scope, const Input& data,
                          const Input& indices, const Input& segment_ids);

// How often each number below `size` occurs, or the sum of its weights.
Output Bincount(const Scope& scope, const Input& numbers, const Input& size,
                const Input& weights);
// The number of values in each of nbins equal parts of value_range.
Output HistogramFixedWidth(const Scope& scope, const Input& values,
                           const Input& value_range, const Input& nbins,
                           DType dtype = kInt32);
// The number of boundaries that are not above each element.
Output Bucketize(const Scope& scope, const Input& input,
                 const std::vector<float>& boundaries);

// The k largest elements of each row in descending order, and their positions;
// of equals the first.
struct TopKOutputs {
  Output values, indices;
};
TopKOutputs TopK(const Scope& scope, const Input& input, const Input& k,
                 bool sorted = true);

}  // namespace lockstep::ops
