// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/train.h"

#include <cstdio>

#include "distributed/job.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/train_options.h"
#include "tools/lockstep/trainer.h"

namespace lockstep {
namespace {

// One line, from the one rank that has something to say.
int FailOnce(const Status& status, int exit_status) {
  return status.code() == Code::kCancelled ? exit_status
                                           : Fail("train", status, exit_status);
}

int Run(Job& job, const std::vector<std::string>& args) {
  const Result<TrainOptions> options = ParseTrainOptions(args);
  // Every rank has the same arguments and finds the same mistake.
  Status parsed = options.status();
  if (parsed.ok() && !options->help && options->batch < job.size()) {
    parsed =
        InvalidArgument("--batch ", options->batch,
                        " is smaller than the number of ranks, ", job.size());
  }
  parsed = job.Agree(parsed);
  if (!parsed.ok()) return FailOnce(parsed, kExitBadInput);
  if (options->help) {
    if (job.speaks()) std::fputs(TrainUsage().c_str(), stdout);
    return 0;
  }
  job.TakeStopSignals();
  const auto trainer = Trainer::Create(*options, job);
  if (!trainer.ok()) return FailOnce(trainer.status(), kExitBadInput);
  const Status trained = (*trainer)->Train();
  const std::string summary = job.CommunicationSummary();
  if (trained.ok() && job.speaks() && !summary.empty()) {
    std::printf("%s\n", summary.c_str());
  }
  if (!trained.ok()) return FailOnce(trained, kExitFailed);
  return (*trainer)->stopped() ? kExitStopped : 0;
}

}  // namespace

int TrainMain(const std::vector<std::string>& args) {
  auto job = Job::Start(nullptr, nullptr);
  if (!job.ok()) return Fail("train", job.status(), kExitFailed);
  return Run(*job, args);
}

}  // namespace lockstep
