// SPDX-License-Identifier: Apache-2.0
#include "ops/dnnl/dnnl.h"

#include <new>

#include "runtime/core/allocator.h"

namespace lockstep::detail {

const dnnl::engine& DnnlEngine() {
  // Leaked: primitives of late destroyed sessions refer to it.
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

DnnlType DnnlTypeOf(DType dtype) {
  return dtype == kBfloat16 ? DnnlType::bf16 : DnnlType::f32;
}

bool DnnlHasBfloat16() {
  // Sets of instructions are bits.
  static const bool has = [] {
    const auto all = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
    const auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
    return (all & wanted) == wanted;
  }();
  return has;
}

dnnl::memory::desc DnnlStrided(const dnnl::memory::dims& dims,
                               const dnnl::memory::dims& strides,
                               DnnlType type) {
  return {dims, type, strides};
}

dnnl::memory::desc DnnlAny(const dnnl::memory::dims& dims, DnnlType type) {
  return {dims, type, dnnl::memory::format_tag::any};
}

Status DnnlStatus(const char* what, dnnl_status_t status, const char* message) {
  switch (status) {
    case dnnl_success: return Ok();
    case dnnl_unimplemented:
      return Unimplemented("oneDNN: ", what, ": ", message);
    case dnnl_out_of_memory:
      return ResourceExhausted("oneDNN: ", what, ": ", message);
    default:
      return Internal("oneDNN: ", what, ": ", message, " (status ",
                      static_cast<int>(status), ")");
  }
}

DnnlProgram::DnnlProgram() : stream_(DnnlEngine()) {}

DnnlProgram::Slot DnnlProgram::AddPlace(const dnnl::memory::desc& desc,
                                        int operand) {
  places_.push_back(
      {dnnl::memory(desc, DnnlEngine(), nullptr), nullptr, operand, 0});
  return static_cast<Slot>(places_.size()) - 1;
}

DnnlProgram::Slot DnnlProgram::Operand(const dnnl::memory::desc& desc) {
  return AddPlace(desc, num_operands_++);
}

DnnlProgram::Slot DnnlProgram::Temporary(const dnnl::memory::desc& desc) {
  const Slot slot = AddPlace(desc, -1);
  places_.back().offset = scratch_bytes_;
  scratch_bytes_ += AlignedSize(desc.get_size());
  return slot;
}

Status DnnlProgram::Reorder(Slot from, Slot to) {
  return DnnlGuard("reorder", [&] {
    const auto& engine = DnnlEngine();
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return Add(
        dnnl::reorder::primitive_desc(engine, memory(from).get_desc(), engine,
                                      memory(to).get_desc(), attr),
        {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  });
}

Result<DnnlProgram::Slot> DnnlProgram::Reordered(
    Slot from, const dnnl::memory::desc& wanted) {
  if (memory(from).get_desc() == wanted) return from;
  const Slot to = Temporary(wanted);
  LS_RETURN_IF_ERROR(Reorder(from, to));
  return to;
}

DnnlProgram::Slot DnnlProgram::OutputFor(Slot to,
                                         const dnnl::memory::desc& made) {
  if (memory(to).get_desc() == made) return to;
  const Slot slot = Temporary(made);
  pending_outputs_.emplace_back(slot, to);
  return slot;
}

Status DnnlProgram::FinishOutputs() {
  for (const auto& [made, to] : pending_outputs_) {
    LS_RETURN_IF_ERROR(Reorder(made, to));
  }
  pending_outputs_.clear();
  return Ok();
}

Status DnnlProgram::Add(const dnnl::primitive_desc_base& pd,
                        const std::vector<std::pair<int, Slot>>& args) {
  return DnnlGuard("primitive", [&] {
    Step step{dnnl::primitive(pd.get()), {}};
    for (const auto& [arg, slot] : args) {
      step.args.push_back({arg, memory(slot).get()});
    }
    const dnnl::memory::desc scratchpad = pd.scratchpad_desc();
    if (scratchpad.get_size() > 0) {
      step.args.push_back(
          {DNNL_ARG_SCRATCHPAD, memory(Temporary(scratchpad)).get()});
    }
    steps_.push_back(std::move(step));
    return Ok();
  });
}

void DnnlProgram::Bind(Place* place, const void* data) {
  if (place->bound == data) return;
  place->bound = data;
  dnnl_memory_set_data_handle(place->memory.get(), const_cast<void*>(data));
}

Status DnnlProgram::Run(void* scratch,
                        std::initializer_list<const void*> operands) {
  for (Place& place : places_) {
    if (place.operand >= 0) {
      Bind(&place, operands.begin()[place.operand]);
    } else {
      Bind(&place, static_cast<char*>(scratch) + place.offset);
    }
  }
  for (const Step& step : steps_) {
    const dnnl_status_t status = dnnl_primitive_execute(
        step.primitive.get(), stream_.get(), static_cast<int>(step.args.size()),
        step.args.data());
    if (status != dnnl_success) [[unlikely]] {
      return DnnlStatus("execute", status, "failed");
    }
  }
  return Ok();
}

}  // namespace lockstep::detail
