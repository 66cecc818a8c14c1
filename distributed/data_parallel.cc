// SPDX-License-Identifier: Apache-2.0
#include "distributed/data_parallel.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "distributed/divided_updates.h"
#include "distributed/find_gradients.h"
#include "distributed/gradient_buckets.h"
#include "distributed/gradient_facts.h"
#include "distributed/original_order.h"
#include "distributed/product_gradients.h"
#include "distributed/root_values.h"
#include "distributed/row_gradients.h"
#include "runtime/exec/schedule.h"

namespace lockstep {
namespace {

// In the order of all that synchronizes: a position of the original order and,
// for what has to come after others there, how many.
struct Place {
  int position = 0;
  int depth = 0;
  auto operator<=>(const Place&) const = default;
};

class Rewriter {
 public:
  Rewriter(PassContext& context, int ranks, const DataParallelOptions& options,
           bool gpus, OriginalOrder order)
      : ranks_(ranks),
        gpus_(gpus && !options.compress && !context.reproducible),
        graph_(context.graph),
        context_(context),
        options_(options),
        order_(std::move(order)) {}

  Status Run() {
    LS_RETURN_IF_ERROR(CheckBatchName());
    LS_ASSIGN_OR_RETURN(found_, FindGradients(context_, order_));
    std::vector<Gradient>& gradients = found_.gradients;
    const bool rows = std::ranges::any_of(
        graph_.nodes(), [](const Node* n) { return RowsOf(*n).values >= 0; });
    if (rows || !gradients.empty()) LS_RETURN_IF_ERROR(ShareBatch());
    if (rows) LS_RETURN_IF_ERROR(ExchangeRows());
    if (!gradients.empty()) LS_RETURN_IF_ERROR(Exchange());
    LS_RETURN_IF_ERROR(BroadcastFromRoot());
    if (options_.divide_updates) LS_RETURN_IF_ERROR(GuardSlices(context_));
    ChainSynchronizing();
    return graph_.TopologicalOrder().status();
  }

 private:
  Status CheckBatchName() const;
  Output FindBatch() const;
  Status ExchangeRows();
  Status UseRows(const RowGradient& gradient, const RowUpdate& update,
                 Node* exchange);
  Status BroadcastFromRoot();
  std::vector<std::string> TrainedVariables() const;
  Status ShareBatch();
  Status Exchange();
  std::vector<std::span<const Gradient>> Compatible(
      std::span<const Gradient> gradients) const;
  void SetProductsApart(const DividedUpdates& updates);
  Status AddProductUpdate(const Gradient& gradient, DividedUpdates* updates);
  Status AddExchange(std::span<const Gradient> bucket, DividedUpdates* updates);
  void ChainSynchronizing();

  // A synchronizing node of ours, at `place` of the common order.
  Result<Node*> Add(NodeSpec spec, Place place) {
    spec.name = graph_.UniqueName(spec.name);
    LS_ASSIGN_OR_RETURN(Node * node, graph_.AddNode(std::move(spec)));
    places_[node] = place;
    return node;
  }

  // Of a node that synchronizes.
  Place PlaceOf(const Node* node) const {
    const auto ours = places_.find(node);
    return ours == places_.end() ? Place{order_.Of(node)} : ours->second;
  }
  Place PlaceBehind(Output value, int position) const;

  // Whether it goes from GPU to GPU.
  bool ByGpu(const Gradient& gradient) const {
    return gpus_ &&
           gradient.output.node->assigned_device().ends_with("/device:GPU:0");
  }

