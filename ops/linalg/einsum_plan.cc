// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/einsum_plan.h"

#include <algorithm>
#include <map>

namespace lockstep {
namespace {

constexpr int kEllipsis = 256;

// The labels of a subscript for a tensor of `rank` dimensions; `rank` < 0: the
// ellipsis stands for `ellipsis` dimensions.
Result<EinsumLabels> LabelsOf(const std::string& subscript, int rank,
                              int ellipsis) {
  EinsumLabels labels;
  const size_t dots = subscript.find("...");
  if (rank >= 0) {
    const int letters =
        static_cast<int>(subscript.size()) - (dots == subscript.npos ? 0 : 3);
    if (rank < letters || (rank > letters && dots == subscript.npos)) {
      return InvalidArgument("subscript '", subscript,
                             "' does not fit a tensor of rank ", rank);
    }
    ellipsis = rank - letters;
  }
  for (size_t i = 0; i < subscript.size(); ++i) {
    if (i == dots) {
      for (int d = ellipsis; d-- > 0;) labels.push_back(kEllipsis + d);
      i += 2;
    } else {
      labels.push_back(static_cast<unsigned char>(subscript[i]));
    }
  }
  return labels;
}

bool Has(const EinsumLabels& labels, int label) {
  return std::ranges::find(labels, label) != labels.end();
}

Status CheckSubscript(const std::string& s, std::string_view equation) {
  const size_t dots = s.find("...");
  for (size_t i = 0; i < s.size(); ++i) {
    if (dots != s.npos && i >= dots && i < dots + 3) continue;
    const char c = s[i];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) continue;
    return InvalidArgument("subscript '", s, "' of equation '", equation,
                           "' may hold letters and one ellipsis only");
  }
  return Ok();
}

}  // namespace

Result<EinsumEquation> EinsumEquation::Parse(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c != ' ') clean += c;
  }
  EinsumEquation e;
  const size_t arrow = clean.find("->");
  if (arrow == clean.npos) {
    return InvalidArgument("Expecting exactly one '->' in einsum equation: ",
                           text);
  }
  e.inputs = Split(clean.substr(0, arrow), ',');
  if (e.inputs.empty()) e.inputs.emplace_back();
  e.output = clean.substr(arrow + 2);
  if (e.inputs.size() > 2) {
    return InvalidArgument("Expecting 1 or 2 input subscripts in equation '",
                           text, "' but got: ", e.inputs.size());
  }
  for (const std::string& s : e.inputs) {
    LS_RETURN_IF_ERROR(CheckSubscript(s, text));
  }
  LS_RETURN_IF_ERROR(CheckSubscript(e.output, text));
  return e;
}

Result<EinsumPlan> EinsumPlan::Make(std::string_view equation,
                                    std::span<const Shape> inputs) {
  LS_ASSIGN_OR_RETURN(EinsumEquation e, EinsumEquation::Parse(equation));
  if (e.inputs.size() != inputs.size()) {
    return InvalidArgument("Expected ", e.inputs.size(), " inputs for '",
                           equation, "' but got: ", inputs.size());
  }
  EinsumPlan plan;
  std::vector<EinsumLabels> labels;
  int ellipsis = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].HasRank()) {
      plan.output_ = Shape::Unknown();
      return plan;
    }
    LS_ASSIGN_OR_RETURN(EinsumLabels l,
                        LabelsOf(e.inputs[i], inputs[i].rank(), 0));
    ellipsis =
        std::max(ellipsis, static_cast<int>(std::ranges::count_if(
                               l, [](int x) { return x >= kEllipsis; })));
    labels.push_back(std::move(l));
  }
  LS_ASSIGN_OR_RETURN(plan.output_labels_, LabelsOf(e.output, -1, ellipsis));
  LS_RETURN_IF_ERROR(plan.Resolve(labels, inputs));
  return plan;
}

