// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/split_matmul.h"

#include "runtime/core/allocator.h"
#include "runtime/core/simd.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

constexpr int kParts = 2;
// Below, b is in every cache anyway or the halves are too thin; above, the
// sums of the parts cost more than what they save.
constexpr int64_t kMinElements = 1 << 16, kMinInner = 512, kMinRows = 8;
constexpr int64_t kMaxProduct = 1 << 17;

// Rows of c, each n long.
LS_SIMD_CLONES void FinishRows(float* c, const float* other, const float* bias,
                               bool relu, int64_t rows, int64_t n) {
  for (int64_t i = 0; i < rows; ++i, c += n) {
    if (other != nullptr) {
      for (int64_t j = 0; j < n; ++j) c[j] += other[j];
      other += n;
    }
    if (bias != nullptr) {
      for (int64_t j = 0; j < n; ++j) c[j] += bias[j];
    }
    if (relu) {
      for (int64_t j = 0; j < n; ++j) c[j] = c[j] < 0 ? 0 : c[j];
    }
  }
}

}  // namespace

void FinishProduct(const MatMulDims& d, const float* other, const float* bias,
                   bool relu, float* c) {
  if (other == nullptr && bias == nullptr && !relu) return;
  ParallelFor(d.m, std::max<int64_t>(8192 / d.n, 1),
              [&](int64_t begin, int64_t end) {
                FinishRows(c + begin * d.n,
                           other == nullptr ? nullptr : other + begin * d.n,
                           bias, relu, end - begin, d.n);
              });
}

bool SplitMatMul::Pays(const MatMulDims& d) {
  return Threads() <= kParts && d.batch.rank() == 0 && !d.transpose_b &&
         d.k >= kMinInner && d.m >= kMinRows && d.n * d.k >= kMinElements &&
         d.m * d.n <= kMaxProduct;
}

Status SplitMatMul::Prepare(const MatMulDims& d,
                            const MatMulEpilogue& epilogue) {
  dims_ = d;
  relu_ = epilogue.relu;
  scratch_bytes_ = AlignedSize(static_cast<size_t>(d.m * d.n) * sizeof(float));
  // Parts that run beside each other have a thread each.
  const ThreadsScope one_thread(1);
  for (int part = 0; part < kParts; ++part) {
    const int64_t l = d.k * part / kParts,
                  inner = d.k * (part + 1) / kParts - l;
    Task task{.a = d.transpose_a ? l * d.m : l,
              .b = l * d.n,
              .scratch = scratch_bytes_};
    LS_RETURN_IF_ERROR(DnnlGuard("matmul's operands", [&]() -> Status {
      const auto a = d.transpose_a ? DnnlStrided({d.m, inner}, {1, d.m})
                                   : DnnlStrided({d.m, inner}, {d.k, 1});
      LS_ASSIGN_OR_RETURN(
          task.program,
          MatMulProgram(a, DnnlStrided({inner, d.n}, {d.n, 1}),
                        DnnlStrided({d.m, d.n}, {d.n, 1}), nullptr, {}));
      return Ok();
    }));
    scratch_bytes_ += AlignedSize(task.program.scratch_bytes());
    tasks_.push_back(std::move(task));
  }
  return Ok();
}

Status SplitMatMul::Run(const float* a, const float* b, const float* bias,
                        float* c, void* scratch) {
  float* const other = static_cast<float*>(scratch);
  ParallelFor(
      static_cast<int64_t>(tasks_.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          Task& t = tasks_[static_cast<size_t>(i)];
          t.done = t.program.Run(static_cast<char*>(scratch) + t.scratch,
                                 {a + t.a, b + t.b, i == 0 ? c : other});
        }
      });
  for (const Task& t : tasks_) LS_RETURN_IF_ERROR(t.done);
  FinishProduct(dims_, other, bias, relu_, c);
  return Ok();
}

}  // namespace lockstep::detail
