// SPDX-License-Identifier: Apache-2.0

// _MatMulUpdate: an update of a variable (an Apply* op) by the gradient
// a b, which is made some rows at a time: each block of rows is applied while
// it is in the cache, and the gradient as a whole is never in memory.
//   inputs: those of the update, b in the gradient's place; then a
//   update: the update's op and attributes
// a and b are float, or BFloat16 whose products are made and applied as floats.
// Brought in for Apply*(.., MatMul(a, b), ..) on the CPU when nothing else
// reads the gradient and nothing the update's result. The order of summation
// depends on the shape and the zeros alone, so the values are the same on any
// number of threads.

#include <atomic>
#include <cmath>
#include <memory>

#include "ops/linalg/matmul_kernel.h"
#include "ops/linalg/pack_factor.h"
#include "ops/linalg/row_product.h"
#include "runtime/core/allocator.h"
#include "runtime/core/threads.h"
#include "runtime/graph/node_work.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/op/inner_update.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int64_t kMinElements = 1 << 14;    // of a gradient
constexpr int64_t kBlockElements = 1 << 15;  // 128 KiB
constexpr int64_t kBlockMultiple = 8;        // divides among 2, 4, 8 threads
constexpr int64_t kRowMultiple = 16;         // what oneDNN's kernels like
// Rows at a time where zeros are left out. Those of a: few, as what they take
// differs, as the upper and the lower half of images do, and threads take
// pieces as they come. Those of b: as many as one reading of b's lists serves.
constexpr int64_t kLeftRows = 32, kRightRows = detail::kColumns;

struct Block {
  std::unique_ptr<RowProduct> product;
  int64_t row = 0, rows = 0;
};

struct UpdateState {
  ProductDims dims;
  std::vector<InnerUpdate> update;  // one
  std::vector<Block> blocks;
  // Each worker has blocks of its own and memory for the one it is at.
  int64_t workers = 1;
  size_t gradient_bytes = 0, worker_bytes = 0;
  size_t shared_bytes = 0;  // behind the workers', see ProductRule
  std::vector<Status> done;
  std::unique_ptr<std::atomic<int64_t>[]> taken;  // pieces, of each two workers

  size_t scratch_bytes() const {
    return static_cast<size_t>(workers) * worker_bytes + shared_bytes;
  }
};

Status MakeBlocks(UpdateState& s) {
  const ProductDims& d = s.dims;
  const int64_t wanted = (d.m * d.n + kBlockElements - 1) / kBlockElements;
  const int64_t most = (d.m + kRowMultiple - 1) / kRowMultiple;
  const int64_t count = std::min(
      (wanted + kBlockMultiple - 1) / kBlockMultiple * kBlockMultiple, most);
  s.workers = std::min<int64_t>(Threads(), count);
  size_t scratch = 0;
  for (int64_t i = 0; i < count; ++i) {
    Block block{.row = most * i / count * kRowMultiple};
    block.rows =
        std::min(d.m, most * (i + 1) / count * kRowMultiple) - block.row;
    LS_ASSIGN_OR_RETURN(block.product, detail::MakeRowProduct(d, block.rows));
    scratch = std::max(scratch, block.product->scratch_bytes());
    s.gradient_bytes = std::max(
        s.gradient_bytes,
        AlignedSize(static_cast<size_t>(block.rows * d.n) * sizeof(float)));
    s.blocks.push_back(std::move(block));
  }
  s.shared_bytes = detail::SharedBytes(d);
  if (s.shared_bytes > 0) {  // in runs where that pays
    s.gradient_bytes = std::max(
        s.gradient_bytes,
        AlignedSize(static_cast<size_t>(std::min(d.m, kRightRows) * d.n) *
                    sizeof(float)));
    s.taken = std::make_unique<std::atomic<int64_t>[]>(
        static_cast<size_t>(s.workers + 1) / 2);
  }
  s.worker_bytes = s.gradient_bytes + AlignedSize(scratch);
  s.done.resize(static_cast<size_t>(s.workers));
  return Ok();
}

