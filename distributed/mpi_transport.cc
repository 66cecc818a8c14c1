// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_transport.h"

#include <algorithm>

#include "distributed/backoff.h"
#include "distributed/process_state.h"
#include "runtime/core/env.h"

namespace lockstep {
namespace {

// What a rank sent before it left may arrive after the notice.
constexpr uint64_t kGraceMicros = 500'000;

}  // namespace

MpiTransport::MpiTransport(std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm,
                           int rank, int size, std::function<int(int)> label,
                           std::function<Status()> failed,
                           std::function<void(const Status&)> adopt)
    : runtime_(std::move(runtime)),
      comm_(comm),
      rank_(rank),
      size_(size),
      label_(std::move(label)),
      failed_(std::move(failed)),
      adopt_(std::move(adopt)),
      packets_(static_cast<size_t>(size)),
      requests_(2 * static_cast<size_t>(size), MPI_REQUEST_NULL),
      left_at_micros_(static_cast<size_t>(size), 0),
      spins_(SpinsFor(static_cast<int>(runtime_->node_masks().size()),
                      CountProcessors(runtime_->node_masks()))) {}

MpiTransport::~MpiTransport() {
  const Status failure = failed_();
  if (failure.ok()) {
    SendNotices(Ok());
    return;
  }
  runtime_->NoteFailure();
  // Calls given up may still write to these.
  runtime_->KeepUntilEnd(
      std::make_shared<std::vector<MpiPacket>>(std::move(packets_)));
}

Status MpiTransport::Wait(const CollectiveCall& call,
                          std::span<MPI_Request> requests,
                          const std::function<std::vector<int>()>& awaited) {
  Backoff backoff(spins_);
  while (true) {
    int done = 0;
    {
      const std::lock_guard<std::mutex> lock(runtime_->mutex());
      LS_MPI(MPI_Testall, static_cast<int>(requests.size()), requests.data(),
             &done, MPI_STATUSES_IGNORE);
    }
    if (done != 0) return Ok();
    if (backoff.Pause()) LS_RETURN_IF_ERROR(CheckPeers(call, awaited()));
  }
}

Status MpiTransport::ExchangePackets(const CollectiveCall& call,
                                     const MpiPacket& mine) {
  const Status failure = failed_();
  LS_RETURN_IF_ERROR(failure);
  LS_RETURN_IF_ERROR(ReadNotices());
  packets_[static_cast<size_t>(rank_)] = mine;
  const auto receive = [&](int r) -> MPI_Request& {
    return requests_[static_cast<size_t>(r)];
  };
  {
    const std::lock_guard<std::mutex> lock(runtime_->mutex());
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      LS_MPI(MPI_Irecv, &packets_[static_cast<size_t>(r)], sizeof(MpiPacket),
             MPI_BYTE, r, kPacketTag, comm_, &receive(r));
      LS_MPI(MPI_Isend, &packets_[static_cast<size_t>(rank_)],
             sizeof(MpiPacket), MPI_BYTE, r, kPacketTag, comm_,
             &requests_[static_cast<size_t>(size_ + r)]);
    }
  }
  const auto awaited = [&] {
    const std::lock_guard<std::mutex> lock(runtime_->mutex());
    std::vector<int> late;
    for (int r = 0; r < size_; ++r) {
      int done = 1;
      MPI_Request_get_status(receive(r), &done, MPI_STATUS_IGNORE);
      if (done == 0) late.push_back(r);
    }
    return late;
  };
  LS_RETURN_IF_ERROR(Wait(call, requests_, awaited));
  LS_RETURN_IF_ERROR(ReadNotices());  // others gave up before we came
  for (int r = 0; r < size_; ++r) {
    LS_RETURN_IF_ERROR(CheckAgreement(label_(rank_), call.header, label_(r),
                                      packet(r).header));
  }
  return Ok();
}

std::string MpiTransport::Describe(const std::vector<int>& ranks) const {
  std::vector<std::string> parts;
  for (const int r : ranks) parts.push_back(StrCat("rank ", label_(r)));
  return Join(parts, ", ");
}

Status MpiTransport::CheckPeers(const CollectiveCall& call,
                                const std::vector<int>& awaited) {
  LS_RETURN_IF_ERROR(failed_());
  LS_RETURN_IF_ERROR(ReadNotices());
  const uint64_t now = Env::Default()->SteadyMicros();
  std::vector<int> gone;
  for (int r = 0; r < size_; ++r) {
    const uint64_t left_at = left_at_micros_[static_cast<size_t>(r)];
    const bool expected =
        awaited.empty() || std::ranges::find(awaited, r) != awaited.end();
    if (expected && left_at != 0 && now > left_at + kGraceMicros) {
      gone.push_back(r);
    }
  }
  if (!gone.empty()) return Unavailable(Describe(gone), " has left the job");
  if (now < call.deadline_micros) return Ok();
  return DidNotArrive(call, now,
                      awaited.empty() ? "the data" : Describe(awaited));
}

Status MpiTransport::ReadNotices() {
  while (true) {
    Notice notice;
    {
      const std::lock_guard<std::mutex> lock(runtime_->mutex());
      int there = 0;
      MPI_Status status;
      LS_MPI(MPI_Iprobe, MPI_ANY_SOURCE, kNoticeTag, comm_, &there, &status);
      if (there == 0) return Ok();
      // It is here already, so this does not block.
      LS_MPI(MPI_Recv, &notice, sizeof(notice), MPI_BYTE, status.MPI_SOURCE,
             kNoticeTag, comm_, MPI_STATUS_IGNORE);
    }
    if (notice.code == static_cast<int32_t>(Code::kOk)) {
      left_at_micros_[static_cast<size_t>(notice.rank)] =
          Env::Default()->SteadyMicros();
      continue;
    }
    notice.message[sizeof(notice.message) - 1] = '\0';
    adopt_(Status(static_cast<Code>(notice.code), notice.message));
    return failed_();
  }
}

void MpiTransport::SendNotices(const Status& why) {
  auto notice = std::make_shared<Notice>();
  notice->code = static_cast<int32_t>(why.code());
  notice->rank = rank_;
  why.message().copy(notice->message, sizeof(notice->message) - 1);
  runtime_->KeepUntilEnd(notice);
  const std::lock_guard<std::mutex> lock(runtime_->mutex());
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    MPI_Request request = MPI_REQUEST_NULL;
    // An error here has nobody left to be told.
    if (MPI_Isend(notice.get(), sizeof(Notice), MPI_BYTE, r, kNoticeTag, comm_,
                  &request) == MPI_SUCCESS) {
      MPI_Request_free(&request);
    }
  }
}

}  // namespace lockstep
