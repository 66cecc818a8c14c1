// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpDef: what an op is. Names, inputs, outputs and attributes are
// TensorFlow's; the shape rule, the gradient rule, the kernels and a few
// traits the planner uses come with it, all registered in the op's one file:
//
//   LOCKSTEP_OP("Relu")
//       .Input("features: T").Output("activations: T")
//       .Attr("T: {float, double}")
//       .Shape(UnchangedShape).Gradient(ReluGradient).InPlace(0, 0)
//       .Kernel<float>(kCpu, {ReluCpu<float>})
//       .Kernel<double>(kCpu, {ReluCpu<double>});
//
// The registry is filled by static initialisers and only read afterwards.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/device/device_name.h"
#include "runtime/op/attr.h"

namespace lockstep {

class ShapeContext;
class GradContext;     // runtime/graph/gradients.h
class RewriteContext;  // runtime/graph/passes/rewrite.h
class PrepareContext;
class KernelContext;

using ShapeFn = Status (*)(ShapeContext&);
using GradientFn = Status (*)(GradContext&);
using PrepareFn = Status (*)(PrepareContext&);
using RunFn = Status (*)(KernelContext&);
// Updates elements [begin, begin + count) of the variable (and its slots) by
// their gradient `grad`, which stands in for the op's input.
using UpdateFn = Status (*)(KernelContext&, int64_t begin, int64_t count,
                            const void* grad);
// Index of the input that output 0 equals, -1 when it equals none.
using IdentityFn = int (*)(ShapeContext&);

// How one op runs on one kind of device for some dtypes. Kernels of GPUs are
// listed by gpu_kernel.h; they have no `run` where there is no CUDA, and a
// virtual GPU uses the CPU's.
struct KernelDef {
  RunFn run = nullptr;
  // Runs once for each plan, with shapes known: builds primitives, asks for
  // scratch memory. May be null.
  PrepareFn prepare = nullptr;
  // Inputs and outputs that live in host memory also on a GPU, by arg name.
  std::vector<std::string> host_memory = {};
  // All of them do, and it is the CPU's kernel that runs (int32 on a GPU).
  bool on_host = false;
  // Of ops that update each element of a variable by itself (Apply*): what
  // `run` does, for a part of them. Several threads may call it at once.
  UpdateFn update = nullptr;
};

struct TypeConstraint {
  std::string attr;
  DType type;
};

struct RegisteredKernel {
  DeviceKind device;
  std::vector<TypeConstraint> constraints;
  KernelDef def;
};

// One input or output of an op. Exactly one of `type`, `type_attr` and
// `type_list_attr` says its dtype; `number_attr` makes it a sequence.
struct ArgDef {
  std::string name;
  DType type = kInvalidType;
  std::string type_attr;
  std::string type_list_attr;
  std::string number_attr;
  bool is_ref = false;
};

struct AttrDef {
  std::string name;
  AttrKind kind = AttrKind::kInt;
  AttrValue default_value;           // undefined: the attribute is required
  std::vector<DType> allowed_types;  // empty: any
  std::vector<std::string> allowed_strings;
  bool has_minimum = false;
  int64_t minimum = 0;  // of an int, or of a list's length
};

// What the planner has to know beyond shapes. Everything is off by default.
struct OpTraits {
  bool stateful = false;     // never folded, merged or dropped when targeted
  bool constant = false;     // attribute "value" is the output
  bool placeholder = false;  // has to be fed (or has input 0 as a default)
  bool variable = false;     // output 0 is a variable: a reference or a handle
  bool metadata = false;     // looks at its inputs' shapes alone
  bool random = false;       // draws from the session's random stream
  bool assigns = false;      // overwrites the variable of input 0 by input 1
  bool allows_uninitialized = false;  // its ref inputs may be uninitialised
  // Only reads the variables behind its handles (other ops may write them).
  bool only_reads = false;
  bool synchronizes = false;  // talks to other ranks: same order on every rank
  int applies_gradient = -1;  // the input that is a gradient (Apply* ops)
  // Output `first` shares the memory of input `second`; no step is run.
  std::pair<int, int> alias{-1, -1};
  // Pairs (output, input): may be computed in the input's memory when nothing
  // else needs the input any more.
  std::vector<std::pair<int, int>> in_place;
  // Inputs whose values decide shapes or how a kernel is prepared. When one is
  // not known at plan time the step becomes dynamic: prepared as it runs.
  // Negative numbers count from the last input (-1).
  std::vector<int> needs_value;
  // The number of such an input of a node that has `num_inputs`.
  static int InputNumber(int i, int num_inputs) {
    return i < 0 ? i + num_inputs : i;
  }
};

struct OpDef {
  std::string name;
  std::vector<ArgDef> inputs;
  std::vector<ArgDef> outputs;
  std::vector<AttrDef> attrs;
  OpTraits traits;
  ShapeFn shape = nullptr;
  GradientFn gradient = nullptr;
  bool no_gradient = false;  // the gradient stops here, by definition
  IdentityFn identity = nullptr;
  std::vector<RegisteredKernel> kernels;

