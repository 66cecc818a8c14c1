// SPDX-License-Identifier: Apache-2.0
// NCCL between the ranks of one machine, threads or processes, by memory that
// they share. Communicators do not block: a call is taken up when
// ncclCommGetAsyncError says that it is, and until then there must be no other;
// it waits for its peers on the stream.
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "tests/gpu/stand_in/memory.h"
#include "tests/gpu/stand_in/nccl_segment.h"
#include "tests/gpu/stand_in/numbers.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

size_t BytesOf(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8: return 1;
    case ncclFloat16:
    case ncclBfloat16: return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32: return 4;
    default: return 8;
  }
}

// What a rank does to its elements before the sum, and how they are combined.
struct Reduction {
  ncclRedOp_t op = ncclSum;
  double factor = 1;
};

template <class T>
T Combine(ncclRedOp_t op, T a, T b) {
  if (op == ncclMin) return b < a ? b : a;
  if (op == ncclMax) return a < b ? b : a;
  return static_cast<T>(a + b);
}

// C: the type of the sums.
template <class T, class C = T>
void Reduce(const Reduction& how, const std::vector<const char*>& parts,
            const std::vector<double>& factors, size_t count, void* out) {
  T* const to = static_cast<T*>(out);
  for (size_t i = 0; i < count; ++i) {
    const auto at = [&](size_t rank) {
      T value;
      std::memcpy(&value, parts[rank] + i * sizeof(T), sizeof(T));
      return factors[rank] == 1.0
                 ? static_cast<C>(value)
                 : static_cast<C>(static_cast<double>(value) * factors[rank]);
    };
    C sum = at(0);
    for (size_t r = 1; r < parts.size(); ++r) {
      sum = Combine(how.op, sum, at(r));
    }
    if (how.op == ncclAvg)
      sum = static_cast<C>(sum / static_cast<C>(parts.size()));
    to[i] = static_cast<T>(sum);
  }
}

void ReduceAny(ncclDataType_t type, const Reduction& how,
               const std::vector<const char*>& parts,
               const std::vector<double>& factors, size_t count, void* out) {
  switch (type) {
    case ncclInt8: return Reduce<int8_t>(how, parts, factors, count, out);
    case ncclUint8: return Reduce<uint8_t>(how, parts, factors, count, out);
    case ncclInt32: return Reduce<int32_t>(how, parts, factors, count, out);
    case ncclUint32: return Reduce<uint32_t>(how, parts, factors, count, out);
    case ncclInt64: return Reduce<int64_t>(how, parts, factors, count, out);
    case ncclUint64: return Reduce<uint64_t>(how, parts, factors, count, out);
    case ncclFloat16:
      return Reduce<Half, float>(how, parts, factors, count, out);
    case ncclBfloat16:
      return Reduce<BFloat16, float>(how, parts, factors, count, out);
    case ncclFloat32: return Reduce<float>(how, parts, factors, count, out);
    default: return Reduce<double>(how, parts, factors, count, out);
  }
}

// A call that was made and not taken up yet.
struct Call {
  cudaStream_t stream;
  std::vector<Use> uses;
  Task task;
};

}  // namespace
}  // namespace lockstep::stand_in

struct ncclComm {
  std::shared_ptr<lockstep::stand_in::NcclSegment> segment;
  int device = 0;
  bool ready = false;  // all ranks are there
  std::vector<lockstep::stand_in::Call> calls;
  std::vector<lockstep::stand_in::Reduction> weighted;
  bool in_progress = false;
};

