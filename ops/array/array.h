// SPDX-License-Identifier: Apache-2.0
#pragma once

// Making, shaping and moving tensors: builder functions with TensorFlow's
// names and meanings. Each adds one node; a mistake shows in scope.status().
// Within namespace ops, `Shape` is the function: write lockstep::Shape for
// the type.
//
//   Output x = ops::Placeholder(s.WithName("x"), kFloat, {-1, 784});
//   Output image = ops::Reshape(s, x, {-1, 28, 28, 1});
//   Output both = ops::Concat(s, {a, b}, /*axis=*/1);
//   Output first = ops::Slice(s, x, {0, 0}, {1, -1});

#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

Output Const(const Scope& scope, const Tensor& value);
// Has to be fed; unknown dimensions are -1.
Output Placeholder(const Scope& scope, DType dtype,
                   const lockstep::Shape& shape = lockstep::Shape::Unknown());
// `input` unless it is fed.
Output PlaceholderWithDefault(const Scope& scope, const Input& input,
                              const lockstep::Shape& shape);
Output Identity(const Scope& scope, const Input& input);
std::vector<Output> IdentityN(const Scope& scope,
                              const std::vector<Output>& inputs);
Output StopGradient(const Scope& scope, const Input& input);
// Does nothing: a target that runs `after`.
Node* NoOp(const Scope& scope, const std::vector<Node*>& after = {});

Output Shape(const Scope& scope, const Input& input, DType out_type = kInt32);
std::vector<Output> ShapeN(const Scope& scope,
                           const std::vector<Output>& inputs,
                           DType out_type = kInt32);
Output Size(const Scope& scope, const Input& input, DType out_type = kInt32);
Output Rank(const Scope& scope, const Input& input);
// The axes over which the gradients of two broadcast operands are summed.
std::vector<Output> BroadcastGradientArgs(const Scope& scope, const Input& s0,
                                          const Input& s1);

// One dimension of `shape` may be -1.
Output Reshape(const Scope& scope, const Input& tensor, const Input& shape);
Output ExpandDims(const Scope& scope, const Input& input, const Input& axis);
// Drops the axes of size 1: all of them when none is given.
Output Squeeze(const Scope& scope, const Input& input,
               const std::vector<int64_t>& axes = {});
Output Transpose(const Scope& scope, const Input& x, const Input& perm);
Output InvertPermutation(const Scope& scope, const Input& x);

Output Concat(const Scope& scope, const std::vector<Output>& values,
              const Input& axis);
std::vector<Output> ConcatOffset(const Scope& scope, const Input& axis,
                                 const std::vector<Output>& shapes);
Output Pack(const Scope& scope, const std::vector<Output>& values,
            int axis = 0);
std::vector<Output> Unpack(const Scope& scope, const Input& value, int num,
                           int axis = 0);
std::vector<Output> Split(const Scope& scope, const Input& axis,
                          const Input& value, int num_split);
// One of the sizes may be -1: what is left.
std::vector<Output> SplitV(const Scope& scope, const Input& value,
                           const Input& sizes, const Input& axis,
                           int num_split);
// A size of -1 means: up to the end.
Output Slice(const Scope& scope, const Input& input, const Input& begin,
             const Input& size);
// Bit i of a mask concerns index i; see TensorFlow's strided_slice.
struct StridedSliceMasks {
  int64_t begin = 0, end = 0, ellipsis = 0, new_axis = 0, shrink_axis = 0;
};
// Python's input[begin:end:strides, ...].
Output StridedSlice(const Scope& scope, const Input& input, const Input& begin,
                    const Input& end, const Input& strides,
                    const StridedSliceMasks& masks = {});
// The elements along `axes` in the opposite order.
Output Reverse(const Scope& scope, const Input& input, const Input& axes);
// paddings: [rank, 2], elements before and after along each axis.
Output Pad(const Scope& scope, const Input& input, const Input& paddings);
Output PadV2(const Scope& scope, const Input& input, const Input& paddings,
             const Input& value);
// mode: "REFLECT" or "SYMMETRIC".
Output MirrorPad(const Scope& scope, const Input& input, const Input& paddings,
                 const std::string& mode);
Output Tile(const Scope& scope, const Input& input, const Input& multiples);
Output BroadcastTo(const Scope& scope, const Input& input, const Input& shape);
// params' slices along `axis`, by number; one out of range is
// INVALID_ARGUMENT when it runs.
Output Gather(const Scope& scope, const Input& params, const Input& indices,
              const Input& axis = Input(0), int batch_dims = 0);

// Slices numbered by the last axis of `indices`, each a vector of positions
// along the first axes of params.
Output GatherNd(const Scope& scope, const Input& params, const Input& indices);
// Zeros of `shape` to which the slices of `updates` are added.
Output ScatterNd(const Scope& scope, const Input& indices, const Input& updates,
                 const Input& shape);
