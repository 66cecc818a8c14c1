// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tensors, shapes and dtypes to and from TensorFlow's messages. Thread-safe.
//
//   proto::TensorProto message;
//   ToProto(tensor, &message);
//   LS_ASSIGN_OR_RETURN(Tensor back, FromProto(message));

#include "runtime/core/tensor.h"

namespace lockstep {

namespace proto {
class TensorProto;
class TensorShapeProto;
}  // namespace proto

// The largest tensor that FromProto makes of a message that repeats one value
// instead of listing all.
inline constexpr int64_t kMaxRepeatedBytes = int64_t{1} << 30;

void ToProto(const Shape& shape, proto::TensorShapeProto* out);
// INVALID_ARGUMENT for a bad dimension or too many.
Result<Shape> FromProto(const proto::TensorShapeProto& shape);

// Plain dtypes as bytes (tensor_content), strings one by one. UNIMPLEMENTED
// for handles and variants.
Status ToProto(const Tensor& tensor, proto::TensorProto* out);
// INVALID_ARGUMENT when values and shape disagree; RESOURCE_EXHAUSTED above
// kMaxRepeatedBytes; UNIMPLEMENTED for handle types.
Result<Tensor> FromProto(const proto::TensorProto& tensor);

}  // namespace lockstep