namespace lockstep::stand_in {
namespace {

thread_local int group_depth = 0;
thread_local std::vector<ncclComm_t> grouped;

// Calls of a communicator that has not taken up the last one.
ncclResult_t Busy(const ncclComm& comm, const char* what) {
  if (comm.ready && !comm.in_progress) return ncclSuccess;
  Misuse(StrCat(what, " while NCCL's communicator is busy"));
  return ncclInvalidUsage;
}

bool IsDevice(const void* data, int device) { return Reaches(data, 1, device); }

// What a rank puts where the others see it, and what it makes of all parts.
struct Exchange {
  const void* in;
  size_t in_bytes;
  void* out;
  size_t out_bytes;
  CallOf call;
  std::function<void(const std::vector<const char*>& parts,
                     const std::vector<double>& factors, size_t begin,
                     size_t bytes)>
      take;
};

ncclResult_t Make(ncclComm_t comm, Exchange e, double factor,
                  cudaStream_t stream) {
  if (const ncclResult_t busy = Busy(*comm, "a call"); busy != ncclSuccess) {
    return busy;
  }
  if (CurrentDevice() != comm->device) {
    Misuse("NCCL is called while another GPU is the thread's");
    return ncclInvalidUsage;
  }
  if ((e.in_bytes > 0 && !IsDevice(e.in, comm->device)) ||
      (e.out_bytes > 0 && !IsDevice(e.out, comm->device))) {
    Misuse("NCCL is given memory that is not its GPU's");
    return ncclInvalidArgument;
  }
  comm->calls.push_back({stream,
                         {{e.in, e.in_bytes}, {e.out, e.out_bytes}},
                         [e, factor, segment = comm->segment] {
                           segment->Exchange(e.call, factor, e.in, e.in_bytes,
                                             e.take);
                         }});
  if (group_depth > 0) {
    grouped.push_back(comm);
    return ncclSuccess;
  }
  comm->in_progress = true;
  return ncclInProgress;
}

Reduction ReductionOf(const ncclComm& comm, ncclRedOp_t op) {
  if (op < ncclNumOps) return {op, 1};
  const Reduction& made = comm.weighted[static_cast<size_t>(op - ncclNumOps)];
  if (made.factor != made.factor) Misuse("an operation of NCCL is gone");
  return made;
}

// As all ranks have to have it.
CallOf Head(const char* name, size_t bytes, int type, int op, int peer) {
  CallOf call{};
  std::snprintf(call.name, sizeof(call.name), "%s", name);
  call.bytes = bytes;
  call.type = type;
  call.op = op;
  call.peer = peer;
  call.to = -1;
  return call;
}

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError
             ? "remote process exited or there was a network error"
             : "an error of the stand-in for NCCL";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> made = 0;
  *id = {};
  std::snprintf(id->internal, sizeof(id->internal), "/lockstep_stand_in_%d_%d",
                getpid(), made++);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks,
                                    ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config == nullptr || config->blocking != 0) {
    Misuse("communicators that block are not stood in for");
    return ncclInvalidArgument;
  }
  auto segment = NcclSegment::Open(id.internal, rank, ranks);
  if (segment == nullptr) return ncclSystemError;
  *comm = new ncclComm{.segment = std::move(segment),
                       .device = CurrentDevice(),
                       .calls = {},
                       .weighted = {}};
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  HostWaits();
  comm->ready = comm->segment->AllThere();
  *state = ncclInProgress;
  if (comm->segment->failed()) {
    *state = ncclRemoteError;
  } else if (comm->ready) {
    for (Call& call : comm->calls) {
      (void)EnqueueKernel(call.stream, "a call of NCCL", call.uses,
                          std::move(call.task));
    }
    comm->calls.clear();
    comm->in_progress = false;
    *state = ncclSuccess;
  }
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->segment->Leave();
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return ncclInvalidUsage;
  if (--group_depth > 0 || grouped.empty()) return ncclSuccess;
  for (const ncclComm_t comm : grouped) comm->in_progress = true;
  grouped.clear();
  return ncclInProgress;
}

ncclResult_t ncclRedOpCreatePreMulSum(ncclRedOp_t* op, void* scalar,
                                      ncclDataType_t type,
                                      ncclScalarResidence_t residence,
                                      ncclComm_t comm) {
  if (const ncclResult_t busy = Busy(*comm, "ncclRedOpCreatePreMulSum");
      busy != ncclSuccess) {
    return busy;
  }
  if (residence != ncclScalarHostImmediate) return ncclInvalidArgument;
  const Element element = type == ncclFloat64    ? Element::kDouble
                          : type == ncclFloat16  ? Element::kHalf
                          : type == ncclBfloat16 ? Element::kBfloat16
                                                 : Element::kFloat;
  comm->weighted.push_back({ncclSum, Load<double>(element, scalar, 0)});
  *op = static_cast<ncclRedOp_t>(static_cast<size_t>(ncclNumOps) +
                                 comm->weighted.size() - 1);
  return ncclSuccess;
}
ncclResult_t ncclRedOpDestroy(ncclRedOp_t op, ncclComm_t comm) {
  if (op < ncclNumOps) return ncclInvalidArgument;
  comm->weighted[static_cast<size_t>(op - ncclNumOps)].factor = NAN;
  return Busy(*comm, "ncclRedOpDestroy");
}