// `tensor` with slices of `updates` put in, added, subtracted, or the larger
// or smaller of both.
Output TensorScatterUpdate(const Scope& scope, const Input& tensor,
                           const Input& indices, const Input& updates);
Output TensorScatterAdd(const Scope& scope, const Input& tensor,
                        const Input& indices, const Input& updates);
Output TensorScatterSub(const Scope& scope, const Input& tensor,
                        const Input& indices, const Input& updates);
Output TensorScatterMax(const Scope& scope, const Input& tensor,
                        const Input& indices, const Input& updates);
Output TensorScatterMin(const Scope& scope, const Input& tensor,
                        const Input& indices, const Input& updates);
// Output p: the slices of `data` whose partition is p, in order.
std::vector<Output> DynamicPartition(const Scope& scope, const Input& data,
                                     const Input& partitions,
                                     int num_partitions);
// Row indices[i][j] of the output is data[i][j]; the last of several stays.
Output DynamicStitch(const Scope& scope, const std::vector<Output>& indices,
                     const std::vector<Output>& data);
Output ParallelDynamicStitch(const Scope& scope,
                             const std::vector<Output>& indices,
                             const std::vector<Output>& data);
// The distinct elements in order of occurrence, each element's number among
// them and, for the ops that count, how often each occurs.
struct UniqueOutputs {
  Output y, idx, count;
};
UniqueOutputs Unique(const Scope& scope, const Input& x,
                     DType out_idx = kInt32);
UniqueOutputs UniqueV2(const Scope& scope, const Input& x, const Input& axis,
                       DType out_idx = kInt32);
UniqueOutputs UniqueWithCounts(const Scope& scope, const Input& x,
                               DType out_idx = kInt32);
UniqueOutputs UniqueWithCountsV2(const Scope& scope, const Input& x,
                                 const Input& axis, DType out_idx = kInt32);
// {the elements of x that are not in y, their positions}.
std::vector<Output> ListDiff(const Scope& scope, const Input& x, const Input& y,
                             DType out_idx = kInt32);
// Blocks of the spatial dimensions 1 .. to the batch dimension and back.
Output SpaceToBatchND(const Scope& scope, const Input& input,
                      const Input& block_shape, const Input& paddings);
Output BatchToSpaceND(const Scope& scope, const Input& input,
                      const Input& block_shape, const Input& crops);
Output SpaceToBatch(const Scope& scope, const Input& input,
                    const Input& paddings, int block_size);
Output BatchToSpace(const Scope& scope, const Input& input, const Input& crops,
                    int block_size);
// Blocks of block_size x block_size positions to the channels and back.
Output SpaceToDepth(const Scope& scope, const Input& input, int block_size,
                    const std::string& data_format = "NHWC");
Output DepthToSpace(const Scope& scope, const Input& input, int block_size,
                    const std::string& data_format = "NHWC");
// Moved along axes; what is pushed out enters at the other end.
Output Roll(const Scope& scope, const Input& input, const Input& shift,
            const Input& axis);
// Of each slice along batch_dim, the first elements along seq_dim reversed.
Output ReverseSequence(const Scope& scope, const Input& input,
                       const Input& seq_lengths, int seq_dim,
                       int batch_dim = 0);
// Where each value would go in its sorted row: before (behind) its equals.
Output LowerBound(const Scope& scope, const Input& sorted, const Input& values,
                  DType out_type = kInt32);
Output UpperBound(const Scope& scope, const Input& sorted, const Input& values,
                  DType out_type = kInt32);
// `default_value` everywhere but at the given positions.
Output SparseToDense(const Scope& scope, const Input& indices,
                     const Input& output_shape, const Input& values,
                     const Input& default_value, bool validate_indices = true);
// The positions, [rank, ...], of flat indices in a tensor of shape `dims`.
Output UnravelIndex(const Scope& scope, const Input& indices,
                    const Input& dims);
// Of each row the element that is n-th when sorted.
Output NthElement(const Scope& scope, const Input& input, const Input& n,
                  bool reverse = false);
// The shape that two shapes broadcast to.
Output BroadcastArgs(const Scope& scope, const Input& s0, const Input& s1);
// The same bytes as another dtype.
Output Bitcast(const Scope& scope, const Input& input, DType type);
// The positions of what is not zero, one a row, int64.
Output Where(const Scope& scope, const Input& condition);

Output Fill(const Scope& scope, const Input& dims, const Input& value);
Output ZerosLike(const Scope& scope, const Input& x);
Output OnesLike(const Scope& scope, const Input& x);
Output Range(const Scope& scope, const Input& start, const Input& limit,
             const Input& delta);
// `num` values at equal distances, from start to stop.
Output LinSpace(const Scope& scope, const Input& start, const Input& stop,
                const Input& num);
Output OneHot(const Scope& scope, const Input& indices, const Input& depth,
              const Input& on_value = Input(1.0f),
              const Input& off_value = Input(0.0f), int axis = -1);

}  // namespace lockstep::ops
