// SPDX-License-Identifier: Apache-2.0
// _RowExchange: the gradient of some rows of a variable (IndexedSlices), summed
// over the ranks, each weighted as by _GradientExchange.
//   values: one row of the variable's gradient for each index   indices: [n]
//   outputs: the sum's rows, and their indices, ascending, each once
// All ranks gather the rows of all; a row's contributions are added in the
// order of the ranks and, of one rank, in its own.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "distributed/collective_kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status RowShape(ShapeContext& c) {
  Shape values = c.Input(0);
  if (values.HasRank() && values.rank() > 0) values.set_dim(0, kUnknownDim);
  LS_RETURN_IF_ERROR(c.SetOutput(0, values));
  return c.SetOutput(1, Shape{kUnknownDim});
}

struct RowState {
  bool weighted = false;
};

Status PrepareRows(PrepareContext& p) {
  p.MakeState<RowState>().weighted = p.Attr<bool>("weighted");
  return CheckCommunicator(p);
}

// All ranks' rows, in the order of the ranks.
template <class T>
struct Rows {
  int64_t width = 1;
  std::vector<int64_t> indices;
  std::vector<T> values;
};

// Ranks with fewer rows than the most pad theirs.
template <class T, class I>
Result<Rows<T>> GatherRows(KernelContext& k, Communicator& ranks,
                           double weight) {
  const Tensor& values = k.input(0);
  const Tensor& indices = k.input(1);
  const int64_t mine = indices.NumElements();
  Rows<T> rows;
  for (int i = 1; i < values.shape().rank(); ++i) {
    rows.width *= values.shape().dim(i);
  }
  if (values.NumElements() != mine * rows.width) {
    return InvalidArgument("values ", values.shape(), " for indices ",
                           indices.shape());
  }
  const auto size = static_cast<size_t>(ranks.size());
  std::vector<int64_t> counts(size);
  LS_RETURN_IF_ERROR(
      ranks.AllGather(&mine, counts.data(), 1, kInt64, CollectiveOptions(k)));
  const int64_t most = *std::ranges::max_element(counts);
  std::vector<int64_t> my_indices(static_cast<size_t>(most));
  std::copy_n(k.in<I>(1), mine, my_indices.begin());
  std::vector<T> my_values(static_cast<size_t>(most * rows.width));
  FindReduceKernels(DTypeOf<T>::value)
      ->scale(values.data(), weight, my_values.data(), mine * rows.width);
  std::vector<int64_t> all_indices(size * my_indices.size());
  std::vector<T> all_values(size * my_values.size());
  LS_RETURN_IF_ERROR(ranks.AllGather(my_indices.data(), all_indices.data(),
                                     most, kInt64, CollectiveOptions(k)));
  LS_RETURN_IF_ERROR(ranks.AllGather(my_values.data(), all_values.data(),
                                     most * rows.width, DTypeOf<T>::value,
                                     CollectiveOptions(k)));
  for (size_t r = 0; r < size; ++r) {
    const auto first = static_cast<int64_t>(r) * most;
    const auto at = all_indices.begin() + first;
    rows.indices.insert(rows.indices.end(), at, at + counts[r]);
    const auto value = all_values.begin() + first * rows.width;
    rows.values.insert(rows.values.end(), value,
                       value + counts[r] * rows.width);
  }
  return rows;
}

template <class T, class I>
Status ExchangeRows(KernelContext& k) {
  Communicator& ranks = *k.resources().Service<Communicator>();
  LS_ASSIGN_OR_RETURN(
      const Rows<T> rows,
      (GatherRows<T, I>(
          k, ranks, GradientWeight(k, k.state<RowState>().weighted, ranks))));
  // Equal indices stay in their order.
  std::vector<size_t> order(rows.indices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {},
                           [&](size_t i) { return rows.indices[i]; });
  std::vector<size_t> firsts;  // of each index, in `order`
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || rows.indices[order[i]] != rows.indices[order[i - 1]]) {
      firsts.push_back(i);
    }
  }
  Shape shape = k.input(0).shape();
  shape.set_dim(0, static_cast<int64_t>(firsts.size()));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, shape));
  LS_RETURN_IF_ERROR(
      k.AllocateOutput(1, Shape{static_cast<int64_t>(firsts.size())}));
  const auto width = static_cast<size_t>(rows.width);
  for (size_t u = 0; u < firsts.size(); ++u) {
    const size_t end = u + 1 < firsts.size() ? firsts[u + 1] : order.size();
    T* out = k.out<T>(0) + u * width;
    std::fill_n(out, width, T(0.0f));
    for (size_t i = firsts[u]; i < end; ++i) {
      const T* row = rows.values.data() + order[i] * width;
      for (size_t j = 0; j < width; ++j) out[j] = out[j] + row[j];
    }
    k.out<I>(1)[u] = static_cast<I>(rows.indices[order[firsts[u]]]);
  }
  NoteReduced(k);
  return Ok();
}

template <class T>
void AddKernels(OpBuilder& op) {
  const auto constraints = [](DType indices) {
    return std::vector<TypeConstraint>{{"T", DTypeOf<T>::value},
                                       {"Tindices", indices}};
  };
  op.Kernel(kCpu, constraints(kInt32), {ExchangeRows<T, int32_t>, PrepareRows});
  op.Kernel(kCpu, constraints(kInt64), {ExchangeRows<T, int64_t>, PrepareRows});
}

OpBuilder RowExchange() {
  OpBuilder op("_RowExchange");
  op.Input("values: T")
      .Input("indices: Tindices")
      .Output("row_values: T")
      .Output("row_indices: Tindices")
      .Attr("T: {half, bfloat16, float, double}")
      .Attr("Tindices: {int32, int64}")
      .Attr("weighted: bool")
      .Shape(RowShape)
      .NoGradient()
      .Stateful()
      .With([](OpTraits& t) { t.synchronizes = true; });
  AddKernels<Half>(op);
  AddKernels<BFloat16>(op);
  AddKernels<float>(op);
  AddKernels<double>(op);
  return op;
}

const OpRegistrar kRowExchange(RowExchange());

}  // namespace
}  // namespace lockstep
