// SPDX-License-Identifier: Apache-2.0
// _ProductUpdate: an update of a large variable (an Apply* op) by a gradient
// that is a product a b on each rank, and is summed over the ranks, weighted as
// by _GradientExchange. Ranks show each other the factors, which are small
// beside the gradient. Each makes its slice of all ranks' products, some rows
// at a time, adds them up and applies them while they are in its cache, and
// gives the new values to the others. The bits are those of _GradientUpdate.
//   inputs: those of the update, b in the gradient's place; then a. Of a rank
//   whose plan has the gradient `whole`: those of the update, a is missing
//   update, product: the ops and attributes; watched: as of _GradientUpdate
// A rank's slots are up to date in its own slice only: see slot_slices.h.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "distributed/contributed_rows.h"
#include "distributed/update_kernel.h"
#include "runtime/core/allocator.h"
#include "runtime/core/threads.h"
#include "runtime/graph/node_work.h"
#include "runtime/op/product_rule.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// Of one rank's rows that are made at a time, and of all ranks': these stay in
// the second-level cache.
constexpr int64_t kBlockElements = 1 << 15, kAllElements = 1 << 17;
constexpr int64_t kRowMultiple = 16;  // what oneDNN's kernels like
// Elements that are added up, applied and given away at a time.
constexpr int64_t kFirstCache = 1 << 11;

// The arrays that a rank shows; the slots follow.
enum Array : size_t {
  kVariable,
  kLeft,
  kRight,
  kShared,  // see ProductRule
  kContribution,
  kSlots
};

struct Worker {
  ContributedRows rows;
  Status done;
};

struct UpdateState {
  std::vector<InnerUpdate> update;  // one
  SliceWatch watch;
  std::vector<SlotOf> slots;
  const ProductRule* rule = nullptr;
  Contribution mine;
  bool weighted = false;
  Slice slice;                               // this rank's elements
  int64_t row = 0, rows = 0, most_rows = 0;  // its rows; those of a block
  std::vector<Worker> workers;
  // Scratch memory: the contribution, copies of a and b, what the product's
  // rows share, then each worker's.
  size_t left_at = 0, right_at = 0, shared_at = 0, workers_at = 0;
  size_t worker_bytes = 0;
  size_t* turns = nullptr;  // see ReducedDigest
  // Of a run.
  std::vector<ShownArray> shown;
  std::vector<SeenContribution> contributions;  // by rank
  std::vector<double> weights;                  // none: all are 1
  std::vector<std::vector<const void*>> slot_arrays;

  const ProductDims& dims() const { return mine.dims; }
  int64_t RowsAt(int64_t block) const {
    return std::min(most_rows, rows - block * most_rows);
  }
  int64_t blocks() const { return (rows + most_rows - 1) / most_rows; }
};

// --- Prepare ----------------------------------------------------------------

void CutRows(const Communicator& ranks, UpdateState* s) {
  const ProductDims& d = s->dims();
  s->slice = SliceOf(d.m * d.n, ranks.rank(), ranks.size());
  s->row = s->slice.begin / d.n;
  s->rows = s->slice.begin == s->slice.end
                ? 0
                : (s->slice.end + d.n - 1) / d.n - s->row;
  const int64_t elements =
      std::min(kBlockElements, kAllElements / ranks.size());
  s->most_rows =
      std::max<int64_t>(elements / d.n / kRowMultiple, 1) * kRowMultiple;
  const size_t block_bytes =
      AlignedSize(static_cast<size_t>(s->most_rows * d.n) * sizeof(float));
  const auto workers = std::clamp<int64_t>(s->blocks(), 1, Threads());
  for (int64_t i = 0; i < workers; ++i) {
    s->workers.push_back({{*s->rule, ranks.size(), block_bytes}, Ok()});
  }
}

// All that a run with a contribution of this size needs. Ranks have batches of
// one size as a rule: another rank's other size is met in a run only.
Status PrepareRows(UpdateState* s, const ProductDims& dims) {
  if (s->rows == 0) return Ok();
  for (Worker& worker : s->workers) {
    for (const int64_t block : {int64_t{0}, s->blocks() - 1}) {
      LS_RETURN_IF_ERROR(worker.rows.Prepare(dims, s->RowsAt(block)));
    }
  }
  return Ok();
}

