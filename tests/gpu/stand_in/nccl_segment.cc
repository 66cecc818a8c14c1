// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/stand_in/nccl_segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "tests/gpu/stand_in/report.h"

namespace lockstep::stand_in {
namespace {

constexpr size_t kPiece = size_t{256} << 10;
constexpr int kMostRanks = 16;

}  // namespace

struct NcclSegment::Box {
  std::atomic<uint64_t> shown, read;  // pieces
  CallOf call;
  double factor;
  size_t bytes;
  char piece[kPiece];
};
struct alignas(64) NcclSegment::Shared {  // boxes are behind it
  std::atomic<int> there;
  std::atomic<bool> left[kMostRanks];
};

size_t NcclSegment::BytesFor(int ranks) {
  return sizeof(Shared) + static_cast<size_t>(ranks * ranks) * sizeof(Box);
}
NcclSegment::Box& NcclSegment::At(int from, int to) const {
  return reinterpret_cast<Box*>(shared_ + 1)[from * ranks_ + to];
}

std::shared_ptr<NcclSegment> NcclSegment::Open(const std::string& name,
                                               int rank, int ranks) {
  if (ranks > kMostRanks) return nullptr;
  const int file = shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
  if (file < 0) return nullptr;
  const size_t bytes = BytesFor(ranks);
  void* const data =
      ftruncate(file, static_cast<off_t>(bytes)) == 0
          ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
          : MAP_FAILED;
  (void)close(file);
  if (data == MAP_FAILED) return nullptr;
  std::shared_ptr<NcclSegment> made(
      new NcclSegment(static_cast<Shared*>(data), rank, ranks));
  if (++made->shared_->there == ranks) (void)shm_unlink(name.c_str());
  return made;
}
NcclSegment::~NcclSegment() { (void)munmap(shared_, BytesFor(ranks_)); }

bool NcclSegment::AllThere() const { return shared_->there >= ranks_; }

void NcclSegment::Leave() {
  left_ = true;
  shared_->left[rank_] = true;
}

template <class F>
bool NcclSegment::Await(int rank, const F& met) {
  while (!met()) {
    if (left_ || shared_->left[rank]) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  return true;
}

bool NcclSegment::Show(int to, const CallOf& call, double factor,
                       const std::string& piece) {
  Box& box = At(rank_, to);
  if (!Await(to, [&] { return box.read == box.shown; })) return false;
  box.call = call;
  box.factor = factor;
  box.bytes = piece.size();
  std::memcpy(box.piece, piece.data(), piece.size());
  ++box.shown;
  return true;
}

bool NcclSegment::See(int from, const CallOf& call) {
  const Box& box = At(from, rank_);
  if (!Await(from, [&] { return box.shown > box.read; })) return false;
  if (std::memcmp(&box.call, &call, sizeof(call)) == 0) return true;
  Misuse(StrCat("ranks ", rank_, " and ", from, " of NCCL meet in ", call.name,
                " of ", call.bytes, " bytes and ", box.call.name, " of ",
                box.call.bytes));
  return false;
}

bool NcclSegment::Piece(const CallOf& call, double factor,
                        const std::string& own, size_t begin, size_t bytes,
                        const Take& take) {
  const bool message = call.to >= 0;
  std::vector<const char*> parts;
  std::vector<double> factors;
  for (int r = 0; r < ranks_; ++r) {
    const bool shows = r != rank_ && (!message || call.to == r);
    if (shows && !Show(r, call, factor, own)) return false;
  }
  const auto sees = [&](int r) {
    return r != rank_ && (!message || call.peer == r);
  };
  for (int r = 0; r < ranks_; ++r) {
    if (sees(r) && !See(r, call)) return false;
    const Box& box = At(r, rank_);
    parts.push_back(r == rank_ ? own.data() : box.piece);
    factors.push_back(r == rank_ ? factor : box.factor);
  }
  if (take) take(parts, factors, begin, bytes);
  for (int r = 0; r < ranks_; ++r) {
    if (!sees(r)) continue;
    // Who has left took what it showed along.
    if (shared_->left[r]) return false;
    ++At(r, rank_).read;
  }
  return true;
}

void NcclSegment::Exchange(const CallOf& call, double factor, const void* in,
                           size_t bytes, const Take& take) {
  size_t begin = 0;
  do {
    const size_t some = std::min(kPiece, call.bytes - begin);
    const size_t own = begin < bytes ? std::min(some, bytes - begin) : 0;
    const std::string piece(
        own == 0 ? "" : static_cast<const char*>(in) + begin, own);
    if (failed_ || !Piece(call, factor, piece, begin, some, take)) {
      failed_ = true;
      return;
    }
    begin += some;
  } while (begin < call.bytes);
}

}  // namespace lockstep::stand_in
