// SPDX-License-Identifier: Apache-2.0
#pragma once

// PrepareContext and KernelContext: what a kernel sees when its step is
// planned and when it runs.
//
// prepare (optional) runs once for each plan with all shapes known; there a
// kernel parses attributes, builds primitives into its state and asks for
// scratch memory. run is called at every step with operands already resolved
// to addresses; it must not allocate, lock or look up names.
//
//   Status ReluCpu(KernelContext& k) {
//     const float* x = k.in<float>(0);
//     float* y = k.out<float>(0);
//     ParallelFor(k.output(0).NumElements(), 16384, [&](int64_t b, int64_t e) {
//       for (int64_t i = b; i < e; ++i) y[i] = x[i] > 0 ? x[i] : 0;
//     });
//     return Ok();
//   }
//
// Threading: run is called by one thread at a time for each plan and may use
// the process's thread team (ParallelFor).

#include <memory>
#include <span>
#include <string_view>
#include <typeindex>

#include "runtime/core/tensor.h"
#include "runtime/op/attr.h"
#include "runtime/op/op_def.h"
#include "runtime/op/resource.h"

namespace lockstep {

struct Device;  // runtime/device/device_set.h

// What changes from one Run of a session to the next.
struct RunInfo {
  // Counts the session's runs that draw random numbers; saved in checkpoints
  // so that a resumed run draws what the uninterrupted one would have.
  uint64_t random_step = 0;
  // This rank's part of the global batch: its first sample's global number,
  // its samples, and all ranks' samples. Set by the data-parallel rewrite;
  // {0, 1, 1} otherwise, so that weight() is 1.
  int64_t sample_offset = 0;
  int64_t local_samples = 1;
  int64_t global_samples = 1;
  uint64_t deadline_micros = 0;  // of Env::SteadyMicros; 0: none

  double weight() const {
    return global_samples > 0 ? static_cast<double>(local_samples) /
                                    static_cast<double>(global_samples)
                              : 0.0;
  }
};

class PrepareContext {
 public:
  virtual ~PrepareContext() = default;

  virtual std::string_view node_name() const = 0;
  virtual const OpDef& def() const = 0;
  virtual const AttrMap& attrs() const = 0;
  virtual int num_inputs() const = 0;
  virtual int num_outputs() const = 0;
  virtual DType input_dtype(int i) const = 0;  // base type of references
  virtual DType output_dtype(int i) const = 0;
  // Fully known, but for outputs of unknown size (see AllocateOutput).
  virtual const Shape& input_shape(int i) const = 0;
  virtual const Shape& output_shape(int i) const = 0;
  // Never null for inputs listed in the op's NeedsValue; else null when not
  // known at plan time.
  virtual const Tensor* input_value(int i) const = 0;
  // The variable behind a reference or resource input; null for others.
  virtual Variable* variable(int i) = 0;
  virtual SessionResources& resources() = 0;
  // Where the kernel will run.
  virtual const Device& device() const = 0;
  // Bytes of scratch memory, 64-byte aligned, valid during run only.
  virtual void RequestScratch(size_t bytes) = 0;

  template <class T>
  const T& Attr(std::string_view name) const {
    return *attrs().find(name)->second.template get_if<T>();
  }
  // The kernel's own state, kept as long as the plan.
  template <class S, class... A>
  S& MakeState(A&&... args) {
    auto state = std::make_shared<S>(std::forward<A>(args)...);
    S& ref = *state;
    SetState(std::move(state));
    return ref;
  }

 protected:
  virtual void SetState(std::shared_ptr<void> state) = 0;
};

// A plain struct filled by the planner, so that operands cost one load.
class KernelContext {
 public:
  int num_inputs() const { return static_cast<int>(inputs_.size()); }
  int num_outputs() const { return static_cast<int>(outputs_.size()); }
  const Tensor& input(int i) const { return *inputs_[static_cast<size_t>(i)]; }
  Tensor& output(int i) { return *outputs_[static_cast<size_t>(i)]; }
  template <class T>
  const T* in(int i) const {
    return static_cast<const T*>(input(i).data());
  }
  template <class T>
  T* out(int i) {
    return static_cast<T*>(output(i).data());
  }
  // The variable behind a reference or resource input. Kernels that update it
  // in place write through variable(i).data<T>().
  Variable& variable(int i) { return *variables_[static_cast<size_t>(i)]; }
  void* scratch() { return scratch_; }
  template <class S>
  S& state() {
    return *static_cast<S*>(state_);
  }
  RunInfo& run() { return *run_; }
  SessionResources& resources() { return *resources_; }
  // The cudaStream_t to launch on, of the device that is current; null on the
  // host. Operands are then in the device's memory, but for those that the
  // kernel's registration keeps in host memory.
  void* stream() const { return stream_; }
  const AttrMap& attrs() const { return *attrs_; }
  std::string_view node_name() const { return node_name_; }

  // For a kernel that runs others: the context of one whose inputs are this
  // one's [first, first + count), without outputs and scratch memory. `state`
  // is what it prepared.
  KernelContext Inner(int first, int count, const AttrMap& attrs,
                      void* state) const {
    KernelContext inner(*this);
    inner.inputs_ =
        inputs_.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
    inner.variables_ = variables_.subspan(static_cast<size_t>(first),
                                          static_cast<size_t>(count));
    inner.outputs_ = {};
    inner.scratch_ = nullptr;
    inner.state_ = state;
    inner.attrs_ = &attrs;
    return inner;
  }

  // For outputs whose shape depends on data (the planned shape is not fully
  // known): allocates on the kernel's device. Also valid, and a check of the
  // shape, for outputs that have memory already.
  Status AllocateOutput(int i, const Shape& shape);
  // Makes output i share `value`'s memory (strings, dynamic outputs).
  void SetOutput(int i, Tensor value) {
    *outputs_[static_cast<size_t>(i)] = std::move(value);
  }

 private:
  friend class KernelBinder;  // runtime/exec: fills the fields
  std::span<Tensor* const> inputs_;
  std::span<Tensor* const> outputs_;
  std::span<Variable* const> variables_;
  void* scratch_ = nullptr;
  void* state_ = nullptr;
  void* stream_ = nullptr;
  Allocator* allocator_ = nullptr;  // of outputs of unknown size; null: heap
  RunInfo* run_ = nullptr;
  SessionResources* resources_ = nullptr;
  const AttrMap* attrs_ = nullptr;
  std::string_view node_name_;
};

}  // namespace lockstep