Status EinsumPlan::Resolve(const std::vector<EinsumLabels>& labels,
                           std::span<const Shape> shapes) {
  std::map<int, int64_t> size;
  bool known = true;
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t d = 0; d < labels[i].size(); ++d) {
      const int64_t n = shapes[i].dim(static_cast<int>(d));
      const int label = labels[i][d];
      known = known && n != kUnknownDim;
      auto [it, added] = size.try_emplace(label, n);
      if (added || n == it->second || n == kUnknownDim) continue;
      const bool wild =
          it->second == kUnknownDim || (label >= kEllipsis && it->second == 1);
      if (wild) it->second = n;
      if (!wild && !(label >= kEllipsis && n == 1)) {
        return InvalidArgument("Expected dimension ", it->second, " at axis ",
                               d, " of the input shaped ", shapes[i],
                               " but got dimension ", n);
      }
    }
  }
  if (output_labels_.size() > static_cast<size_t>(Shape::kMaxRank)) {
    return InvalidArgument("the output has too many dimensions");
  }
  for (const int label : output_labels_) {
    if (!size.contains(label)) {
      return InvalidArgument("output label '", static_cast<char>(label),
                             "' is in no input");
    }
    output_.AddDim(size[label]);
  }
  if (!known) return Ok();
  // The labels of the product in order: batch, rows of one operand, columns.
  EinsumLabels batch, contract, only[2];
  for (const auto& [label, n] : size) {
    const bool a = Has(labels[0], label),
               b = labels.size() > 1 && Has(labels[1], label),
               out = Has(output_labels_, label);
    if (out) (a && b ? batch : only[a ? 0 : 1]).push_back(label);
    if (!out && a && b) contract.push_back(label);
  }
  const auto by_output = [this](EinsumLabels& l) {
    std::ranges::sort(l, {}, [this](int x) {
      return std::ranges::find(output_labels_, x) - output_labels_.begin();
    });
  };
  for (EinsumLabels* l : {&batch, &only[0], &only[1]}) by_output(*l);
  const auto product = [&](const EinsumLabels& l) {
    int64_t n = 1;
    for (const int label : l) n *= size[label];
    return n;
  };
  batches_ = product(batch);
  matrix_.m = product(only[0]);
  matrix_.n = product(only[1]);
  matrix_.k = product(contract);
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::vector<int64_t> strides = RowMajorStrides(shapes[i]);
    Operand op;
    const auto stride_of = [&](int label) {
      int64_t sum = 0;
      for (size_t d = 0; d < labels[i].size(); ++d) {
        const bool spread = shapes[i].dim(static_cast<int>(d)) == 1;
        if (labels[i][d] == label && !spread) sum += strides[d];
      }
      return sum;
    };
    const EinsumLabels* order[] = {&batch, i == 0 ? &only[0] : &contract,
                                   i == 0 ? &contract : &only[1]};
    for (const EinsumLabels* part : order) {
      for (const int label : *part) {
        op.kept.push_back(size[label]);
        op.kept_strides.push_back(stride_of(label));
        op.size *= size[label];
      }
    }
    for (const auto& [label, n] : size) {
      const size_t other = 1 - i;
      const bool elsewhere = Has(output_labels_, label) ||
                             (labels.size() > 1 && Has(labels[other], label));
      if (elsewhere || !Has(labels[i], label)) continue;
      op.summed.push_back(n);
      op.summed_strides.push_back(stride_of(label));
    }
    operands_.push_back(std::move(op));
  }
  const std::vector<int64_t> strides = RowMajorStrides(output_);
  for (const EinsumLabels* part : {&batch, &only[0], &only[1]}) {
    for (const int label : *part) {
      int64_t sum = 0;
      for (size_t d = 0; d < output_labels_.size(); ++d) {
        if (output_labels_[d] == label) sum += strides[d];
      }
      result_dims_.push_back(size[label]);
      result_strides_.push_back(sum);
    }
  }
  diagonal_ = result_dims_.size() < output_labels_.size();
  return Ok();
}

}  // namespace lockstep
