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

bool IsIn(const EinsumLabels& labels, int label) {
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

// The size of each label, kUnknownDim where it is not known.
using Sizes = std::map<int, int64_t>;

Result<Sizes> SizesOf(const std::vector<EinsumLabels>& labels,
                      std::span<const Shape> shapes) {
  Sizes size;
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t d = 0; d < labels[i].size(); ++d) {
      const int64_t n = shapes[i].dim(static_cast<int>(d));
      const int label = labels[i][d];
      auto [it, added] = size.try_emplace(label, n);
      if (added || n == it->second || n == kUnknownDim) continue;
      const bool spreads = label >= kEllipsis;
      if (it->second == kUnknownDim || (spreads && it->second == 1)) {
        it->second = n;
      } else if (!spreads || n != 1) {
        return InvalidArgument("Expected dimension ", it->second, " at axis ",
                               d, " of the input shaped ", shapes[i],
                               " but got dimension ", n);
      }
    }
  }
  return size;
}

// The labels by their parts in the product, in the output's order.
struct Groups {
  EinsumLabels batch, rows, columns, contract;
  bool Has(int label) const {
    return IsIn(batch, label) || IsIn(rows, label) || IsIn(columns, label) ||
           IsIn(contract, label);
  }
};

Groups GroupsOf(const std::vector<EinsumLabels>& labels,
                const EinsumLabels& output, const Sizes& size) {
  Groups g;
  for (const auto& [label, n] : size) {
    const bool a = IsIn(labels[0], label),
               b = labels.size() > 1 && IsIn(labels[1], label);
    if (IsIn(output, label)) {
      (a && b ? g.batch : a ? g.rows : g.columns).push_back(label);
    } else if (a && b) {
      g.contract.push_back(label);
    }
  }
  for (EinsumLabels* l : {&g.batch, &g.rows, &g.columns}) {
    std::ranges::sort(*l, {}, [&output](int x) {
      return std::ranges::find(output, x) - output.begin();
    });
  }
  return g;
}

int64_t Product(const EinsumLabels& labels, const Sizes& size) {
  int64_t n = 1;
  for (const int label : labels) n *= size.at(label);
  return n;
}

// The operand of these labels, laid out by `parts`; labels in no group are
// summed away.
EinsumPlan::Operand OperandOf(const EinsumLabels& labels, const Shape& shape,
                              std::initializer_list<const EinsumLabels*> parts,
                              const Groups& groups, const Sizes& size) {
  const std::vector<int64_t> strides = RowMajorStrides(shape);
  const auto stride_of = [&](int label) {
    int64_t sum = 0;
    for (size_t d = 0; d < labels.size(); ++d) {
      const bool spread = shape.dim(static_cast<int>(d)) == 1;
      if (labels[d] == label && !spread) sum += strides[d];
    }
    return sum;
  };
  EinsumPlan::Operand op;
  size_t number = 0;
  for (const EinsumLabels* part : parts) {
    op.parts[number++] = part->size();
    for (const int label : *part) {
      op.kept.push_back(size.at(label));
      op.kept_strides.push_back(stride_of(label));
      op.size *= size.at(label);
    }
  }
  for (const auto& [label, n] : size) {
    if (!IsIn(labels, label) || groups.Has(label)) continue;
    op.summed.push_back(n);
    op.summed_strides.push_back(stride_of(label));
  }
  return op;
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
  LS_ASSIGN_OR_RETURN(const Sizes size, SizesOf(labels, shapes));
  if (output_labels_.size() > static_cast<size_t>(Shape::kMaxRank)) {
    return InvalidArgument("the output has too many dimensions");
  }
  for (const int label : output_labels_) {
    const auto it = size.find(label);
    if (it == size.end()) {
      return InvalidArgument("output label '", static_cast<char>(label),
                             "' is in no input");
    }
    output_.AddDim(it->second);
  }
  int64_t all = 1;
  for (const auto& [label, n] : size) {
    if (n == kUnknownDim) return Ok();
    if (__builtin_mul_overflow(all, n, &all)) {
      return InvalidArgument("the inputs are too large together");
    }
  }
  const Groups groups = GroupsOf(labels, output_labels_, size);
  batches_ = Product(groups.batch, size);
  matrix_.m = Product(groups.rows, size);
  matrix_.n = Product(groups.columns, size);
  matrix_.k = Product(groups.contract, size);
  operands_.push_back(OperandOf(labels[0], shapes[0],
                                {&groups.batch, &groups.rows, &groups.contract},
                                groups, size));
  if (labels.size() > 1) {
    operands_.push_back(OperandOf(
        labels[1], shapes[1],
        {&groups.batch, &groups.contract, &groups.columns}, groups, size));
  }
  result_parts_ = {groups.batch.size(), groups.rows.size(),
                   groups.columns.size()};
  const std::vector<int64_t> strides = RowMajorStrides(output_);
  for (const EinsumLabels* part :
       {&groups.batch, &groups.rows, &groups.columns}) {
    for (const int label : *part) {
      int64_t sum = 0;
      for (size_t d = 0; d < output_labels_.size(); ++d) {
        if (output_labels_[d] == label) sum += strides[d];
      }
      result_dims_.push_back(size.at(label));
      result_strides_.push_back(sum);
    }
  }
  diagonal_ = result_dims_.size() < output_labels_.size();
  return Ok();
}

}  // namespace lockstep
