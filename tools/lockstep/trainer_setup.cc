// SPDX-License-Identifier: Apache-2.0
// How a Trainer is made.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "runtime/graph/graph_def.h"
#include "runtime/io/checkpoint_state.h"
#include "tools/lockstep/trainer.h"

namespace lockstep {
namespace {

// The step in a checkpoint's name, "dir/model.ckpt-120".
Result<int64_t> StepOf(const std::string& prefix) {
  const size_t at = prefix.rfind('-');
  int64_t step = 0;
  const char* end = prefix.data() + prefix.size();
  if (at != std::string::npos) {
    const auto [last, error] =
        std::from_chars(prefix.data() + at + 1, end, step);
    if (error == std::errc() && last == end && step >= 0) return step;
  }
  return InvalidArgument("--resume: the name of checkpoint '", prefix,
                         "' does not end in its step");
}

// Placeholders of the numbers that are fed, in order; of evaluation's, those
// of training that it does not replace too.
std::vector<NamedFeed> EvalValues(const TrainOptions& o) {
  std::vector<NamedFeed> values = o.eval_values;
  for (const NamedFeed& v : o.values) {
    const bool replaced = std::ranges::any_of(
        values, [&](const NamedFeed& e) { return e.tensor == v.tensor; });
    if (!replaced) values.push_back(v);
  }
  return values;
}

Status AddFeeds(const Graph& graph, const std::vector<NamedFeed>& feeds,
                std::vector<Output>* outputs) {
  for (const NamedFeed& feed : feeds) {
    LS_ASSIGN_OR_RETURN(const Output output, graph.FindOutput(feed.tensor));
    outputs->push_back(output);
  }
  return Ok();
}

Status ReadValues(const Graph& graph, const std::vector<NamedFeed>& feeds,
                  std::vector<Tensor>* values) {
  for (const NamedFeed& feed : feeds) {
    LS_ASSIGN_OR_RETURN(Tensor value, ScalarFeed(graph, feed));
    values->push_back(std::move(value));
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<Trainer>> Trainer::Create(const TrainOptions& options,
                                                 Job& job) {
  std::unique_ptr<Trainer> t(new Trainer(options, job));
  LS_RETURN_IF_ERROR(job.Agree(t->Load()));
  LS_RETURN_IF_ERROR(job.Agree(job.speaks() ? t->CheckFolder() : Ok()));
  LS_RETURN_IF_ERROR(job.Agree(t->MakeSession()));
  LS_RETURN_IF_ERROR(job.Agree(t->InitOrRestore()));
  LS_RETURN_IF_ERROR(job.Agree(t->MakeSteps()));
  LS_RETURN_IF_ERROR(job.Agree(t->OpenEvents()));
  t->Introduce();
  return t;
}

Status Trainer::Load() {
  Env& env = *Env::Default();
  LS_ASSIGN_OR_RETURN(meta_, ReadGraphFile(env, options_.graph));
  LS_ASSIGN_OR_RETURN(names_, FindTrainNames(meta_, options_));
  std::vector<std::string> scalars = names_.metrics;
  if (!names_.loss.empty()) scalars.insert(scalars.begin(), names_.loss);
  for (const std::string& name : scalars) {
    LS_ASSIGN_OR_RETURN(const Output output, meta_.graph.FindOutput(name));
    if (BaseOf(output.dtype()) != kFloat) {
      return InvalidArgument("'", name, "' is ", DTypeName(output.dtype()),
                             ", a loss or metric has to be a float scalar");
    }
    scalars_.push_back(output);
  }
  LS_ASSIGN_OR_RETURN(
      data_, TrainData::Load(env, meta_.graph, options_.data, options_));
  if (!options_.eval_data.empty()) {
    // In the training data's order of tensors, which the feeds have.
    std::vector<NamedFeed> feeds;
    for (const NamedFeed& f : options_.data) {
      feeds.push_back(
          *std::ranges::find(options_.eval_data, f.tensor, &NamedFeed::tensor));
    }
    LS_ASSIGN_OR_RETURN(eval_data_,
                        TrainData::Load(env, meta_.graph, feeds, options_));
  }
  if (options_.checkpoint_dir.empty()) return Ok();
  if (!meta_.saver.defined()) {
    return InvalidArgument("--checkpoint-dir: the graph has no saver");
  }
  LS_ASSIGN_OR_RETURN(saver_,
                      Saver::ForGraph(meta_.graph, meta_.saver,
                                      {.max_to_keep = options_.max_to_keep}));
  return Ok();
}

// A checkpoint that is to be resumed has to be in it already.
Status Trainer::CheckFolder() {
  if (options_.resume) return Ok();
  return TryFolder(*Env::Default(), "checkpoint-dir", options_.checkpoint_dir);
}

Status Trainer::MakeSession() {
  SessionOptions session_options;
  LS_RETURN_IF_ERROR(
      options_.session.Apply("train", *Env::Default(), &session_options));
  if (options_.threads > 0) {
    session_options.intra_op_threads = options_.threads;
  } else if (session_options.intra_op_threads == 0) {
    session_options.intra_op_threads = job_.default_threads();
  }
  // Graphs written elsewhere may name devices that are not here.
  session_options.allow_soft_placement = true;
  LS_RETURN_IF_ERROR(job_.StartTrace(session_options.trace_dir));
  if (Trace* trace = job_.trace()) {
    input_name_ = trace->Name(TraceKind::kInput, "Input", "batch");
  }
  session_options.reproducible = options_.reproducible;
  Declare();
  job_.Configure(options_.data[0].tensor, &session_options);
  LS_ASSIGN_OR_RETURN(session_, Session::Create(meta_.graph, session_options));
  return Ok();
}

// What the ranks' command lines and files must have in common.
void Trainer::Declare() const {
  for (const auto& [name, value] :
       {std::pair("--batch", StrCat(options_.batch)),
        std::pair("--epochs", StrCat(options_.epochs)),
        std::pair("--steps", StrCat(options_.steps)),
        std::pair("--seed", StrCat(options_.seed)),
        std::pair("--shuffle", StrCat(options_.shuffle ? 1 : 0)),
        std::pair("--log-every", StrCat(options_.log_every)),
        std::pair("the train op", names_.train)}) {
    job_.Declare(name, value);
  }
  for (const NamedFeed& f : options_.values) {
    job_.Declare(StrCat("--set ", f.tensor), f.value);
  }
  const auto declare = [this](std::string_view option, const TrainData& data,
                              const std::vector<NamedFeed>& feeds) {
    for (size_t i = 0; i < data.arrays().size(); ++i) {
      job_.Declare(StrCat(option, " ", feeds[i].tensor), data.arrays()[i]);
    }
  };
  declare("--feed", *data_, options_.data);
  if (eval_data_) declare("--eval-feed", *eval_data_, options_.data);
}

Status Trainer::InitOrRestore() {
  LS_RETURN_IF_ERROR(session_->RunTargets(names_.init));
  if (!options_.resume) return Ok();
  Result<std::string> latest =
      LatestCheckpoint(*Env::Default(), options_.checkpoint_dir);
  if (!latest.ok()) return latest.status().WithContext("--resume");
  LS_RETURN_IF_ERROR(NamingOlderCheckpoint(*Env::Default(),
                                           options_.checkpoint_dir,
                                           saver_->Restore(*session_, *latest))
                         .WithContext("--resume"));
  LS_ASSIGN_OR_RETURN(step_, StepOf(*latest));
  saved_step_ = step_;
  return Ok();
}

Status Trainer::MakeSteps() {
  const Graph& graph = meta_.graph;
  std::vector<Output> feeds, eval_feeds;
  LS_RETURN_IF_ERROR(AddFeeds(graph, options_.data, &feeds));
  eval_feeds = feeds;
  const std::vector<NamedFeed> eval_values = EvalValues(options_);
  LS_RETURN_IF_ERROR(AddFeeds(graph, options_.values, &feeds));
  LS_RETURN_IF_ERROR(AddFeeds(graph, eval_values, &eval_feeds));
  LS_RETURN_IF_ERROR(ReadValues(graph, options_.values, &values_));
  LS_RETURN_IF_ERROR(ReadValues(graph, eval_values, &eval_values_));
  const std::vector<Node*> targets = {graph.Find(names_.train)};
  LS_ASSIGN_OR_RETURN(train_, session_->MakeCallable(feeds, scalars_, targets));
  LS_ASSIGN_OR_RETURN(eval_, session_->MakeCallable(eval_feeds, scalars_));
  if (options_.log_dir.empty() || names_.summaries.empty()) return Ok();
  std::vector<Output> fetches = scalars_;
  for (const std::string& name : names_.summaries) {
    LS_ASSIGN_OR_RETURN(const Output summary, graph.FindOutput(name));
    fetches.push_back(summary);
  }
  LS_ASSIGN_OR_RETURN(train_summaries_,
                      session_->MakeCallable(feeds, fetches, targets));
  return Ok();
}

Status Trainer::OpenEvents() {
  if (options_.log_dir.empty() || !job_.speaks()) return Ok();
  LS_ASSIGN_OR_RETURN(events_,
                      EventWriter::Open(*Env::Default(), options_.log_dir));
  if (options_.resume) LS_RETURN_IF_ERROR(events_->AddStart(step_ + 1));
  LS_ASSIGN_OR_RETURN(const std::string graph_def, ToGraphDef(meta_.graph));
  return events_->AddGraph(graph_def);
}

void Trainer::Introduce() const {
  Print(StrCat("graph: ", options_.graph, ", train op ", names_.train,
               ", loss ", names_.loss.empty() ? "unknown" : names_.loss));
  Print(StrCat("data: ", data_->size(), " training examples",
               eval_data_ ? StrCat(", ", eval_data_->size(), " for evaluation")
                          : std::string(),
               ", batch ", options_.batch));
  Print(StrCat("ranks: ", job_.size(), ", ",
               session_->options().intra_op_threads, " threads each",
               job_.size() > 1 ? StrCat(", gradients by ", job_.transport())
                               : std::string()));
  if (const int replicas = session_->options().reproducible; replicas > 0) {
    Print(StrCat("reproducible: ", replicas, " virtual replicas"));
  }
  if (options_.resume) Print(StrCat("resumed at step ", step_));
}

void Trainer::Print(const std::string& line) const {
  if (!job_.speaks()) return;
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace lockstep
