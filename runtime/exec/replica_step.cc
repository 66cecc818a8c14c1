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

// A sum for each value that is one; others undefined.
using Sums = std::vector<Tensor>;

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
    environment_.keeps_results = true;
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
    std::vector<const Tensor*> values;  // of the replica run last
    Sums zeros;
    std::vector<Sums> parts;  // by depth below a subtree
    Status status;
  };

  int PlanOf(int replica) const { return replica < sizes_.larger ? 1 : 0; }
  Status FindPlace();
  Status MakeOutputs(std::span<Tensor* const> outputs);
  void TakeEach(const Worker& worker, int replica);
  Status RunReplica(Worker& worker, int replica);
  Status MakeZeros(Worker& worker);
  double WeightOf(int replica) const;
  Status Begin(const Worker& worker, int replica, Sums* sum);
  void Add(const Worker& worker, int replica, Sums* sum) const;
  void Fold(const Sums& left, const Sums& right,
            std::span<Tensor* const> to) const;
  Status Sum(Worker& worker, int first, int count, size_t depth, Sums* sum);
  static std::vector<Tensor*> Pointers(Sums& sums);
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
  std::vector<Sums> sums_;  // of the subtrees
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
  const ThreadsScope one(1);
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
                               need.device,
                               "; replicas run on CPUs (device_count GPU=0 "
                               "leaves GPUs out)");
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

void ReplicaStep::TakeEach(const Worker& worker, int replica) {
  for (size_t i = 0; i < uses_.size(); ++i) {
    const Tensor& from = *worker.values[i];
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

// What the replica computes is in worker.values, until the next one runs;
// of no samples: zeros.
Status ReplicaStep::RunReplica(Worker& worker, int replica) {
  const int64_t size = sizes_.At(replica);
  if (size == 0) return MakeZeros(worker);
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
  LS_RETURN_IF_ERROR(worker.plans[PlanOf(replica)]->RunPart(
      worker.feeds, &worker.values, info));
  TakeEach(worker, replica);
  return Ok();
}

Status ReplicaStep::MakeZeros(Worker& worker) {
  worker.zeros.resize(uses_.size());
  worker.values.resize(uses_.size());
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    Tensor& zeros = worker.zeros[i];
    if (!zeros.defined()) {
      LS_ASSIGN_OR_RETURN(zeros, Tensor::Make(types_[i], shapes_[i]));
      std::memset(zeros.data(), 0, zeros.bytes());
    }
    worker.values[i] = &zeros;
  }
  return Ok();
}

double ReplicaStep::WeightOf(int replica) const {
  const auto size = static_cast<double>(sizes_.At(replica));
  return global_samples_ == 0 ? 0.0
                              : size / static_cast<double>(global_samples_);
}

// The sum begins with what the replica has computed.
Status ReplicaStep::Begin(const Worker& worker, int replica, Sums* sum) {
  sum->resize(uses_.size());
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    const Tensor& from = *worker.values[i];
    Tensor& to = (*sum)[i];
    if (!to.unique() || to.shape() != from.shape()) {
      LS_ASSIGN_OR_RETURN(to, Tensor::Make(from.dtype(), from.shape()));
    }
    WeighReplica(from.dtype(), from.data(), WeightOf(replica), to.data(),
                 from.NumElements());
  }
  return Ok();
}

// And goes on with another.
void ReplicaStep::Add(const Worker& worker, int replica, Sums* sum) const {
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    Tensor& to = (*sum)[i];
    FoldReplicas(to.dtype(), to.data(), 1, worker.values[i]->data(),
                 WeightOf(replica), to.data(), to.NumElements());
  }
}

void ReplicaStep::Fold(const Sums& left, const Sums& right,
                       std::span<Tensor* const> to) const {
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    FoldReplicas(left[i].dtype(), left[i].data(), 1, right[i].data(), 1,
                 to[i]->data(), left[i].NumElements());
  }
}

// Of replicas first ... first + count - 1, a subtree.
Status ReplicaStep::Sum(Worker& worker, int first, int count, size_t depth,
                        Sums* sum) {
  if (count == 1) {
    LS_RETURN_IF_ERROR(RunReplica(worker, first));
    return Begin(worker, first, sum);
  }
  const int half = count / 2;
  LS_RETURN_IF_ERROR(Sum(worker, first, half, depth, sum));
  if (half == 1) {
    LS_RETURN_IF_ERROR(RunReplica(worker, first + 1));
    Add(worker, first + 1, sum);
    return Ok();
  }
  Sums& other = worker.parts[depth];
  LS_RETURN_IF_ERROR(Sum(worker, first + half, half, depth + 1, &other));
  Fold(*sum, other, Pointers(*sum));
  return Ok();
}

std::vector<Tensor*> ReplicaStep::Pointers(Sums& sums) {
  std::vector<Tensor*> pointers;
  for (Tensor& t : sums) pointers.push_back(&t);
  return pointers;
}

// The rest of the tree, by all threads.
void ReplicaStep::Finish() {
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    const Tensor& from = sums_[0][i];
    Tensor& to = *outputs_[i];
    if (to.data() == nullptr || to.shape() != from.shape()) to = from.Clone();
  }
  for (size_t step = 1; step < sums_.size(); step *= 2) {
    const bool last = 2 * step >= sums_.size();
    for (size_t s = 0; s + step < sums_.size(); s += 2 * step) {
      if (last) {
        Fold(sums_[s], sums_[s + step], outputs_);
      } else {
        Fold(sums_[s], sums_[s + step], Pointers(sums_[s]));
      }
    }
  }
  if (sums_.size() > 1) return;
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i] != ReplicaUse::kSum) continue;
    std::memcpy(outputs_[i]->data(), sums_[0][i].data(), sums_[0][i].bytes());
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
    const ThreadsScope one(1);
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
