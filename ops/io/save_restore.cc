// SPDX-License-Identifier: Apache-2.0
// SaveV2, RestoreV2: tensors to and from a checkpoint in TensorFlow's V2
// format. The files go through the session's Env service when it has one.
#include "ops/io/session_env.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_writer.h"
#include "runtime/io/tensor_slice.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// The operands that both ops begin with.
struct Request {
  std::string prefix;
  std::span<const std::string> names;
  std::span<const std::string> slices;  // "" or "<full shape> <slice>"
};

Result<Request> ReadRequest(KernelContext& k, int tensors) {
  if (k.input(0).NumElements() != 1) {
    return InvalidArgument("input 0 'prefix' must be one string, has shape ",
                           k.input(0).shape());
  }
  Request r{k.input(0).scalar<std::string>(), k.input(1).flat<std::string>(),
            k.input(2).flat<std::string>()};
  if (static_cast<int>(r.names.size()) != tensors ||
      static_cast<int>(r.slices.size()) != tensors) {
    return InvalidArgument("for ", tensors, " tensors there are ",
                           r.names.size(), " names and ", r.slices.size(),
                           " slices");
  }
  return r;
}

// The last folder of a prefix is made, those above it have to be there, as in
// TensorFlow: a mistyped path is told, not filled.
Status CheckFolder(Env& env, const std::string& prefix) {
  const std::string above = DirName(DirName(prefix));
  if (above == "." || env.FileExists(above)) return Ok();
  return NotFound("cannot save to '", prefix, "': there is no folder '", above,
                  "'");
}

// Inputs: prefix [], tensor_names [n], shape_and_slices [n], n tensors.
Status SaveCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Request r, ReadRequest(k, k.num_inputs() - 3));
  Env& env = detail::EnvOf(k);
  LS_RETURN_IF_ERROR(CheckFolder(env, r.prefix));
  LS_ASSIGN_OR_RETURN(auto writer, CheckpointWriter::Open(env, r.prefix));
  for (size_t i = 0; i < r.names.size(); ++i) {
    const Tensor& value = k.input(static_cast<int>(i) + 3);
    if (r.slices[i].empty()) {
      LS_RETURN_IF_ERROR(writer->Add(r.names[i], value));
      continue;
    }
    LS_ASSIGN_OR_RETURN(ShapeAndSlice part, ParseShapeAndSlice(r.slices[i]));
    LS_RETURN_IF_ERROR(
        writer->AddSlice(r.names[i], part.full, part.slice, value));
  }
  return writer->Finish();
}

LOCKSTEP_OP("SaveV2")
    .Input("prefix: string")
    .Input("tensor_names: string")
    .Input("shape_and_slices: string")
    .Input("tensors: dtypes")
    .Attr("dtypes: list(type) >= 1")
    .Shape(NoOutputs)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {SaveCpu});

// The memory of tensor i's variable (runtime/exec/restore_in_place.h), when
// that has no value yet and the whole tensor fits; undefined when not.
Tensor PlaceFor(KernelContext& k, const CheckpointReader& reader,
                const Request& r, size_t i) {
  const auto* names = GetIf<std::vector<std::string>>(k.attrs(), "_variables");
  if (names == nullptr || (*names)[i].empty() || !r.slices[i].empty()) {
    return {};
  }
  Variable* v = k.resources().variables().Find((*names)[i]);
  if (v == nullptr || v->initialized() || !v->value().defined() ||
      !IsPod(v->dtype())) {
    return {};
  }
  const CheckpointEntry* stored = reader.Find(r.names[i]);
  if (stored == nullptr || stored->dtype != v->dtype() ||
      stored->shape != v->value().shape()) {
    return {};
  }
  return Tensor::Borrow(v->dtype(), v->value().shape(), v->value().data());
}

Result<Tensor> RestoreOne(const CheckpointReader& reader, const Request& r,
                          size_t i, DType dtype, Tensor place) {
  const std::string& name = r.names[i];
  const std::string& slice = r.slices[i];
  Tensor value = std::move(place);
  if (value.defined()) {
    LS_RETURN_IF_ERROR(reader.ReadInto(name, &value));
  } else if (slice.empty()) {
    LS_ASSIGN_OR_RETURN(value, reader.Read(name));
  } else {
    LS_ASSIGN_OR_RETURN(ShapeAndSlice part, ParseShapeAndSlice(slice));
    LS_ASSIGN_OR_RETURN(value, reader.ReadSlice(name, part.full, part.slice));
  }
  if (value.dtype() != dtype) {
    return InvalidArgument("tensor '", name, "' of checkpoint '", r.prefix,
                           "' is ", DTypeName(value.dtype()), ", asked for as ",
                           DTypeName(dtype));
  }
  return value;
}

// Outputs: n tensors of the dtypes asked for. One after the other, as they are
// in the file: two threads keep a disk no busier, and read to and fro.
Status RestoreCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const Request r, ReadRequest(k, k.num_outputs()));
  LS_ASSIGN_OR_RETURN(const auto reader,
                      CheckpointReader::Open(detail::EnvOf(k), r.prefix));
  std::vector<Tensor> values;
  for (int i = 0; i < k.num_outputs(); ++i) {
    const auto at = static_cast<size_t>(i);
    LS_ASSIGN_OR_RETURN(Tensor value,
                        RestoreOne(*reader, r, at, k.output(i).dtype(),
                                   PlaceFor(k, *reader, r, at)));
    values.push_back(std::move(value));
  }
  for (int i = 0; i < k.num_outputs(); ++i) {
    k.SetOutput(i, std::move(values[static_cast<size_t>(i)]));
  }
  return Ok();
}

LOCKSTEP_OP("RestoreV2")
    .Input("prefix: string")
    .Input("tensor_names: string")
    .Input("shape_and_slices: string")
    .Output("tensors: dtypes")
    .Attr("dtypes: list(type) >= 1")
    .Shape(UnknownShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {RestoreCpu});

}  // namespace
}  // namespace lockstep
