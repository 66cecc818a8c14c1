// SPDX-License-Identifier: Apache-2.0
// The reductions of SegmentCommunicator.
#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "distributed/segment_communicator.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

// Up to this many bytes every rank combines everything itself: one step less.
// Where arrays may be reduced in place that is better earlier.
constexpr size_t kSmallBytes = 16 * 1024;
constexpr size_t kSmallBytesInPlace = 2 * 1024;
// Elements handled at a time: all ranks' and the result stay in the first-level
// cache.
constexpr int64_t kBlock = 2048;
constexpr int64_t kGrain = 8 * kBlock;  // elements worth a thread
constexpr size_t kMaxRanksInPlace = 256;

}  // namespace

// An AllReduce, or one half of it.
struct SegmentCommunicator::Reduction {
  const CollectiveCall& call;
  std::span<const Piece> pieces;
  double factor = 1;
  const ElementUpdate* update = nullptr;
  std::byte* slice = nullptr;  // of ReduceSlice

  bool halved() const {
    return call.header.kind == CallKind::kReduceSlice ||
           call.header.kind == CallKind::kGatherSlices;
  }
  // How many of `size` ranks combine a slice.
  int Holders(int size) const { return halved() ? call.header.peer : size; }
  Slice SliceFor(int rank, int size) const {
    return SliceOf(count(), rank, Holders(size));
  }
  bool combines() const { return call.header.kind != CallKind::kGatherSlices; }
  bool gives() const { return call.header.kind != CallKind::kReduceSlice; }

  size_t element() const { return call.element_bytes(); }
  int64_t count() const { return call.header.count; }
  ReduceOp op() const { return call.header.op; }
  size_t num_states() const {
    size_t count = 0;
    for (const Piece& piece : pieces) count += piece.state.size();
    return count;
  }
  const ReduceKernels& kernels() const {
    return *FindReduceKernels(call.dtype());
  }
};

Status SegmentCommunicator::DoAllReduce(const CollectiveCall& call,
                                        std::span<const Piece> pieces,
                                        double factor,
                                        const ElementUpdate* update) {
  const Reduction reduction{call, pieces, factor, update, nullptr};
  const size_t bytes = call.bytes();
  const size_t small = group_.bases.empty() ? kSmallBytes : kSmallBytesInPlace;
  if (bytes <= std::min(small, group_.half_bytes) && update == nullptr) {
    return ReduceSmall(reduction);
  }
  return Reduce(reduction);
}

Status SegmentCommunicator::DoReduceSlice(const CollectiveCall& call,
                                          std::span<const Piece> pieces,
                                          double factor, void* slice) {
  return Reduce(
      {call, pieces, factor, nullptr, static_cast<std::byte*>(slice)});
}

Status SegmentCommunicator::DoGatherSlices(const CollectiveCall& call,
                                           std::span<const Piece> pieces) {
  return Reduce({call, pieces});
}

Status SegmentCommunicator::Reduce(const Reduction& reduction) {
  if (!group_.bases.empty()) {
    bool done = false;
    LS_RETURN_IF_ERROR(TryInPlace(reduction, &done));
    if (done) return Ok();
  }
  return ReduceThroughHalves(reduction);
}

// --- In place ---------------------------------------------------------------

// Says where this rank's arrays are. State arrays come first: they have to be
// shared, the others are copied if they are not.
Status SegmentCommunicator::PublishPlaces(const Reduction& reduction) {
  const std::uintptr_t base = group_.bases[static_cast<size_t>(rank())];
  ArrayPlace* table = Table(rank());
  size_t arrays = 0;
  const auto publish = [&](const void* data, const Piece& piece) {
    const size_t bytes = static_cast<size_t>(piece.count) * reduction.element();
    if (arrays == kMaxArrays || !CanShow({const_cast<void*>(data), bytes})) {
      return false;
    }
    table[arrays++] = reinterpret_cast<std::uintptr_t>(data) - base;
    return true;
  };
  for (const Piece& piece : reduction.pieces) {
    for (const void* state : piece.state) {
      if (publish(state, piece)) continue;
      return FailedPrecondition("state of an update that the ranks do not see");
    }
  }
  bool shared = sources_.size() <= kMaxRanksInPlace;
  for (const Piece& piece : reduction.pieces) {
    shared = shared &&
             publish(reduction.combines() ? piece.in : piece.out, piece) &&
             publish(reduction.gives() ? piece.out : piece.in, piece);
  }
  Block(rank()).in_place = shared ? 1 : 0;
  Block(rank()).factor = reduction.factor;
  return Ok();
}

