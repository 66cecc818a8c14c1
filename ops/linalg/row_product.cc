// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/row_product.h"

#include "ops/linalg/matmul_kernel.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

class DnnlRows final : public RowProduct {
 public:
  DnnlRows(const ProductDims& dims, int64_t rows, DnnlProgram program)
      : dims_(dims), rows_(rows), program_(std::move(program)) {}

  size_t scratch_bytes() const override {
    return std::max(program_.scratch_bytes(),
                    MayLeaveOutZeros(dims_) ? SkipZerosScratch() : 0);
  }
  Status Run(const void* a, const void* b, int64_t row, bool skip_zeros,
             float* c, void* scratch) override {
    if (dims_.k == 0) {
      std::fill_n(c, rows_ * dims_.n, 0.0f);
      return Ok();
    }
    if (skip_zeros) {
      LeftFactor left = LeftFloats(dims_, a);
      left.data += row * left.row;
      MultiplySkippingZeros(left, static_cast<const float*>(b), c, rows_,
                            dims_.n, dims_.k, scratch);
      return Ok();
    }
    const int64_t begin = dims_.transpose_a ? row : row * dims_.k;
    const auto bytes = static_cast<int64_t>(DTypeSize(dims_.factors));
    return program_.Run(scratch,
                        {static_cast<const char*>(a) + begin * bytes, b, c});
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
                                    .skips_zeros = LeavesOutZeros});
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

bool MayLeaveOutZeros(const ProductDims& d) {
  return d.factors == kFloat && !d.transpose_b && MaySkipZeros(d.m, d.n, d.k);
}

LeftFactor LeftFloats(const ProductDims& d, const void* a) {
  return LeftFactor::Of(static_cast<const float*>(a), d.m, d.k, d.transpose_a);
}

bool LeavesOutZeros(const ProductDims& d, const void* a, const void* b) {
  return MayLeaveOutZeros(d) &&
         SkippingZerosPays(LeftFloats(d, a), static_cast<const float*>(b), d.m,
                           d.n, d.k);
}

}  // namespace lockstep::detail