  const AttrDef* FindAttr(std::string_view attr) const;
  // The kernel for the node's attributes, null when there is none.
  const KernelDef* FindKernel(DeviceKind device, const AttrMap& attrs) const;
  // "T=string, Index=int32": the types that kernels are chosen by, for
  // messages.
  std::string KernelTypes(const AttrMap& attrs) const;
};

// Fills `attrs` with defaults and checks every attribute of `def` against it:
// presence, kind, allowed values. INVALID_ARGUMENT naming the attribute.
// Attributes that begin with '_' are kept unchecked.
Status CheckAttrs(const OpDef& def, AttrMap* attrs);
// The dtypes of the node's inputs (`args` = def.inputs) or outputs, in order,
// with kRefOffset added for references.
Result<std::vector<DType>> ArgTypes(const OpDef& def,
                                    const std::vector<ArgDef>& args,
                                    const AttrMap& attrs);
// First index and count of argument `arg` among the node's flat list.
Result<std::pair<int, int>> ArgRange(const OpDef& def,
                                     const std::vector<ArgDef>& args,
                                     const AttrMap& attrs, int arg);

class OpRegistry {
 public:
  static OpRegistry& Global();
  // Null when there is no such op.
  const OpDef* Find(std::string_view name) const;
  std::vector<std::string> Names() const;  // sorted
  // Mistakes in registrations (bad specs, an op registered twice); a test
  // holds this to be empty.
  const std::vector<std::string>& errors() const { return errors_; }
  // Names that kernels were registered for and no op has; to be empty too.
  std::vector<std::string> OpsOfLostKernels() const;

  void Register(OpDef def);
  void AddKernel(std::string_view op, RegisteredKernel kernel);
  void AddError(std::string error) { errors_.push_back(std::move(error)); }

 private:
  std::map<std::string, OpDef, std::less<>> ops_;
  // Kernels of GPUs whose op is not registered yet.
  std::vector<std::pair<std::string, RegisteredKernel>> waiting_;
  std::vector<std::string> errors_;
};

// See the head of the file. Specs are TensorFlow's:
//   Input("x: T"), Input("values: N * T"), Input("ref: Ref(float)"),
//   Input("inputs: Tin")  with Attr("Tin: list(type)")
//   Attr("T: {float, double}"), Attr("T: type = DT_FLOAT"),
//   Attr("N: int >= 1"), Attr("transpose_a: bool = false"),
//   Attr("padding: {'SAME', 'VALID'}"), Attr("strides: list(int)"),
//   Attr("T: numbertype"), Attr("T: realnumbertype"), Attr("T: floattype")
class OpBuilder {
 public:
  explicit OpBuilder(std::string name) { def_.name = std::move(name); }
  OpBuilder& Input(std::string_view spec);
  OpBuilder& Output(std::string_view spec);
  OpBuilder& Attr(std::string_view spec);
  OpBuilder& Shape(ShapeFn fn) {
    def_.shape = fn;
    return *this;
  }
  OpBuilder& Gradient(GradientFn fn) {
    def_.gradient = fn;
    return *this;
  }
  OpBuilder& NoGradient() {
    def_.no_gradient = true;
    return *this;
  }
  OpBuilder& IdentityWhen(IdentityFn fn) {
    def_.identity = fn;
    return *this;
  }
  OpBuilder& Stateful() {
    def_.traits.stateful = true;
    return *this;
  }
  OpBuilder& Random() {
    def_.traits.random = true;
    return Stateful();
  }
  OpBuilder& Alias(int output, int input) {
    def_.traits.alias = {output, input};
    return *this;
  }
  OpBuilder& InPlace(int output, int input) {
    def_.traits.in_place.emplace_back(output, input);
    return *this;
  }
  OpBuilder& NeedsValue(std::vector<int> inputs) {
    def_.traits.needs_value = std::move(inputs);
    return *this;
  }
  // For the rarer traits: .With([](OpTraits& t) { t.assigns = true; }).
  template <class F>
  OpBuilder& With(F&& f) {
    f(def_.traits);
    return *this;
  }
  // For all dtypes.
  OpBuilder& Kernel(DeviceKind device, KernelDef kernel) {
    return Kernel(device, std::vector<TypeConstraint>{}, std::move(kernel));
  }
  // For one dtype T of attribute "T" (or `attr`).
  template <class T>
  OpBuilder& Kernel(DeviceKind device, KernelDef kernel,
                    std::string attr = "T") {
    return Kernel(device, {{std::move(attr), DTypeOf<T>::value}},
                  std::move(kernel));
  }
  OpBuilder& Kernel(DeviceKind device, std::vector<TypeConstraint> constraints,
                    KernelDef kernel);
  // For a list of types: .Kernels<float, double>(kCpu, []<class T>() {
  //   return KernelDef{ReluCpu<T>}; })
  template <class... Ts, class F>
  OpBuilder& Kernels(DeviceKind device, F f, std::string attr = "T") {
    (Kernel<Ts>(device, f.template operator()<Ts>(), attr), ...);
    return *this;
  }

 private:
  friend struct OpRegistrar;
  OpDef def_;
  std::vector<std::string> errors_;
};

struct OpRegistrar {
  OpRegistrar(OpBuilder& builder);                // NOLINT: implicit
  OpRegistrar(OpBuilder&& b) : OpRegistrar(b) {}  // NOLINT: implicit
};

}  // namespace lockstep

#define LS_OP_CONCAT_INNER(a, b) a##b
#define LS_OP_CONCAT(a, b) LS_OP_CONCAT_INNER(a, b)
#define LOCKSTEP_OP(name)                            \
  static const ::lockstep::OpRegistrar LS_OP_CONCAT( \
      ls_op_registrar_, __COUNTER__) = ::lockstep::OpBuilder(name)