Status FindDims(PrepareContext& p, UpdateState* s) {
  const auto& ref = p.Attr<FunctionRef>("product");
  const OpDef* def = OpRegistry::Global().Find(ref.name);
  s->rule = def == nullptr ? nullptr : FindProductRule(*def, *ref.attrs);
  if (s->rule == nullptr) return NotFound(ref.name, " makes no rows");
  const Shape& b = p.input_shape(s->update[0].gradient());
  s->mine.whole = p.Attr<bool>("whole");
  s->mine.dims =
      s->mine.whole
          ? ProductDims{.m = b.dim(0), .n = b.dim(1)}
          : s->rule->dims(*ref.attrs, p.input_shape(p.num_inputs() - 1), b);
  return Ok();
}

void RequestScratch(PrepareContext& p, UpdateState* s) {
  const auto bytes = [&](int input) {
    return AlignedSize(static_cast<size_t>(p.input_shape(input).NumElements()) *
                       sizeof(float));
  };
  s->left_at = AlignedSize(sizeof(Contribution));
  s->right_at = s->left_at + (s->mine.whole ? 0 : bytes(p.num_inputs() - 1));
  s->shared_at = s->right_at + bytes(s->update[0].gradient());
  s->workers_at =
      s->shared_at + (s->mine.whole ? 0 : s->rule->shared_bytes(s->dims()));
  for (Worker& w : s->workers) s->worker_bytes = w.rows.FixMemory();
  p.RequestScratch(s->workers_at + s->workers.size() * s->worker_bytes);
}

Status PrepareProductUpdate(PrepareContext& p) {
  LS_RETURN_IF_ERROR(CheckCommunicator(p));
  const Communicator& ranks = *p.resources().Service<Communicator>();
  auto& s = p.MakeState<UpdateState>();
  s.weighted = p.Attr<bool>("weighted");
  s.turns = &TurnsOf(p);
  const auto& ref = p.Attr<FunctionRef>("update");
  LS_ASSIGN_OR_RETURN(InnerUpdate update, InnerUpdate::Find(ref, 0));
  LS_RETURN_IF_ERROR(update.Prepare(p).WithContext(ref.name));
  LS_RETURN_IF_ERROR(FindSlots(p, update, 0, &s.slots));
  LS_RETURN_IF_ERROR(
      PrepareWatch(p, update, p.Attr<bool>("watched"), &s.watch));
  s.update.push_back(std::move(update));
  LS_RETURN_IF_ERROR(FindDims(p, &s));
  const auto size = static_cast<size_t>(ranks.size());
  s.contributions.resize(size);
  s.weights.reserve(size);
  s.slot_arrays.assign(s.slots.size(), std::vector<const void*>(size));
  s.shown.resize(kSlots + s.slots.size());
  CutRows(ranks, &s);
  if (!s.mine.whole) {
    LS_RETURN_IF_ERROR(PrepareRows(&s, s.dims()));
  }
  RequestScratch(p, &s);
  return Ok();
}

// --- Run --------------------------------------------------------------------

// The tensor's array, or a copy at `place` where other ranks do not see it:
// what is fed, for one.
ShownArray Show(const Communicator& ranks, const Tensor& tensor, void* place) {
  const ShownArray array{const_cast<void*>(tensor.data()), tensor.bytes()};
  if (ranks.CanShow(array)) return array;
  std::memcpy(place, array.data, array.bytes);
  return {place, array.bytes};
}

