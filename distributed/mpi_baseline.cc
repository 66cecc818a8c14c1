// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_baseline.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <vector>

#include "distributed/backoff.h"
#include "distributed/mpi_runtime.h"
#include "runtime/core/simd.h"

namespace lockstep {
namespace {

constexpr int64_t kLine = 16;  // floats
constexpr int kSpins = 1 << 20;

LS_SIMD_CLONES void AddTwo(float* mine, float* other, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float sum = mine[i] + other[i];
    mine[i] = sum;
    other[i] = sum;
  }
}

LS_SIMD_CLONES void AddTo(float* sum, const float* other, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += other[i];
}

}  // namespace

Status MpiAllReduceBaseline(float* data, int64_t count) {
  LS_MPI(MPI_Allreduce, MPI_IN_PLACE, data, static_cast<int>(count), MPI_FLOAT,
         MPI_SUM, MPI_COMM_WORLD);
  return Ok();
}

struct PlainAllReduce::Shared {
  // In front of each rank's array.
  struct alignas(64) Head {
    std::atomic<uint64_t> step{0};
  };

  ~Shared() {
    if (window != MPI_WIN_NULL) MPI_Win_free(&window);
  }
  Status Allocate(int64_t most);
  void Meet() {
    heads[static_cast<size_t>(rank)]->step.store(++step,
                                                 std::memory_order_release);
    for (const Head* head : heads) {
      Backoff backoff(kSpins);
      while (head->step.load(std::memory_order_acquire) < step) backoff.Pause();
    }
  }

  // The same byte in all processes, which map whole pages.
  static Head* Aligned(void* base) {
    const auto at = reinterpret_cast<std::uintptr_t>(base);
    return reinterpret_cast<Head*>((at + alignof(Head) - 1) / alignof(Head) *
                                   alignof(Head));
  }

  MPI_Win window = MPI_WIN_NULL;
  int rank = 0;
  uint64_t step = 0;
  std::vector<Head*> heads;
  std::vector<float*> arrays;
};

Status PlainAllReduce::Shared::Allocate(int64_t most) {
  MPI_Comm node = MPI_COMM_NULL;
  LS_MPI(MPI_Comm_split_type, MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0,
         MPI_INFO_NULL, &node);
  int here = 0, all = 0;
  LS_MPI(MPI_Comm_size, node, &here);
  LS_MPI(MPI_Comm_size, MPI_COMM_WORLD, &all);
  LS_MPI(MPI_Comm_rank, node, &rank);
  if (here != all) {
    MPI_Comm_free(&node);
    return FailedPrecondition(here, " of ", all,
                              " ranks share this machine's memory");
  }
  const int64_t floats = (most + kLine - 1) / kLine * kLine;
  const MPI_Aint bytes =
      2 * sizeof(Head) + static_cast<size_t>(floats) * sizeof(float);
  void* mine = nullptr;
  const int code =
      MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, node, &mine, &window);
  if (code == MPI_SUCCESS) {
    for (int r = 0; r < all; ++r) {
      MPI_Aint size = 0;
      int unit = 0;
      void* base = nullptr;
      LS_MPI(MPI_Win_shared_query, window, r, &size, &unit, &base);
      Head* head = Aligned(base);
      if (r == rank) new (head) Head;
      heads.push_back(head);
      arrays.push_back(reinterpret_cast<float*>(heads.back() + 1));
    }
    LS_MPI(MPI_Barrier, node);
  }
  MPI_Comm_free(&node);
  return MpiStatus(code, "MPI_Win_allocate_shared");
}

PlainAllReduce::PlainAllReduce(std::unique_ptr<Shared> shared)
    : shared_(std::move(shared)) {}
PlainAllReduce::~PlainAllReduce() = default;

Result<std::unique_ptr<PlainAllReduce>> PlainAllReduce::Create(int64_t most) {
  auto shared = std::make_unique<Shared>();
  LS_RETURN_IF_ERROR(shared->Allocate(most));
  return std::unique_ptr<PlainAllReduce>(new PlainAllReduce(std::move(shared)));
}

float* PlainAllReduce::data() const {
  return shared_->arrays[static_cast<size_t>(shared_->rank)];
}

void PlainAllReduce::Sum(int64_t count) {
  Shared& s = *shared_;
  const auto ranks = static_cast<int64_t>(s.arrays.size());
  const auto border = [&](int64_t r) {
    return std::min(count, (count * r / ranks + kLine - 1) / kLine * kLine);
  };
  const int64_t begin = border(s.rank), size = border(s.rank + 1) - begin;
  float* mine = data() + begin;
  s.Meet();
  if (ranks == 2) {
    AddTwo(mine, s.arrays[static_cast<size_t>(1 - s.rank)] + begin, size);
  } else {
    for (const float* other : s.arrays) {
      if (other != data()) AddTo(mine, other + begin, size);
    }
    for (float* other : s.arrays) {
      if (other != data()) std::copy_n(mine, size, other + begin);
    }
  }
  s.Meet();
}

}  // namespace lockstep
