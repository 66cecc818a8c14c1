// SPDX-License-Identifier: Apache-2.0
#pragma once

// LS_SIMD_CLONES before a function (a plain loop over arrays) compiles it for
// AVX-512, AVX2 and the baseline, and picks at load time. Sanitizer builds
// compile the baseline only: their run-time is not up when resolvers run. So
// does CUDA's compiler, which knows no clones.
//
//   LS_SIMD_CLONES
//   void ScaleRange(float* y, const float* x, float a, int64_t n) {
//     for (int64_t i = 0; i < n; ++i) y[i] = a * x[i];
//   }

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(LOCKSTEP_TSAN) && !defined(__CUDACC__)
#define LS_SIMD_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LS_SIMD_CLONES
#endif
