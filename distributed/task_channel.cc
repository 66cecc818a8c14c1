// SPDX-License-Identifier: Apache-2.0
#include "distributed/task_channel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "distributed/communicator.h"
#include "distributed/outbox.h"

namespace lockstep {
namespace {

// Goes ahead of a value whose shape the receiver does not know.
struct ValueHeader {
  int64_t dtype = 0;
  int64_t rank = 0;
  std::array<int64_t, Shape::kMaxRank> dims{};
  int64_t bytes = 0;  // of the value as it travels
};

constexpr std::string_view kAgreement = "agreement about a plan";

// What a task says to task 0 about its plan, and what task 0 answers.
struct Report {
  PlanDigest digest;
  int32_t code = 0;  // kOk: the plan was made
  char message[1020] = {};

  static Report Of(const PlanDigest& digest, const Status& status) {
    Report report{.digest = digest,
                  .code = static_cast<int32_t>(status.code())};
    status.message().copy(report.message, sizeof(report.message) - 1);
    return report;
  }
  Status status() const {
    return code == 0 ? Ok() : Status(static_cast<Code>(code), message);
  }
};

// Strings one after the other, each behind its length.
std::string Pack(const Tensor& strings) {
  std::string packed;
  for (const std::string& s : strings.flat<std::string>()) {
    const auto size = static_cast<uint64_t>(s.size());
    packed.append(reinterpret_cast<const char*>(&size), sizeof(size));
    packed += s;
  }
  return packed;
}

Status Unpack(std::string_view packed, Tensor* strings) {
  for (std::string& s : strings->flat<std::string>()) {
    uint64_t size = 0;
    if (packed.size() < sizeof(size)) return Internal("a string is missing");
    std::memcpy(&size, packed.data(), sizeof(size));
    packed.remove_prefix(sizeof(size));
    if (packed.size() < size) return Internal("a string is cut short");
    s = packed.substr(0, size);
    packed.remove_prefix(size);
  }
  return packed.empty() ? Ok() : Internal("more came than the strings");
}

// What differs, in the words of the message.
std::string_view Difference(const PlanDigest& a, const PlanDigest& b) {
  if (a.signature != b.signature) return "what they feed, fetch or run";
  if (a.feeds != b.feeds) return "the dtypes or shapes of the feeds";
  if (a.graph != b.graph) return "the graph";
  return "the placement";
}

class CommunicatorChannel final : public TaskChannel {
 public:
  // inboxes[r] is for messages to rank r alone, so that each is used by one
  // thread of this rank at a time.
  CommunicatorChannel(int rank,
                      std::vector<std::unique_ptr<Communicator>> inboxes)
      : rank_(rank), inboxes_(std::move(inboxes)), outboxes_(inboxes_.size()) {}

  int task() const override { return rank_; }
  int tasks() const override { return static_cast<int>(inboxes_.size()); }

  Status Send(const TaskMessage& to, const Tensor& value) override;
  Status Recv(const TaskMessage& from, Tensor* value) override;
  Status SendAny(const TaskMessage& to, const Tensor& value) override;
  Result<Tensor> RecvAny(const TaskMessage& from, DType dtype) override;
  Status StartRun() override;
  Status Agree(const PlanDigest& digest, const Status& mine) override;
  void Abort(const Status& why) override {
    for (auto& inbox : inboxes_) inbox->Abort(why);
  }

 private:
  Communicator& Mine() { return *inboxes_[static_cast<size_t>(rank_)]; }
  // The first failure of any of the communicators.
  Status status() const {
    for (const auto& inbox : inboxes_) LS_RETURN_IF_ERROR(inbox->status());
    return Ok();
  }
  Status Post(const TaskMessage& to, const void* data, int64_t count,
              DType dtype);
  Status Take(const TaskMessage& from, void* data, int64_t count, DType dtype);
  Status SendReport(int to, const Report& report);
  Status Compare(const Report& own);

