// SPDX-License-Identifier: Apache-2.0
//
// mnist: trains a classifier of handwritten digits, on one rank or several.
//
//   build/release/examples/mnist/mnist --epochs 10 --batch 100 --lr 0.001
//   mpirun -np 2 build/release/examples/mnist/mnist --model cnn --epochs 4
//   mpirun -np 2 build/release/examples/mnist/mnist --pipeline 2
//
// Prints the data it uses, a line with loss and accuracy on training and
// validation data for each epoch, and last "test accuracy 0.9791" (about 0.98
// for the first command, 0.99 for the second, on MNIST). See --help and
// docs/mnist.md. Exit status: 0; 1 when training failed; 2, with one line on
// standard error, for bad options, data or checkpoints; 3 when SIGTERM stopped
// it, its state saved if there is a --checkpoint-dir.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>
#include <string>

#include "distributed/job.h"
#include "examples/mnist/data.h"
#include "examples/mnist/options.h"
#include "examples/mnist/source.h"
#include "examples/mnist/train.h"
#include "tools/command_line.h"

namespace lockstep::mnist {
namespace {

constexpr int kFailed = 1;
constexpr int kBadInput = 2;
constexpr int kStopped = 3;

// One line, from the one rank that has something to say.
int Fail(const Status& status, int exit_code) {
  if (status.code() != Code::kCancelled) {
    std::string line = status.message();
    std::ranges::replace(line, '\n', ' ');
    std::fprintf(stderr, "mnist: %s\n", line.c_str());
  }
  return exit_code;
}

// Rank 0 reads; the others get the tensors from it.
Result<Data> LoadAndShare(Job& job, const Options& options) {
  Data data;
  Status status;
  if (job.speaks()) {
    Env& env = *Env::Default();
    Result<Source> source = ChooseSource(env, DefaultHints(options.data));
    status = source.status();
    if (source.ok()) {
      Result<Data> loaded = Load(env, *source);
      status = loaded.status();
      if (loaded.ok()) {
        data = *std::move(loaded);
        std::printf("data: %s\n", source->description.c_str());
        std::fflush(stdout);
      }
    }
  }
  LS_RETURN_IF_ERROR(job.Agree(status));
  for (const auto& [name, t] :
       {std::pair("training images", &data.train.images),
        std::pair("training labels", &data.train.labels),
        std::pair("test images", &data.test.images),
        std::pair("test labels", &data.test.labels)}) {
    LS_RETURN_IF_ERROR(job.Share(t));
    job.Declare(name, *t);
  }
  return data;
}

int Run(Job& job, const std::vector<std::string>& args) {
  const Result<Options> options = ParseOptions(args);
  // Every rank has the same arguments and finds the same mistake.
  Status parsed = options.status();
  if (parsed.ok() && !options->help && options->batch < job.size()) {
    parsed =
        InvalidArgument("--batch ", options->batch,
                        " is smaller than the number of ranks, ", job.size());
  }
  if (parsed.ok() && !options->help && options->pipeline > 1 &&
      options->pipeline != job.size()) {
    parsed = InvalidArgument(
        "--pipeline ", options->pipeline, " needs ", options->pipeline,
        " ranks, there ", job.size() == 1 ? "is 1" : StrCat("are ", job.size()),
        "; see mpirun -np");
  }
  parsed = job.Agree(parsed);
  if (!parsed.ok()) return Fail(parsed, kBadInput);
  if (options->help) {
    if (job.speaks()) std::fputs(Usage().c_str(), stdout);
    return 0;
  }
  job.TakeStopSignals();
  const Result<Data> data = LoadAndShare(job, *options);
  if (!data.ok()) return Fail(data.status(), kBadInput);
  const auto trainer = Trainer::Create(*options, job, *data);
  if (!trainer.ok()) return Fail(trainer.status(), kBadInput);
  const Status trained = (*trainer)->Train();
  if (!trained.ok()) return Fail(trained, kFailed);
  if ((*trainer)->stopped()) return kStopped;
  const Result<double> accuracy = (*trainer)->TestAccuracy();
  if (!accuracy.ok()) return Fail(accuracy.status(), kFailed);
  if (job.speaks()) std::printf("%s\n", (*trainer)->InputSummary().c_str());
  const std::string summary = job.CommunicationSummary();
  if (job.speaks() && !summary.empty()) std::printf("%s\n", summary.c_str());
  if (job.speaks()) std::printf("test accuracy %.4f\n", *accuracy);
  return 0;
}

}  // namespace
}  // namespace lockstep::mnist

int main(int argc, char** argv) {
  using namespace lockstep::mnist;
  std::signal(SIGXFSZ, SIG_IGN);  // of ulimit -f: an error of the file instead
  try {
    auto job = lockstep::Job::Start(&argc, &argv);
    if (!job.ok()) return Fail(job.status(), kFailed);
    return lockstep::WithOutput(
        "mnist", Run(*job, std::vector<std::string>(argv + 1, argv + argc)));
  } catch (const std::bad_alloc&) {
    return Fail(lockstep::ResourceExhausted("out of memory"), kFailed);
  }
}
