// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/options.h"

#include <algorithm>
#include <cmath>

#include "tools/command_line.h"

namespace lockstep::mnist {
namespace {

constexpr const char* kHead =
    R"(Trains a classifier of handwritten digits.

  mnist [options]                    alone
  mpirun -np N mnist [options]       N ranks, each with its part of every batch

Prints loss and accuracy for each epoch; the last line is the accuracy on the
test data: "test accuracy 0.9791". Exit status 0; 1 when training failed; 2,
with one line on standard error, for bad options, data or checkpoints.
)";

constexpr const char* kTail = R"(
Data, the first that is there: --data, $LOCKSTEP_DATA, shared/data/mnist beside
the checkout, the user's cache folder (~/.cache/lockstep/mnist), a download to
there, and else the small set of digits that is part of this program.

Examples:
  mnist --epochs 10 --batch 100 --lr 0.001
  mnist --model cnn --epochs 4 --checkpoint-dir run1 --log-dir run1
  mnist --model cnn --epochs 8 --checkpoint-dir run1 --log-dir run1 --resume
  mpirun -np 2 mnist --batch 200
  mpirun -np 2 mnist --pipeline 2
)";

// Where the model is trained.
po::options_description Places(Options& o) {
  po::options_description places("Devices and ranks");
  places.add_options()  //
      ("device", po::value(&o.device)->value_name("NAME"),
       "where the model is: /cpu:0, /gpu:0 ... [where there is a kernel]")  //
      ("towers", po::value(&o.towers)->value_name("N"),
       "a copy of the model on each of /gpu:0 to /gpu:N-1, which share the "
       "batch and the variables on /cpu:0; 0: one model [0]")  //
      ("virtual-gpus", po::value(&o.virtual_gpus)->value_name("N"),
       "GPUs that stand in where there are none [0]")  //
      ("pipeline", po::value(&o.pipeline)->value_name("N"),
       "cut the model into N stages, rank i training the i-th, instead of "
       "giving each rank its part of every batch [1: do not]")  //
      ("micro-batches", po::value(&o.micro_batches)->value_name("N"),
       "parts of a batch that go through the model one after the other, with "
       "one update [4 in a pipeline, else 1]");
  return places;
}

// Describes every option, its values going to `o`.
void Describe(Options& o, CommandLine& line) {
  po::options_description model("Model and training");
  model.add_options()  //
      ("model", po::value(&o.model)->value_name("NAME"),
       "linear, mlp (784-300-10) or cnn [mlp]")  //
      ("batch", po::value(&o.batch)->value_name("N"),
       "images of one step, on all ranks together [100]")  //
      ("epochs", po::value(&o.epochs)->value_name("N"),
       "times to go through the training data [10]")  //
      ("steps", po::value(&o.steps)->value_name("N"),
       "end after N steps in all, counting those before --resume")  //
      ("lr", po::value(&o.lr)->value_name("X"),
       "learning rate; halved when validation accuracy drops [adam 0.001, "
       "momentum 0.05, sgd 0.1]")  //
      ("keep-prob", po::value(&o.keep_prob)->value_name("P"),
       "part of the units that dropout keeps in training; cnn only [0.5]")  //
      ("optimizer", po::value(&o.optimizer)->value_name("NAME"),
       "sgd, momentum or adam [adam]")  //
      ("seed", po::value(&o.seed)->value_name("N"),
       "of initial values, order and dropout: equal seeds, equal bits [1]");
  po::options_description data("Data");
  data.add_options()  //
      ("data", po::value(&o.data)->value_name("DIR"),
       "folder of MNIST's four IDX files, plain or gzip; or \"digits\", the "
       "set in this program")  //
      ("validation", po::value(&o.validation)->value_name("N"),
       "last N training images to validate with [1/12: 5000 of MNIST]")  //
      ("prefetch", po::value<int>()->value_name("N")->notifier([&o](int n) {
        o.prefetch = n;
      }),
       "batches that a thread prepares ahead; 0: none [1 if a processor is "
       "left for it]");
  po::options_description files("Files");
  files.add_options()  //
      ("checkpoint-dir", po::value(&o.checkpoint_dir)->value_name("DIR"),
       "write a checkpoint there after each epoch and at the end")  //
      ("save-every", po::value(&o.save_every)->value_name("N"),
       "and after every Nth step")  //
      ("max-to-keep", po::value(&o.max_to_keep)->value_name("N"),
       "newest checkpoints to keep; 0: all [5]")  //
      ("resume", po::bool_switch(&o.resume),
       "go on from the newest checkpoint in --checkpoint-dir")  //
      ("log-dir", po::value(&o.log_dir)->value_name("DIR"),
       "write an event file for TensorBoard there")  //
      ("trace", po::value(&o.trace)->value_name("DIR"),
       "record there what each rank does when; see lockstep report");
  po::options_description other("Other");
  other.add_options()  //
      ("threads", po::value(&o.threads)->value_name("N"),
       "threads of each rank; 0: the processors mpirun gave it [0]")  //
      ("reproducible", po::value(&o.reproducible)->value_name("V"),
       "train with V virtual replicas, a power of two: the same bits on any "
       "number of ranks that divides V and of threads [0: do not]")  //
      ("log-every", po::value(&o.log_every)->value_name("N"),
       "print the loss of every Nth step");
  line.options.add(model).add(data).add(files).add(Places(o)).add(other);
}

