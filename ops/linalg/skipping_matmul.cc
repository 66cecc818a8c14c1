// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/skipping_matmul.h"

#include "runtime/core/allocator.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

constexpr int64_t kMostInHalves = 1 << 17;  // elements of c
constexpr int64_t kMinRows = 16;            // of a block

}  // namespace

bool SkippingMatMul::May(const MatMulDims& d) {
  return d.batch.rank() == 0 && !d.transpose_b && MaySkipZeros(d.m, d.n, d.k);
}

void SkippingMatMul::Prepare(const MatMulDims& d,
                             const MatMulEpilogue& epilogue) {
  dims_ = d;
  relu_ = epilogue.relu;
  halves_ = d.m * d.n <= kMostInHalves ? 2 : 1;
  const int64_t wanted = (Threads() + halves_ - 1) / halves_;
  blocks_ = std::min(wanted, (d.m + kMinRows - 1) / kMinRows);
  workers_ = std::min<int64_t>(Threads(), halves_ * blocks_);
  other_bytes_ =
      halves_ == 1
          ? 0
          : AlignedSize(static_cast<size_t>(d.m * d.n) * sizeof(float));
  scratch_bytes_ =
      other_bytes_ + static_cast<size_t>(workers_) * SkipZerosScratch();
}

bool SkippingMatMul::Pays(const float* a, const float* b) const {
  return halves_ != 0 &&
         SkippingZerosPays(Left(a), b, dims_.m, dims_.n, dims_.k);
}

void SkippingMatMul::RunTask(int64_t task, LeftFactor a, const float* b,
                             float* c, void* scratch) const {
  const MatMulDims& d = dims_;
  const int64_t half = task / blocks_, block = task % blocks_;
  const int64_t row = d.m * block / blocks_, inner = d.k * half / halves_;
  a.data += row * a.row + inner * a.step;
  MultiplySkippingZeros(a, b + inner * d.n, c + row * d.n,
                        d.m * (block + 1) / blocks_ - row, d.n,
                        d.k * (half + 1) / halves_ - inner, scratch);
}

void SkippingMatMul::Run(const float* a, const float* b, const float* bias,
                         float* c, void* scratch) const {
  char* const memory = static_cast<char*>(scratch);
  float* const other = halves_ == 1 ? nullptr : static_cast<float*>(scratch);
  const int64_t tasks = halves_ * blocks_;
  ParallelFor(workers_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      void* own =
          memory + other_bytes_ + static_cast<size_t>(w) * SkipZerosScratch();
      for (int64_t t = tasks * w / workers_; t < tasks * (w + 1) / workers_;
           ++t) {
        RunTask(t, Left(a), b, t < blocks_ ? c : other, own);
      }
    }
  });
  FinishProduct(dims_, other, bias, relu_, c);
}

}  // namespace lockstep::detail
