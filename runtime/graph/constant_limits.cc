// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/constant_limits.h"

#include <algorithm>

#include "proto/graph.pb.h"
#include "runtime/io/tensor_proto.h"

namespace lockstep {
namespace {

// The bytes that the tensor's elements take when they are written out; 0 when
// the message has them all, or is no tensor.
uint64_t RepeatedBytes(const proto::TensorProto& tensor) {
  if (!tensor.tensor_content().empty()) return 0;
  const auto shape = FromProto(tensor.tensor_shape());
  if (!shape.ok() || !shape->IsFullyKnown()) return 0;
  const auto elements = static_cast<uint64_t>(shape->NumElements());
  // Longer than its message, so that it must repeat.
  if (elements <= tensor.ByteSizeLong()) return 0;
  const size_t width = DTypeSize(static_cast<DType>(tensor.dtype()));
  return std::min<uint64_t>(elements, uint64_t{1} << 50) * width;
}

class Counter {
 public:
  Status Add(const proto::NodeDef& node) {
    for (const auto& [name, value] : node.attr()) {
      if (value.has_tensor()) total_ += RepeatedBytes(value.tensor());
      for (const auto& tensor : value.list().tensor()) {
        total_ += RepeatedBytes(tensor);
      }
      if (total_ <= static_cast<uint64_t>(kMaxRepeatedBytes)) continue;
      return ResourceExhausted("node '", node.name(),
                               "': constants that repeat one value need ",
                               HumanBytes(total_), " up to here, the limit is ",
                               HumanBytes(kMaxRepeatedBytes));
    }
    return Ok();
  }

 private:
  uint64_t total_ = 0;
};

}  // namespace

Status CheckRepeatedValues(const proto::GraphDef& def) {
  Counter counter;
  for (const auto& node : def.node()) LS_RETURN_IF_ERROR(counter.Add(node));
  for (const auto& function : def.library().function()) {
    for (const auto& node : function.node_def()) {
      LS_RETURN_IF_ERROR(counter.Add(node));
    }
  }
  return Ok();
}

}  // namespace lockstep