void SegmentCommunicator::LearnStateArrays(size_t count) {
  for (int r = 0; r < size(); ++r) {
    auto& arrays = state_arrays_[static_cast<size_t>(r)];
    arrays.resize(count);
    for (size_t i = 0; i < count; ++i) arrays[i] = ArrayAt(r, Table(r)[i], 0);
  }
}

std::byte* SegmentCommunicator::ArrayAt(int rank, ArrayPlace place,
                                        size_t offset) const {
  return reinterpret_cast<std::byte*>(group_.bases[static_cast<size_t>(rank)] +
                                      place + offset);
}

bool SegmentCommunicator::AllInPlace() const {
  for (int r = 0; r < size(); ++r) {
    if (Block(r).in_place == 0) return false;
  }
  return true;
}

// Calls work(&wrote) when all ranks have said where their arrays are. However
// it ends, no rank leaves while another one still writes to its arrays.
template <class Work>
Status SegmentCommunicator::OnSharedArrays(const CollectiveCall& call,
                                           const Work& work) {
  const uint64_t phase = step_ + 1;
  Status result = Sync(call);
  if (result.ok()) {
    // A rank that gave up has said so before it looked who had arrived.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    result = CheckFailure();
  }
  bool wrote = false;
  if (result.ok()) result = work(&wrote);
  Block(rank()).combined.store(phase, std::memory_order_release);
  if (result.ok() && wrote) result = Sync(call);
  if (result.ok()) return Ok();
  result = Finish(call, result);
  AwaitWriters(phase);
  return result;
}

// `done` when all ranks' arrays are shared.
Status SegmentCommunicator::TryInPlace(const Reduction& reduction, bool* done) {
  LS_RETURN_IF_ERROR(PublishPlaces(reduction));
  return OnSharedArrays(reduction.call, [&](bool* wrote) {
    *done = *wrote = AllInPlace();
    if (reduction.combines()) LearnStateArrays(reduction.num_states());
    return *done ? CombineMine(reduction) : Ok();
  });
}

Status SegmentCommunicator::DoWorkTogether(
    const CollectiveCall& call, std::span<const ShownArray> arrays,
    const std::function<Status()>& work) {
  const std::uintptr_t base = group_.bases[static_cast<size_t>(rank())];
  ArrayPlace* table = Table(rank());
  if (arrays.size() > kMaxArrays ||
      !std::ranges::all_of(arrays, [&](auto& a) { return CanShow(a); })) {
    return FailedPrecondition("an array that the ranks do not see");
  }
  for (const ShownArray& array : arrays) {
    *table++ = reinterpret_cast<std::uintptr_t>(array.data) - base;
  }
  return OnSharedArrays(call, [&](bool* wrote) {
    *wrote = true;
    return work();
  });
}

Status SegmentCommunicator::CombineMine(const Reduction& reduction) {
  bool weighted = false;
  for (int r = 0; r < size(); ++r) {
    factors_[static_cast<size_t>(r)] = Block(r).factor;
    weighted = weighted || Block(r).factor != 1.0;
  }
  const std::span<const double> factors =
      weighted ? factors_ : std::span<const double>();
  const Slice mine = reduction.SliceFor(rank(), size());
  std::mutex mutex;
  Status first;  // guarded by mutex
  ParallelFor(mine.end - mine.begin, kGrain, [&](int64_t begin, int64_t end) {
    const Status s = CombineInPlace(reduction, factors, mine.begin + begin,
                                    mine.begin + end);
    if (s.ok()) return;
    const std::lock_guard<std::mutex> lock(mutex);
    first.Update(s);
  });
  return first;
}

