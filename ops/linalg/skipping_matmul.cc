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
  const MaySkip may = MaySkipZeros(d.m, d.n, d.k, d.transpose_a);
  return d.batch.rank() == 0 && (may.left || may.right);
}

void SkippingMatMul::Prepare(const MatMulDims& d,
                             const MatMulEpilogue& epilogue) {
  dims_ = d;
  relu_ = epilogue.relu;
  may_ = MaySkipZeros(d.m, d.n, d.k, d.transpose_a);
  const auto threads = static_cast<int64_t>(Threads());
  size_t left = 0, right = 0;
  if (may_.left) {
    halves_ = !d.transpose_b && d.m * d.n <= kMostInHalves ? 2 : 1;
    by_columns_ = d.transpose_b && d.n >= threads * kMinColumns;
    blocks_ = std::min((threads + halves_ - 1) / halves_,
                       by_columns_ ? threads : (d.m + kMinRows - 1) / kMinRows);
    workers_ = std::min(threads, halves_ * blocks_);
    if (halves_ == 2) {
      other_bytes_ =
          AlignedSize(static_cast<size_t>(d.m * d.n) * sizeof(float));
    }
    left = other_bytes_ + static_cast<size_t>(workers_) * SkipLeftScratch();
  }
  if (may_.right) {
    right_workers_ = std::min(threads, PartsOf(d.m));
    lists_bytes_ = ColumnLists::Bytes(d.n, d.k);
    right = lists_bytes_ +
            static_cast<size_t>(right_workers_) * SkipRightScratch(d.k);
  }
  scratch_bytes_ = std::max(left, right);
}

SkippingMatMul::Task SkippingMatMul::TaskAt(int64_t index) const {
  const MatMulDims& d = dims_;
  const int64_t half = index / blocks_, block = index % blocks_;
  Task t{.upper = half == 1,
         .row = 0,
         .rows = d.m,
         .column = 0,
         .columns = d.n,
         .inner = d.k * half / halves_,
         .inners = 0};
  t.inners = d.k * (half + 1) / halves_ - t.inner;
  if (by_columns_) {
    t.column = VectorsOf(d.n) * block / blocks_ * kLanes;
    t.columns = std::min(d.n, VectorsOf(d.n) * (block + 1) / blocks_ * kLanes) -
                t.column;
  } else {
    t.row = d.m * block / blocks_;
    t.rows = d.m * (block + 1) / blocks_ - t.row;
  }
  return t;
}

void SkippingMatMul::SkipLeft(const Factor& a, const Factor& b, float* c,
                              float* other, char* memory) const {
  const int64_t tasks = halves_ * blocks_;
  ParallelFor(workers_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      void* own = memory + static_cast<size_t>(w) * SkipLeftScratch();
      for (int64_t i = tasks * w / workers_; i < tasks * (w + 1) / workers_;
           ++i) {
        const Task t = TaskAt(i);
        MultiplySkippingLeft(a.From(t.row, t.inner), b.From(t.inner, t.column),
                             t.rows, t.columns, t.inners,
                             (t.upper ? other : c) + t.row * dims_.n + t.column,
                             dims_.n, own);
      }
    }
  });
}

void SkippingMatMul::SkipRight(const Factor& a, const Factor& b,
                               const ColumnLists& lists, float* c,
                               char* memory) const {
  const int64_t vectors = VectorsOf(dims_.m);
  ParallelFor(right_workers_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      const int64_t row = vectors * w / right_workers_ * kLanes;
      const int64_t last =
          std::min(dims_.m, vectors * (w + 1) / right_workers_ * kLanes);
      MultiplySkippingRight(
          a.From(row, 0), b, lists, last - row, c + row * dims_.n,
          memory + static_cast<size_t>(w) * SkipRightScratch(dims_.k));
    }
  });
}

bool SkippingMatMul::Run(const float* left, const float* right,
                         const float* bias, float* c, void* scratch) const {
  if (!may_.left && !may_.right) return false;
  const MatMulDims& d = dims_;
  const Factor a = Factor::Of(left, d.m, d.k, d.transpose_a);
  const Factor b = Factor::Of(right, d.k, d.n, d.transpose_b);
  char* const memory = static_cast<char*>(scratch);
  float* other = nullptr;
  switch (ZerosToLeaveOut(a, b, d.m, d.n, d.k, may_)) {
    case Zeros::kKept: return false;
    case Zeros::kOfLeft:
      if (halves_ == 2) other = static_cast<float*>(scratch);
      SkipLeft(a, b, c, other, memory + other_bytes_);
      break;
    case Zeros::kOfRight:
      ColumnLists lists(scratch, d.n, d.k);
      if (!lists.List(b)) return false;
      SkipRight(a, b, lists, c, memory + lists_bytes_);
      break;
  }
  FinishProduct(d, other, bias, relu_, c);
  return true;
}

}  // namespace lockstep::detail
