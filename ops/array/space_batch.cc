// SPDX-License-Identifier: Apache-2.0

// SpaceToBatchND, BatchToSpaceND (and SpaceToBatch, BatchToSpace with one
// block size): blocks of the spatial dimensions 1 .. M move to the batch
// dimension and back.
//   input: T [batch, spatial dims, rest]   block_shape: [M]
//   paddings / crops: [M, 2]; zeros before and after / what is cut off
//   SpaceToBatchND: [batch * prod(block), padded / block, rest]
// Gradients: of one, the other.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "runtime/core/threads.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// block[d] and borders[d] = {before, after} of spatial dimension d + 1.
struct Blocks {
  std::vector<int64_t> block;
  std::vector<std::array<int64_t, 2>> borders;
  int64_t product = 1;
};

// From the values of block_shape (null: the attribute) and paddings or crops.
Result<Blocks> BlocksOf(const AttrMap& attrs, const Tensor* block,
                        const Tensor& borders) {
  Blocks b;
  if (block != nullptr) {
    LS_ASSIGN_OR_RETURN(b.block, ToInt64s(*block));
  } else {
    b.block.assign(2, GetOr<int64_t>(attrs, "block_size", 1));
  }
  const int64_t m = static_cast<int64_t>(b.block.size());
  if (!(borders.shape() == Shape{m, 2})) {
    return InvalidArgument("paddings or crops should have shape [", m,
                           ", 2], have ", borders.shape());
  }
  for (int64_t d = 0; d < m; ++d) {
    const int64_t before = IntAt(borders, 2 * d),
                  after = IntAt(borders, 2 * d + 1);
    const int64_t size = b.block[static_cast<size_t>(d)];
    if (size < 1) {
      return InvalidArgument("block_shape must be positive, got ", size);
    }
    constexpr int64_t kMost = int64_t{1} << 48;
    if (before < 0 || after < 0 || before > kMost || after > kMost) {
      return InvalidArgument("paddings and crops must be non-negative and not ",
                             "too large, got ", before, ", ", after);
    }
    if (__builtin_mul_overflow(b.product, size, &b.product)) {
      return InvalidArgument("block_shape is too large");
    }
    b.borders.push_back({before, after});
  }
  return b;
}

constexpr int kBlock = 1, kBorders = 2;  // the inputs of the ND ops

bool IsNd(int num_inputs) { return num_inputs == 3; }

template <bool kToBatch>
Status SpaceBatchShape(ShapeContext& c) {
  const bool nd = IsNd(c.num_inputs());
  const Tensor* block = nd ? c.InputValue(kBlock) : nullptr;
  const Tensor* borders = c.InputValue(nd ? kBorders : 1);
  Shape y = c.Input(0);
  if (!nd) {
    LS_ASSIGN_OR_RETURN(y, c.WithRank(0, 4));
  }
  if (!y.HasRank()) return c.SetOutput(0, y);
  if ((nd && block == nullptr) || borders == nullptr) {
    return c.SetOutput(0, Shape::UnknownOfRank(y.rank()));
  }
  LS_ASSIGN_OR_RETURN(Blocks b, BlocksOf(c.attrs(), block, *borders));
  if (y.rank() < static_cast<int>(b.block.size()) + 1) {
    return InvalidArgument("input rank should be >= ", b.block.size() + 1,
                           " instead of ", y.rank());
  }
  for (size_t d = 0; d < b.block.size(); ++d) {
    const int at = static_cast<int>(d) + 1;
    int64_t n = y.dim(at);
    if (n == kUnknownDim) continue;
    const int64_t border = b.borders[d][0] + b.borders[d][1];
    if constexpr (kToBatch) {
      n += border;
      if (border < 0 || n < 0 || n % b.block[d] != 0) {
        return InvalidArgument("padded_shape[", d, "]=", n,
                               " is not divisible by block_shape[", d,
                               "]=", b.block[d]);
      }
      n /= b.block[d];
    } else {
      if (__builtin_mul_overflow(n, b.block[d], &n) || border < 0 ||
          n < border) {
        return InvalidArgument("cropped_shape[", d, "]=", n - border,
                               " must be non-negative");
      }
      n -= border;
    }
    y.set_dim(at, n);
  }
  if (const int64_t batch = y.dim(0); batch != kUnknownDim) {
    if (!kToBatch && batch % b.product != 0) {
      return InvalidArgument("input batch dimension (", batch,
                             ") is not divisible by product of block sizes (",
                             b.product, ")");
    }
    int64_t n = batch / b.product;
    if (kToBatch && __builtin_mul_overflow(batch, b.product, &n)) {
      return InvalidArgument("block_shape is too large");
    }
    y.set_dim(0, n);
  }
  return c.SetOutput(0, y);
}

Status PrepareSpaceBatch(PrepareContext& c) {
  const bool nd = IsNd(c.num_inputs());
  LS_ASSIGN_OR_RETURN(Blocks b,
                      BlocksOf(c.attrs(), nd ? c.input_value(kBlock) : nullptr,
                               *c.input_value(nd ? kBorders : 1)));
  c.MakeState<Blocks>(std::move(b));
  return Ok();
}

