// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/row_product.h"

#include "ops/linalg/matmul_kernel.h"
#include "ops/linalg/skip_zeros.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

Factor Left(const ProductDims& d, const void* a) {
  return Factor::Of(static_cast<const float*>(a), d.m, d.k, d.transpose_a);
}
Factor Right(const ProductDims& d, const void* b) {
  return Factor::Of(static_cast<const float*>(b), d.k, d.n, d.transpose_b);
}

MaySkip MaySkipOf(const ProductDims& d) {
  if (d.factors != kFloat) return {.left = false, .right = false};
  return MaySkipZeros(d.m, d.n, d.k, d.transpose_a);
}

size_t LeaveOutScratch(const ProductDims& d) {
  const MaySkip may = MaySkipOf(d);
  return std::max(may.left ? SkipLeftScratch() : 0,
                  may.right ? SkipRightScratch(d.k) : 0);
}

class DnnlRows final : public RowProduct {
 public:
  DnnlRows(const ProductDims& dims, int64_t rows, DnnlProgram program)
      : dims_(dims), rows_(rows), program_(std::move(program)) {}

  size_t scratch_bytes() const override {
    return std::max(program_.scratch_bytes(), LeaveOutScratch(dims_));
  }
  Status Run(const ProductFactors& factors, int64_t row, float* c,
             void* scratch) override {
    if (dims_.k == 0) {
      std::fill_n(c, rows_ * dims_.n, 0.0f);
      return Ok();
    }
    if (factors.left_out != Zeros::kKept) {
      MultiplyLeavingOut(dims_, factors, row, rows_, c, scratch);
      return Ok();
    }
    const int64_t begin = dims_.transpose_a ? row : row * dims_.k;
    const auto bytes = static_cast<int64_t>(DTypeSize(dims_.factors));
    return program_.Run(
        scratch,
        {static_cast<const char*>(factors.a) + begin * bytes, factors.b, c});
  }

 private:
  const ProductDims dims_;
  const int64_t rows_;
  DnnlProgram program_;
};

bool FitsProduct(const AttrMap& attrs) {
  return GetOr<std::string>(attrs, "activation", "").empty() &&
         GetOr(attrs, "num_args", int64_t{0}) == 0;
}

ProductDims ProductDimsOf(const AttrMap& attrs, const Shape& a,
                          const Shape& b) {
  const bool ta = GetOr(attrs, "transpose_a", false);
  const bool tb = GetOr(attrs, "transpose_b", false);
  return {.m = a.dim(ta ? 1 : 0),
          .n = b.dim(tb ? 0 : 1),
          .k = a.dim(ta ? 0 : 1),
          .transpose_a = ta,
          .transpose_b = tb};
}

[[maybe_unused]] const bool kRegistered = [] {
  AddProductRule(RunMatMul<float>, {.fits = FitsProduct,
                                    .dims = ProductDimsOf,
                                    .make = MakeRowProduct,
                                    .shared_bytes = SharedBytes,
                                    .share = ShareProduct});
  return true;
}();

}  // namespace

Result<std::unique_ptr<RowProduct>> MakeRowProduct(const ProductDims& d,
                                                   int64_t rows) {
  using dnnl::memory;
  const DnnlType type = DnnlTypeOf(d.factors);
  // Parts that run beside each other have a thread each.
  const ThreadsScope one_thread(1);
  std::unique_ptr<RowProduct> made;
  LS_RETURN_IF_ERROR(DnnlGuard("matmul's operands", [&]() -> Status {
    const auto a = DnnlStrided(
        {rows, d.k},
        d.transpose_a ? memory::dims{1, d.m} : memory::dims{d.k, 1}, type);
    const auto b = DnnlStrided(
        {d.k, d.n}, d.transpose_b ? memory::dims{1, d.k} : memory::dims{d.n, 1},
        type);
    const auto c = DnnlStrided({rows, d.n}, {d.n, 1});
    LS_ASSIGN_OR_RETURN(DnnlProgram program,
                        MatMulProgram(a, b, c, nullptr, {}));
    made = std::make_unique<DnnlRows>(d, rows, std::move(program));
    return Ok();
  }));
  return made;
}

size_t SharedBytes(const ProductDims& d) {
  const MaySkip may = MaySkipOf(d);
  return std::max(may.left ? PackedFactor::Bytes(d.n, d.k) : 0,
                  may.right ? ColumnLists::Bytes(d.n, d.k) : 0);
}

Zeros ShareProduct(const ProductDims& d, const void* a, const void* b,
                   void* shared) {
  const MaySkip may = MaySkipOf(d);
  if (!may.left && !may.right) return Zeros::kKept;
  const Factor right = Right(d, b);
  const Zeros zeros = ZerosToLeaveOut(Left(d, a), right, d.m, d.n, d.k, may);
  if (zeros == Zeros::kOfLeft) PackedFactor(shared, d.n, d.k).Pack(right);
  if (zeros == Zeros::kOfRight && !ColumnLists(shared, d.n, d.k).List(right)) {
    return Zeros::kKept;
  }
  return zeros;
}

void MultiplyLeavingOut(const ProductDims& d, const ProductFactors& f,
                        int64_t row, int64_t rows, float* c, void* scratch) {
  const Factor a = Left(d, f.a).From(row, 0);
  if (f.left_out == Zeros::kOfLeft) {
    MultiplySkippingLeft(a, PackedFactor(f.shared, d.n, d.k), rows, d.n, d.k, c,
                         d.n, scratch);
  } else {
    MultiplySkippingRight(a, Right(d, f.b), ColumnLists(f.shared, d.n, d.k),
                          rows, c, scratch);
  }
}

}  // namespace lockstep::detail