ncclResult_t ncclAllReduce(const void* in, void* out, size_t count,
                           ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream) {
  const Reduction how = ReductionOf(*comm, op);
  const size_t each = BytesOf(type), bytes = count * each;
  return Make(
      comm,
      {in, bytes, out, bytes, Head("all-reduce", bytes, type, how.op, 0),
       [=](const auto& parts, const auto& factors, size_t begin, size_t some) {
         ReduceAny(type, how, parts, factors, some / each,
                   static_cast<char*>(out) + begin);
       }},
      how.factor, stream);
}

ncclResult_t ncclReduceScatter(const void* in, void* out, size_t count,
                               ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream) {
  const Reduction how = ReductionOf(*comm, op);
  const size_t each = BytesOf(type), own = count * each;
  const auto rank = static_cast<size_t>(comm->segment->rank());
  const size_t all = own * static_cast<size_t>(comm->segment->ranks());
  return Make(
      comm,
      {in, all, out, own, Head("reduce-scatter", all, type, op, 0),
       [=](const auto& parts, const auto& factors, size_t begin, size_t some) {
         // The part of this piece that is this rank's.
         const size_t from = std::max(begin, rank * own);
         const size_t to = std::min(begin + some, (rank + 1) * own);
         if (from >= to) return;
         std::vector<const char*> mine;
         for (const char* part : parts) mine.push_back(part + (from - begin));
         ReduceAny(type, how, mine, factors, (to - from) / each,
                   static_cast<char*>(out) + (from - rank * own));
       }},
      how.factor, stream);
}

ncclResult_t ncclAllGather(const void* in, void* out, size_t count,
                           ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  const size_t own = count * BytesOf(type);
  const size_t all = own * static_cast<size_t>(comm->segment->ranks());
  return Make(comm,
              {in, own, out, all, Head("all-gather", own, type, 0, 0),
               [=](const auto& parts, const auto&, size_t begin, size_t some) {
                 for (size_t r = 0; r < parts.size(); ++r) {
                   std::memcpy(static_cast<char*>(out) + r * own + begin,
                               parts[r], some);
                 }
               }},
              1, stream);
}

ncclResult_t ncclBroadcast(const void* in, void* out, size_t count,
                           ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  const size_t bytes = count * BytesOf(type);
  const bool gives = comm->segment->rank() == root;
  return Make(comm,
              {gives ? in : nullptr, gives ? bytes : 0, out, bytes,
               Head("broadcast", bytes, type, 0, root),
               [=](const auto& parts, const auto&, size_t begin, size_t some) {
                 std::memmove(static_cast<char*>(out) + begin,
                              parts[static_cast<size_t>(root)], some);
               }},
              1, stream);
}

ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type,
                      int peer, ncclComm_t comm, cudaStream_t stream) {
  const size_t bytes = count * BytesOf(type);
  if (peer == comm->segment->rank()) Misuse("a message of a rank to itself");
  CallOf call = Head("message", bytes, 0, 0, comm->segment->rank());
  call.to = peer;
  return Make(comm, {data, bytes, nullptr, 0, call, {}}, 1, stream);
}
ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  const size_t bytes = count * BytesOf(type);
  CallOf call = Head("message", bytes, 0, 0, peer);
  call.to = comm->segment->rank();
  return Make(comm,
              {nullptr, 0, data, bytes, call,
               [=](const auto& parts, const auto&, size_t begin, size_t some) {
                 std::memcpy(static_cast<char*>(data) + begin,
                             parts[static_cast<size_t>(peer)], some);
               }},
              1, stream);
}

}  // extern "C"
