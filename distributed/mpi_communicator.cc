// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_communicator.h"

#include <algorithm>
#include <cstring>

#include "distributed/mpi_transport.h"
#include "distributed/segment_communicator.h"

namespace lockstep {
namespace {

constexpr size_t kDefaultChunkBytes = 1 << 20;
constexpr size_t kWidestElement = 16;

// Memory that calls given up at a deadline may still read and write.
struct Staging {
  Staging(size_t chunk, int size)
      : send(chunk),
        receive(chunk),
        counts(static_cast<size_t>(size)),
        offsets(static_cast<size_t>(size)),
        receive_counts(static_cast<size_t>(size)),
        receive_offsets(static_cast<size_t>(size)) {}
  std::vector<std::byte> send;
  std::vector<std::byte> receive;
  std::vector<int> counts, offsets, receive_counts, receive_offsets;
  MpiPacket packet;  // of a message
};

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(int rank, int size, std::shared_ptr<MpiRuntime> runtime,
                  MPI_Comm comm, size_t chunk_bytes)
      : Communicator(rank, size),
        chunk_bytes_(chunk_bytes),
        staging_(std::make_shared<Staging>(chunk_bytes, size)),
        sources_(static_cast<size_t>(size)),
        transport_(
            std::move(runtime), comm, rank, size,
            [this](int r) { return label(r); }, [this] { return status(); },
            [this](const Status& why) { (void)Adopt(why); }),
        between_machines_(
            static_cast<int>(transport_.runtime().node_masks().size()) < size) {
  }
  ~MpiCommunicator() override {
    if (failed()) transport_.runtime().KeepUntilEnd(staging_);
  }
  std::string_view backend() const override { return "mpi"; }
  bool between_machines() const override { return between_machines_; }
  size_t buffer_bytes() const override { return 2 * chunk_bytes_; }

 protected:
  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update) override;
  Status DoReduceScatter(const CollectiveCall& call, const void* in,
                         void* out) override;
  Status DoAllGather(const CollectiveCall& call, const void* in,
                     void* out) override;
  Status DoBroadcast(const CollectiveCall& call, void* data) override;
  Status DoSend(const CollectiveCall& call, const void* data) override;
  Status DoRecv(const CollectiveCall& call, void* data) override;
  Status DoBarrier(const CollectiveCall& call) override;
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>& members,
                                                int new_rank) override;
  void Announce(const Status& why) override { transport_.SendNotices(why); }

 private:
  // All ranks come, and call the same.
  Status Meet(const CollectiveCall& call, const MpiPacket& mine) {
    LS_RETURN_IF_ERROR(transport_.ExchangePackets(call, mine));
    NoteArrival(call);
    return Ok();
  }
  // Whether the call's data travels in the packets.
  static bool FitsInline(const CollectiveCall& call) {
    return call.bytes() <= MpiPacket::kInlineBytes;
  }
  template <class F>
  Status PostAndWait(const CollectiveCall& call, F start,
                     std::vector<int> awaited = {}) {
    MPI_Request request = MPI_REQUEST_NULL;
    LS_RETURN_IF_ERROR(transport_.Post(start, &request));
    return transport_.Wait(call, {&request, 1}, [&] { return awaited; });
  }
  Status ReduceInline(const CollectiveCall& call, std::span<const Piece> pieces,
                      double factor);
  Status ReduceRound(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update, int64_t round,
                     int64_t most);

  const size_t chunk_bytes_;
  std::shared_ptr<Staging> staging_;  // shared: see the destructor
  std::vector<const void*> sources_;  // scratch, one for each rank
  MpiTransport transport_;
  const bool between_machines_;
};

Status MpiCommunicator::DoAllReduce(const CollectiveCall& call,
                                    std::span<const Piece> pieces,
                                    double factor,
                                    const ElementUpdate* update) {
  if (FitsInline(call) && update == nullptr) {
    return ReduceInline(call, pieces, factor);
  }
  LS_RETURN_IF_ERROR(Meet(call, {call.header}));
  const int64_t most = std::max<int64_t>(
      1, static_cast<int64_t>(chunk_bytes_ / call.element_bytes() /
                              static_cast<size_t>(size())));
  const int64_t rounds = RoundsFor(call.header.count, size(), most);
  for (int64_t round = 0; round < rounds; ++round) {
    LS_RETURN_IF_ERROR(ReduceRound(call, pieces, factor, update, round, most));
  }
  return Ok();
}