Status ShowArrays(KernelContext& k, const Communicator& ranks, UpdateState* s) {
  char* const scratch = static_cast<char*>(k.scratch());
  const Shape shape{s->dims().m, s->dims().n};
  const auto of_variable = [&](Variable* variable,
                               ShownArray* shown) -> Status {
    Tensor& value = variable->value();
    if (value.shape() != shape) {
      return InvalidArgument("variable '", variable->name(), "' has shape ",
                             value.shape(), ", its gradient ", shape);
    }
    *shown = {value.data(), value.bytes()};
    return Ok();
  };
  LS_RETURN_IF_ERROR(of_variable(&k.variable(0), &s->shown[kVariable]));
  for (size_t i = 0; i < s->slots.size(); ++i) {
    LS_RETURN_IF_ERROR(
        of_variable(s->slots[i].variable, &s->shown[kSlots + i]));
  }
  const Tensor& b = k.input(s->update[0].gradient());
  s->shown[kRight] = Show(ranks, b, scratch + s->right_at);
  s->mine.weight = GradientWeight(k, s->weighted, ranks);
  if (!s->mine.whole) {
    const Tensor& a = k.input(k.num_inputs() - 1);
    s->shown[kLeft] = Show(ranks, a, scratch + s->left_at);
    s->mine.left_out = s->mine.weight == 0
                           ? Zeros::kKept
                           : s->rule->share(s->dims(), a.data(), b.data(),
                                            scratch + s->shared_at);
    s->shown[kShared] = {scratch + s->shared_at,
                         s->rule->shared_bytes(s->dims())};
  }
  s->shown[kContribution] = {new (scratch) Contribution(s->mine),
                             sizeof(Contribution)};
  return Ok();
}

SeenContribution Seen(const Communicator& ranks, int r) {
  SeenContribution seen{
      .said = *static_cast<const Contribution*>(ranks.Shown(r, kContribution)),
      .factors = {.b = ranks.Shown(r, kRight)}};
  if (seen.said.whole) return seen;
  seen.factors.a = ranks.Shown(r, kLeft);
  seen.factors.left_out = seen.said.left_out;
  seen.factors.shared = ranks.Shown(r, kShared);
  return seen;
}

// When all ranks have come: what they show.
Status LearnContributions(const Communicator& ranks, UpdateState* s) {
  s->weights.clear();
  bool weighted = false;
  for (int r = 0; r < ranks.size(); ++r) {
    auto& seen = s->contributions[static_cast<size_t>(r)];
    seen = Seen(ranks, r);
    const Contribution& theirs = seen.said;
    if (theirs.dims.m != s->dims().m || theirs.dims.n != s->dims().n) {
      return InvalidArgument("a gradient of shape ",
                             Shape{theirs.dims.m, theirs.dims.n}, " on rank ",
                             ranks.label(r), ", of shape ",
                             Shape{s->dims().m, s->dims().n}, " on rank ",
                             ranks.label(ranks.rank()));
    }
    s->weights.push_back(theirs.weight);
    weighted = weighted || theirs.weight != 1.0;
    for (size_t i = 0; i < s->slots.size(); ++i) {
      s->slot_arrays[i][static_cast<size_t>(r)] = ranks.Shown(r, kSlots + i);
    }
    if (theirs.IsProduct()) LS_RETURN_IF_ERROR(PrepareRows(s, theirs.dims));
  }
  if (!weighted) s->weights.clear();
  return Ok();
}

// Adds up elements [begin, begin + count) of all ranks' products, which begin
// at the sources, applies them and gives the new values to all.
Status UpdateElements(const Communicator& ranks, UpdateState& s,
                      KernelContext& inner, std::span<const void*> sources,
                      int64_t begin, int64_t count, float* sum) {
  FindReduceKernels(kFloat)->combine(ReduceOp::kSum, sources, s.weights, sum,
                                     count);
  LS_RETURN_IF_ERROR(
      ApplyWatched(s.update[0], inner, begin, count, sum, &s.watch));
  const auto values = [&](int r) {
    return static_cast<float*>(ranks.Shown(r, kVariable)) + begin;
  };
  for (int r = 0; r < ranks.size(); ++r) {
    if (r == ranks.rank()) continue;
    std::memcpy(values(r), values(ranks.rank()),
                static_cast<size_t>(count) * sizeof(float));
  }
  return Ok();
}

