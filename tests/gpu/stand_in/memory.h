// SPDX-License-Identifier: Apache-2.0
#pragma once

// The memory of the GPUs that are stood in for: the host's, so that kernels
// can run on it, but known by range, GPU and kind. Fresh memory is filled with
// ones (NaN as floats), the page behind an allocation and what is freed cannot
// be touched. Thread-safe.
//
//   void* data = TakeMemory(/*device=*/0, bytes, Kind::kPool);
//   if (!Reaches(data, bytes, /*device=*/1)) ...

#include <cstddef>
#include <cstdint>
#include <string>

namespace lockstep::stand_in {

enum class Kind {
  kUnknown,  // pageable memory of the host, or none
  kPinned,
  kMalloc,
  kPool,
  kMapped,  // by cuMemMap
};

struct Block {
  Kind kind = Kind::kUnknown;
  char* data = nullptr;
  size_t bytes = 0;
  int device = 0;
  uint32_t access = 0;  // a bit for each GPU that reaches it
};

// GPUs that there are, and the bytes of each: LOCKSTEP_STAND_IN_GPUS (2) and
// LOCKSTEP_STAND_IN_MIB (4096).
int PhysicalGpus();
size_t GpuBytes();

// Null when there is not so much left.
void* TakeMemory(int device, size_t bytes, Kind kind);
// False when it is not the begin of a live allocation of that kind.
bool GiveMemory(void* data, Kind kind);
size_t BytesInUse(int device);

Block FindBlock(const void* data);
// Memory that CUDA knows.
bool IsKnown(const void* data);
// Whether a GPU's kernels may use the range; if not, `why` says what it is.
bool Reaches(const void* data, size_t bytes, int device,
             std::string* why = nullptr);
// What the driver's virtual memory management is made of; -1: refused.
inline constexpr size_t kGranularity = size_t{2} << 20;
// Physical memory of a GPU: counted only. False when there is none left.
bool Hold(int device, size_t bytes);
void LetGo(int device, size_t bytes);
// Makes mapped memory known, or extends the GPUs that reach it.
void AddMapped(char* data, size_t bytes, int device, uint32_t access);
void RemoveMapped(char* data);

}  // namespace lockstep::stand_in