  const int ranks_;
  const bool gpus_;
  Graph& graph_;
  PassContext& context_;
  const DataParallelOptions& options_;
  OriginalOrder order_;
  FoundGradients found_;
  std::vector<Gradient> products_;  // whose factors are exchanged
  Node* share_ = nullptr;
  std::unordered_map<const Node*, Place> places_;
};

Status Rewriter::CheckBatchName() const {
  if (options_.batch.empty()) return Ok();
  const Result<Output> found = context_.original.FindOutput(options_.batch);
  return found.ok() ? Ok() : found.status().WithContext("option batch");
}

// In this plan the tensor may be fed, computed, or not there.
Output Rewriter::FindBatch() const {
  if (options_.batch.empty()) return {};
  const Result<Output> original = context_.original.FindOutput(options_.batch);
  for (const Output& feed : context_.feeds) {
    const auto* tensor = GetIf<std::string>(feed.node->attrs(), "_tensor");
    if (tensor != nullptr && *tensor == original->name()) return feed;
  }
  Node* node = graph_.Find(original->node->name());
  return node == nullptr ? Output{} : node->output(original->index);
}

Status Rewriter::ExchangeRows() {
  LS_ASSIGN_OR_RETURN(const std::vector<RowGradient> gradients,
                      FindRowGradients(graph_));
  for (const RowGradient& gradient : gradients) {
    const RowUpdate& first = gradient.updates[0];
    // Behind what makes the gradient, in the graph as it was built.
    const Node* maker = first.steps.empty() ? first.node : first.steps[0];
    int input = first.inputs.values;
    for (int i = 0; !first.steps.empty() && i < maker->num_inputs(); ++i) {
      if (maker->input(i) == gradient.values) input = i;
    }
    LS_ASSIGN_OR_RETURN(
        Node * exchange,
        Add({.name = StrCat("_row_exchange/", first.node->name()),
             .op = "_RowExchange",
             .inputs = {gradient.values, gradient.indices},
             .attrs = {{"weighted", share_ != nullptr}}},
            {order_.OfInput(maker, input)}));
    for (const RowUpdate& update : gradient.updates) {
      LS_RETURN_IF_ERROR(UseRows(gradient, update, exchange));
    }
  }
  return Ok();
}

// The steps between the gradient and the update are made anew: others may use
// them, of this rank's own rows.
Status Rewriter::UseRows(const RowGradient& gradient, const RowUpdate& update,
                         Node* exchange) {
  Output before = gradient.values;
  Output rows = exchange->output(0);
  for (Node* step : update.steps) {
    NodeSpec spec{.name = graph_.UniqueName(StrCat(step->name(), "/_of_ranks")),
                  .op = step->op(),
                  .inputs = {step->inputs().begin(), step->inputs().end()},
                  .attrs = step->attrs(),
                  .device = step->requested_device()};
    std::ranges::replace(spec.inputs, before, rows);
    LS_ASSIGN_OR_RETURN(Node * made, graph_.AddNode(std::move(spec)));
    before = step->output(0);
    rows = made->output(0);
  }
  graph_.SetInput(update.node, update.inputs.values, rows);
  graph_.SetInput(update.node, update.inputs.indices, exchange->output(1));
  return Ok();
}

// What a value is made of may be exchanged later than the graph as it was built
// has it, in a bucket with others.
Place Rewriter::PlaceBehind(Output value, int position) const {
  Place place{position};
  std::unordered_set<const Node*> seen = {value.node};
  std::vector<const Node*> stack = {value.node};
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    if (n->traits().synchronizes) {
      const Place before = PlaceOf(n);
      if (before >= place) place = {before.position, before.depth + 1};
    }
    const auto visit = [&](const Node* above) {
      if (seen.insert(above).second) stack.push_back(above);
    };
    for (const Output& in : n->inputs()) visit(in.node);
    for (const Node* c : n->control_inputs()) visit(c);
  }
  return place;
}

Status Rewriter::BroadcastFromRoot() {
  std::unordered_map<Output, Output, OutputHash> broadcast;
  for (const auto& [node, input] :
       FindRootValues(context_, options_.divide_updates)) {
    const Output value = node->input(input);
    auto found = broadcast.find(value);
    if (found == broadcast.end()) {
      LS_ASSIGN_OR_RETURN(Node * added,
                          Add({.name = StrCat(node->name(), "/_from_root"),
                               .op = "_BroadcastFromRoot",
                               .inputs = {value}},
                              PlaceBehind(value, order_.OfInput(node, input))));
      found = broadcast.emplace(value, added->output(0)).first;
    }
    graph_.SetInput(node, input, found->second);
  }
  return Ok();
}

// The names of the variables that the plan updates by gradients.
std::vector<std::string> Rewriter::TrainedVariables() const {
  std::set<std::string> names;
  for (const Node* node : graph_.nodes()) {
    if (node->traits().applies_gradient < 0 && RowsOf(*node).values < 0) {
      continue;
    }
    const Output variable = VariableBehind(node->input(0));
    if (variable.defined()) names.insert(VariableName(*variable.node));
  }
  for (const Node* variable : found_.composed) {
    names.insert(VariableName(*variable));
  }
  return {names.begin(), names.end()};
}

// Also makes the random ops of the batch draw this rank's part of the global
// batch: those whose size was not known when the graph was built.
Status Rewriter::ShareBatch() {
  const Output batch = FindBatch();
  if (!batch.defined()) return Ok();
  LS_ASSIGN_OR_RETURN(share_,
                      Add({.name = "_batch_share",
                           .op = "_BatchShare",
                           .inputs = {batch},
                           .attrs = {{"variables", TrainedVariables()}}},
                          {-1}));
  for (Node* node : graph_.nodes()) {
    if (!node->traits().random || node->num_outputs() == 0) continue;
    graph_.AddControlEdge(share_, node);
    const Node* original = order_.Find(node);
    if (original == nullptr) continue;
    const Shape& shape = original->output_shape(0);
    if (!shape.HasRank() || (shape.rank() > 0 && shape.dim(0) == kUnknownDim)) {
      node->mutable_attrs()["_per_sample"] = true;
    }
  }
  return Ok();
}

// Moves the gradients whose factors are exchanged, one by one, to products_.
void Rewriter::SetProductsApart(const DividedUpdates& updates) {
  if (!options_.exchange_factors || !options_.divide_updates ||
      context_.reproducible) {
    return;
  }
  std::vector<Gradient> others;
  for (Gradient& g : found_.gradients) {
    const bool product =
        updates.Fit({&g, 1}) && IsLargeProduct(g, order_, ranks_);
    (product ? products_ : others).push_back(std::move(g));
  }
  found_.gradients = std::move(others);
}

Status Rewriter::AddProductUpdate(const Gradient& gradient,
                                  DividedUpdates* updates) {
  LS_ASSIGN_OR_RETURN(
      Node * update,
      Add(updates->SpecByFactors(gradient, order_, share_ != nullptr),
          {gradient.last_use}));
  updates->Replace({&gradient, 1}, update);
  return Ok();
}

Status Rewriter::Exchange() {
  DividedUpdates updates(context_, found_.gradients,
                         [this](const Node* n) { return PlaceOf(n).position; });
  SetProductsApart(updates);
  for (const Gradient& gradient : products_) {
    LS_RETURN_IF_ERROR(AddProductUpdate(gradient, &updates));
  }
  for (const auto row : Compatible(found_.gradients)) {
    size_t begin = 0;
    for (const int end : BucketsOf(row, order_, ranks_, options_)) {
      LS_RETURN_IF_ERROR(AddExchange(
          row.subspan(begin, static_cast<size_t>(end) - begin), &updates));
      begin = static_cast<size_t>(end);
    }
  }
  updates.Finish();
  return Ok();
}

// Rows of gradients any of which may be exchanged together.
std::vector<std::span<const Gradient>> Rewriter::Compatible(
    std::span<const Gradient> gradients) const {
  // Gradients that need what another one of the bucket updates (two training
  // ops in one run) would make a cycle. Exchanges added meanwhile do not
  // matter: theirs are earlier gradients.
  const Consumers consumers(graph_);
  std::unordered_set<const Node*> after;
  std::vector<std::span<const Gradient>> rows;
  if (gradients.empty()) return rows;
  size_t begin = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Gradient& gradient = gradients[i];
    const bool fits = BaseOf(gradient.output.dtype()) ==
                          BaseOf(gradients[begin].output.dtype()) &&
                      ByGpu(gradient) == ByGpu(gradients[begin]) &&
                      !after.contains(gradient.output.node);
    if (!fits) {
      rows.push_back(gradients.subspan(begin, i - begin));
      begin = i;
      after.clear();
    }
    for (const auto& [update, input] : gradient.uses) {
      after.insert(update);
      MarkUsers(update, consumers, &after);
    }
  }
  rows.push_back(gradients.subspan(begin));
  return rows;
}

