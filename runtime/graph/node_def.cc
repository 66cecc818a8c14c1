// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/node_def.h"

#include "proto/node_def.pb.h"
#include "runtime/graph/attr_proto.h"

namespace lockstep {

Status WriteNode(const Node& n, InputNameFn input_name, proto::NodeDef* out) {
  out->set_name(n.name());
  out->set_op(n.op());
  out->set_device(n.requested_device());
  for (const Output& in : n.inputs()) {
    LS_ASSIGN_OR_RETURN(*out->add_input(), input_name(in));
  }
  for (const Node* c : n.control_inputs()) out->add_input("^" + c->name());
  for (const auto& [name, value] : n.attrs()) {
    Status s = ToProto(value, &(*out->mutable_attr())[name]);
    if (!s.ok()) return s.WithContext(StrCat("node '", n.name(), "'"));
  }
  return Ok();
}

}  // namespace lockstep
