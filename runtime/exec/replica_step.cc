// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/replica_step.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/core/threads.h"
#include "runtime/exec/plan.h"
#include "runtime/exec/replica_cut.h"
#include "runtime/exec/replica_fold.h"

namespace lockstep {
namespace {

// Arenas of the workers' plans, functions within functions included.
constexpr int kArenasOfWorker = 1000;

// Random ops of unknown batch size draw as parts of the global batch.
class DrawPerSample final : public GraphPass {
 public:
  std::string name() const override { return "draw_per_sample"; }
  Status Run(PassContext& context) const override {
    for (Node* node : context.graph.nodes()) {
      if (!node->traits().random || node->num_outputs() == 0) continue;
      const Node* original = context.original.Find(node->name());
      if (original == nullptr) continue;
      const Shape& shape = original->output_shape(0);
      if (!shape.HasRank() ||
          (shape.rank() > 0 && shape.dim(0) == kUnknownDim)) {
        node->mutable_attrs()["_per_sample"] = true;
      }
    }
    return Ok();
  }
};

// For as long as it lives the calling thread's regions have one thread.
class OneThread {
 public:
  OneThread() : before_(Threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  const int before_;
};

// Part of a sum, still to be multiplied by its weight.
struct Part {
  std::vector<Tensor> values;
  double weight = 1;
};

class ReplicaStep final : public StepRunner {
 public:
  ReplicaStep(const PlanRequest& request, const Node& node, RunInfo* run)
      : options_(*request.environment.options),
        environment_(request.environment),
        replicas_(LocalReplicas(options_)),
        ranks_(std::max(1, options_.tasks)),
        total_(options_.reproducible),
        samples_(node.Attr<int64_t>("samples")),
        sizes_(ReplicaSizes::Of(samples_, replicas_)),
        sliced_(node.Attr<std::vector<bool>>("sliced")),
        run_(run),
        types_(node.Attr<std::vector<DType>>("Tout")),
        shapes_(node.Attr<std::vector<Shape>>("shapes")) {
    for (int64_t use : node.Attr<std::vector<int64_t>>("uses")) {
      uses_.push_back(static_cast<ReplicaUse>(use));
    }
    exchanges_ =
        ranks_ > 1 && std::ranges::find(uses_, ReplicaUse::kSum) != uses_.end();
    options_.reproducible = 0;
    options_.passes = {std::make_shared<DrawPerSample>()};
    environment_.options = &options_;
  }

  Status MakePlans(const PlanRequest& request,
                   const std::vector<std::string>& tensors);
  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override;

 private:
  // What one thread works with.
  struct Worker {
    PlanEnvironment environment;
    std::unique_ptr<Plan> plans[2];  // of sizes_.small and one more
    std::vector<Tensor> feeds;
    std::vector<Tensor> fetches;
    std::vector<Part> parts;  // by depth below a subtree
    Status status;
  };

  int PlanOf(int replica) const { return replica < sizes_.larger ? 1 : 0; }
  Status FindPlace();
  Status MakeOutputs(std::span<Tensor* const> outputs);
  Status MakeZeros(Part* sum);
  Status RunReplica(Worker& worker, int replica, Part* sum);
  void TakeEach(Worker& worker, int replica);
  Status Sum(Worker& worker, int first, int count, size_t depth, Part* sum);
  void Fold(Part* left, const Part& right) const;
  void Finish();