Status MpiCommunicator::ReduceInline(const CollectiveCall& call,
                                     std::span<const Piece> pieces,
                                     double factor) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const ReduceKernels* kernels = FindReduceKernels(call.dtype());
  MpiPacket mine{call.header};
  GatherPieces(pieces, element, kernels, factor, 0, count, mine.inline_data);
  LS_RETURN_IF_ERROR(Meet(call, mine));
  for (int r = 0; r < size(); ++r) {
    sources_[static_cast<size_t>(r)] = transport_.packet(r).inline_data;
  }
  kernels->combine(call.header.op, sources_, {}, mine.inline_data, count);
  ScatterPieces(pieces, element, 0, count, mine.inline_data);
  return Ok();
}

// Each rank gets its part of the round from all, combines it, and sends it to
// all.
Status MpiCommunicator::ReduceRound(const CollectiveCall& call,
                                    std::span<const Piece> pieces,
                                    double factor, const ElementUpdate* update,
                                    int64_t round, int64_t most) {
  const size_t element = call.element_bytes();
  const ReduceKernels* kernels = FindReduceKernels(call.dtype());
  Staging& s = *staging_;
  const auto part = [&](int r) {
    return RoundOf(SliceOf(call.header.count, r, size()), round, most);
  };
  const Slice mine = part(rank());
  const int64_t n = mine.end - mine.begin;
  int64_t offset = 0;
  for (int r = 0; r < size(); ++r) {
    const auto i = static_cast<size_t>(r);
    const Slice theirs = part(r);
    GatherPieces(pieces, element, kernels, factor, theirs.begin, theirs.end,
                 At(s.send.data(), offset, element));
    s.counts[i] = static_cast<int>(
        static_cast<size_t>(theirs.end - theirs.begin) * element);
    s.offsets[i] = static_cast<int>(static_cast<size_t>(offset) * element);
    s.receive_counts[i] = static_cast<int>(static_cast<size_t>(n) * element);
    s.receive_offsets[i] = r * s.receive_counts[i];
    sources_[i] = s.receive.data() + s.receive_offsets[i];
    offset += theirs.end - theirs.begin;
  }
  LS_RETURN_IF_ERROR(PostAndWait(call, [&](MPI_Request* request) {
    return MPI_Ialltoallv(s.send.data(), s.counts.data(), s.offsets.data(),
                          MPI_BYTE, s.receive.data(), s.receive_counts.data(),
                          s.receive_offsets.data(), MPI_BYTE, transport_.comm(),
                          request);
  }));
  const auto me = static_cast<size_t>(rank());
  std::byte* combined = s.send.data() + s.offsets[me];
  kernels->combine(call.header.op, sources_, {}, combined, n);
  if (update != nullptr) {
    LS_RETURN_IF_ERROR(
        DeliverPieces(pieces, element, mine.begin, mine.end, combined, update));
    CollectOutputs(pieces, element, mine.begin, mine.end, combined);
  }
  LS_RETURN_IF_ERROR(PostAndWait(call, [&](MPI_Request* request) {
    return MPI_Iallgatherv(combined, s.counts[me], MPI_BYTE, s.receive.data(),
                           s.counts.data(), s.offsets.data(), MPI_BYTE,
                           transport_.comm(), request);
  }));
  for (int r = 0; r < size(); ++r) {
    const Slice theirs = part(r);
    ScatterPieces(pieces, element, theirs.begin, theirs.end,
                  s.receive.data() + s.offsets[static_cast<size_t>(r)]);
  }
  return Ok();
}

