// SPDX-License-Identifier: Apache-2.0
#include "distributed/row_gradients.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace lockstep {
namespace {

// Each element of the output is made of the elements at its place.
constexpr std::string_view kElementwise[] = {
    "Abs",        "Add",     "AddV2", "Cast", "Div",    "Identity",
    "Maximum",    "Minimum", "Mul",   "Neg",  "Pow",    "RealDiv",
    "Reciprocal", "Rsqrt",   "Sign",  "Sqrt", "Square", "Sub"};

// What an elementwise node makes its output of, but for scalars; undefined when
// that is not one output.
Output OnlyRows(const Node& n) {
  if (std::ranges::find(kElementwise, n.op()) == std::ranges::end(kElementwise))
    return {};
  Output rows;
  for (const Output& in : n.inputs()) {
    const Shape& shape = in.shape();
    if (shape.HasRank() && shape.rank() == 0) continue;
    if (rows.defined() && !(rows == in)) return {};
    rows = in;
  }
  return rows;
}

// The values, what they are made of, what that is made of, and so on.
std::vector<Output> Origins(Output values) {
  std::vector<Output> origins = {values};
  for (Output o = OnlyRows(*values.node); o.defined(); o = OnlyRows(*o.node)) {
    origins.push_back(o);
  }
  return origins;
}

// Sets values and steps: the nearest origin that all updates share.
Status FindValues(RowGradient* gradient) {
  std::vector<std::vector<Output>> origins;
  for (const RowUpdate& u : gradient->updates) {
    origins.push_back(Origins(u.node->input(u.inputs.values)));
  }
  const auto common = std::ranges::find_if(origins[0], [&](const Output& o) {
    return std::ranges::all_of(origins, [&](const std::vector<Output>& other) {
      return std::ranges::find(other, o) != other.end();
    });
  });
  if (common == origins[0].end()) {
    const Node& first = *gradient->updates[0].node;
    const Node& second = *gradient->updates[1].node;
    return Unimplemented("nodes '", first.name(), "' (", first.op(), ") and '",
                         second.name(), "' (", second.op(),
                         ") update rows by the same indices, but not by what "
                         "is made of one gradient: it cannot be averaged over "
                         "ranks");
  }
  gradient->values = *common;
  for (size_t i = 0; i < origins.size(); ++i) {
    for (const Output& o : origins[i]) {
      if (o == gradient->values) break;
      gradient->updates[i].steps.insert(gradient->updates[i].steps.begin(),
                                        o.node);
    }
  }
  return Ok();
}

}  // namespace

Result<std::vector<RowGradient>> FindRowGradients(const Graph& graph) {
  std::vector<RowGradient> gradients;
  std::unordered_map<Output, size_t, OutputHash> added_at;
  for (Node* node : graph.nodes()) {
    const RowInputs inputs = RowsOf(*node);
    if (inputs.values < 0) continue;
    const Output indices = node->input(inputs.indices);
    size_t at = gradients.size();
    // An Apply* op says itself what its gradient is.
    if (node->traits().applies_gradient < 0) {
      at = added_at.try_emplace(indices, at).first->second;
    }
    if (at == gradients.size()) gradients.emplace_back().indices = indices;
    gradients[at].updates.push_back(
        {.node = node, .inputs = inputs, .steps = {}});
  }
  for (RowGradient& gradient : gradients) {
    std::ranges::sort(gradient.updates, {},
                      [](const RowUpdate& u) { return u.node->name(); });
    LS_RETURN_IF_ERROR(FindValues(&gradient));
  }
  return gradients;
}

namespace {

constexpr std::string_view kClips[] = {"ClipByValue", "Maximum", "Minimum"};

// What the output of a node between a gradient of rows and its update is made
// of: rows are summed by index, too.
Output RowsBefore(const Node& n) {
  const bool hands_on = n.op() == "UnsortedSegmentSum" || n.op() == "Reshape" ||
                        n.op() == "ClipByValue";
  return hands_on ? n.input(0) : OnlyRows(n);
}

// Other samples, of any rank, would clip its rows otherwise.
bool ClipsRows(const Node& n, const SampleFlow& samples) {
  if (std::ranges::find(kClips, n.op()) != std::ranges::end(kClips)) {
    return true;
  }
  for (int i = 0; i < n.num_inputs(); ++i) {
    const Output in = n.input(i);
    if (in.shape().HasRank() && in.shape().rank() == 0 &&
        IsFloating(BaseOf(in.dtype())) && samples.Depends(in) &&
        !samples.IsFed(in) && !samples.HasRows(n, i)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Status CheckRowsAreNotClipped(const Graph& graph, const SampleFlow& samples) {
  for (const Node* node : graph.nodes()) {
    const RowInputs inputs = RowsOf(*node);
    if (inputs.values < 0) continue;
    Output rows = node->input(inputs.values);
    for (Output before = RowsBefore(*rows.node); before.defined();
         before = RowsBefore(*rows.node)) {
      if (ClipsRows(*rows.node, samples)) {
        return Unimplemented(
            "node '", node->name(), "' (", node->op(),
            ") updates rows by a gradient that node '", rows.node->name(),
            "' (", rows.node->op(),
            ") clips or the like: it cannot be averaged over ranks");
      }
      rows = before;
    }
  }
  return Ok();
}

}  // namespace lockstep
