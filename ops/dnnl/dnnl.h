// SPDX-License-Identifier: Apache-2.0
#pragma once

// DnnlProgram: a few oneDNN primitives that run one after the other, for one
// step of a plan: reorder the operands to what the main primitive wants, the
// main primitive, reorder the results back.
//
// Built in a kernel's prepare, run by its run with the operands' addresses;
// running it allocates nothing of ours. Temporaries and oneDNN's scratchpads
// lie in the kernel's scratch memory. A program is used by one thread at a
// time; operands need no alignment.
//
//   auto& s = p.MakeState<DnnlProgram>();
//   DnnlProgram::Slot a = s.Operand(a_desc), b = ..., c = ...;
//   LS_ASSIGN_OR_RETURN(auto pd, MakeMatMul(a_desc, b_desc, {}, c_desc, {}));
//   LS_RETURN_IF_ERROR(s.Add(pd, {{DNNL_ARG_SRC, a}, ...}));
//   p.RequestScratch(s.scratch_bytes());
//   ...
//   return k.state<DnnlProgram>().Run(k.scratch(), {k.in<float>(0), ...});

#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "runtime/core/dtype.h"
#include "runtime/core/status.h"

namespace lockstep::detail {

// The CPU engine; made once, never destroyed. Thread-safe.
const dnnl::engine& DnnlEngine();

// kFloat and kBfloat16.
using DnnlType = dnnl::memory::data_type;
DnnlType DnnlTypeOf(DType dtype);
// The processor has instructions for bfloat16 that this oneDNN uses; without
// them its products of bfloat16 are slow, or missing.
bool DnnlHasBfloat16();

// A dense array with the given dimensions and strides in elements.
dnnl::memory::desc DnnlStrided(const dnnl::memory::dims& dims,
                               const dnnl::memory::dims& strides,
                               DnnlType type = DnnlType::f32);
// The same dimensions in any layout the primitive likes.
dnnl::memory::desc DnnlAny(const dnnl::memory::dims& dims,
                           DnnlType type = DnnlType::f32);

// Runs f, which may throw oneDNN's exception; UNIMPLEMENTED for what this
// oneDNN cannot do, RESOURCE_EXHAUSTED and INTERNAL otherwise.
template <class F>
Status DnnlGuard(const char* what, F&& f);
Status DnnlStatus(const char* what, dnnl_status_t status, const char* message);

class DnnlProgram {
 public:
  using Slot = int;

  DnnlProgram();

  // The next operand given to Run, laid out as `desc`.
  Slot Operand(const dnnl::memory::desc& desc);
  // Memory of the program's own, in scratch.
  Slot Temporary(const dnnl::memory::desc& desc);

  // `from` itself when it is laid out as `wanted`, else a temporary that a
  // reorder, added now, fills.
  Result<Slot> Reordered(Slot from, const dnnl::memory::desc& wanted);
  // Copies `from` to `to`, laid out as that.
  Status Reorder(Slot from, Slot to);
  // Where a primitive that makes `made` writes what is meant for `to`: `to`
  // itself or a temporary; FinishOutputs adds the reorders.
  Slot OutputFor(Slot to, const dnnl::memory::desc& made);
  Status FinishOutputs();
  // A primitive with its arguments, scratchpad added.
  Status Add(const dnnl::primitive_desc_base& pd,
             const std::vector<std::pair<int, Slot>>& args);

  size_t scratch_bytes() const { return scratch_bytes_; }
  // Operands in the order of the calls of Operand; those that primitives
  // write must be writable.
  Status Run(void* scratch, std::initializer_list<const void*> operands);

 private:
  struct Step {
    dnnl::primitive primitive;
    std::vector<dnnl_exec_arg_t> args;
  };
  struct Place {
    dnnl::memory memory;
    const void* bound = nullptr;
    int operand = -1;   // position in Run's operands, or
    size_t offset = 0;  // of a temporary in scratch
  };
  Slot AddPlace(const dnnl::memory::desc& desc, int operand);
  dnnl::memory& memory(Slot slot) {
    return places_[static_cast<size_t>(slot)].memory;
  }
  static void Bind(Place* place, const void* data);

  dnnl::stream stream_;
  std::vector<Place> places_;
  std::vector<Step> steps_;
  std::vector<std::pair<Slot, Slot>> pending_outputs_;  // (made, to)
  int num_operands_ = 0;
  size_t scratch_bytes_ = 0;
};

template <class F>
Status DnnlGuard(const char* what, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    return DnnlStatus(what, e.status, e.message);
  } catch (const std::bad_alloc&) {
    return DnnlStatus(what, dnnl_out_of_memory, "out of memory");
  }
}

}  // namespace lockstep::detail
