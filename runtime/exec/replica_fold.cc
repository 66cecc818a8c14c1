// SPDX-License-Identifier: Apache-2.0
// Compiled without contraction of products and sums (see CMakeLists.txt).
#include "runtime/exec/replica_fold.h"

#include "runtime/core/simd.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

constexpr int64_t kGrain = 16384;

template <class T>
LS_SIMD_CLONES void Fold(const T* left, T left_weight, const T* right,
                         T right_weight, T* out, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    out[i] = left[i] * left_weight + right[i] * right_weight;
  }
}

template <class T>
LS_SIMD_CLONES void Weigh(const T* in, T weight, T* out, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) out[i] = in[i] * weight;
}

template <class T>
void FoldAll(const void* left, double left_weight, const void* right,
             double right_weight, void* out, int64_t count) {
  ParallelFor(count, kGrain, [&](int64_t begin, int64_t end) {
    Fold(static_cast<const T*>(left) + begin, static_cast<T>(left_weight),
         static_cast<const T*>(right) + begin, static_cast<T>(right_weight),
         static_cast<T*>(out) + begin, end - begin);
  });
}

template <class T>
void WeighAll(const void* in, double weight, void* out, int64_t count) {
  ParallelFor(count, kGrain, [&](int64_t begin, int64_t end) {
    Weigh(static_cast<const T*>(in) + begin, static_cast<T>(weight),
          static_cast<T*>(out) + begin, end - begin);
  });
}

}  // namespace

void FoldReplicas(DType dtype, const void* left, double left_weight,
                  const void* right, double right_weight, void* out,
                  int64_t count) {
  (dtype == kDouble ? FoldAll<double> : FoldAll<float>)(left, left_weight,
                                                        right, right_weight,
                                                        out, count);
}

void WeighReplica(DType dtype, const void* in, double weight, void* out,
                  int64_t count) {
  (dtype == kDouble ? WeighAll<double> : WeighAll<float>)(in, weight, out,
                                                          count);
}

}  // namespace lockstep