// Elements [begin, end) of all ranks' arrays, to all ranks' arrays. Nobody else
// touches these elements meanwhile.
Status SegmentCommunicator::CombineInPlace(const Reduction& reduction,
                                           std::span<const double> factors,
                                           int64_t begin, int64_t end) const {
  const size_t element = reduction.element();
  const ReduceKernels& kernels = reduction.kernels();
  const auto ranks = static_cast<size_t>(size());
  const size_t states = reduction.num_states();
  const bool plain_sum =
      ranks == 2 && factors.empty() && reduction.op() == ReduceOp::kSum &&
      reduction.update == nullptr && kernels.add_both != nullptr;
  std::array<const void*, kMaxRanksInPlace> sources;
  alignas(64) std::byte block[kBlock * kMaxReducedBytes];
  std::byte* slice = reduction.slice;
  if (slice != nullptr) {
    slice =
        At(slice, begin - reduction.SliceFor(rank(), size()).begin, element);
  }
  Status first;
  ForEachPart(reduction.pieces, begin, end, kBlock, [&](const Part& part) {
    if (!first.ok()) return;
    const size_t offset = static_cast<size_t>(part.begin) * element;
    const size_t bytes = static_cast<size_t>(part.count) * element;
    const size_t number = states + 2 * part.piece;
    const auto output = [&](int r) {
      return ArrayAt(r, Table(r)[number + 1], offset);
    };
    std::byte* combined = slice != nullptr              ? slice
                          : reduction.update != nullptr ? block
                                                        : output(rank());
    if (reduction.combines()) {
      bool from_outputs = reduction.gives();
      for (int r = 0; r < size(); ++r) {
        sources[static_cast<size_t>(r)] = ArrayAt(r, Table(r)[number], offset);
        from_outputs =
            from_outputs && sources[static_cast<size_t>(r)] == output(r);
      }
      if (plain_sum && from_outputs) {
        kernels.add_both(output(0), output(1), part.count);
        return;
      }
      kernels.combine(reduction.op(), {sources.data(), ranks}, factors,
                      combined, part.count);
    }
    if (reduction.update != nullptr)
      first = (*reduction.update)(part, combined);
    if (slice != nullptr) slice += bytes;
    for (int r = 0; r < size() && reduction.gives(); ++r) {
      if (r != rank()) std::memcpy(output(r), output(rank()), bytes);
    }
  });
  return first;
}

// --- Through the halves -----------------------------------------------------

Status SegmentCommunicator::ReduceSmall(const Reduction& reduction) {
  const size_t element = reduction.element();
  const ReduceKernels& kernels = reduction.kernels();
  GatherPieces(reduction.pieces, element, &kernels, reduction.factor, 0,
               reduction.count(), Half(rank()));
  LS_RETURN_IF_ERROR(Sync(reduction.call));
  for (int r = 0; r < size(); ++r) sources_[static_cast<size_t>(r)] = Half(r);
  alignas(64) std::byte combined[kSmallBytes];
  kernels.combine(reduction.op(), sources_, {}, combined, reduction.count());
  ScatterPieces(reduction.pieces, element, 0, reduction.count(), combined);
  NextHalf();
  return Ok();
}

// In each round a half has a part of each rank's slice, at r * most.
Status SegmentCommunicator::ReduceThroughHalves(const Reduction& reduction) {
  const int64_t most =
      static_cast<int64_t>(group_.half_bytes / reduction.element() /
                           static_cast<size_t>(size())) /
      kSliceAlignment * kSliceAlignment;
  const int64_t rounds =
      RoundsFor(reduction.count(), reduction.Holders(size()), most);
  for (int64_t round = 0; round < rounds; ++round) {
    LS_RETURN_IF_ERROR(ReduceRound(reduction, round, most));
    NextHalf();
  }
  return Ok();
}