Status MpiCommunicator::DoReduceScatter(const CollectiveCall& call,
                                        const void* in, void* out) {
  LS_RETURN_IF_ERROR(Meet(call, {call.header}));
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const int64_t step = static_cast<int64_t>(chunk_bytes_ / element /
                                            static_cast<size_t>(size()));
  const ReduceKernels* kernels = FindReduceKernels(call.dtype());
  Staging& s = *staging_;
  for (int64_t begin = 0; begin < count; begin += step) {
    const int64_t n = std::min(count - begin, step);
    const int bytes = static_cast<int>(static_cast<size_t>(n) * element);
    for (int r = 0; r < size(); ++r) {
      std::memcpy(
          At(s.send.data(), r * n, element),
          At(static_cast<const std::byte*>(in), r * count + begin, element),
          static_cast<size_t>(bytes));
      sources_[static_cast<size_t>(r)] = At(s.receive.data(), r * n, element);
    }
    LS_RETURN_IF_ERROR(PostAndWait(call, [&](MPI_Request* request) {
      return MPI_Ialltoall(s.send.data(), bytes, MPI_BYTE, s.receive.data(),
                           bytes, MPI_BYTE, transport_.comm(), request);
    }));
    kernels->combine(call.header.op, sources_, {},
                     At(static_cast<std::byte*>(out), begin, element), n);
  }
  return Ok();
}

Status MpiCommunicator::DoAllGather(const CollectiveCall& call, const void* in,
                                    void* out) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const bool in_packet = FitsInline(call);
  MpiPacket mine{call.header};
  if (in_packet && count > 0) {
    std::memcpy(mine.inline_data, in, static_cast<size_t>(count) * element);
  }
  LS_RETURN_IF_ERROR(Meet(call, mine));
  const auto put = [&](int r, int64_t begin, const void* from, size_t bytes) {
    if (bytes == 0) return;
    std::memcpy(At(static_cast<std::byte*>(out), r * count + begin, element),
                from, bytes);
  };
  if (in_packet) {
    for (int r = 0; r < size(); ++r) {
      put(r, 0, transport_.packet(r).inline_data,
          static_cast<size_t>(count) * element);
    }
    return Ok();
  }
  const int64_t step = static_cast<int64_t>(chunk_bytes_ / element /
                                            static_cast<size_t>(size()));
  Staging& s = *staging_;
  for (int64_t begin = 0; begin < count; begin += step) {
    const int64_t n = std::min(count - begin, step);
    const size_t bytes = static_cast<size_t>(n) * element;
    std::memcpy(s.send.data(),
                At(static_cast<const std::byte*>(in), begin, element), bytes);
    LS_RETURN_IF_ERROR(PostAndWait(call, [&](MPI_Request* request) {
      return MPI_Iallgather(s.send.data(), static_cast<int>(bytes), MPI_BYTE,
                            s.receive.data(), static_cast<int>(bytes), MPI_BYTE,
                            transport_.comm(), request);
    }));
    for (int r = 0; r < size(); ++r) {
      put(r, begin, At(s.receive.data(), r * n, element), bytes);
    }
  }
  return Ok();
}

Status MpiCommunicator::DoBroadcast(const CollectiveCall& call, void* data) {
  const int root = call.header.peer;
  auto* bytes = static_cast<std::byte*>(data);
  const size_t total = call.bytes();
  const bool in_packet = FitsInline(call);
  MpiPacket mine{call.header};
  if (in_packet && rank() == root && total > 0) {
    std::memcpy(mine.inline_data, bytes, total);
  }
  LS_RETURN_IF_ERROR(Meet(call, mine));
  if (in_packet) {
    if (rank() != root && total > 0) {
      std::memcpy(bytes, transport_.packet(root).inline_data, total);
    }
    return Ok();
  }
  Staging& s = *staging_;
  for (size_t begin = 0; begin < total; begin += chunk_bytes_) {
    const size_t n = std::min(total - begin, chunk_bytes_);
    if (rank() == root) std::memcpy(s.send.data(), bytes + begin, n);
    LS_RETURN_IF_ERROR(PostAndWait(call, [&](MPI_Request* request) {
      return MPI_Ibcast(s.send.data(), static_cast<int>(n), MPI_BYTE, root,
                        transport_.comm(), request);
    }));
    if (rank() != root) std::memcpy(bytes + begin, s.send.data(), n);
  }
  return Ok();
}

