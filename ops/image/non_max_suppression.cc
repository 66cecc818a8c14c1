// SPDX-License-Identifier: Apache-2.0

// NonMaxSuppression, V2, V3, V4, V5: boxes by falling score, without those that
// cover one that was taken before by more than iou_threshold.
//   boxes: [n,4], rows of y1, x1, y2, x2, any two opposite corners; scores:
//   [n]; max_output_size: int32 []   selected_indices: int32 [m]
// V3 and later leave out scores up to score_threshold. V4 and V5 pad to
// max_output_size when asked, and tell how many are valid. V5 with a positive
// soft_nms_sigma lowers scores of what is covered, exp(-iou^2 / (2 sigma)),
// and tells the scores.
// No gradients.

#include <algorithm>
#include <cmath>
#include <queue>

#include "ops/image/image.h"
#include "ops/math/elementwise.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct Corners {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

template <class T>
Corners CornersAt(const T* boxes, int64_t i) {
  const auto at = [&](int j) { return static_cast<float>(boxes[4 * i + j]); };
  return {std::min(at(0), at(2)), std::min(at(1), at(3)),
          std::max(at(0), at(2)), std::max(at(1), at(3))};
}

// The part of both that each has of their union.
float Overlap(const Corners& a, const Corners& b) {
  if (a.area() <= 0 || b.area() <= 0) return 0;
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float both = std::max(height, 0.0f) * std::max(width, 0.0f);
  return both / (a.area() + b.area() - both);
}

struct Limits {
  int64_t most = 0;
  float iou = 0.5f;
  float score = std::numeric_limits<float>::lowest();
  float sigma = 0;
};

struct Candidate {
  int64_t box;
  float score;
  size_t compared = 0;  // with so many of the boxes that were taken
  // The smaller number first among equal scores.
  bool operator<(const Candidate& o) const {
    return score < o.score || (score == o.score && box > o.box);
  }
};

// The candidate's score lowered by the boxes taken since it was looked at;
// false when one of them covers it.
bool Survives(const std::vector<Corners>& boxes,
              const std::vector<Candidate>& taken, const Limits& limits,
              Candidate* c) {
  const float scale = limits.sigma > 0 ? -0.5f / limits.sigma : 0;
  for (size_t j = taken.size(); j-- > c->compared;) {
    const float overlap = Overlap(boxes[static_cast<size_t>(c->box)],
                                  boxes[static_cast<size_t>(taken[j].box)]);
    if (overlap > limits.iou && limits.sigma <= 0) return false;
    if (limits.sigma > 0) c->score *= std::exp(scale * overlap * overlap);
    if (c->score <= limits.score) return false;
  }
  return true;
}

std::vector<Candidate> Select(const std::vector<Corners>& boxes,
                              const std::vector<float>& scores,
                              const Limits& limits) {
  std::priority_queue<Candidate> waiting;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > limits.score) {
      waiting.push({static_cast<int64_t>(i), scores[i]});
    }
  }
  std::vector<Candidate> taken;
  while (static_cast<int64_t>(taken.size()) < limits.most && !waiting.empty()) {
    Candidate next = waiting.top();
    waiting.pop();
    const float before = next.score;
    if (!Survives(boxes, taken, limits, &next)) continue;
    next.compared = taken.size();
    if (next.score == before) {
      taken.push_back(next);
    } else {
      waiting.push(next);
    }
  }
  return taken;
}

template <class T>
Result<Limits> LimitsOf(KernelContext& k) {
  const auto number = [&](int i, float none) {
    return i < k.num_inputs() ? static_cast<float>(k.in<T>(i)[0]) : none;
  };
  Limits limits;
  limits.most = k.in<int32_t>(2)[0];
  limits.iou = k.num_inputs() > 3
                   ? number(3, 0)
                   : GetOr<float>(k.attrs(), "iou_threshold", 0.5f);
  limits.score = number(4, limits.score);
  limits.sigma = number(5, 0);
  if (limits.most < 0) {
    return InvalidArgument("max_output_size must be non-negative, is ",
                           limits.most);
  }
  if (!(limits.iou >= 0 && limits.iou <= 1)) {
    return InvalidArgument("iou_threshold must be in [0, 1], is ", limits.iou);
  }
  if (!(limits.sigma >= 0)) {
    return InvalidArgument("soft_nms_sigma must be non-negative, is ",
                           limits.sigma);
  }
  return limits;
}

// Numbers of boxes and, of the version that tells them, scores.
template <class T>
Status SetSelected(KernelContext& k, const std::vector<Candidate>& taken,
                   int64_t size) {
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{size}));
  int32_t* index = k.out<int32_t>(0);
  std::fill_n(index, size, 0);
  for (size_t i = 0; i < taken.size(); ++i) {
    index[i] = static_cast<int32_t>(taken[i].box);
  }
  if (k.num_outputs() < 3) return Ok();
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{size}));
  T* score = k.out<T>(1);
  std::fill_n(score, size, T(0.0f));
  for (size_t i = 0; i < taken.size(); ++i) score[i] = T(taken[i].score);
  return Ok();
}

