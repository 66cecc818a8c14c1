// SPDX-License-Identifier: Apache-2.0
// Addresses are reserved for the arena's limit; physical memory is created and
// mapped behind what there is already as it grows. These are calls of the
// driver, found as the program runs: it starts on machines without one.
#include <cuda.h>

#include <vector>

#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

struct Driver {
  decltype(&cuMemAddressReserve) reserve = nullptr;
  decltype(&cuMemAddressFree) free = nullptr;
  decltype(&cuMemCreate) create = nullptr;
  decltype(&cuMemRelease) release = nullptr;
  decltype(&cuMemMap) map = nullptr;
  decltype(&cuMemUnmap) unmap = nullptr;
  decltype(&cuMemSetAccess) set_access = nullptr;
  decltype(&cuMemGetAllocationGranularity) granularity = nullptr;
  decltype(&cuGetErrorString) error_string = nullptr;
};

template <class F>
Status Find(const char* name, F* function) {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found;
  LS_RETURN_IF_CUDA(cudaGetDriverEntryPointByVersion(
      name, &entry, 12000, cudaEnableDefault, &found));
  if (found != cudaDriverEntryPointSuccess || entry == nullptr) {
    return Unavailable("the CUDA driver has no ", name);
  }
  *function = reinterpret_cast<F>(entry);
  return Ok();
}

Result<Driver> FindDriver() {
  Driver d;
  LS_RETURN_IF_ERROR(Find("cuMemAddressReserve", &d.reserve));
  LS_RETURN_IF_ERROR(Find("cuMemAddressFree", &d.free));
  LS_RETURN_IF_ERROR(Find("cuMemCreate", &d.create));
  LS_RETURN_IF_ERROR(Find("cuMemRelease", &d.release));
  LS_RETURN_IF_ERROR(Find("cuMemMap", &d.map));
  LS_RETURN_IF_ERROR(Find("cuMemUnmap", &d.unmap));
  LS_RETURN_IF_ERROR(Find("cuMemSetAccess", &d.set_access));
  LS_RETURN_IF_ERROR(Find("cuMemGetAllocationGranularity", &d.granularity));
  LS_RETURN_IF_ERROR(Find("cuGetErrorString", &d.error_string));
  return d;
}

class CudaArena final : public Arena {
 public:
  CudaArena(int index, const Driver& driver, CUdeviceptr base, size_t limit,
            size_t granularity, size_t reserved)
      : Arena(reinterpret_cast<char*>(base), limit),
        index_(index),
        driver_(driver),
        address_(base),
        granularity_(granularity),
        reserved_(reserved) {}
  ~CudaArena() override {
    const CudaDeviceScope scope(index_);
    // Nothing may still be at work in it.
    (void)cudaDeviceSynchronize();
    size_t at = 0;
    for (const Part& part : parts_) {
      (void)driver_.unmap(address_ + at, part.bytes);
      (void)driver_.release(part.handle);
      at += part.bytes;
    }
    (void)driver_.free(address_, reserved_);
  }

 protected:
  Status Extend(size_t bytes) override {
    if (bytes <= mapped_) return Ok();
    const CudaDeviceScope scope(index_);
    LS_RETURN_IF_ERROR(scope.status());
    const size_t more =
        (bytes - mapped_ + granularity_ - 1) / granularity_ * granularity_;
    CUmemAllocationProp what = Properties(index_);
    CUmemGenericAllocationHandle handle = 0;
    CUresult error = driver_.create(&handle, more, &what, 0);
    if (error != CUDA_SUCCESS) return Refused(error, "cuMemCreate", more);
    const CUdeviceptr at = address_ + mapped_;
    error = driver_.map(at, more, 0, handle, 0);
    if (error == CUDA_SUCCESS) {
      CUmemAccessDesc access{};
      access.location = what.location;
      access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
      error = driver_.set_access(at, more, &access, 1);
      if (error != CUDA_SUCCESS) (void)driver_.unmap(at, more);
    }
    if (error != CUDA_SUCCESS) {
      (void)driver_.release(handle);
      return Refused(error, "cuMemMap", more);
    }
    parts_.push_back({handle, more});
    mapped_ += more;
    return Ok();
  }

 public:
  static CUmemAllocationProp Properties(int index) {
    CUmemAllocationProp what{};
    what.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    what.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    what.location.id = index;
    return what;
  }

 private:
  struct Part {
    CUmemGenericAllocationHandle handle;
    size_t bytes;
  };

  Status Refused(CUresult error, const char* call, size_t bytes) const {
    const char* text = nullptr;
    (void)driver_.error_string(error, &text);
    return Status(error == CUDA_ERROR_OUT_OF_MEMORY ? Code::kResourceExhausted
                                                    : Code::kInternal,
                  StrCat("GPU ", index_, ": ", call, " of ", bytes,
                         " bytes: ", text != nullptr ? text : "unknown error"));
  }

  const int index_;
  const Driver driver_;
  const CUdeviceptr address_;
  const size_t granularity_;
  const size_t reserved_;
  size_t mapped_ = 0;
  std::vector<Part> parts_;
};

}  // namespace

Result<std::unique_ptr<Arena>> MakeCudaArena(int index, size_t limit) {
  const CudaDeviceScope scope(index);
  LS_RETURN_IF_ERROR(scope.status());
  // Makes the context.
  LS_RETURN_IF_CUDA(cudaFree(nullptr));
  LS_ASSIGN_OR_RETURN(const Driver driver, FindDriver());
  const CUmemAllocationProp what = CudaArena::Properties(index);
  size_t granularity = 0;
  if (driver.granularity(&granularity, &what,
                         CU_MEM_ALLOC_GRANULARITY_MINIMUM) != CUDA_SUCCESS ||
      granularity == 0) {
    return Internal("GPU ", index, " has no virtual memory management");
  }
  const size_t reserved = (limit + granularity - 1) / granularity * granularity;
  CUdeviceptr base = 0;
  if (driver.reserve(&base, reserved, granularity, 0, 0) != CUDA_SUCCESS) {
    return ResourceExhausted("GPU ", index, ": no addresses for an arena of ",
                             reserved, " bytes");
  }
  return std::unique_ptr<Arena>(std::make_unique<CudaArena>(
      index, driver, base, limit, granularity, reserved));
}

}  // namespace lockstep
