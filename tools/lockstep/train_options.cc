// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/train_options.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "tools/lockstep/command.h"

namespace lockstep {
namespace {

constexpr const char* kHelp =
    R"(lockstep train GRAPH --feed TENSOR=FILE ... [options]
mpirun -np N lockstep train GRAPH ...

Trains an exported MetaGraph, alone or on N ranks, each with its part of every
batch; gradients are averaged. GRAPH is what TensorFlow exports (.meta, .pb,
.pbtxt or a SavedModel). Files are IDX (plain or gzip) or .npy with a row for
each example. Rows are cast and reshaped to what the placeholder takes.

What is not named is found in the graph: the initialiser by the collection
init_op, a node called init, or the variables' own initialisers; the train op
by the collection train_op, or as the only node that ends in Apply* ops, or in
an optimiser's Assign, AssignAdd or AssignSub; the loss by the collection
losses; summaries by summary_op or summaries; the saver by its saver_def.

  lockstep train model.meta --feed x:0=train-images-idx3-ubyte.gz
      --feed y:0=train-labels-idx1-ubyte.gz --scale x:0=0.00392157
      --one-hot y:0 --batch 100 --epochs 10 --checkpoint-dir run1
)";

// The texts of options that need more than one word's parsing.
struct Raw {
  std::vector<std::string> data, eval_data, values, eval_values, scales;
};

void AddModel(CommandLine& line, TrainOptions& o) {
  line.positional.add("graph", 1);
  line.options.add_options()  //
      ("graph", po::value(&o.graph)->value_name("GRAPH"),
       "the graph; also without --graph")                                  //
      ("init", po::value(&o.init)->value_name("NODE"), "the initialiser")  //
      ("train", po::value(&o.train)->value_name("NODE"), "the train op")   //
      ("loss", po::value(&o.loss)->value_name("TENSOR"),
       "what is shown for each epoch")  //
      ("metric", po::value(&o.metrics)->value_name("TENSOR"),
       "a mean over a batch, shown for each epoch; may be repeated")  //
      ("summary", po::value(&o.summary)->value_name("TENSOR"),
       "the merged summary");
}

void AddData(CommandLine& line, TrainOptions& o, Raw& raw) {
  line.options.add_options()  //
      ("feed", po::value(&raw.data)->value_name("TENSOR=FILE"),
       "training data; one for each tensor")  //
      ("eval-feed", po::value(&raw.eval_data)->value_name("TENSOR=FILE"),
       "data on which loss and metrics are computed after each epoch")  //
      ("set", po::value(&raw.values)->value_name("TENSOR=NUMBER"),
       "a number that is fed in every step")  //
      ("eval-set", po::value(&raw.eval_values)->value_name("TENSOR=NUMBER"),
       "what it is in evaluation")  //
      ("scale", po::value(&raw.scales)->value_name("TENSOR=NUMBER"),
       "what the data of a tensor is multiplied by")  //
      ("one-hot", po::value(&o.one_hot)->value_name("TENSOR"),
       "the data are labels, the tensor takes rows of zeros and a one")  //
      ("batch", po::value(&o.batch)->value_name("N"),
       "examples of one step, on all ranks together [100]")  //
      ("epochs", po::value(&o.epochs)->value_name("N"),
       "times to go through the training data [1]")  //
      ("steps", po::value(&o.steps)->value_name("N"),
       "end after N steps in all, counting those before --resume")  //
      ("seed", po::value(&o.seed)->value_name("N"),
       "of the order of the examples [1]")  //
      ("no-shuffle", po::bool_switch(), "keep the files' order");
}

void AddFiles(CommandLine& line, TrainOptions& o) {
  line.options.add_options()  //
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
      ("summary-every", po::value(&o.summary_every)->value_name("N"),
       "steps between the graph's summaries [100]")  //
      ("log-every", po::value(&o.log_every)->value_name("N"),
       "print the loss of every Nth step")  //
      ("threads", po::value(&o.threads)->value_name("N"),
       "threads of each rank; 0: the processors mpirun gave it [0]")  //
      ("reproducible", po::value(&o.reproducible)->value_name("V"),
       "train with V virtual replicas, a power of two: the same bits on any "
       "number of ranks that divides V and of threads [0: do not]");
}

// A bare node name means its output 0.
std::string TensorName(std::string name) {
  if (!name.empty() && name.find(':') == std::string::npos) name += ":0";
  return name;
}

Result<std::vector<NamedFeed>> Pairs(const char* option,
                                     const std::vector<std::string>& texts) {
  std::vector<NamedFeed> pairs;
  for (const std::string& text : texts) {
    const size_t at = text.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
      return InvalidArgument("--", option, " wants TENSOR=VALUE, got '", text,
                             "'");
    }
    pairs.push_back({TensorName(text.substr(0, at)), text.substr(at + 1)});
    for (size_t i = 0; i + 1 < pairs.size(); ++i) {
      if (pairs[i].tensor == pairs.back().tensor) {
        return InvalidArgument("--", option, " names '", pairs[i].tensor,
                               "' twice");
      }
    }
  }
  return pairs;
}

