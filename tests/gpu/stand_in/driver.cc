// SPDX-License-Identifier: Apache-2.0
// The driver's virtual memory management.
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <mutex>

#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/memory.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

struct Physical {
  int device;
  size_t bytes;
  int users;  // the handle itself and what is mapped
};
struct Mapping {
  size_t bytes;
  CUmemGenericAllocationHandle handle;
  uint32_t access = 0;
};
struct State {
  std::mutex mutex;
  std::map<CUdeviceptr, size_t> reserved;
  std::map<CUdeviceptr, Mapping> mapped;
  std::map<CUmemGenericAllocationHandle, Physical> physical;
  CUmemGenericAllocationHandle next = 1;

  State() {
    CheckAtExit([] {
      State& s = Get();
      return s.physical.empty() && s.reserved.empty()
                 ? std::string()
                 : StrCat(s.reserved.size(), " ranges of addresses and ",
                          s.physical.size(), " of memory are left over");
    });
  }
  static State& Get() {
    static auto& state = *new State;
    return state;
  }

  // Whether a range is inside of one that was reserved.
  bool IsReserved(CUdeviceptr at, size_t bytes) const {
    const auto after = reserved.upper_bound(at);
    if (after == reserved.begin()) return false;
    const auto& [begin, size] = *std::prev(after);
    return at + bytes <= begin + size;
  }
  void Drop(CUmemGenericAllocationHandle handle) {
    const auto at = physical.find(handle);
    if (--at->second.users > 0) return;
    LetGo(at->second.device, at->second.bytes);
    physical.erase(at);
  }
};

char* Pointer(CUdeviceptr address) { return reinterpret_cast<char*>(address); }
bool IsWhole(size_t bytes) { return bytes > 0 && bytes % kGranularity == 0; }

bool IsOfGpu(const CUmemAllocationProp& what) {
  return what.type == CU_MEM_ALLOCATION_TYPE_PINNED &&
         what.location.type == CU_MEM_LOCATION_TYPE_DEVICE &&
         what.location.id >= 0 && what.location.id < VisibleGpus();
}

CUresult Granularity(size_t* bytes, const CUmemAllocationProp* what,
                     CUmemAllocationGranularity_flags) {
  if (!IsOfGpu(*what)) return CUDA_ERROR_INVALID_VALUE;
  *bytes = kGranularity;
  return CUDA_SUCCESS;
}

