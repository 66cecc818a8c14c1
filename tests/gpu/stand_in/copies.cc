// SPDX-License-Identifier: Apache-2.0
// Memory of pools and of the host, copies and fills. A copy reads what the host
// has in pageable memory when it is called, if that is at most 64 KiB, and else
// when the stream comes to it: a program may rely on neither.
#include <cstring>
#include <mutex>

#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/memory.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

struct CUmemPoolHandle_st {
  int device;
};

namespace lockstep::stand_in {
namespace {

bool OnGpu(const Block& block) {
  return block.kind != Kind::kUnknown && block.kind != Kind::kPinned;
}

// What a copy uses on a GPU; empty when both are the host's. A copy between
// GPUs by an address alone goes through where the memory is cudaMalloc's or
// mapped for both.
cudaError_t UsesOf(const void* to, const void* from, size_t bytes,
                   std::vector<Use>* uses) {
  const Block target = FindBlock(to), source = FindBlock(from);
  if (OnGpu(target) || target.kind == Kind::kPinned) {
    uses->push_back({to, bytes});
  }
  if (OnGpu(source) || source.kind == Kind::kPinned) {
    uses->push_back({from, bytes});
  }
  const bool crosses =
      OnGpu(target) && OnGpu(source) && target.device != source.device;
  if (crosses && (target.access & source.access) == 0 &&
      (target.kind != Kind::kMalloc || source.kind != Kind::kMalloc)) {
    return Noted(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

// Copies use the memory's own GPU, whichever the stream's is.
void CheckUses(const std::vector<Use>& uses, const char* what) {
  for (const Use& use : uses) {
    std::string why;
    if (!Reaches(use.data, use.bytes, FindBlock(use.data).device, &why)) {
      Broke(cudaErrorIllegalAddress, StrCat(what, ": ", why));
    }
  }
}

cudaError_t EnqueueCopy(void* to, const void* from, size_t bytes,
                        std::vector<Use> uses, cudaStream_t stream) {
  constexpr size_t kTakenAlong = size_t{64} << 10;
  CheckUses(uses, "a copy");
  const cudaStream_t on = Resolve(stream);
  std::shared_ptr<std::string> taken;
  if (on != nullptr && on->capture == nullptr && bytes <= kTakenAlong &&
      FindBlock(from).kind == Kind::kUnknown) {
    taken =
        std::make_shared<std::string>(static_cast<const char*>(from), bytes);
  }
  return Enqueue(stream, "a copy", {}, [=, uses = std::move(uses)] {
    CheckUses(uses, "a copy, when it is done");
    if (BrokenBy() != cudaSuccess) return;
    std::memmove(to, taken ? taken->data() : from, bytes);
  });
}

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes,
                            cudaMemcpyKind kind, cudaStream_t stream) {
  if (to == nullptr || from == nullptr) return Noted(cudaErrorInvalidValue);
  const Block target = FindBlock(to), source = FindBlock(from);
  if ((kind == cudaMemcpyHostToDevice && (OnGpu(source) || !OnGpu(target))) ||
      (kind == cudaMemcpyDeviceToHost && (!OnGpu(source) || OnGpu(target)))) {
    Misuse("a copy whose kind is not that of its addresses");
    return Noted(cudaErrorInvalidMemcpyDirection);
  }
  std::vector<Use> uses;
  if (const cudaError_t error = UsesOf(to, from, bytes, &uses);
      error != cudaSuccess) {
    return error;
  }
  return EnqueueCopy(to, from, bytes, std::move(uses), stream);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from,
                                int from_device, size_t bytes,
                                cudaStream_t stream) {
  const Block target = FindBlock(to), source = FindBlock(from);
  if (!OnGpu(target) || !OnGpu(source) || target.device != to_device ||
      source.device != from_device) {
    Misuse("a copy between GPUs of memory that is not theirs");
    return Noted(cudaErrorInvalidValue);
  }
  return EnqueueCopy(to, from, bytes, {{to, bytes}, {from, bytes}}, stream);
}

// Returns before a copy from GPU to GPU is done.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes,
                       cudaMemcpyKind kind) {
  const bool stays = OnGpu(FindBlock(to)) && OnGpu(FindBlock(from));
  const cudaError_t error =
      cudaMemcpyAsync(to, from, bytes, kind, cudaStreamLegacy);
  if (error != cudaSuccess || stays) return error;
  return Await(Resolve(nullptr));
}

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes,
                            cudaStream_t stream) {
  return EnqueueKernel(stream, "cudaMemsetAsync", {{data, bytes}},
                       [=] { std::memset(data, value, bytes); });
}

cudaError_t cudaMallocHost(void** data, size_t bytes) {
  *data = TakeMemory(CurrentDevice(), bytes, Kind::kPinned);
  return Noted(*data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFreeHost(void* data) {
  if (!GiveMemory(data, Kind::kPinned)) {
    Misuse("cudaFreeHost of what cudaMallocHost did not give");
    return Noted(cudaErrorInvalidValue);
  }
  return Noted(BrokenBy());
}
// Of nothing it makes the context, which is always there.
cudaError_t cudaFree(void* data) {
  if (data != nullptr && !GiveMemory(data, Kind::kMalloc)) {
    return Noted(cudaErrorInvalidValue);
  }
  return Noted(BrokenBy());
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool,
                              const cudaMemPoolProps* what) {
  if (what->allocType != cudaMemAllocationTypePinned ||
      what->location.type != cudaMemLocationTypeDevice ||
      what->location.id < 0 || what->location.id >= VisibleGpus()) {
    return Noted(cudaErrorInvalidValue);
  }
  *pool = new CUmemPoolHandle_st{what->location.id};
  return Noted(BrokenBy());
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  delete pool;
  return Noted(BrokenBy());
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr what,
                                    void*) {
  return Noted(what == cudaMemPoolAttrReleaseThreshold ? cudaSuccess
                                                       : cudaErrorInvalidValue);
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  return Noted(BrokenBy());
}

cudaError_t cudaMallocFromPoolAsync(void** data, size_t bytes,
                                    cudaMemPool_t pool, cudaStream_t stream) {
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr || on->device != pool->device) {
    Misuse("memory of a pool on a stream of another GPU");
    return Noted(cudaErrorInvalidValue);
  }
  if (bytes == 0) return Noted(cudaErrorInvalidValue);
  if (on->capture != nullptr) {
    Misuse("allocation while a stream captures is not stood in for");
    return Noted(cudaErrorStreamCaptureUnsupported);
  }
  *data = TakeMemory(pool->device, bytes, Kind::kPool);
  if (*data == nullptr) {
    // What has been given back, but not yet at that place of the stream.
    (void)Await(on);
    *data = TakeMemory(pool->device, bytes, Kind::kPool);
  }
  return Noted(*data == nullptr ? cudaErrorMemoryAllocation : BrokenBy());
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  if (FindBlock(data).kind != Kind::kPool) {
    Misuse("cudaFreeAsync of what a pool did not give");
    return Noted(cudaErrorInvalidValue);
  }
  return Enqueue(stream, "cudaFreeAsync", {{data, 1}}, [data] {
    if (!GiveMemory(data, Kind::kPool)) Misuse("memory is freed twice");
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes,
                                     const void* data) {
  const Block block = FindBlock(data);
  *attributes = {};
  attributes->device = block.device;
  switch (block.kind) {
    case Kind::kUnknown: attributes->type = cudaMemoryTypeUnregistered; break;
    case Kind::kPinned: attributes->type = cudaMemoryTypeHost; break;
    default: attributes->type = cudaMemoryTypeDevice; break;
  }
  return Noted(BrokenBy());
}

}  // extern "C"