  SessionOptions options_;
  PlanEnvironment environment_;
  const int replicas_;  // of this rank, a power of two
  const int ranks_;
  const int total_;  // replicas of all ranks
  const int64_t samples_;
  const ReplicaSizes sizes_;
  const std::vector<bool> sliced_;
  RunInfo* const run_;
  // Of the values that replicas make.
  std::vector<ReplicaUse> uses_;
  const std::vector<DType> types_;
  const std::vector<Shape> shapes_;
  bool exchanges_ = false;  // sums go on over the ranks
  int subtrees_ = 1;        // shared out among the workers
  std::vector<Worker> workers_;
  std::vector<Part> sums_;  // of the subtrees
  // Of the run at hand.
  std::span<Tensor* const> inputs_;
  std::span<Tensor* const> outputs_;
  int64_t first_sample_ = 0;
  int64_t global_samples_ = 0;
};

Status ReplicaStep::MakePlans(const PlanRequest& request,
                              const std::vector<std::string>& tensors) {
  RunSignature signature{
      .feeds = request.signature.feeds, .fetches = {}, .targets = {}};
  for (const std::string& name : tensors) {
    LS_ASSIGN_OR_RETURN(const Output o, request.graph.FindOutput(name));
    signature.fetches.push_back(o);
  }
  const int threads = options_.intra_op_threads > 0 ? options_.intra_op_threads
                                                    : AffinityCount();
  const int workers = std::min(threads, replicas_);
  // Subtrees of equal depth, enough of them to give every thread as much.
  subtrees_ = static_cast<int>(std::bit_ceil(static_cast<unsigned>(workers)));
  if (subtrees_ != workers) subtrees_ = std::min(replicas_, 4 * subtrees_);
  sums_.resize(static_cast<size_t>(subtrees_));
  workers_.resize(static_cast<size_t>(workers));
  const OneThread one;
  for (int w = 0; w < workers; ++w) {
    Worker& worker = workers_[static_cast<size_t>(w)];
    worker.environment = environment_;
    worker.environment.first_arena = (w + 1) * kArenasOfWorker;
    worker.parts.resize(
        std::bit_width(static_cast<unsigned>(replicas_ / subtrees_)));
    for (int larger = 0; larger < 2; ++larger) {
      const int64_t size = sizes_.small + larger;
      if (size == 0 || (larger == 1 && sizes_.larger == 0)) continue;
      std::vector<FeedSpec> feeds = request.feeds;
      for (size_t i = 0; i < feeds.size(); ++i) {
        if (sliced_[i]) feeds[i].shape.set_dim(0, size);
      }
      LS_ASSIGN_OR_RETURN(worker.plans[larger],
                          BuildPlan({.graph = request.graph,
                                     .signature = signature,
                                     .feeds = feeds,
                                     .environment = worker.environment}));
      for (const DeviceNeed& need : worker.plans[larger]->info().devices) {
        if (!need.device.starts_with("/cpu")) {
          return Unimplemented("reproducible mode: a part of the model is on ",
                               need.device, "; replicas run on CPUs");
        }
      }
    }
  }
  return Ok();
}

// Which part of the global batch this rank's replicas have.
Status ReplicaStep::FindPlace() {
  if (!exchanges_) {
    first_sample_ = 0;
    global_samples_ = samples_;
    return Ok();
  }
  first_sample_ = run_->sample_offset;
  global_samples_ = run_->global_samples;
  const ReplicaSizes all = ReplicaSizes::Of(global_samples_, total_);
  const int first = options_.task * replicas_;
  const int64_t begin = all.Offset(first);
  const int64_t end = all.Offset(first + replicas_);
  if (begin == first_sample_ && end - begin == samples_) return Ok();
  return InvalidArgument(
      "reproducible mode: of ", global_samples_, " samples for ", total_,
      " virtual replicas, those of this rank have samples ", begin, " to ", end,
      "; it was fed ", first_sample_, " to ", first_sample_ + samples_);
}

// Memory for outputs that the plan has none for.
Status ReplicaStep::MakeOutputs(std::span<Tensor* const> outputs) {
  outputs_ = outputs;
  for (size_t i = 0; i < uses_.size(); ++i) {
    Tensor& to = *outputs[i];
    if (!shapes_[i].IsFullyKnown() || to.data() != nullptr) continue;
    LS_ASSIGN_OR_RETURN(to, Tensor::Make(types_[i], shapes_[i]));
  }
  return Ok();
}

void ReplicaStep::TakeEach(Worker& worker, int replica) {
  for (size_t i = 0; i < uses_.size(); ++i) {
    const Tensor& from = worker.fetches[i];
    Tensor& to = *outputs_[i];
    if (uses_[i] == ReplicaUse::kFirst && replica == 0) {
      if (to.data() == nullptr || to.shape() != from.shape()) {
        to = from.Clone();
        continue;
      }
      std::memcpy(to.data(), from.data(), from.bytes());
    } else if (uses_[i] == ReplicaUse::kEach && samples_ > 0) {
      const size_t row = to.bytes() / static_cast<size_t>(samples_);
      std::memcpy(static_cast<char*>(to.data()) +
                      row * static_cast<size_t>(sizes_.Offset(replica)),
                  from.data(), from.bytes());
    }
  }
}

// What a replica without samples adds.
Status ReplicaStep::MakeZeros(Part* sum) {
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    Tensor& to = sum->values[i];
    if (!to.unique()) {
      LS_ASSIGN_OR_RETURN(to, Tensor::Make(types_[i], shapes_[i]));
    }
    std::memset(to.data(), 0, to.bytes());
  }
  return Ok();
}

Status ReplicaStep::RunReplica(Worker& worker, int replica, Part* sum) {
  const int64_t size = sizes_.At(replica);
  sum->weight = 1;
  sum->values.resize(uses_.size());
  if (size == 0) return MakeZeros(sum);
  worker.feeds.clear();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Tensor& whole = *inputs_[i];
    if (!sliced_[i]) {
      worker.feeds.push_back(whole);
      continue;
    }
    Shape shape = whole.shape();
    shape.set_dim(0, size);
    const size_t row = whole.bytes() / static_cast<size_t>(samples_);
    char* const data = static_cast<char*>(const_cast<void*>(whole.data())) +
                       row * static_cast<size_t>(sizes_.Offset(replica));
    worker.feeds.push_back(Tensor::Borrow(whole.dtype(), shape, data));
  }
  RunInfo info = *run_;
  info.sample_offset = first_sample_ + sizes_.Offset(replica);
  info.local_samples = size;
  info.global_samples = global_samples_;
  worker.fetches.resize(uses_.size());
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] == ReplicaUse::kSum) {
      std::swap(worker.fetches[i], sum->values[i]);  // to be overwritten
    }
  }
  LS_RETURN_IF_ERROR(worker.plans[PlanOf(replica)]->RunPart(
      worker.feeds, &worker.fetches, info));
  TakeEach(worker, replica);
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] == ReplicaUse::kSum) {
      std::swap(worker.fetches[i], sum->values[i]);
    }
  }
  sum->weight =
      static_cast<double>(size) / static_cast<double>(global_samples_);
  return Ok();
}