// The row in the plain layout that belongs to `row` of the blocked one, -1
// when it lies in the border.
int64_t PlainRow(const Blocks& b, const Shape& blocked, const Shape& plain,
                 int64_t row) {
  int64_t at = 0, stride = 1;
  std::array<int64_t, Shape::kMaxRank> index{};
  for (size_t d = b.block.size(); d > 0; --d) {
    index[d] = row % blocked.dim(static_cast<int>(d));
    row /= blocked.dim(static_cast<int>(d));
  }
  const int64_t batch = row % plain.dim(0);
  int64_t phase = row / plain.dim(0);
  for (size_t d = b.block.size(); d > 0; --d) {
    const int64_t n = plain.dim(static_cast<int>(d));
    const int64_t i = index[d] * b.block[d - 1] + phase % b.block[d - 1] -
                      b.borders[d - 1][0];
    phase /= b.block[d - 1];
    if (i < 0 || i >= n) return -1;
    at += i * stride;
    stride *= n;
  }
  return at + batch * stride;
}

template <bool kToBatch>
Status SpaceBatchCpu(KernelContext& k) {
  const Blocks& b = k.state<Blocks>();
  const Shape& blocked = kToBatch ? k.output(0).shape() : k.input(0).shape();
  const Shape& plain = kToBatch ? k.input(0).shape() : k.output(0).shape();
  if (k.output(0).NumElements() == 0) return Ok();
  const int lead = static_cast<int>(b.block.size()) + 1;
  const Slices slices(k.input(0).dtype(),
                      DimProduct(plain, lead, plain.rank()));
  const int64_t rows = DimProduct(blocked, 0, lead);
  const bool empty = plain.NumElements() == 0;
  const void* from = k.input(0).data();
  void* to = k.output(0).data();
  ParallelFor(rows, std::max<int64_t>(1, 65536 / (slices.bytes() + 8)),
              [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                  const int64_t at =
                      empty ? -1 : PlainRow(b, blocked, plain, row);
                  if (kToBatch && at < 0) slices.Clear(to, row, row + 1);
                  if (kToBatch && at >= 0) slices.Copy(to, row, from, at);
                  if (!kToBatch && at >= 0) slices.Copy(to, at, from, row);
                }
              });
  return Ok();
}

// The other op on dy, with this op's blocks and borders.
template <bool kToBatch>
Status SpaceBatchGradient(GradContext& g) {
  const bool nd = IsNd(g.num_inputs());
  NodeBuilder b =
      g.scope().Op(kToBatch ? (nd ? "BatchToSpaceND" : "BatchToSpace")
                            : (nd ? "SpaceToBatchND" : "SpaceToBatch"));
  b.In(g.dy(0)).In(g.x(1));
  if (nd) {
    b.In(g.x(2));
  } else {
    b.Attr("block_size", g.Attr<int64_t>("block_size"));
  }
  return g.SetDx(0, b.Out());
}

template <bool kToBatch>
OpBuilder SpaceBatchOp(const char* name, bool nd) {
  OpBuilder b(name);
  b.Input("input: T");
  if (nd) b.Input("block_shape: Tblock_shape");
  const std::string borders = kToBatch ? "paddings" : "crops";
  b.Input(borders + (kToBatch ? ": Tpaddings" : nd ? ": Tcrops" : ": Tidx"));
  b.Output("output: T").Attr("T: type");
  if (nd) {
    b.Attr("Tblock_shape: {int32, int64} = DT_INT32").NeedsValue({1, 2});
  } else {
    b.Attr("block_size: int >= 2").NeedsValue({1});
  }
  b.Attr(kToBatch ? "Tpaddings: {int32, int64} = DT_INT32"
         : nd     ? "Tcrops: {int32, int64} = DT_INT32"
                  : "Tidx: {int32, int64} = DT_INT32");
  b.Shape(SpaceBatchShape<kToBatch>)
      .Gradient(SpaceBatchGradient<kToBatch>)
      .Kernel(kCpu, {SpaceBatchCpu<kToBatch>, PrepareSpaceBatch,
                     nd ? std::vector<std::string>{"block_shape", borders}
                        : std::vector<std::string>{borders}});
  return b;
}

const OpRegistrar kToBatchNd = SpaceBatchOp<true>("SpaceToBatchND", true);
const OpRegistrar kToSpaceNd = SpaceBatchOp<false>("BatchToSpaceND", true);
const OpRegistrar kToBatchOne = SpaceBatchOp<true>("SpaceToBatch", false);
const OpRegistrar kToSpaceOne = SpaceBatchOp<false>("BatchToSpace", false);

}  // namespace

namespace ops {

Output SpaceToBatchND(const Scope& scope, const Input& input,
                      const Input& block_shape, const Input& paddings) {
  return scope.Op("SpaceToBatchND")
      .In(input)
      .In(block_shape)
      .In(paddings)
      .Out();
}
Output BatchToSpaceND(const Scope& scope, const Input& input,
                      const Input& block_shape, const Input& crops) {
  return scope.Op("BatchToSpaceND").In(input).In(block_shape).In(crops).Out();
}
Output SpaceToBatch(const Scope& scope, const Input& input,
                    const Input& paddings, int block_size) {
  return scope.Op("SpaceToBatch")
      .In(input)
      .In(paddings)
      .Attr("block_size", block_size)
      .Out();
}
Output BatchToSpace(const Scope& scope, const Input& input, const Input& crops,
                    int block_size) {
  return scope.Op("BatchToSpace")
      .In(input)
      .In(crops)
      .Attr("block_size", block_size)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
