// SPDX-License-Identifier: Apache-2.0
#pragma once

// DataParallel: the rewrite that makes ranks train together. Every rank builds
// the same graph, feeds its own part of each global batch, and makes the same
// runs; programs and imported graphs need no change.
//
// In every plan of a session with more than one rank
// - the gradients that reach Apply* ops are averaged over the ranks, by their
//   parts of the global batch, in buckets, in the order in which the backward
//   pass makes them; before they are clipped, and before the arithmetic of
//   optimisers made of Assign, AssignAdd and AssignSub
//   (runtime/exec/composed_updates.h);
// - random ops of unknown batch size (dropout) draw as parts of the global
//   batch, in plans that train;
// - where that is as good, each rank updates a part of the variables with the
//   averages, and the optimiser's slots are whole only where they are read;
// - values assigned to variables are those of rank 0: initial and restored
//   ones;
// - all of this happens in one order, which the graph alone decides.
// A plan that neither trains nor assigns (evaluation) needs no other rank.
// Gradients of some rows (IndexedSlices) are gathered, one row for each index.
// Not for gradients that reach variables by other ops than these and, for rows,
// ScatterAdd and ScatterSub.
//
// Threading: Run is const and may be called by several sessions at once; the
// sessions of one communicator must not run at the same time.
//
//   SessionOptions options;
//   UseDataParallel(std::move(communicator), {.batch = "images:0"}, &options);
//   LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph, options));

#include <cstdint>
#include <memory>
#include <string>

#include "distributed/agreement.h"
#include "distributed/bucketing.h"
#include "distributed/communicator.h"
#include "distributed/gpu_exchange.h"
#include "runtime/exec/session_options.h"
#include "runtime/graph/passes/pass.h"

namespace lockstep {

struct DataParallelOptions {
  // A tensor whose dimension 0 counts the samples of a rank, such as the
  // placeholder of the images; ranks may differ, or have none. Empty: every
  // rank counts the same.
  std::string batch;
  // Gradients are exchanged together up to this size. 0: chosen so that the
  // exchange is done first (bucketing.h): all in one where it does not overlap
  // with the backward pass.
  int64_t bucket_bytes = 0;
  // What is exchanged while the backward pass goes on, by a thread of its own:
  // pays where messages take time without taking a processor, between machines.
  // kAuto: there.
  enum class Overlap { kAuto, kOn, kOff };
  Overlap overlap = Overlap::kAuto;
  // What a message costs, for the choice of buckets, equal on all ranks; see
  // MeasureLink. UseDataParallel measures it if it has to know.
  LinkCost link = {.latency_micros = 20, .bytes_per_micro = 5000};
  // Float gradients travel as bfloat16: half the bytes, 8 bits of precision;
  // variables and updates stay float. Updates are not divided then. For slow
  // networks.
  bool compress = false;
  // Each rank updates its slice of the variables and gives it to the others,
  // instead of all ranks updating all: equal values. Where ranks do not see
  // each other's arrays (Communicator::sees_arrays), it is not done.
  bool divide_updates = true;
  // Of large gradients that are products, ranks exchange the factors and each
  // multiplies its slice of them all: equal values. Where updates are divided
  // among ranks that all see each other's arrays.
  bool exchange_factors = true;
  // The library by which ranks exchange gradients that are on GPUs, if each
  // rank has one of its own; null: NCCL, in builds with it.
  const GpuLinks* gpu_links = nullptr;
  // What else the ranks' programs must have in common (agreement.h): settings,
  // files.
  std::vector<Fact> declared;
};

class DataParallel : public GraphPass {
 public:
  // `gpus`: opened before the session makes plans; null: over the host.
  explicit DataParallel(int ranks, DataParallelOptions options = {},
                        std::shared_ptr<const GpuExchange> gpus = nullptr)
      : ranks_(ranks), options_(std::move(options)), gpus_(std::move(gpus)) {}
  std::string name() const override { return "data_parallel"; }
  // NOT_FOUND when the graph has no tensor called options.batch.
  Status Run(PassContext& context) const override;

 private:
  int ranks_;
  DataParallelOptions options_;
  std::shared_ptr<const GpuExchange> gpus_;
};

// One line for the end of a run that took `seconds`: how much of the time went
// into talking to other ranks instead of computing, and what limits it. Of
// calls after `since`. `overlapped_seconds`: what a session with a lane for it
// waited; negative: no such.
std::string CommunicationSummary(const Communicator& communicator,
                                 const Communicator::Totals& since,
                                 double seconds, double overlapped_seconds);

// What messages between the ranks cost, by a few sums of two sizes; rank 0's
// measurement, on all ranks, which all have to call this.
Result<LinkCost> MeasureLink(Communicator& communicator);

// Makes the ranks' sessions compare their graphs as they are made (all ranks
// make theirs, in the same order), adds the pass, hands the communicator to the
// session's kernels, and sets the
// session's task. The communicator must be used by nothing else while the
// session runs; between runs it may.
void UseDataParallel(std::shared_ptr<Communicator> communicator,
                     DataParallelOptions options, SessionOptions* session);

}  // namespace lockstep
