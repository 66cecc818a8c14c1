// SPDX-License-Identifier: Apache-2.0
#include "distributed/contributed_rows.h"

#include <algorithm>

#include "runtime/core/allocator.h"

namespace lockstep {

ContributedRows::ContributedRows(const ProductRule& rule, int ranks,
                                 size_t block_bytes)
    : rule_(&rule),
      block_bytes_(block_bytes),
      sources_(static_cast<size_t>(ranks)) {}

RowProduct* ContributedRows::Find(const ProductDims& dims, int64_t rows) const {
  for (const Prepared& p : products_) {
    if (p.rows == rows && p.dims == dims) return p.product.get();
  }
  return nullptr;
}

Status ContributedRows::Prepare(const ProductDims& dims, int64_t rows) {
  if (Find(dims, rows) != nullptr) return Ok();
  LS_ASSIGN_OR_RETURN(auto product, rule_->make(dims, rows));
  const size_t bytes = AlignedSize(product->scratch_bytes());
  if (!fixed_) {
    scratch_bytes_ = std::max(scratch_bytes_, bytes);
  } else if (bytes > std::max(scratch_bytes_, own_.bytes())) {
    own_ = Tensor(kUint8, Shape{static_cast<int64_t>(bytes)});
  }
  products_.push_back({dims, rows, std::move(product)});
  return Ok();
}

size_t ContributedRows::FixMemory() {
  fixed_ = true;
  return sources_.size() * block_bytes_ + scratch_bytes_;
}

Status ContributedRows::Make(std::span<const SeenContribution> seen,
                             int64_t row, int64_t rows, char* memory) {
  void* const scratch = own_.NumElements() > 0
                            ? own_.data()
                            : memory + sources_.size() * block_bytes_;
  for (size_t r = 0; r < seen.size(); ++r) {
    const auto& [said, factors] = seen[r];
    auto* block = reinterpret_cast<float*>(memory + r * block_bytes_);
    sources_[r] = said.whole
                      ? static_cast<const float*>(factors.b) + row * said.dims.n
                      : block;
    if (!said.IsProduct()) continue;
    LS_RETURN_IF_ERROR(
        Find(said.dims, rows)->Run(factors, row, block, scratch));
  }
  return Ok();
}

}  // namespace lockstep
