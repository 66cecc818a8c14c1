// SPDX-License-Identifier: Apache-2.0

// ReverseSequence: of the i-th slice along batch_dim, the first seq_lengths[i]
// elements along seq_dim in the opposite order, the rest as they are.
//   input: T, rank >= 2   seq_lengths: int32|int64 [batch]
// Gradient: dy reversed the same way.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"

namespace lockstep {
namespace {

Status SequenceShape(ShapeContext& c) {
  const Shape& x = c.Input(0);
  LS_ASSIGN_OR_RETURN(Shape lengths, c.WithRank(1, 1));
  const int64_t seq = c.Attr<int64_t>("seq_dim"),
                batch = c.Attr<int64_t>("batch_dim");
  if (seq == batch) {
    return InvalidArgument("batch_dim == seq_dim == ", seq);
  }
  if (seq < 0 || batch < 0) {
    return InvalidArgument("seq_dim and batch_dim must not be negative: ", seq,
                           ", ", batch);
  }
  if (x.HasRank()) {
    if (seq >= x.rank() || batch >= x.rank()) {
      return InvalidArgument("seq_dim and batch_dim must be < input rank: ",
                             seq, ", ", batch, " for ", x);
    }
    if (!Shape{x.dim(static_cast<int>(batch))}.IsCompatibleWith(lengths)) {
      return InvalidArgument("Length of seq_lengths != input.dims(", batch,
                             "): ", lengths, " for ", x);
    }
  }
  return c.SetOutput(0, x);
}

Status SequenceCpu(KernelContext& k) {
  const Shape& x = k.input(0).shape();
  const int seq = static_cast<int>(GetOr<int64_t>(k.attrs(), "seq_dim", 0));
  const int batch = static_cast<int>(GetOr<int64_t>(k.attrs(), "batch_dim", 0));
  const Indices lengths(k.input(1));
  const int64_t steps = x.dim(seq);
  for (int64_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 0 || lengths[i] > steps) {
      return InvalidArgument("seq_lens(", i, ") must be in [0, ", steps,
                             "], is ", lengths[i]);
    }
  }
  const int last = std::max(seq, batch);
  const Slices slices(k.input(0).dtype(), DimProduct(x, last + 1, x.rank()));
  const int64_t rows = DimProduct(x, 0, last + 1);
  const int64_t seq_stride = DimProduct(x, seq + 1, last + 1);
  const int64_t batch_stride = DimProduct(x, batch + 1, last + 1);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t length = lengths[row / batch_stride % x.dim(batch)];
    const int64_t at = row / seq_stride % steps;
    const int64_t from =
        at < length ? row + (length - 1 - 2 * at) * seq_stride : row;
    slices.Copy(k.output(0).data(), row, k.input(0).data(), from);
  }
  return Ok();
}

Status SequenceGradient(GradContext& g) {
  return g.SetDx(
      0, ops::ReverseSequence(g.scope(), g.dy(0), g.x(1),
                              static_cast<int>(g.Attr<int64_t>("seq_dim")),
                              static_cast<int>(g.Attr<int64_t>("batch_dim"))));
}

LOCKSTEP_OP("ReverseSequence")
    .Input("input: T")
    .Input("seq_lengths: Tlen")
    .Output("output: T")
    .Attr("seq_dim: int")
    .Attr("batch_dim: int = 0")
    .Attr("T: type")
    .Attr("Tlen: {int32, int64} = DT_INT64")
    .Shape(SequenceShape)
    .Gradient(SequenceGradient)
    .Kernel(kCpu, {SequenceCpu});

}  // namespace

Output ops::ReverseSequence(const Scope& scope, const Input& input,
                            const Input& seq_lengths, int seq_dim,
                            int batch_dim) {
  return scope.Op("ReverseSequence")
      .In(input)
      .In(seq_lengths)
      .Attr("seq_dim", seq_dim)
      .Attr("batch_dim", batch_dim)
      .Out();
}

}  // namespace lockstep
