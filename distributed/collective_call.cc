// SPDX-License-Identifier: Apache-2.0
#include "distributed/collective_call.h"

#include <cstring>

namespace lockstep {
namespace {

std::string_view KindName(CallKind kind) {
  switch (kind) {
    case CallKind::kAllReduce: return "AllReduce";
    case CallKind::kReduceScatter: return "ReduceScatter";
    case CallKind::kReduceSlice: return "ReduceSlice";
    case CallKind::kGatherSlices: return "GatherSlices";
    case CallKind::kWorkTogether: return "WorkTogether";
    case CallKind::kAllGather: return "AllGather";
    case CallKind::kBroadcast: return "Broadcast";
    case CallKind::kBarrier: return "Barrier";
    case CallKind::kSend: return "Send";
    case CallKind::kRecv: return "Recv";
  }
  return "unknown call";
}

uint32_t Fnv1a(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  }
  return hash;
}

bool IsReduction(CallKind kind) {
  return kind == CallKind::kAllReduce || kind == CallKind::kReduceScatter ||
         kind == CallKind::kReduceSlice;
}

constexpr std::string_view kDisagree = "ranks disagree: rank ";

}  // namespace

void CallHeader::SetName(std::string_view full_name) {
  name_hash = Fnv1a(full_name);
  if (full_name.size() >= sizeof(name)) {
    full_name.remove_prefix(full_name.size() - (sizeof(name) - 1));
  }
  std::memset(name, 0, sizeof(name));
  full_name.copy(name, sizeof(name) - 1);
}

std::string_view CallHeader::Verb() const {
  if (kind == CallKind::kSend) return "Send to";
  if (kind == CallKind::kRecv) return "Recv from";
  return KindName(kind);
}

std::string CallHeader::Title() const {
  std::string title(Verb());
  if (kind == CallKind::kSend || kind == CallKind::kRecv) {
    title += StrCat(" rank ", peer);
  }
  if (sequence > 0) title += StrCat(" #", sequence);
  if (name[0] != '\0') {
    title += StrCat(" '", Name(), "'");
  }
  return title;
}

std::string CallHeader::ToString() const {
  std::string text = Title();
  if (kind == CallKind::kBarrier) return text;
  text += StrCat(" of ", count, " ", DTypeName(static_cast<DType>(dtype)));
  if (IsReduction(kind)) text += StrCat(" (", ReduceOpName(op), ")");
  if (kind == CallKind::kBroadcast) text += StrCat(" from rank ", peer);
  if (kind == CallKind::kSend || kind == CallKind::kRecv) {
    text += StrCat(" with tag ", tag);
  }
  return text;
}

bool CallHeader::operator==(const CallHeader& other) const {
  return sequence == other.sequence && count == other.count &&
         kind == other.kind && dtype == other.dtype && op == other.op &&
         peer == other.peer && tag == other.tag && name_hash == other.name_hash;
}

Status DidNotArrive(const CollectiveCall& call, uint64_t now_micros,
                    const std::string& what) {
  const double waited =
      static_cast<double>(now_micros - call.start_micros) * 1e-6;
  return DeadlineExceeded(what, " did not arrive within ", waited, " s");
}

Status CheckAgreement(int rank, const CallHeader& mine, int other_rank,
                      const CallHeader& other) {
  if (mine == other) return Ok();
  return FailedPrecondition(kDisagree, rank, " calls ", mine, ", rank ",
                            other_rank, " calls ", other);
}

bool IsDisagreement(const Status& status) {
  return status.code() == Code::kFailedPrecondition &&
         status.message().find(kDisagree) != std::string::npos;
}

Status CheckMessage(int from, const CallHeader& sent, int to,
                    const CallHeader& wanted) {
  if (sent.count == wanted.count && sent.dtype == wanted.dtype &&
      sent.tag == wanted.tag && sent.name_hash == wanted.name_hash) {
    return Ok();
  }
  return FailedPrecondition("ranks disagree: rank ", from, " calls ", sent,
                            ", rank ", to, " calls ", wanted);
}

}  // namespace lockstep
