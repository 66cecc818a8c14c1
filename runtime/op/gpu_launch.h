// SPDX-License-Identifier: Apache-2.0
#pragma once

// How .cu files put work on a stream: Each, a thread for each number, and
// Groups, threads that reduce together. Compiled by another compiler than
// CUDA's the same calls are loops on the host, through which the arithmetic of
// kernels is tested where there is no GPU (gpu_loops.h).
//
//   return Each(k, n, [=] LS_DEVICE(int64_t i) { y[i] = 2 * x[i]; });
//   return Groups(k, rows, columns, [=] LS_DEVICE(int64_t r, const Group& g) {
//     float sum = 0;
//     for (int64_t i = g.lane(); i < columns; i += g.width()) sum += x[i];
//     sum = g.Reduce(sum, Plus());
//     if (g.lane() == 0) y[r] = sum;
//   });

#include <algorithm>
#include <cstdint>

#include "runtime/core/host_device.h"
#include "runtime/op/kernel.h"

#ifdef __CUDACC__
#include <cuda_runtime_api.h>

#include "runtime/device/cuda/cuda_status.h"
#else
#include "runtime/op/gpu_loops.h"
#endif

namespace lockstep::gpu {

struct Plus {
  template <class T>
  LS_HOST_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {  // NaN stays
  template <class T>
  LS_HOST_DEVICE T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

inline constexpr int kThreads = 256;
// Enough to fill any GPU several times; the rest is looped over.
inline constexpr int64_t kMostBlocks = 4096;

// Threads of a warp or of a block, and the memory that they share.
class Group {
 public:
  LS_DEVICE Group(int lane, int width, void* shared)
      : lane_(lane), width_(width), shared_(shared) {}
  LS_DEVICE int lane() const { return lane_; }
  LS_DEVICE int width() const { return width_; }
  // The values of all lanes combined, in an order that the width alone decides;
  // every lane gets the result. All lanes have to call it. T: up to 16 bytes.
  template <class T, class C>
  LS_DEVICE T Reduce(T value, C combine) const {
    static_assert(sizeof(T) <= 16);
    T* const values = static_cast<T*>(shared_);
    values[lane_] = value;
    Wait();
    for (int half = width_ / 2; half > 0; half /= 2) {
      if (lane_ < half) {
        values[lane_] = combine(values[lane_], values[lane_ + half]);
      }
      Wait();
    }
    const T result = values[0];
    Wait();
    return result;
  }

 private:
  LS_DEVICE void Wait() const {
#ifdef __CUDACC__
    if (width_ == 32) {
      __syncwarp();
    } else {
      __syncthreads();
    }
#else
    if (width_ > 1) AwaitLanes();
#endif
  }
  int lane_, width_;
  void* shared_;
};

#ifdef __CUDACC__

template <class F>
__global__ void __launch_bounds__(kThreads) EachKernel(int64_t n, F f) {
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t i = int64_t{kThreads} * blockIdx.x + threadIdx.x; i < n;
       i += step) {
    f(i);
  }
}

template <int kWidth, class F>
__global__ void __launch_bounds__(kThreads) GroupsKernel(int64_t n, F f) {
  __shared__ alignas(16) unsigned char shared[kThreads * 16];
  constexpr int kGroups = kThreads / kWidth;
  const int group = static_cast<int>(threadIdx.x) / kWidth;
  const int lane = static_cast<int>(threadIdx.x) % kWidth;
  const Group g(lane, kWidth, shared + group * kWidth * 16);
  const int64_t step = int64_t{kGroups} * gridDim.x;
  for (int64_t i = int64_t{kGroups} * blockIdx.x + group; i < n; i += step) {
    f(i, g);
  }
}

inline Status Launched() {
  LS_RETURN_IF_CUDA(cudaGetLastError());
  return Ok();
}

template <class F>
Status Each(void* stream, int64_t n, const F& f) {
  if (n <= 0) return Ok();
  const int64_t blocks = std::min((n + kThreads - 1) / kThreads, kMostBlocks);
  EachKernel<<<static_cast<unsigned>(blocks), kThreads, 0,
               static_cast<cudaStream_t>(stream)>>>(n, f);
  return Launched();
}

template <class F>
Status Groups(void* stream, int64_t n, int64_t each, const F& f) {
  if (n <= 0) return Ok();
  const auto on = static_cast<cudaStream_t>(stream);
  if (each <= 256) {
    constexpr int kGroups = kThreads / 32;
    const int64_t blocks = std::min((n + kGroups - 1) / kGroups, kMostBlocks);
    GroupsKernel<32><<<static_cast<unsigned>(blocks), kThreads, 0, on>>>(n, f);
  } else {
    const int64_t blocks = std::min(n, kMostBlocks);
    GroupsKernel<kThreads>
        <<<static_cast<unsigned>(blocks), kThreads, 0, on>>>(n, f);
  }
  return Launched();
}

#else  // loops

template <class F>
Status Each(void* stream, int64_t n, const F& f) {
  if (n <= 0) return Ok();
  return RunLoops(stream, &f, sizeof(f), [n, f] {
    for (int64_t i = 0; i < n; ++i) f(i);
  });
}
template <class F>
Status Groups(void* stream, int64_t n, int64_t each, const F& f) {
  if (n <= 0) return Ok();
  return RunLoops(stream, &f, sizeof(f), [n, each, f] {
    alignas(16) unsigned char shared[kThreads * 16];
    const int width = LanesOf(each <= 256 ? 32 : kThreads);
    for (int64_t i = 0; i < n; ++i) {
      RunLanes(width, [&](int lane) { f(i, Group(lane, width, shared)); });
    }
  });
}

#endif

// f(0) to f(n - 1), in any order.
template <class F>
Status Each(KernelContext& k, int64_t n, const F& f) {
  return Each(k.stream(), n, f);
}
// f(0, group) to f(n - 1, group), each by all threads of a group that has about
// `each` elements to go over.
template <class F>
Status Groups(KernelContext& k, int64_t n, int64_t each, const F& f) {
  return Groups(k.stream(), n, each, f);
}

// Impl::Run<T>(k), for the type T of `dtype` among Ts; INTERNAL when it is none
// of them, which the lists of kernels rule out.
template <class Impl, class... Ts>
Status ForType(DType dtype, KernelContext& k) {
  Status status = Internal("a GPU kernel for ", DTypeName(dtype),
                           " is listed that there is not");
  (void)((DTypeOf<Ts>::value == dtype &&
          (status = Impl::template Run<Ts>(k), true)) ||
         ...);
  return status;
}
// The same for the unsigned integer that is as wide as `dtype`'s elements.
template <class Impl>
Status ForWidth(DType dtype, KernelContext& k) {
  switch (DTypeSize(dtype)) {
    case 1: return Impl::template Run<uint8_t>(k);
    case 2: return Impl::template Run<uint16_t>(k);
    case 4: return Impl::template Run<uint32_t>(k);
    default: return Impl::template Run<uint64_t>(k);
  }
}

}  // namespace lockstep::gpu