CUresult Reserve(CUdeviceptr* address, size_t bytes, size_t alignment,
                 CUdeviceptr, unsigned long long flags) {
  if (!IsWhole(bytes) || flags != 0 || (alignment & (alignment - 1)) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // Some more, to begin at a multiple; the rest is given back.
  void* const raw = mmap(nullptr, bytes + kGranularity, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  const auto from = reinterpret_cast<CUdeviceptr>(raw);
  const CUdeviceptr begin =
      (from + kGranularity - 1) / kGranularity * kGranularity;
  if (begin > from) (void)munmap(raw, begin - from);
  const size_t behind = from + kGranularity - begin;
  if (behind > 0) (void)munmap(Pointer(begin + bytes), behind);
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  s.reserved[begin] = bytes;
  *address = begin;
  return CUDA_SUCCESS;
}

CUresult FreeAddresses(CUdeviceptr address, size_t bytes) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  const auto found = s.reserved.find(address);
  if (found == s.reserved.end() || found->second != bytes) {
    Misuse("cuMemAddressFree of another range than was reserved");
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto mapped = s.mapped.lower_bound(address);
  if (mapped != s.mapped.end() && mapped->first < address + bytes) {
    Misuse("cuMemAddressFree of addresses at which memory is mapped");
    return CUDA_ERROR_INVALID_VALUE;
  }
  s.reserved.erase(found);
  (void)munmap(Pointer(address), bytes);
  return CUDA_SUCCESS;
}

CUresult Create(CUmemGenericAllocationHandle* handle, size_t bytes,
                const CUmemAllocationProp* what, unsigned long long flags) {
  if (!IsWhole(bytes) || !IsOfGpu(*what) || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!Hold(what->location.id, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  *handle = s.next++;
  s.physical[*handle] = {what->location.id, bytes, 1};
  return CUDA_SUCCESS;
}

CUresult Release(CUmemGenericAllocationHandle handle) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.physical.contains(handle)) {
    Misuse("cuMemRelease of no memory");
    return CUDA_ERROR_INVALID_VALUE;
  }
  s.Drop(handle);
  return CUDA_SUCCESS;
}

CUresult Map(CUdeviceptr at, size_t bytes, size_t offset,
             CUmemGenericAllocationHandle handle, unsigned long long flags) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  const auto memory = s.physical.find(handle);
  const auto next = s.mapped.lower_bound(at);
  const bool overlaps =
      (next != s.mapped.end() && next->first < at + bytes) ||
      (next != s.mapped.begin() &&
       std::prev(next)->first + std::prev(next)->second.bytes > at);
  if (memory == s.physical.end() || memory->second.bytes != bytes ||
      at % kGranularity != 0 || offset != 0 || flags != 0 || overlaps ||
      !s.IsReserved(at, bytes)) {
    Misuse("cuMemMap of another size, or at addresses that are not free");
    return CUDA_ERROR_INVALID_VALUE;
  }
  ++memory->second.users;
  s.mapped[at] = {bytes, handle};
  return CUDA_SUCCESS;
}

CUresult Unmap(CUdeviceptr at, size_t bytes) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  const auto found = s.mapped.find(at);
  if (found == s.mapped.end() || found->second.bytes != bytes) {
    Misuse("cuMemUnmap of another range than was mapped");
    return CUDA_ERROR_INVALID_VALUE;
  }
  (void)mmap(Pointer(at), bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  RemoveMapped(Pointer(at));
  s.Drop(found->second.handle);
  s.mapped.erase(found);
  return CUDA_SUCCESS;
}

CUresult SetAccess(CUdeviceptr at, size_t bytes, const CUmemAccessDesc* access,
                   size_t count) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  const auto found = s.mapped.find(at);
  if (found == s.mapped.end() || found->second.bytes != bytes) {
    Misuse("cuMemSetAccess of another range than was mapped");
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool fresh = found->second.access == 0;
  for (size_t i = 0; i < count; ++i) {
    if (access[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        access[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    found->second.access |= 1u << access[i].location.id;
  }
  if (fresh) {
    (void)mprotect(Pointer(at), bytes, PROT_READ | PROT_WRITE);
    std::memset(Pointer(at), 0xff, bytes);
  }
  AddMapped(Pointer(at), bytes, s.physical[found->second.handle].device,
            found->second.access);
  return CUDA_SUCCESS;
}

CUresult ErrorString(CUresult error, const char** text) {
  switch (error) {
    case CUDA_ERROR_OUT_OF_MEMORY: *text = "out of memory"; break;
    case CUDA_ERROR_INVALID_VALUE: *text = "invalid argument"; break;
    default: *text = nullptr; return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" cudaError_t cudaGetDriverEntryPointByVersion(
    const char* name, void** function, unsigned version, unsigned long long,
    cudaDriverEntryPointQueryResult* found) {
  static const std::map<std::string, void*> functions = {
      {"cuMemAddressReserve", reinterpret_cast<void*>(&Reserve)},
      {"cuMemAddressFree", reinterpret_cast<void*>(&FreeAddresses)},
      {"cuMemCreate", reinterpret_cast<void*>(&Create)},
      {"cuMemRelease", reinterpret_cast<void*>(&Release)},
      {"cuMemMap", reinterpret_cast<void*>(&Map)},
      {"cuMemUnmap", reinterpret_cast<void*>(&Unmap)},
      {"cuMemSetAccess", reinterpret_cast<void*>(&SetAccess)},
      {"cuMemGetAllocationGranularity", reinterpret_cast<void*>(&Granularity)},
      {"cuGetErrorString", reinterpret_cast<void*>(&ErrorString)}};
  // All of them are older.
  if (version < 12000) return Noted(cudaErrorInvalidValue);
  const auto at = functions.find(name);
  *function = at == functions.end() ? nullptr : at->second;
  *found = at == functions.end() ? cudaDriverEntryPointSymbolNotFound
                                 : cudaDriverEntryPointSuccess;
  return Noted(BrokenBy());
}