Status MpiCommunicator::DoSend(const CollectiveCall& call, const void* data) {
  const int to = call.header.peer;
  const auto* bytes = static_cast<const std::byte*>(data);
  const size_t total = call.bytes();
  Staging& s = *staging_;
  s.packet.header = call.header;
  const bool in_packet = FitsInline(call);
  if (in_packet && total > 0) std::memcpy(s.packet.inline_data, bytes, total);
  LS_RETURN_IF_ERROR(PostAndWait(
      call,
      [&](MPI_Request* request) {
        return MPI_Isend(&s.packet, sizeof(s.packet), MPI_BYTE, to,
                         MpiTransport::kMessageTag, transport_.comm(), request);
      },
      {to}));
  if (in_packet) return Ok();
  for (size_t begin = 0; begin < total; begin += chunk_bytes_) {
    const size_t n = std::min(total - begin, chunk_bytes_);
    std::memcpy(s.send.data(), bytes + begin, n);
    LS_RETURN_IF_ERROR(PostAndWait(
        call,
        [&](MPI_Request* request) {
          return MPI_Isend(s.send.data(), static_cast<int>(n), MPI_BYTE, to,
                           MpiTransport::kDataTag, transport_.comm(), request);
        },
        {to}));
  }
  return Ok();
}

Status MpiCommunicator::DoRecv(const CollectiveCall& call, void* data) {
  const int from = call.header.peer;
  auto* bytes = static_cast<std::byte*>(data);
  const size_t total = call.bytes();
  Staging& s = *staging_;
  LS_RETURN_IF_ERROR(PostAndWait(
      call,
      [&](MPI_Request* request) {
        return MPI_Irecv(&s.packet, sizeof(s.packet), MPI_BYTE, from,
                         MpiTransport::kMessageTag, transport_.comm(), request);
      },
      {from}));
  LS_RETURN_IF_ERROR(CheckMessage(from, s.packet.header, rank(), call.header));
  if (FitsInline(call)) {
    if (total > 0) std::memcpy(bytes, s.packet.inline_data, total);
    return Ok();
  }
  for (size_t begin = 0; begin < total; begin += chunk_bytes_) {
    const size_t n = std::min(total - begin, chunk_bytes_);
    LS_RETURN_IF_ERROR(PostAndWait(call,
                                   [&](MPI_Request* request) {
                                     return MPI_Irecv(
                                         s.receive.data(), static_cast<int>(n),
                                         MPI_BYTE, from, MpiTransport::kDataTag,
                                         transport_.comm(), request);
                                   },
                                   {from}));
    std::memcpy(bytes + begin, s.receive.data(), n);
  }
  return Ok();
}

Status MpiCommunicator::DoBarrier(const CollectiveCall& call) {
  return Meet(call, {call.header});
}

Result<std::unique_ptr<Communicator>> MpiCommunicator::DoSplit(
    const std::vector<int>& members, int new_rank) {
  MPI_Comm sub = MPI_COMM_NULL;
  {
    // All ranks have just met in Split's gather: this does not block for long.
    const std::lock_guard<std::mutex> lock(transport_.runtime().mutex());
    LS_MPI(MPI_Comm_split, transport_.comm(), members[0], new_rank, &sub);
  }
  return MakeMpiCommunicator(transport_.shared_runtime(), sub, chunk_bytes_);
}

}  // namespace

Result<std::unique_ptr<Communicator>> MakeMpiCommunicator(
    std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm, size_t chunk_bytes) {
  int rank = 0;
  int size = 1;
  {
    const std::lock_guard<std::mutex> lock(runtime->mutex());
    LS_MPI(MPI_Comm_rank, comm, &rank);
    LS_MPI(MPI_Comm_size, comm, &size);
  }
  const size_t chunk =
      std::max(chunk_bytes > 0 ? chunk_bytes : kDefaultChunkBytes,
               64 * kWidestElement * static_cast<size_t>(size));
  std::unique_ptr<Communicator> made = std::make_unique<MpiCommunicator>(
      rank, size, std::move(runtime), comm, chunk);
  return made;
}

}  // namespace lockstep