Status Rewriter::AddExchange(std::span<const Gradient> bucket,
                             DividedUpdates* updates) {
  if (options_.divide_updates && updates->Fit(bucket)) {
    int position = 0;
    for (const Gradient& g : bucket) position = std::max(position, g.last_use);
    LS_ASSIGN_OR_RETURN(
        Node * update,
        Add(updates->Spec(bucket, share_ != nullptr), {position}));
    updates->Replace(bucket, update);
    return Ok();
  }
  std::vector<Output> inputs;
  for (const Gradient& gradient : bucket) inputs.push_back(gradient.output);
  const auto count = static_cast<int64_t>(bucket.size());
  const bool by_gpu = ByGpu(bucket[0]);
  LS_ASSIGN_OR_RETURN(
      Node * exchange,
      Add({.name = StrCat("_gradient_exchange/", bucket[0].first_use),
           .op = "_GradientExchange",
           .inputs = std::move(inputs),
           .attrs = {{"N", count},
                     {"weighted", share_ != nullptr},
                     {"compress", options_.compress},
                     {"on_gpu", by_gpu}},
           .device = by_gpu ? "/device:GPU:0" : "/device:CPU:0"},
          {bucket.back().position}));
  for (size_t i = 0; i < bucket.size(); ++i) {
    for (const auto& [node, input] : bucket[i].uses) {
      graph_.SetInput(node, input, exchange->output(static_cast<int>(i)));
    }
  }
  return Ok();
}

// One order for all ranks. It never contradicts the graph: what a node waits
// for stands before it in the original graph, too.
void Rewriter::ChainSynchronizing() {
  std::vector<std::tuple<Place, std::string, Node*>> nodes;
  for (Node* node : graph_.nodes()) {
    if (!node->traits().synchronizes) continue;
    nodes.emplace_back(PlaceOf(node), node->name(), node);
  }
  std::ranges::sort(nodes);
  for (size_t i = 1; i < nodes.size(); ++i) {
    graph_.AddControlEdge(std::get<Node*>(nodes[i - 1]),
                          std::get<Node*>(nodes[i]));
  }
}

}  // namespace

Status DataParallel::Run(PassContext& context) const {
  if (ranks_ <= 1) return Ok();
  if (options_.compress && context.reproducible) {
    return InvalidArgument(
        "compressed gradients are rounded rank by rank: not in reproducible "
        "mode; leave one of the two out");
  }
  if (options_.bucket_bytes < 0) {
    return InvalidArgument("bucket_bytes must be 0 (chosen) or more, got ",
                           options_.bucket_bytes);
  }
  LS_ASSIGN_OR_RETURN(OriginalOrder order,
                      OriginalOrder::Make(context.original));
  return Rewriter(context, ranks_, options_,
                  gpus_ != nullptr && gpus_->communicator() != nullptr,
                  std::move(order))
      .Run();
}

}  // namespace lockstep