void ReplicaStep::Fold(Part* left, const Part& right) const {
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    Tensor& to = left->values[i];
    FoldReplicas(to.dtype(), to.data(), left->weight, right.values[i].data(),
                 right.weight, to.data(), to.NumElements());
  }
  left->weight = 1;
}

// Of replicas first ... first + count - 1, a subtree.
Status ReplicaStep::Sum(Worker& worker, int first, int count, size_t depth,
                        Part* sum) {
  if (count == 1) return RunReplica(worker, first, sum);
  const int half = count / 2;
  LS_RETURN_IF_ERROR(Sum(worker, first, half, depth, sum));
  Part& other = worker.parts[depth];
  LS_RETURN_IF_ERROR(Sum(worker, first + half, half, depth + 1, &other));
  Fold(sum, other);
  return Ok();
}

// The rest of the tree, by all threads.
void ReplicaStep::Finish() {
  for (size_t step = 1; step < sums_.size(); step *= 2) {
    for (size_t s = 0; s + step < sums_.size(); s += 2 * step) {
      Fold(&sums_[s], sums_[s + step]);
    }
  }
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    const Tensor& from = sums_[0].values[i];
    Tensor& to = *outputs_[i];
    if (to.data() == nullptr || to.shape() != from.shape()) to = from.Clone();
    WeighReplica(from.dtype(), from.data(), sums_[0].weight, to.data(),
                 from.NumElements());
  }
}

Status ReplicaStep::Run(std::span<Tensor* const> inputs,
                        std::span<Tensor* const> outputs) {
  inputs_ = inputs;
  LS_RETURN_IF_ERROR(FindPlace());
  LS_RETURN_IF_ERROR(MakeOutputs(outputs));
  const int each = replicas_ / subtrees_;
  const auto count = static_cast<int64_t>(workers_.size());
  ParallelFor(count, 1, [&](int64_t begin, int64_t end) {
    const OneThread one;
    for (int64_t w = begin; w < end; ++w) {
      Worker& worker = workers_[static_cast<size_t>(w)];
      worker.status = Ok();
      const auto first = static_cast<int>(subtrees_ * w / count);
      const auto last = static_cast<int>(subtrees_ * (w + 1) / count);
      for (int s = first; s < last && worker.status.ok(); ++s) {
        worker.status =
            Sum(worker, s * each, each, 0, &sums_[static_cast<size_t>(s)]);
      }
    }
  });
  for (const Worker& worker : workers_) LS_RETURN_IF_ERROR(worker.status);
  Finish();
  // The sums have their weights; the exchange over the ranks only adds.
  if (exchanges_) run_->local_samples = run_->global_samples;
  return Ok();
}

}  // namespace

Result<std::unique_ptr<StepRunner>> MakeReplicaStep(const PlanRequest& request,
                                                    const Node& node,
                                                    RunInfo* run) {
  auto step = std::make_unique<ReplicaStep>(request, node, run);
  LS_RETURN_IF_ERROR(
      step->MakePlans(request, node.Attr<std::vector<std::string>>("tensors")));
  return std::unique_ptr<StepRunner>(std::move(step));
}

}  // namespace lockstep
