// SPDX-License-Identifier: Apache-2.0
#pragma once

// ProductRule: how a kernel that multiplies two matrices makes some rows of the
// product outside its step, for kernels that use up a large product piece by
// piece, gradients above all (see inner_update.h). For authors of kernels.
//
// Rules are registered with the kernel, by its run function, before main, and
// read by any thread.
//
//   const ProductRule* rule = FindProductRule(def, attrs);
//   if (rule == nullptr || !rule->fits(attrs)) ...
//   const ProductDims dims = rule->dims(attrs, a_shape, b_shape);
//   LS_ASSIGN_OR_RETURN(auto rows, rule->make(dims, /*rows=*/64));
//   ...
//   // In a run, once; `shared` has rule->shared_bytes(dims).
//   const Zeros zeros = rule->share(dims, a, b, shared);
//   LS_RETURN_IF_ERROR(
//       rows->Run({a, b, zeros, shared}, /*row=*/128, c, scratch));

#include <memory>

#include "runtime/core/shape.h"
#include "runtime/op/op_def.h"

namespace lockstep {

// c [m, n] = a b, either stored transposed. A plain struct: ranks show theirs
// to each other.
struct ProductDims {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  DType factors = kFloat;  // the type of a and b; c is float
  bool operator==(const ProductDims&) const = default;
};

// What a product leaves out in a run, which its factors' values decide.
enum class Zeros : uint8_t { kKept, kOfLeft, kOfRight };

// A product in a run: its factors, and what all its rows read if zeros are left
// out.
struct ProductFactors {
  const void* a = nullptr;
  const void* b = nullptr;
  Zeros left_out = Zeros::kKept;
  void* shared = nullptr;  // ProductRule's `share` has filled it
};

// So many rows of products of one size. A row has the bits that it has in the
// whole product, whatever the other rows are. Runs on the calling thread; used
// by one thread at a time.
class RowProduct {
 public:
  virtual ~RowProduct() = default;
  // Of working memory, aligned to 64.
  virtual size_t scratch_bytes() const = 0;
  // Rows [row, row + rows) of a b, to c.
  virtual Status Run(const ProductFactors& factors, int64_t row, float* c,
                     void* scratch) = 0;
};

struct ProductRule {
  // Whether the kernel with these attributes makes nothing but the product.
  bool (*fits)(const AttrMap& attrs);
  ProductDims (*dims)(const AttrMap& attrs, const Shape& a, const Shape& b);
  Result<std::unique_ptr<RowProduct>> (*make)(const ProductDims& dims,
                                              int64_t rows);
  // Which zeros are to be left out of this product; makes what its rows share
  // then, in memory of `shared_bytes` that is aligned to 64 and may be read
  // where it is mapped at another address. Uses the team's threads.
  size_t (*shared_bytes)(const ProductDims& dims);
  Zeros (*share)(const ProductDims& dims, const void* a, const void* b,
                 void* shared);
};

void AddProductRule(RunFn kernel, const ProductRule& rule);
// Of the CPU's kernel of an op with these attributes; null when it has none.
const ProductRule* FindProductRule(const OpDef& def, const AttrMap& attrs);

}  // namespace lockstep
