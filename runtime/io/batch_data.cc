// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/batch_data.h"

namespace lockstep {
namespace {

constexpr int kMaxDepth = 1024;

template <class T>
std::vector<int64_t> Widened(const Tensor& t) {
  const auto values = t.flat<T>();
  return std::vector<int64_t>(values.begin(), values.end());
}

}  // namespace

Status CheckBatchOptions(const BatchPipelineOptions& o) {
  if (o.batch < 1) return InvalidArgument("batch must be >= 1, got ", o.batch);
  if (o.ranks < 1 || o.rank < 0 || o.rank >= o.ranks) {
    return InvalidArgument("rank ", o.rank, " of ", o.ranks, " does not exist");
  }
  if (o.replicas < 0 || o.replicas % o.ranks != 0) {
    return InvalidArgument(o.replicas,
                           " virtual replicas cannot be divided "
                           "among ",
                           o.ranks, " ranks");
  }
  if (o.depth < 0 || o.depth > kMaxDepth) {
    return InvalidArgument("depth must be 0 to ", kMaxDepth, ", got ", o.depth);
  }
  if (o.classes < 0) {
    return InvalidArgument("classes must be >= 0, got ", o.classes);
  }
  return Ok();
}

Status CheckBatchData(const Tensor& features, const Tensor& labels) {
  if (features.dtype() != kUint8 && features.dtype() != kFloat) {
    return InvalidArgument("features must be uint8 or float, got ",
                           DTypeName(features.dtype()));
  }
  if (features.shape().rank() < 1 || labels.shape().rank() != 1 ||
      features.shape().dim(0) != labels.shape().dim(0)) {
    return InvalidArgument("features of shape ", features.shape(),
                           " do not go with labels of shape ", labels.shape());
  }
  if (features.shape().dim(0) == 0) return InvalidArgument("no examples");
  return Ok();
}

Result<std::vector<int64_t>> LabelsAsInt64(const Tensor& labels,
                                           int64_t classes) {
  std::vector<int64_t> out;
  switch (labels.dtype()) {
    case kUint8: out = Widened<uint8_t>(labels); break;
    case kInt32: out = Widened<int32_t>(labels); break;
    case kInt64: out = Widened<int64_t>(labels); break;
    default:
      return InvalidArgument("labels must be uint8, int32 or int64, got ",
                             DTypeName(labels.dtype()));
  }
  for (size_t i = 0; classes > 0 && i < out.size(); ++i) {
    if (out[i] < 0 || out[i] >= classes) {
      return InvalidArgument("label ", out[i], " of example ", i,
                             " is not in [0,", classes, ")");
    }
  }
  return out;
}

}  // namespace lockstep
