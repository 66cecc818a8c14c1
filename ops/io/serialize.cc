// SPDX-License-Identifier: Apache-2.0

// SerializeTensor: tensor: T of any shape -> serialized: string [], a
// TensorProto
// ParseTensor: serialized: string [] -> output: out_type, of the shape within
// None has a gradient.

#include "ops/io/session_env.h"
#include "proto/tensor.pb.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/tensor_proto.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status SerializeShape(ShapeContext& c) { return c.SetOutput(0, Shape{}); }

Status SerializeCpu(KernelContext& k) {
  proto::TensorProto message;
  LS_RETURN_IF_ERROR(ToProto(k.input(0), &message));
  LS_ASSIGN_OR_RETURN(*k.out<std::string>(0), SerializeProto(message));
  return Ok();
}

LOCKSTEP_OP("SerializeTensor")
    .Input("tensor: T")
    .Output("serialized: string")
    .Attr("T: type")
    .Shape(SerializeShape)
    .NoGradient()
    .Kernel(kCpu, {SerializeCpu});

Status ParseShape(ShapeContext& c) {
  if (c.Input(0).HasRank() && c.Input(0).rank() != 0) {
    return InvalidArgument("Expected `serialized` to be a scalar, got shape: ",
                           c.Input(0));
  }
  return c.SetOutput(0, Shape::Unknown());
}

Status ParsePrepare(PrepareContext& p) {
  p.MakeState<DType>(p.output_dtype(0));
  return Ok();
}

Status ParseCpu(KernelContext& k) {
  proto::TensorProto message;
  if (!ParseProto(*k.in<std::string>(0), message).ok()) {
    return InvalidArgument("Could not parse `serialized` as TensorProto");
  }
  const auto dtype = static_cast<DType>(message.dtype());
  const DType wanted = k.state<DType>();
  if (dtype != wanted) {
    return InvalidArgument("Type mismatch between parsed tensor (",
                           DTypeName(dtype), ") and dtype (", DTypeName(wanted),
                           ")");
  }
  Result<Tensor> parsed = FromProto(message);
  if (!parsed.ok()) {
    return parsed.status().WithContext("Cannot parse tensor from proto");
  }
  k.SetOutput(0, *std::move(parsed));
  return Ok();
}

LOCKSTEP_OP("ParseTensor")
    .Input("serialized: string")
    .Output("output: out_type")
    .Attr("out_type: type")
    .Shape(ParseShape)
    .NoGradient()
    .Kernel(kCpu, {ParseCpu, ParsePrepare});

}  // namespace
}  // namespace lockstep
