// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a rank says about the call it makes, so that ranks which disagree find
// out before they exchange data. A plain struct: it travels between processes
// as bytes.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "distributed/reduce.h"
#include "runtime/core/dtype.h"
#include "runtime/core/status.h"

namespace lockstep {

enum class CallKind : int32_t {
  kAllReduce,
  kReduceScatter,
  kReduceSlice,
  kGatherSlices,
  kWorkTogether,
  kAllGather,
  kBroadcast,
  kBarrier,
  kSend,
  kRecv,
};

struct CallHeader {
  uint64_t sequence = 0;  // of the communicator's collectives, from 1
  int64_t count = 0;
  CallKind kind = CallKind::kBarrier;
  int32_t dtype = kInvalidType;
  ReduceOp op = ReduceOp::kSum;
  // The root of a broadcast; the other end of Send and Recv; how many ranks
  // have slices.
  int32_t peer = 0;
  int32_t tag = 0;
  uint32_t name_hash = 0;
  char name[64] = {};  // the end of a longer one

  void SetName(std::string_view full_name);
  std::string_view Name() const { return {name, strnlen(name, sizeof(name))}; }
  // "AllReduce", "Send to": static text.
  std::string_view Verb() const;
  // "AllReduce #12 'grads' of 100 float (sum)".
  std::string ToString() const;
  // "AllReduce #12 'grads'".
  std::string Title() const;
  bool operator==(const CallHeader& other) const;
};

struct CollectiveCall {
  CallHeader header;
  uint64_t start_micros = 0;     // of Env::SteadyMicros
  uint64_t deadline_micros = 0;  // never 0
  uint64_t trace_begin = 0;      // of the communicator's trace, if it has one

  DType dtype() const { return static_cast<DType>(header.dtype); }
  size_t element_bytes() const { return DTypeSize(dtype()); }
  size_t bytes() const {
    return static_cast<size_t>(header.count) * element_bytes();
  }
};

// The error of a call whose deadline is over: `what`, ranks or data, is
// missing.
Status DidNotArrive(const CollectiveCall& call, uint64_t now_micros,
                    const std::string& what);
// FAILED_PRECONDITION naming both ranks and both calls unless they are equal.
Status CheckAgreement(int rank, const CallHeader& mine, int other_rank,
                      const CallHeader& other);
// Whether that is the error: it does not say which of the two is wrong.
bool IsDisagreement(const Status& status);
// The same for the two ends of a message.
Status CheckMessage(int from, const CallHeader& sent, int to,
                    const CallHeader& wanted);

}  // namespace lockstep
