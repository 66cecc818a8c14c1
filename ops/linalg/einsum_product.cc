// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/einsum_product.h"

#include <numeric>

namespace lockstep {
namespace {

using dnnl::memory;
using Parts = std::array<size_t, 3>;  // labels of batch, rows, columns

// The stride of dimensions that are one, each stepping over all of the next;
// nothing when they are not, or repeat elements. 1 for no dimension.
std::optional<int64_t> OneStride(std::span<const int64_t> dims,
                                 std::span<const int64_t> strides) {
  int64_t stride = 0, extent = 0;
  for (size_t d = dims.size(); d-- > 0;) {
    if (dims[d] == 1) continue;
    if (strides[d] <= 0 || (stride != 0 && strides[d] != extent)) return {};
    if (stride == 0) stride = strides[d];
    extent = dims[d] * strides[d];
  }
  return std::max<int64_t>(stride, 1);
}

// A tensor as [batch..., rows, columns].
struct Matrices {
  memory::dims dims, strides;

  Matrices(const std::vector<int64_t>& labels, const Parts& parts)
      : dims(labels.begin(), labels.begin() + static_cast<int64_t>(parts[0])) {
    const auto count = [&](size_t first, size_t n) {
      const auto begin = labels.begin() + static_cast<int64_t>(first);
      return std::accumulate(begin, begin + static_cast<int64_t>(n), int64_t{1},
                             std::multiplies<>());
    };
    dims.push_back(count(parts[0], parts[1]));
    dims.push_back(count(parts[0] + parts[1], parts[2]));
    strides.assign(dims.size(), 1);
    for (size_t d = dims.size() - 1; d-- > 0;) {
      strides[d] = strides[d + 1] * dims[d + 1];
    }
  }
  int64_t rows() const { return dims[dims.size() - 2]; }
  int64_t columns() const { return dims.back(); }

  // Takes the strides that the labels have, if they make matrices; by columns
  // only where that is allowed.
  bool Place(const std::vector<int64_t>& labels, const std::vector<int64_t>& at,
             const Parts& parts, bool by_columns) {
    const std::span<const int64_t> d(labels), s(at);
    const auto row =
        OneStride(d.subspan(parts[0], parts[1]), s.subspan(parts[0], parts[1]));
    const auto column = OneStride(d.subspan(parts[0] + parts[1]),
                                  s.subspan(parts[0] + parts[1]));
    if (!row || !column) return false;
    memory::dims found;
    for (size_t i = 0; i < parts[0]; ++i) {
      if (labels[i] > 1 && at[i] <= 0) return false;
      found.push_back(labels[i] > 1 ? at[i] : strides[i]);
    }
    const int64_t r = rows() == 1 ? columns() * *column : *row;
    const int64_t c = columns() == 1 ? 1 : *column;
    const bool along = c == 1 && r >= columns();
    const bool across = by_columns && rows() > 1 && r == 1 && c >= rows();
    if (!along && !across) return false;
    found.insert(found.end(), {r, c});
    strides = found;
    return true;
  }
  memory::desc Desc() const { return detail::DnnlStrided(dims, strides); }
};

}  // namespace

bool EinsumProduct::Pays(const EinsumPlan& plan) {
  const detail::MatMulDims& m = plan.matrix();
  return plan.operands().size() > 1 && m.m * m.n > 1 &&
         m.m * m.n * m.k * plan.batches() > detail::kPlainProducts;
}

Status EinsumProduct::Prepare(const EinsumPlan& plan) {
  std::vector<Matrices> all;
  for (const EinsumPlan::Operand& op : plan.operands()) {
    Matrices& m = all.emplace_back(op.kept, op.parts);
    in_place_[all.size() - 1] =
        op.summed.empty() && m.Place(op.kept, op.kept_strides, op.parts, true);
  }
  Matrices& result = all.emplace_back(plan.result_dims(), plan.result_parts());
  in_place_[2] = !plan.diagonal() &&
                 result.Place(plan.result_dims(), plan.result_strides(),
                              plan.result_parts(), false);
  prepared_ = true;
  return detail::DnnlGuard("einsum's operands", [&]() -> Status {
    LS_ASSIGN_OR_RETURN(program_,
                        detail::MatMulProgram(all[0].Desc(), all[1].Desc(),
                                              all[2].Desc(), nullptr, {}));
    return Ok();
  });
}

}  // namespace lockstep
