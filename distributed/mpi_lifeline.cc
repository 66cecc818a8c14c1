// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_lifeline.h"

#include <unistd.h>

#include <cstring>

#include "distributed/mpi_runtime.h"
#include "distributed/stop_signal.h"
#include "runtime/core/logging.h"

namespace lockstep {
namespace {

// What a rank tells the others of itself.
struct Card {
  int32_t process = 0;
  int32_t node = 0;    // the lowest rank of its machine
  int32_t words = -1;  // that one's file of last words
  char host[120] = {};
};

struct Introduced {
  std::vector<LifelinePeer> peers;
  std::unique_ptr<LastWords> words;
};

Result<Introduced> Introduce(MPI_Comm world, MPI_Comm node) {
  int rank = 0, size = 1;
  LS_MPI(MPI_Comm_rank, world, &rank);
  LS_MPI(MPI_Comm_size, world, &size);
  Introduced all{.words = std::make_unique<LastWords>(size)};
  Card card{.process = static_cast<int32_t>(getpid())};
  gethostname(card.host, sizeof(card.host) - 1);
  LS_MPI(MPI_Allreduce, &rank, &card.node, 1, MPI_INT, MPI_MIN, node);
  if (card.node == rank) card.words = all.words->Open();
  std::vector<Card> cards(static_cast<size_t>(size));
  LS_MPI(MPI_Allgather, &card, sizeof(card), MPI_BYTE, cards.data(),
         sizeof(card), MPI_BYTE, world);
  for (const Card& c : cards) all.peers.push_back({c.host, c.process, c.node});
  const Card& first = cards[static_cast<size_t>(card.node)];
  if (card.node != rank) all.words->Join(first.process, first.words);
  return all;
}

// Which of the ranks' answers counts: the first of these.
enum Answer : int { kReady = 0, kUnwanted = 1, kUnable = 2, kBad = 3 };

// The worst of all ranks' answers, and the lowest rank that gave it.
Result<std::pair<int, int>> Worst(MPI_Comm world, int mine) {
  struct {
    int value, rank;
  } in = {mine, 0}, out = {};
  LS_MPI(MPI_Comm_rank, world, &in.rank);
  LS_MPI(MPI_Allreduce, &in, &out, 1, MPI_2INT, MPI_MAXLOC, world);
  return std::pair<int, int>(out.value, out.rank);
}

}  // namespace

Result<std::unique_ptr<Lifeline>> StartLifeline(MPI_Comm world, MPI_Comm node) {
  bool wanted = true;
  const Result<LifelineOptions> options =
      LifelineOptionsFromEnvironment(&wanted);
  LS_ASSIGN_OR_RETURN(auto answer, Worst(world, !options.ok() ? kBad
                                                : wanted      ? kReady
                                                              : kUnwanted));
  LS_RETURN_IF_ERROR(options.status());
  if (answer.first == kBad) {
    return InvalidArgument("rank ", answer.second,
                           " has wrong settings for its lifeline");
  }
  std::unique_ptr<Lifeline> none;
  if (answer.first != kReady) return none;
  LS_ASSIGN_OR_RETURN(Introduced all, Introduce(world, node));
  int rank = 0;
  LS_MPI(MPI_Comm_rank, world, &rank);
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Lifeline> line,
                      Lifeline::Open(rank, std::move(all.peers), *options,
                                     std::move(all.words)));
  HubAddress address;
  Status mine;
  if (rank == 0) {
    Result<HubAddress> listens = line->Listen();
    mine = listens.status();
    if (listens.ok()) address = *listens;
  }
  LS_MPI(MPI_Bcast, &address, sizeof(address), MPI_BYTE, 0, world);
  if (rank != 0 && address.port != 0) mine = line->Connect(address);
  // Before any rank watches: it would see the end of one that the wish to stop
  // met unprepared.
  TakeStopSignals();
  LS_ASSIGN_OR_RETURN(answer, Worst(world, mine.ok() ? kReady : kUnable));
  if (!mine.ok()) {
    LogWarning(mine,
               "; the job runs without a lifeline: failures may take "
               "longer to show");
  }
  if (answer.first != kReady || address.port == 0) {
    RestoreStopSignals();
    return none;
  }
  line->Start();
  return line;
}

}  // namespace lockstep