Status PrepareUpdate(PrepareContext& p) {
  auto& s = p.MakeState<UpdateState>();
  const auto& ref = p.Attr<FunctionRef>("update");
  LS_ASSIGN_OR_RETURN(InnerUpdate update, InnerUpdate::Find(ref, 0));
  LS_RETURN_IF_ERROR(update.Prepare(p).WithContext(ref.name));
  const int a = p.num_inputs() - 1, b = update.gradient();
  LS_ASSIGN_OR_RETURN(const detail::MatMulDims d,
                      detail::MatMulDimsOf(p.input_shape(a), p.input_shape(b),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  s.dims = {.m = d.m,
            .n = d.n,
            .k = d.k,
            .transpose_a = d.transpose_a,
            .transpose_b = d.transpose_b,
            .factors = p.input_dtype(a)};
  s.update.push_back(std::move(update));
  LS_RETURN_IF_ERROR(MakeBlocks(s));
  p.RequestScratch(s.scratch_bytes());
  return Ok();
}

// What a run is made of.
struct Run {
  ProductFactors factors;
  KernelContext update;
};

// The blocks of worker `w`, one after the other; `memory` is the worker's.
Status UpdateBlocks(UpdateState& s, Run run, int64_t w, char* memory) {
  const ProductDims& d = s.dims;
  const auto blocks = static_cast<int64_t>(s.blocks.size());
  for (int64_t i = blocks * w / s.workers; i < blocks * (w + 1) / s.workers;
       ++i) {
    Block& block = s.blocks[static_cast<size_t>(i)];
    LS_RETURN_IF_ERROR(block.product->Run(run.factors, block.row,
                                          reinterpret_cast<float*>(memory),
                                          memory + s.gradient_bytes));
    LS_RETURN_IF_ERROR(s.update[0].Apply(run.update, block.row * d.n,
                                         block.rows * d.n, memory));
  }
  return Ok();
}

// Two neighbouring workers share the pieces of both; one takes them from the
// front and one from the back, so that most rows stay with one thread, in its
// cache, from step to step.
Status UpdatePieces(UpdateState& s, Run run, int64_t w, char* memory) {
  const ProductDims& d = s.dims;
  const int64_t piece =
      run.factors.left_out == Zeros::kOfLeft ? kLeftRows : kRightRows;
  const int64_t all = (d.m + piece - 1) / piece;
  const int64_t pair = w / 2;
  const int64_t begin = all * (2 * pair) / s.workers;
  const int64_t end = all * std::min(2 * pair + 2, s.workers) / s.workers;
  std::atomic<int64_t>& taken = s.taken[static_cast<size_t>(pair)];
  for (int64_t i = 0;
       taken.fetch_add(1, std::memory_order_relaxed) < end - begin; ++i) {
    const int64_t row = (w % 2 == 0 ? begin + i : end - 1 - i) * piece;
    const int64_t rows = std::min(piece, d.m - row);
    detail::MultiplyLeavingOut(d, run.factors, row, rows,
                               reinterpret_cast<float*>(memory),
                               memory + s.gradient_bytes);
    LS_RETURN_IF_ERROR(
        s.update[0].Apply(run.update, row * d.n, rows * d.n, memory));
  }
  return Ok();
}

Run MakeRun(UpdateState& s, KernelContext& k) {
  const ProductDims& d = s.dims;
  const InnerUpdate& update = s.update[0];
  Run run{
      .factors = {.a = k.in<void>(k.num_inputs() - 1),
                  .b = k.input(update.gradient()).data(),
                  .shared = static_cast<char*>(k.scratch()) +
                            static_cast<size_t>(s.workers) * s.worker_bytes},
      .update = update.Context(k)};
  ProductFactors& f = run.factors;
  f.left_out = detail::ShareProduct(d, f.a, f.b, f.shared);
  if (f.left_out != Zeros::kKept) {
    std::fill_n(s.taken.get(), (s.workers + 1) / 2, 0);
  }
  return run;
}

Status RunUpdate(KernelContext& k) {
  auto& s = k.state<UpdateState>();
  const Tensor& value = k.variable(0).value();
  const Shape product{s.dims.m, s.dims.n};
  if (value.shape() != product) [[unlikely]] {
    return InvalidArgument("variable '", k.variable(0).name(), "' has shape ",
                           value.shape(), ", its gradient ", product);
  }
  const Run run = MakeRun(s, k);
  ParallelFor(s.workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      char* memory = static_cast<char*>(k.scratch()) +
                     static_cast<size_t>(w) * s.worker_bytes;
      s.done[static_cast<size_t>(w)] = run.factors.left_out == Zeros::kKept
                                           ? UpdateBlocks(s, run, w, memory)
                                           : UpdatePieces(s, run, w, memory);
    }
  });
  for (const Status& done : s.done) LS_RETURN_IF_ERROR(done);
  return Ok();
}