Status OneOf(const char* option, const std::string& value,
             const std::vector<std::string>& allowed) {
  if (std::ranges::find(allowed, value) != allowed.end()) return Ok();
  const std::string near = NearestName(value, allowed);
  return InvalidArgument("--", option, " must be one of ", Join(allowed, ", "),
                         "; got '", value, "'",
                         near.empty() ? "" : StrCat(" (", near, "?)"));
}

Status AtLeast(const char* option, int64_t value, int64_t least,
               int64_t most = INT64_MAX) {
  if (value < least || value > most) {
    return InvalidArgument("--", option, " must be ",
                           most == INT64_MAX ? StrCat("at least ", least)
                                             : StrCat(least, " to ", most),
                           ", got ", value);
  }
  return Ok();
}

double DefaultRate(const std::string& optimizer) {
  return optimizer == "sgd" ? 0.1 : optimizer == "momentum" ? 0.05 : 0.001;
}

Status Check(const po::variables_map& given, Options& o) {
  LS_RETURN_IF_ERROR(OneOf("model", o.model, {"linear", "mlp", "cnn"}));
  LS_RETURN_IF_ERROR(
      OneOf("optimizer", o.optimizer, {"sgd", "momentum", "adam"}));
  LS_RETURN_IF_ERROR(AtLeast("batch", o.batch, 1));
  LS_RETURN_IF_ERROR(AtLeast("epochs", o.epochs, 1, 1000000));
  if (given.count("steps")) LS_RETURN_IF_ERROR(AtLeast("steps", o.steps, 1));
  if (!given.count("lr")) o.lr = DefaultRate(o.optimizer);
  // As a float it must neither vanish nor overflow.
  if (!(o.lr >= 1e-30 && o.lr <= 1e30)) {
    return InvalidArgument("--lr must be above 0 and finite, got ", o.lr);
  }
  if (!(o.keep_prob > 0 && o.keep_prob <= 1)) {
    return InvalidArgument("--keep-prob must be above 0 and at most 1, got ",
                           o.keep_prob);
  }
  LS_RETURN_IF_ERROR(AtLeast("seed", o.seed, 0));
  LS_RETURN_IF_ERROR(
      AtLeast("pipeline", o.pipeline, 1, o.model == "cnn" ? 4 : 2));
  if (!given.count("micro-batches")) o.micro_batches = o.pipeline > 1 ? 4 : 1;
  LS_RETURN_IF_ERROR(AtLeast("micro-batches", o.micro_batches, 1, 1024));
  LS_RETURN_IF_ERROR(AtLeast("threads", o.threads, 0, 1024));
  LS_RETURN_IF_ERROR(AtLeast("towers", o.towers, 0, 64));
  LS_RETURN_IF_ERROR(AtLeast("virtual-gpus", o.virtual_gpus, 0, 64));
  if (o.towers > 0 && !o.device.empty()) {
    return InvalidArgument("--towers are on GPUs of their own: no --device");
  }
  if (o.towers > 0 && (o.pipeline > 1 || o.micro_batches > 1)) {
    return InvalidArgument(
        "--towers divide a batch themselves: no --pipeline, no "
        "--micro-batches");
  }
  if (given.count("validation")) {
    LS_RETURN_IF_ERROR(AtLeast("validation", o.validation, 1));
  }
  LS_RETURN_IF_ERROR(AtLeast("prefetch", o.prefetch.value_or(0), 0, 64));
  LS_RETURN_IF_ERROR(AtLeast("max-to-keep", o.max_to_keep, 0));
  LS_RETURN_IF_ERROR(AtLeast("log-every", o.log_every, 0));
  LS_RETURN_IF_ERROR(AtLeast("save-every", o.save_every, 0));
  LS_RETURN_IF_ERROR(AtLeast("reproducible", o.reproducible, 0, 1 << 20));
  if (o.reproducible > 0 && (o.towers > 0 || o.pipeline > 1)) {
    return InvalidArgument(
        "--reproducible divides a batch itself: no --towers, no --pipeline");
  }
  for (const char* option : {"data", "checkpoint-dir", "log-dir", "trace"}) {
    LS_RETURN_IF_ERROR(NotEmpty(given, option));
  }
  if (o.resume && o.checkpoint_dir.empty()) {
    return InvalidArgument("--resume needs --checkpoint-dir");
  }
  return Ok();
}

}  // namespace

Result<Options> ParseOptions(const std::vector<std::string>& args) {
  Options o;
  CommandLine line(kHead, kTail);
  Describe(o, line);
  LS_RETURN_IF_ERROR(line.Parse(args));
  o.help = line.help();
  if (!o.help) LS_RETURN_IF_ERROR(Check(line.values, o));
  return o;
}

std::string Usage() {
  Options o;
  CommandLine line(kHead, kTail);
  Describe(o, line);
  return line.Help();
}

}  // namespace lockstep::mnist