// The block's elements of this rank's slice.
Status UpdateBlock(const Communicator& ranks, UpdateState& s,
                   KernelContext& inner, ContributedRows* made, int64_t block,
                   char* memory) {
  const int64_t row = s.row + block * s.most_rows, rows = s.RowsAt(block);
  const int64_t first = row * s.dims().n, last = first + rows * s.dims().n;
  LS_RETURN_IF_ERROR(made->Make(s.contributions, row, rows, memory));
  const int64_t end = std::min(s.slice.end, last);
  int64_t count = 0, before = first;
  for (int64_t at = std::max(s.slice.begin, first); at < end; at += count) {
    count = std::min(kFirstCache, end - at);
    for (const void*& source : made->sources()) {
      source = static_cast<const float*>(source) + (at - before);
    }
    before = at;
    LS_RETURN_IF_ERROR(
        UpdateElements(ranks, s, inner, made->sources(), at, count,
                       reinterpret_cast<float*>(memory) + (at - first)));
  }
  return Ok();
}

Status UpdateSlice(KernelContext& k, UpdateState* s) {
  const Communicator& ranks = *k.resources().Service<Communicator>();
  LS_RETURN_IF_ERROR(LearnContributions(ranks, s));
  const auto workers = static_cast<int64_t>(s->workers.size());
  const KernelContext inner = s->update[0].Context(k);
  ParallelFor(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      Worker& worker = s->workers[static_cast<size_t>(w)];
      worker.done = Ok();
      KernelContext own(inner);
      char* memory = static_cast<char*>(k.scratch()) + s->workers_at +
                     static_cast<size_t>(w) * s->worker_bytes;
      for (int64_t b = s->blocks() * w / workers;
           b < s->blocks() * (w + 1) / workers && worker.done.ok(); ++b) {
        worker.done = UpdateBlock(ranks, *s, own, &worker.rows, b, memory);
      }
    }
  });
  for (const Worker& worker : s->workers) LS_RETURN_IF_ERROR(worker.done);
  return Ok();
}

Status UpdateCpu(KernelContext& k) {
  auto& s = k.state<UpdateState>();
  Communicator& ranks = *k.resources().Service<Communicator>();
  const int64_t count = s.dims().m * s.dims().n;
  auto* slices = k.resources().Service<SlotSlices>();
  const SlotSlices::Division all{.first = 0, .total = count};
  s.watch.Begin(all);
  for (const SlotOf& of : s.slots) slices->Divide(of.variable, of.slot, all);
  LS_RETURN_IF_ERROR(ShowArrays(k, ranks, &s));
  // The two references fit into a std::function without an allocation.
  LS_RETURN_IF_ERROR(ranks.WorkTogether(
      s.shown, count, kFloat, [&k, &s] { return UpdateSlice(k, &s); },
      CollectiveOptions(k)));
  LS_RETURN_IF_ERROR(EndWatch(k, s.update[0], &s.watch));
  if (!s.weighted) TellNewValues(k, s.update, (*s.turns)++);
  for (size_t i = 0; i < s.slots.size(); ++i) {
    NoteSlot(k, s.slots[i], ranks.size(),
             [&](int r) { return s.slot_arrays[i][static_cast<size_t>(r)]; });
  }
  return Ok();
}

LOCKSTEP_OP("_ProductUpdate")
    .Input("inputs: Tin")
    .Attr("Tin: list(type) >= 1")
    .Attr("update: func")
    .Attr("watched: bool")
    .Attr("product: func")
    .Attr("whole: bool")
    .Attr("weighted: bool")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.synchronizes = true; })
    .Kernel(kCpu, {UpdateCpu, PrepareProductUpdate});

// As many as this rank's own product has: its slice of all ranks'.
double UpdateFlops(const Node& node, double unknown) {
  if (node.Attr<bool>("whole")) return 0;
  const OpDef* update =
      OpRegistry::Global().Find(node.Attr<FunctionRef>("update").name);
  if (update == nullptr) return 0;
  const Output b = node.input(update->traits.applies_gradient);
  return 2 * KnownElements(b.shape(), unknown) *
         KnownDim(node.input(0).shape(), 0, unknown);
}
LOCKSTEP_FLOPS("_ProductUpdate", UpdateFlops);

}  // namespace
}  // namespace lockstep
