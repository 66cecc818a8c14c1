// SPDX-License-Identifier: Apache-2.0

// _FusedReduce: element-wise ops in one pass over their elements, of which only
// what a reduction makes of the last op's is ever in memory.
//   inputs: Tin   output: Tout, of attribute "shape"; each element is reduced
//   from size / elements side by side
// The ops are an ElementProgram with one result, of type T, the reduction is
// the op of attribute "reduction"; the result has the bits that both have by
// themselves. Brought in by the planner (runtime/graph/passes/fuse_elements.h),
// with the names of the ops in attribute "nodes".

#include <array>

#include "ops/fused/evaluator.h"
#include "ops/fused/program_of.h"
#include "ops/reduce/reduce_plan.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct State {
  ElementEvaluator elements;
  ReduceRule rule;
  ReducePlan plan;  // of [outputs, run] over its rows
};

Status Prepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const ElementProgram program,
                      ProgramOf(p, /*reduced=*/true));
  const auto& name = p.Attr<std::string>("reduction");
  const DType type = p.Attr<DType>("T");
  const OpDef* op = OpRegistry::Global().Find(name);
  const ReduceRule* rule =
      op == nullptr
          ? nullptr
          : FindReduceRule(*op, {{"T", type}, {"Tidx", DType(kInt32)}});
  const int64_t outputs = p.output_shape(0).NumElements();
  if (rule == nullptr || program.TypeOf(program.results[0]) != type ||
      outputs == 0 || program.size % outputs != 0) {
    return InvalidArgument("no reduction ", name, " of ", DTypeName(type),
                           " makes ", p.output_shape(0), " of ", program.size,
                           " elements");
  }
  auto& s = p.MakeState<State>();
  LS_ASSIGN_OR_RETURN(s.elements, ElementEvaluator::MakeVisited(program));
  s.rule = *rule;
  s.plan = ReducePlan(Shape{outputs, program.size / outputs}, AxisSet(0b10));
  p.RequestScratch(static_cast<size_t>(s.plan.chunks() * outputs) *
                   kMaxAccumulatorBytes);
  return Ok();
}

// What one thread accumulates.
struct Lanes {
  const ReduceRule* rule;
  alignas(64) std::byte memory[kReduceLanes * kMaxAccumulatorBytes];
};

// Chunk by chunk, then those of each output in order, as ReducePlan does.
Status Run(KernelContext& k) {
  const State& s = k.state<State>();
  std::array<const void*, kMaxFusedInputs> inputs;
  const size_t ins = static_cast<size_t>(k.num_inputs());
  for (size_t i = 0; i < ins; ++i) {
    inputs[i] = k.input(static_cast<int>(i)).data();
  }
  const int64_t run = s.plan.count(), chunk = s.plan.chunk();
  const int64_t chunks = s.plan.chunks();
  auto* sums = static_cast<std::byte*>(k.scratch());
  const auto sum = [&](int64_t i) {
    return sums + static_cast<size_t>(i) * kMaxAccumulatorBytes;
  };
  const int64_t grain = std::max<int64_t>(
      1, s.elements.grain() / std::max<int64_t>(1, std::min(chunk, run)));
  ParallelFor(s.plan.outputs() * chunks, grain,
              [&](int64_t first, int64_t last) {
                Lanes lanes{.rule = &s.rule};
                for (int64_t item = first; item < last; ++item) {
                  const int64_t row = item / chunks * run;
                  const int64_t begin = item % chunks * chunk;
                  s.rule.begin(lanes.memory);
                  s.elements.Visit(
                      {inputs.data(), ins}, row + begin,
                      row + std::min(run, begin + chunk),
                      [](void* to, const void* values, int64_t n) {
                        auto* l = static_cast<Lanes*>(to);
                        l->rule->step(values, n, l->memory);
                      },
                      &lanes);
                  s.rule.end(lanes.memory, sum(item));
                }
              });
  const size_t bytes = DTypeSize(k.output(0).dtype());
  auto* y = static_cast<std::byte*>(k.output(0).data());
  for (int64_t o = 0; o < s.plan.outputs(); ++o) {
    for (int64_t c = 1; c < chunks; ++c) {
      s.rule.merge(sum(o * chunks), sum(o * chunks + c));
    }
    s.rule.finish(sum(o * chunks), run, y + static_cast<size_t>(o) * bytes);
  }
  return Ok();
}

LOCKSTEP_OP("_FusedReduce")
    .Input("inputs: Tin")
    .Output("output: Tout")
    .Attr("Tin: list(type)")
    .Attr("Tout: type")
    .Attr("T: type")
    .Attr("reduction: string")
    .Attr("shape: shape") LS_ELEMENT_PROGRAM_ATTRS.Shape(ShapeFromAttr)
    .NoGradient()
    .Kernel(kCpu, {Run, Prepare});

}  // namespace
}  // namespace lockstep