Status SegmentCommunicator::ReduceRound(const Reduction& reduction,
                                        int64_t round, int64_t most) {
  const size_t element = reduction.element();
  const auto part = [&](int r) {
    return RoundOf(reduction.SliceFor(r, size()), round, most);
  };
  const Slice mine = part(rank());
  if (reduction.combines()) {
    for (int r = 0; r < size(); ++r) {
      if (r == rank()) continue;
      GatherPieces(reduction.pieces, element, &reduction.kernels(),
                   reduction.factor, part(r).begin, part(r).end,
                   At(Half(rank()), r * most, element));
    }
    LS_RETURN_IF_ERROR(Sync(reduction.call));
    LS_RETURN_IF_ERROR(CombineRound(reduction, mine, most));
    if (!reduction.gives()) return Ok();
  } else {
    CollectOutputs(reduction.pieces, element, mine.begin, mine.end,
                   At(Half(HolderOf(rank())), rank() * most, element));
  }
  LS_RETURN_IF_ERROR(Sync(reduction.call));
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    ScatterPieces(reduction.pieces, element, part(r).begin, part(r).end,
                  At(Half(HolderOf(r)), r * most, element));
  }
  return Ok();
}

// In blocks: our own contribution, the sum with the others', our outputs, and
// what the others take. That goes where another rank's contribution was: those
// lines are in our cache by then, while writing to ones that others read last
// would fetch them first.
Status SegmentCommunicator::CombineRound(const Reduction& reduction,
                                         const Slice& mine, int64_t most) {
  alignas(64) std::byte own[kBlock * kMaxReducedBytes];
  const size_t element = reduction.element();
  const ReduceKernels& kernels = reduction.kernels();
  const int64_t start = rank() * most;
  for (int64_t at = mine.begin; at < mine.end; at += kBlock) {
    const int64_t end = std::min(mine.end, at + kBlock);
    const int64_t place = start + at - mine.begin;
    GatherPieces(reduction.pieces, element, &kernels, reduction.factor, at, end,
                 own);
    for (int r = 0; r < size(); ++r) {
      sources_[static_cast<size_t>(r)] =
          r == rank() ? own : At(Half(r), place, element);
    }
    std::byte* combined = At(Half(HolderOf(rank())), place, element);
    kernels.combine(reduction.op(), sources_, {}, combined, end - at);
    if (reduction.slice != nullptr) {
      const Slice whole = reduction.SliceFor(rank(), size());
      std::memcpy(At(reduction.slice, at - whole.begin, element), combined,
                  static_cast<size_t>(end - at) * element);
      continue;
    }
    LS_RETURN_IF_ERROR(DeliverPieces(reduction.pieces, element, at, end,
                                     combined, reduction.update));
    if (reduction.update != nullptr) {
      CollectOutputs(reduction.pieces, element, at, end, combined);
    }
  }
  return Ok();
}

Status SegmentCommunicator::DoReduceScatter(const CollectiveCall& call,
                                            const void* in, void* out) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const int64_t step = static_cast<int64_t>(group_.half_bytes / element /
                                            static_cast<size_t>(size()));
  const ReduceKernels* kernels = FindReduceKernels(call.dtype());
  const auto* from = static_cast<const std::byte*>(in);
  int64_t begin = 0;
  do {
    const int64_t n = std::min(count - begin, step);
    for (int r = 0; r < size() && n > 0; ++r) {
      std::memcpy(At(Half(rank()), r * n, element),
                  At(from, r * count + begin, element),
                  static_cast<size_t>(n) * element);
    }
    LS_RETURN_IF_ERROR(Sync(call));
    for (int r = 0; r < size(); ++r) {
      sources_[static_cast<size_t>(r)] = At(Half(r), rank() * n, element);
    }
    kernels->combine(call.header.op, sources_, {},
                     At(static_cast<std::byte*>(out), begin, element), n);
    NextHalf();
    begin += n;
  } while (begin < count);
  return Ok();
}

}  // namespace lockstep