Status Unpack(const Raw& raw, TrainOptions* o) {
  LS_ASSIGN_OR_RETURN(o->data, Pairs("feed", raw.data));
  LS_ASSIGN_OR_RETURN(o->eval_data, Pairs("eval-feed", raw.eval_data));
  LS_ASSIGN_OR_RETURN(o->values, Pairs("set", raw.values));
  LS_ASSIGN_OR_RETURN(o->eval_values, Pairs("eval-set", raw.eval_values));
  LS_ASSIGN_OR_RETURN(const std::vector<NamedFeed> scales,
                      Pairs("scale", raw.scales));
  for (const NamedFeed& s : scales) {
    double value = 0;
    const char* end = s.value.data() + s.value.size();
    const auto [at, error] = std::from_chars(s.value.data(), end, value);
    if (error != std::errc() || at != end) {
      return InvalidArgument("--scale wants TENSOR=NUMBER, got '", s.value,
                             "'");
    }
    o->scales[s.tensor] = value;
  }
  for (std::string* name : {&o->loss, &o->summary}) *name = TensorName(*name);
  for (std::string& name : o->metrics) name = TensorName(name);
  for (std::string& name : o->one_hot) name = TensorName(name);
  return Ok();
}

Status AtLeast(const char* option, int64_t value, int64_t least) {
  if (value >= least) return Ok();
  return InvalidArgument("--", option, " must be at least ", least, ", got ",
                         value);
}

// What is named must be fed.
Status FedTensors(const TrainOptions& o) {
  const auto fed = [&](const std::string& tensor) {
    return std::ranges::any_of(
        o.data, [&](const NamedFeed& f) { return f.tensor == tensor; });
  };
  for (const auto& [tensor, scale] : o.scales) {
    if (!fed(tensor)) {
      return InvalidArgument("--scale: '", tensor, "' has no --feed");
    }
  }
  for (const std::string& tensor : o.one_hot) {
    if (!fed(tensor)) {
      return InvalidArgument("--one-hot: '", tensor, "' has no --feed");
    }
  }
  if (o.eval_data.empty()) return Ok();
  for (const NamedFeed& f : o.data) {
    const bool there = std::ranges::any_of(
        o.eval_data, [&](const NamedFeed& e) { return e.tensor == f.tensor; });
    if (!there) {
      return InvalidArgument("'", f.tensor,
                             "' has a --feed and no "
                             "--eval-feed, which other tensors have");
    }
  }
  return Ok();
}

Status Check(const TrainOptions& o) {
  LS_RETURN_IF_ERROR(Required("graph", o.graph));
  if (o.data.empty()) return InvalidArgument("--feed is missing; see --help");
  LS_RETURN_IF_ERROR(AtLeast("batch", o.batch, 1));
  LS_RETURN_IF_ERROR(AtLeast("epochs", o.epochs, 1));
  LS_RETURN_IF_ERROR(AtLeast("steps", o.steps, 0));
  LS_RETURN_IF_ERROR(AtLeast("seed", o.seed, 0));
  LS_RETURN_IF_ERROR(AtLeast("threads", o.threads, 0));
  LS_RETURN_IF_ERROR(AtLeast("max-to-keep", o.max_to_keep, 0));
  LS_RETURN_IF_ERROR(AtLeast("summary-every", o.summary_every, 1));
  LS_RETURN_IF_ERROR(AtLeast("log-every", o.log_every, 0));
  LS_RETURN_IF_ERROR(AtLeast("save-every", o.save_every, 0));
  LS_RETURN_IF_ERROR(AtLeast("reproducible", o.reproducible, 0));
  if (o.resume && o.checkpoint_dir.empty()) {
    return InvalidArgument("--resume needs --checkpoint-dir");
  }
  return FedTensors(o);
}

void Describe(CommandLine& line, TrainOptions& o, Raw& raw) {
  AddModel(line, o);
  AddData(line, o, raw);
  AddFiles(line, o);
  o.session.AddTo(line.options);
}

}  // namespace

Result<TrainOptions> ParseTrainOptions(const std::vector<std::string>& args) {
  TrainOptions o;
  Raw raw;
  CommandLine line(kHelp);
  Describe(line, o, raw);
  LS_RETURN_IF_ERROR(line.Parse(args));
  o.help = line.help();
  if (o.help) return o;
  for (const char* option : {"checkpoint-dir", "log-dir"}) {
    LS_RETURN_IF_ERROR(NotEmpty(line.values, option));
  }
  o.shuffle = !line.values["no-shuffle"].as<bool>();
  LS_RETURN_IF_ERROR(Unpack(raw, &o));
  LS_RETURN_IF_ERROR(Check(o));
  return o;
}

std::string TrainUsage() {
  TrainOptions o;
  Raw raw;
  CommandLine line(kHelp);
  Describe(line, o, raw);
  std::ostringstream out;
  out << kHelp << '\n' << line.options;
  return out.str();
}

}  // namespace lockstep
