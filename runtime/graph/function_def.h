// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functions to and from TensorFlow's FunctionDef. Thread-safe.
//
//   LS_ASSIGN_OR_RETURN(Function f, FromProto(def, signatures));
//   proto::FunctionDef message;
//   LS_RETURN_IF_ERROR(ToProto(f, &message));

#include "runtime/graph/function.h"
#include "runtime/graph/node_import.h"

namespace lockstep {

// Errors as those of FromGraphDef, naming the function. UNIMPLEMENTED for
// arguments whose types are attributes of the call.
Result<Function> FromProto(const proto::FunctionDef& def,
                           const FunctionSignatures& functions);
Status ToProto(const Function& function, proto::FunctionDef* out);

}  // namespace lockstep
