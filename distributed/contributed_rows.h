// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of what ranks contribute to a gradient that is summed over them, where
// they show each other its two factors: any rank makes any rows of any
// contribution, with the same bits. Internal to distributed/.
//
// A ContributedRows is used by one thread at a time.
//
//   ContributedRows made(rule, ranks.size(), block_bytes);
//   LS_RETURN_IF_ERROR(made.Prepare(dims, /*rows=*/64));
//   const size_t bytes = made.FixMemory();
//   ...
//   // In a run; `seen` has a contribution for each rank.
//   LS_RETURN_IF_ERROR(made.Make(seen, /*row=*/128, /*rows=*/64, memory));
//   const void* rows_of_rank_1 = made.sources()[1];

#include <memory>
#include <span>
#include <vector>

#include "runtime/core/tensor.h"
#include "runtime/op/product_rule.h"

namespace lockstep {

// What a rank says of its gradient, in memory that all see.
struct Contribution {
  ProductDims dims;
  double weight = 0;   // 0: it has none
  bool whole = false;  // the right factor is the gradient itself
  Zeros left_out = Zeros::kKept;

  bool IsProduct() const { return !whole && weight != 0; }
};

// A contribution and its factors, where this rank sees them.
struct SeenContribution {
  Contribution said;
  ProductFactors factors;
};

class ContributedRows {
 public:
  // Blocks of rows are at most so large.
  ContributedRows(const ProductRule& rule, int ranks, size_t block_bytes);

  // What so many rows of products of this size take; does nothing where they
  // have been prepared before.
  Status Prepare(const ProductDims& dims, int64_t rows);
  // Bytes of memory, aligned to 64, that Make is to be given from now on. What
  // is prepared later and needs more takes it by itself.
  size_t FixMemory();

  // Rows [row, row + rows) of all contributions. A product's are made in
  // `memory`, a block for each rank; those of a whole gradient stay where they
  // are; a rank without a gradient has a block of anything.
  Status Make(std::span<const SeenContribution> seen, int64_t row, int64_t rows,
              char* memory);
  // Where they begin, by rank; for the caller to move on.
  std::span<const void*> sources() { return sources_; }

 private:
  struct Prepared {
    ProductDims dims;
    int64_t rows = 0;
    std::unique_ptr<RowProduct> product;
  };
  RowProduct* Find(const ProductDims& dims, int64_t rows) const;

  const ProductRule* rule_;
  size_t block_bytes_;
  std::vector<Prepared> products_;
  std::vector<const void*> sources_;
  size_t scratch_bytes_ = 0;  // of products, behind the blocks
  bool fixed_ = false;
  Tensor own_;  // scratch where that is too small
};

}  // namespace lockstep