LOCKSTEP_OP("_MatMulUpdate")
    .Input("inputs: Tin")
    .Attr("Tin: list(type) >= 1")
    .Attr("update: func")
    .Attr("transpose_a: bool = false")
    .Attr("transpose_b: bool = false")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {RunUpdate, PrepareUpdate});

// The variable is input 0, as of every update; the factors are the only other
// two inputs that matter: b in the gradient's place, a at the end.
double UpdateFlops(const Node& node, double unknown) {
  const OpDef* update =
      OpRegistry::Global().Find(node.Attr<FunctionRef>("update").name);
  if (update == nullptr) return 0;
  const int b = update->traits.applies_gradient;
  const double all =
      KnownElements(node.input(0).shape(), unknown) *
      KnownElements(node.input(b).shape(), unknown) *
      KnownElements(node.input(node.num_inputs() - 1).shape(), unknown);
  return 2 * std::sqrt(all);
}
LOCKSTEP_FLOPS("_MatMulUpdate", UpdateFlops);

// The update whose gradient is the product, which nothing else looks at; null
// when there is none.
Node* OnlyUpdateBy(RewriteContext& c, Output product) {
  if (!c.OnlyUse(product) ||
      !c.consumers().ControlledBy(product.node).empty()) {
    return nullptr;
  }
  const auto& [update, input] = c.consumers().Of(product)[0];
  if (!InnerUpdate::Fits(update->def(), update->attrs()) ||
      input != update->traits().applies_gradient ||
      update->assigned_device() != product.node->assigned_device() ||
      update->requested_device() != product.node->requested_device()) {
    return nullptr;
  }
  for (int i = 0; i < update->num_outputs(); ++i) {
    const Output out = update->output(i);
    if (!c.consumers().Of(out).empty() || c.IsFetched(out)) return nullptr;
  }
  return update;
}

Result<bool> FuseUpdate(RewriteContext& c) {
  Node* mm = c.node();
  const Output product = mm->output(0);
  const bool plain = mm->num_inputs() == 2 &&
                     GetOr<std::string>(mm->attrs(), "activation", "").empty();
  if (!plain || product.dtype() != kFloat ||
      product.shape().NumElements() < kMinElements) {
    return false;
  }
  Node* update = OnlyUpdateBy(c, product);
  if (update == nullptr) return false;
  std::vector<Output> inputs = update->inputs();
  inputs[static_cast<size_t>(update->traits().applies_gradient)] = mm->input(1);
  inputs.push_back(mm->input(0));
  std::vector<DType> types;
  for (const Output& in : inputs) types.push_back(in.dtype());
  LS_ASSIGN_OR_RETURN(
      Node * fused,
      c.Add(update->name() + "/fused", "_MatMulUpdate", std::move(inputs),
            {{"Tin", std::move(types)},
             {"update", FunctionRef{update->op(), std::make_shared<AttrMap>(
                                                      update->attrs())}},
             {"transpose_a", mm->Attr<bool>("transpose_a")},
             {"transpose_b", mm->Attr<bool>("transpose_b")}}));
  c.ReplaceNode(update, fused);
  return true;
}
LOCKSTEP_LATE_REWRITE("MatMul", FuseUpdate);
LOCKSTEP_LATE_REWRITE("_FusedMatMul", FuseUpdate);  // of BFloat16

}  // namespace
}  // namespace lockstep
