// SPDX-License-Identifier: Apache-2.0
#pragma once

// NCCL's names for ours. Internal to distributed/.

#include <nccl.h>

#include "distributed/communicator.h"

namespace lockstep {

inline Status NcclStatus(ncclResult_t result, const char* call) {
  if (result == ncclSuccess || result == ncclInProgress) return Ok();
  return Status(
      result == ncclRemoteError ? Code::kUnavailable : Code::kInternal,
      StrCat(call, ": ", ncclGetErrorString(result)));
}

#define LS_RETURN_IF_NCCL(call) LS_RETURN_IF_ERROR(NcclStatus((call), #call))

// UNIMPLEMENTED for what NCCL does not have.
inline Result<ncclDataType_t> TypeOf(DType dtype) {
  switch (dtype) {
    case kFloat: return ncclFloat32;
    case kDouble: return ncclFloat64;
    case kHalf: return ncclFloat16;
    case kBfloat16: return ncclBfloat16;
    case kInt32: return ncclInt32;
    case kInt64: return ncclInt64;
    case kUint32: return ncclUint32;
    case kUint64: return ncclUint64;
    case kInt8: return ncclInt8;
    case kUint8: return ncclUint8;
    default: return Unimplemented("NCCL does not reduce ", DTypeName(dtype));
  }
}

inline ncclRedOp_t OpOf(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum: return ncclSum;
    case ReduceOp::kMean: return ncclAvg;
    case ReduceOp::kMin: return ncclMin;
    default: return ncclMax;
  }
}

}  // namespace lockstep
