// SPDX-License-Identifier: Apache-2.0
#pragma once

// Attributes to and from TensorFlow's message. Thread-safe.
//
//   proto::AttrValue message;
//   LS_RETURN_IF_ERROR(ToProto(AttrValue("SAME"), &message));
//   LS_ASSIGN_OR_RETURN(AttrValue back, FromProto(message));

#include "runtime/op/attr.h"

namespace lockstep {

namespace proto {
class AttrValue;
}

// UNIMPLEMENTED for tensors of dtypes that have no bytes.
Status ToProto(const AttrValue& value, proto::AttrValue* out);
// Undefined for a message without a value and for a function's placeholder.
Result<AttrValue> FromProto(const proto::AttrValue& in);

}  // namespace lockstep