// kThresholds: type of the thresholds, where they are inputs.
template <class T, class Thresholds>
Status SuppressCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const Limits limits, LimitsOf<Thresholds>(k));
  std::vector<Corners> boxes;
  std::vector<float> scores;
  for (int64_t i = 0; i < k.input(1).NumElements(); ++i) {
    boxes.push_back(CornersAt(k.in<T>(0), i));
    scores.push_back(static_cast<float>(k.in<T>(1)[i]));
  }
  const std::vector<Candidate> taken = Select(boxes, scores, limits);
  const bool pad = GetOr<bool>(k.attrs(), "pad_to_max_output_size", false);
  const auto valid = static_cast<int64_t>(taken.size());
  LS_RETURN_IF_ERROR(SetSelected<T>(k, taken, pad ? limits.most : valid));
  if (k.num_outputs() > 1) {
    k.out<int32_t>(k.num_outputs() - 1)[0] = static_cast<int32_t>(valid);
  }
  return Ok();
}

Status SuppressShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape boxes, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape scores, c.WithRank(1, 1));
  for (int i = 2; i < c.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(c.WithRank(i, 0).status());
  }
  if (boxes.dim(1) != kUnknownDim && boxes.dim(1) != 4) {
    return InvalidArgument("boxes must have 4 columns, has shape ", boxes);
  }
  if (boxes.dim(0) != kUnknownDim && scores.dim(0) != kUnknownDim &&
      boxes.dim(0) != scores.dim(0)) {
    return InvalidArgument("scores has incompatible shape ", scores,
                           " for boxes ", boxes);
  }
  for (int i = 0; i < c.num_outputs(); ++i) {
    const bool count = i > 0 && i == c.num_outputs() - 1;
    LS_RETURN_IF_ERROR(c.SetOutput(i, count ? Shape{} : Shape{kUnknownDim}));
  }
  return Ok();
}

OpBuilder SuppressOp(int version) {
  OpBuilder b(version == 1 ? std::string("NonMaxSuppression")
                           : StrCat("NonMaxSuppressionV", version));
  const bool typed = version >= 2 && version <= 4;
  const std::string box = version == 1 ? "float" : "T";
  const std::string threshold = typed ? "T_threshold" : "T";
  b.Input("boxes: " + box)
      .Input("scores: " + box)
      .Input("max_output_size: int32");
  if (version > 1) b.Input("iou_threshold: " + threshold);
  if (version > 2) b.Input("score_threshold: " + threshold);
  if (version > 4) b.Input("soft_nms_sigma: T");
  b.Output("selected_indices: int32");
  if (version > 4) b.Output("selected_scores: T");
  if (version > 3) b.Output("valid_outputs: int32");
  if (version > 1) b.Attr("T: {half, float} = DT_FLOAT");
  if (typed) b.Attr("T_threshold: {half, float} = DT_FLOAT");
  if (version == 1) b.Attr("iou_threshold: float = 0.5");
  if (version > 3) b.Attr("pad_to_max_output_size: bool = false");
  b.Shape(SuppressShape).NoGradient();
  if (version == 1) {
    b.Kernel(kCpu, {SuppressCpu<float, float>});
  } else if (!typed) {
    b.Kernels<Half, float>(
        kCpu, []<class T>() { return KernelDef{SuppressCpu<T, T>}; });
  } else {
    b.Kernel(kCpu, {{"T", kFloat}, {"T_threshold", kFloat}},
             {SuppressCpu<float, float>})
        .Kernel(kCpu, {{"T", kFloat}, {"T_threshold", kHalf}},
                {SuppressCpu<float, Half>})
        .Kernel(kCpu, {{"T", kHalf}, {"T_threshold", kFloat}},
                {SuppressCpu<Half, float>})
        .Kernel(kCpu, {{"T", kHalf}, {"T_threshold", kHalf}},
                {SuppressCpu<Half, Half>});
  }
  return b;
}

const OpRegistrar kV1 = SuppressOp(1);
const OpRegistrar kV2 = SuppressOp(2);
const OpRegistrar kV3 = SuppressOp(3);
const OpRegistrar kV4 = SuppressOp(4);
const OpRegistrar kV5 = SuppressOp(5);

}  // namespace

Output ops::NonMaxSuppression(const Scope& scope, const Input& boxes,
                              const Input& scores, const Input& max_output_size,
                              const Input& iou_threshold,
                              const Input& score_threshold) {
  return scope.Op("NonMaxSuppressionV3")
      .In(boxes)
      .In(scores)
      .In(max_output_size)
      .In(iou_threshold)
      .In(score_threshold)
      .Out();
}

}  // namespace lockstep
