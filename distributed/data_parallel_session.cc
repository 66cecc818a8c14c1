// SPDX-License-Identifier: Apache-2.0
// What data_parallel.h does to a session's options, and what it measures.
#include <algorithm>
#include <cstdio>
#include <limits>

#include "distributed/agreement.h"
#include "distributed/communicator.h"
#include "distributed/data_parallel.h"
#include "distributed/gpu_exchange.h"
#include "distributed/reduced_digest.h"
#include "distributed/slice_sums.h"
#include "distributed/slot_slices.h"
#include "runtime/core/env.h"
#include "runtime/exec/session_devices.h"

namespace lockstep {
namespace {

// The fastest of a few sums over the ranks.
Result<double> FastestSum(Communicator& ranks, int64_t count, int times) {
  std::vector<float> data(static_cast<size_t>(count));
  uint64_t fastest = std::numeric_limits<uint64_t>::max();
  for (int i = 0; i < times; ++i) {
    LS_RETURN_IF_ERROR(ranks.Barrier({.name = "link"}));
    const uint64_t begin = Env::Default()->SteadyMicros();
    LS_RETURN_IF_ERROR(ranks.AllReduce(data.data(), data.data(), count, kFloat,
                                       ReduceOp::kSum, {.name = "link"}));
    fastest = std::min(fastest, Env::Default()->SteadyMicros() - begin);
  }
  return static_cast<double>(fastest);
}

}  // namespace

Result<LinkCost> MeasureLink(Communicator& communicator) {
  if (communicator.size() < 2) return LinkCost{};
  constexpr int64_t kSmall = 1024, kLarge = 128 * 1024;
  LS_ASSIGN_OR_RETURN(const double small, FastestSum(communicator, kSmall, 4));
  LS_ASSIGN_OR_RETURN(const double large, FastestSum(communicator, kLarge, 3));
  // AllReduceMicros, solved for the two.
  const double others = communicator.size() - 1;
  const double bytes = 2 * static_cast<double>(kLarge - kSmall) *
                       sizeof(float) * others / communicator.size();
  double link[2] = {small / (3 * others), bytes / std::max(1.0, large - small)};
  LS_RETURN_IF_ERROR(
      communicator.Broadcast(link, 2, kDouble, 0, {.name = "link"}));
  return LinkCost{.latency_micros = link[0], .bytes_per_micro = link[1]};
}

std::string CommunicationSummary(const Communicator& communicator,
                                 const Communicator::Totals& since,
                                 double seconds, double overlapped_seconds) {
  const Communicator::Totals& now = communicator.totals();
  const double all = static_cast<double>(now.micros - since.micros) * 1e-6;
  const double waited =
      static_cast<double>(now.micros_waited - since.micros_waited) * 1e-6;
  const double exposed = overlapped_seconds < 0 ? all : overlapped_seconds;
  const double share = seconds > 0 ? 100 * exposed / seconds : 0;
  const char* limit = share < 1          ? "computing"
                      : waited > all / 2 ? "ranks that come late"
                                         : "the exchange itself";
  char text[256];
  std::snprintf(text, sizeof(text),
                "communication (%s): %llu calls, %s, %.3f s of %.3f s exposed "
                "(%.1f %%), %.3f s waiting for late ranks; limited by %s",
                std::string(communicator.backend()).c_str(),
                static_cast<unsigned long long>(now.calls - since.calls),
                HumanBytes(now.bytes - since.bytes).c_str(), exposed, seconds,
                share, waited, limit);
  return text;
}

void UseDataParallel(std::shared_ptr<Communicator> communicator,
                     DataParallelOptions options, SessionOptions* session) {
  session->batch = options.batch;
  session->task = communicator->rank();
  session->tasks = communicator->size();
  session->communication_bytes += communicator->buffer_bytes();
  if (auto host = communicator->host()) session->host = std::move(host);
  using Overlap = DataParallelOptions::Overlap;
  if (options.overlap == Overlap::kAuto) {
    options.overlap =
        communicator->between_machines() ? Overlap::kOn : Overlap::kOff;
  }
  session->communication_lane = options.overlap == Overlap::kOn;
  if (session->communication_lane && options.bucket_bytes == 0) {
    // An error ends the communicator, which the first call tells.
    if (const auto link = MeasureLink(*communicator); link.ok()) {
      options.link = *link;
    }
  }
  options.divide_updates = options.divide_updates && !options.compress &&
                           communicator->sees_arrays();
  options.exchange_factors =
      options.exchange_factors && options.divide_updates &&
      options.overlap == Overlap::kOff && communicator->works_together();
  CheckAgreement(communicator, std::move(options.declared), session);
  const auto gpus = std::make_shared<GpuExchange>(
      communicator,
      options.gpu_links != nullptr ? options.gpu_links : NcclLinks());
  session->checks.push_back([gpus](const Graph&, const SessionOptions& made) {
    LS_ASSIGN_OR_RETURN(const auto hardware, VisibleGpus(made));
    return gpus->Open(hardware);
  });
  session->passes.push_back(std::make_shared<DataParallel>(
      communicator->size(), std::move(options), gpus));
  session->services.push_back([communicator = std::move(communicator),
                               gpus](SessionResources& resources) {
    resources.SetService<Communicator>(communicator);
    resources.SetService(gpus);
    resources.SetService(std::make_shared<SlotSlices>(communicator));
    resources.SetService(std::make_shared<ReducedDigest>());
    resources.SetService(std::make_shared<SliceSums>());
  });
}

}  // namespace lockstep
