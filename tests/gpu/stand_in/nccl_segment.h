// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory that the ranks of a communicator share, and their meeting in it. A
// rank goes on as soon as it has what it needs: when it leaves then, others may
// still be reading, and lose what they read, as with NCCL's buffers.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lockstep::stand_in {

// What all that meet have to have the same.
struct CallOf {
  char name[16];
  size_t bytes;
  int type, op, peer;
  int to;  // of messages, else -1
};

class NcclSegment {
 public:
  // Null when there is no memory.
  static std::shared_ptr<NcclSegment> Open(const std::string& name, int rank,
                                           int ranks);
  ~NcclSegment();
  NcclSegment(const NcclSegment&) = delete;
  NcclSegment& operator=(const NcclSegment&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  bool AllThere() const;
  bool failed() const { return failed_; }
  void Leave();

  using Take = std::function<void(const std::vector<const char*>& parts,
                                  const std::vector<double>& factors,
                                  size_t begin, size_t bytes)>;
  // Shows the others `bytes` of `in`, piece by piece, and has `take`, if any,
  // make something of all ranks' pieces. Of a message, from `peer` to another
  // rank `to`, just these two meet.
  void Exchange(const CallOf& call, double factor, const void* in, size_t bytes,
                const Take& take);

 private:
  struct Box;
  struct Shared;
  NcclSegment(Shared* shared, int rank, int ranks)
      : shared_(shared), rank_(rank), ranks_(ranks) {}
  static size_t BytesFor(int ranks);
  // What one rank shows another.
  Box& At(int from, int to) const;
  // Waits for `met` of what another rank does; false when one of both leaves.
  template <class F>
  bool Await(int rank, const F& met);
  bool Show(int to, const CallOf& call, double factor,
            const std::string& piece);
  bool See(int from, const CallOf& call);
  bool Piece(const CallOf& call, double factor, const std::string& own,
             size_t begin, size_t bytes, const Take& take);

  Shared* const shared_;
  const int rank_, ranks_;
  std::atomic<bool> failed_ = false, left_ = false;
};

}  // namespace lockstep::stand_in