  const int rank_;
  std::vector<std::unique_ptr<Communicator>> inboxes_;
  // By rank, made when first needed; they go before the inboxes.
  std::vector<std::unique_ptr<Outbox>> outboxes_;
};

Status CommunicatorChannel::Post(const TaskMessage& to, const void* data,
                                 int64_t count, DType dtype) {
  LS_RETURN_IF_ERROR(status());
  if (to.peer < 0 || to.peer >= tasks() || to.peer == rank_) {
    return InvalidArgument("task ", rank_, " of ", tasks(),
                           " cannot send to task ", to.peer);
  }
  const auto peer = static_cast<size_t>(to.peer);
  if (!outboxes_[peer]) {
    outboxes_[peer] = std::make_unique<Outbox>(
        *inboxes_[peer], to.peer, [this](const Status& why) { Abort(why); });
  }
  const size_t bytes = static_cast<size_t>(count) * DTypeSize(dtype);
  OutgoingMessage message{.name = std::string(to.name),
                          .dtype = dtype,
                          .count = count,
                          .tag = to.plan,
                          .bytes = outboxes_[peer]->TakeBuffer(bytes)};
  if (bytes > 0) std::memcpy(message.bytes.data(), data, bytes);
  outboxes_[peer]->Post(std::move(message));
  return Ok();
}

Status CommunicatorChannel::Take(const TaskMessage& from, void* data,
                                 int64_t count, DType dtype) {
  LS_RETURN_IF_ERROR(status());
  Status taken =
      Mine().Recv(data, count, dtype, from.peer, from.plan,
                  {.name = from.name, .deadline_micros = from.deadline_micros});
  // An error of one's own arguments has broken nothing.
  if (!taken.ok() && !Mine().status().ok()) Abort(taken);
  return taken;
}

Status CommunicatorChannel::Send(const TaskMessage& to, const Tensor& value) {
  return Post(to, value.data(), value.NumElements(), value.dtype());
}

Status CommunicatorChannel::Recv(const TaskMessage& from, Tensor* value) {
  return Take(from, value->data(), value->NumElements(), value->dtype());
}

Status CommunicatorChannel::SendAny(const TaskMessage& to,
                                    const Tensor& value) {
  ValueHeader header{.dtype = value.dtype(), .rank = value.shape().rank()};
  std::ranges::copy(value.shape().dims(), header.dims.begin());
  std::string packed;
  const void* data = value.data();
  header.bytes = static_cast<int64_t>(value.bytes());
  if (value.dtype() == kString) {
    packed = Pack(value);
    data = packed.data();
    header.bytes = static_cast<int64_t>(packed.size());
  }
  LS_RETURN_IF_ERROR(Post(to, &header, sizeof(header), kUint8));
  return Post(to, data, header.bytes, kUint8);
}

Result<Tensor> CommunicatorChannel::RecvAny(const TaskMessage& from,
                                            DType dtype) {
  ValueHeader header;
  LS_RETURN_IF_ERROR(Take(from, &header, sizeof(header), kUint8));
  if (header.dtype != dtype || header.rank < 0 ||
      header.rank > Shape::kMaxRank || header.bytes < 0) {
    return Internal("'", from.name, "' came with dtype ", header.dtype,
                    " and rank ", header.rank, ", wanted ", DTypeName(dtype));
  }
  LS_ASSIGN_OR_RETURN(
      const Shape shape,
      Shape::Make(
          std::span(header.dims).first(static_cast<size_t>(header.rank))));
  LS_ASSIGN_OR_RETURN(Tensor value, Tensor::Make(dtype, shape));
  if (dtype == kString) {
    std::string packed(static_cast<size_t>(header.bytes), '\0');
    LS_RETURN_IF_ERROR(Take(from, packed.data(), header.bytes, kUint8));
    LS_RETURN_IF_ERROR(Unpack(packed, &value));
    return value;
  }
  if (static_cast<size_t>(header.bytes) != value.bytes()) {
    return Internal("'", from.name, "' of shape ", shape, " came with ",
                    header.bytes, " bytes");
  }
  LS_RETURN_IF_ERROR(Take(from, value.data(), header.bytes, kUint8));
  return value;
}

Status CommunicatorChannel::StartRun() {
  for (auto& outbox : outboxes_) {
    if (outbox) outbox->WaitUntilEmpty();
  }
  return status();
}

Status CommunicatorChannel::SendReport(int to, const Report& report) {
  return Post({.peer = to, .name = kAgreement}, &report, sizeof(report),
              kUint8);
}

// Task 0: what all tasks are to return.
Status CommunicatorChannel::Compare(const Report& own) {
  Status verdict =
      own.status().ok() ? Ok() : own.status().WithContext("[rank 0]");
  for (int r = 1; r < tasks(); ++r) {
    Report report;
    LS_RETURN_IF_ERROR(
        Take({.peer = r, .name = kAgreement}, &report, sizeof(report), kUint8));
    const Status theirs = report.status();
    if (!theirs.ok()) {
      verdict.Update(theirs.WithContext(StrCat("[rank ", r, "]")));
    } else if (own.code == 0 && !(report.digest == own.digest)) {
      verdict.Update(FailedPrecondition(
          "all ranks have to build the same graph and make the same runs: "
          "ranks 0 and ",
          r, " differ in ", Difference(own.digest, report.digest)));
    }
  }
  return verdict;
}

Status CommunicatorChannel::Agree(const PlanDigest& digest,
                                  const Status& mine) {
  const Report own = Report::Of(digest, mine);
  Status verdict;
  Status talked;
  if (rank_ == 0) {
    verdict = Compare(own);
    const Report answer = Report::Of({}, verdict);
    for (int r = 1; r < tasks(); ++r) talked.Update(SendReport(r, answer));
  } else {
    Report answer;
    talked = SendReport(0, own);
    talked.Update(
        Take({.peer = 0, .name = kAgreement}, &answer, sizeof(answer), kUint8));
    verdict = answer.status();
  }
  // One's own error says more than that of another rank, or that one is gone.
  if (!mine.ok()) return mine;
  talked.Update(verdict);
  return talked;
}

}  // namespace

Result<std::shared_ptr<TaskChannel>> MakeTaskChannel(Communicator& ranks) {
  std::vector<std::unique_ptr<Communicator>> inboxes;
  for (int r = 0; r < ranks.size(); ++r) {
    LS_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> inbox,
                        ranks.Split(0, ranks.rank(), {.name = "tasks"}));
    inboxes.push_back(std::move(inbox));
  }
  std::shared_ptr<TaskChannel> channel =
      std::make_shared<CommunicatorChannel>(ranks.rank(), std::move(inboxes));
  return channel;
}

Status UseTasks(Communicator& ranks, SessionOptions* session,
                std::vector<Fact> declared) {
  LS_ASSIGN_OR_RETURN(std::shared_ptr<TaskChannel> channel,
                      MakeTaskChannel(ranks));
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> agreement,
                      ranks.Split(0, ranks.rank(), {.name = "agreement"}));
  // The channel's communicators, one for each rank, are made as this one is.
  session->communication_bytes +=
      agreement->buffer_bytes() * static_cast<size_t>(1 + ranks.size());
  CheckAgreement(std::move(agreement), std::move(declared), session);
  session->task = ranks.rank();
  session->tasks = ranks.size();
  session->services.push_back(
      [channel = std::move(channel)](SessionResources& resources) {
        resources.SetService<TaskChannel>(channel);
      });
  return Ok();
}

}  // namespace lockstep
