// SPDX-License-Identifier: Apache-2.0
// Variables and their updates: the arithmetic of the GPU's kernels, compiled as
// loops, against the CPU's (see loops_test.cc).
#include <gtest/gtest.h>

#include "ops/state/gpu.h"
#include "ops/training/gpu.h"
#include "tests/ops/gpu/loops.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::Ints;
using testing::KernelCase;
using testing::Longs;
using testing::Numbers;
using testing::Operand;
using testing::Tolerance;

TEST(GpuUpdateLoopsTest, Variables) {
  const Tensor start = Numbers(kFloat, {4, 3});
  const auto variable = [&] { return Operand::Variable(start); };
  for (const auto& [op, run] : std::vector<std::pair<const char*, RunFn>>{
           LS_CASE(Assign), LS_CASE(AssignAdd), LS_CASE(AssignSub)}) {
    KernelCase(op, {variable(), Numbers(kFloat, {4, 3}, -1, 1, 2)})
        .ExpectLikeCpu({run, gpu::PrepareAssign}, 1e-6);
  }
  for (const auto& [op, run] : std::vector<std::pair<const char*, RunFn>>{
           LS_CASE(ScatterAdd), LS_CASE(ScatterSub), LS_CASE(ScatterUpdate)}) {
    const GpuFunctions gpu = {run, gpu::PrepareScatter};
    KernelCase(op, {variable(), Ints({2, 0, 2}), Numbers(kFloat, {3, 3})})
        .ExpectLikeCpu(gpu, 1e-6);
    KernelCase(StrCat("Resource", op),
               {variable(), Longs({3, 3, 1}), Numbers(kFloat, {3, 3})})
        .Attr("dtype", kFloat)
        .ExpectLikeCpu(gpu, 1e-6);
  }
}

// Variable, slots, then the hyper-parameters in order, "g" the gradient's.
struct Update {
  const char* name;
  RunFn run;
  int slots;
  std::vector<double> hyper;  // NaN: the gradient
};

// Several updates, of sizes around those of a launch's parts, and more than a
// launch has room for.
TEST(GpuUpdateLoopsTest, GroupedUpdates) {
  const auto group = [](const char* op, int slots, size_t updates,
                        const std::vector<double>& hyper, AttrMap attrs) {
    const int64_t sizes[] = {5, 0, 4096, 1, 4097, 10000};
    std::vector<Operand> operands;
    for (size_t u = 0; u < updates; ++u) {
      const Shape shape{sizes[u % std::size(sizes)]};
      for (int i = 0; i <= slots; ++i) {
        operands.push_back(Operand::Variable(
            Numbers(kFloat, shape, 0.1, 1, u + static_cast<uint64_t>(i))));
      }
      for (const double h : hyper) {
        operands.push_back(h != h ? Numbers(kFloat, shape, -1, 1, 9 + u)
                                  : testing::ToDType(Tensor(h), kFloat));
      }
    }
    attrs["T"] = kFloat;
    const size_t count = operands.size();
    KernelCase("_GroupedUpdate", std::move(operands))
        .Sequence(0, count)
        .Attr("update", FunctionRef{op, std::make_shared<AttrMap>(attrs)})
        .ExpectLikeCpu({gpu::GroupedUpdate, gpu::PrepareGroupedUpdate}, 1e-6);
  };
  const double g = std::numeric_limits<double>::quiet_NaN();
  for (const size_t updates : {1u, 2u, 7u, 64u, 65u, 131u}) {
    group("ApplyGradientDescent", 0, updates, {0.1, g}, {});
    group("ApplyMomentum", 1, updates, {0.1, g, 0.9}, {{"use_nesterov", true}});
    group("ApplyAdam", 2, updates, {0.9, 0.99, 0.01, 0.9, 0.999, 1e-7, g}, {});
  }
}

TEST(GpuUpdateLoopsTest, Updates) {
  const double g = std::numeric_limits<double>::quiet_NaN();
#define LS_UPDATE(Name) "ResourceApply" #Name, gpu::Apply##Name
  const Update updates[] = {
      {LS_UPDATE(GradientDescent), 0, {0.1, g}},
      {LS_UPDATE(Momentum), 1, {0.1, g, 0.9}},
      {LS_UPDATE(KerasMomentum), 1, {0.1, g, 0.9}},
      {LS_UPDATE(Adam), 2, {0.9, 0.99, 0.01, 0.9, 0.999, 1e-7, g}},
      {LS_UPDATE(AdamWithAmsgrad), 3, {0.9, 0.99, 0.01, 0.9, 0.999, 1e-7, g}},
      {LS_UPDATE(AdaMax), 2, {0.9, 0.01, 0.9, 0.999, 1e-7, g}},
      {LS_UPDATE(RMSProp), 2, {0.01, 0.9, 0.5, 1e-7, g}},
      {LS_UPDATE(CenteredRMSProp), 3, {0.01, 0.9, 0.5, 1.0, g}},
      {LS_UPDATE(Adagrad), 1, {0.1, g}},
      {LS_UPDATE(AdagradV2), 1, {0.1, 1e-3, g}},
      {LS_UPDATE(ProximalAdagrad), 1, {0.1, 0.01, 0.02, g}},
      {LS_UPDATE(Adadelta), 2, {0.1, 0.9, 1e-6, g}},
      {LS_UPDATE(Ftrl), 2, {g, 0.1, 0.01, 0.02, -0.5}},
      {LS_UPDATE(FtrlV2), 2, {g, 0.1, 0.01, 0.02, 0.03, -0.4}},
      {LS_UPDATE(AddSign), 1, {0.1, 1, 0.5, 0.9, g}},
      {LS_UPDATE(PowerSign), 1, {0.1, 1, 0.5, 0.9, g}},
      {LS_UPDATE(ProximalGradientDescent), 0, {0.1, 0.01, 0.02, g}}};
  for (const Update& u : updates) {
    for (DType t : {kFloat, kDouble, kHalf}) {
      std::vector<Operand> operands;
      for (int i = 0; i <= u.slots; ++i) {
        operands.push_back(Operand::Variable(
            Numbers(t, {5, 3}, 0.1, 1, static_cast<uint64_t>(i))));
      }
      for (const double h : u.hyper) {
        operands.push_back(h != h ? Numbers(t, {5, 3}, -1, 1, 9)
                                  : testing::ToDType(Tensor(h), t));
      }
      KernelCase(u.name, operands)
          .ExpectLikeCpu({u.run, gpu::PrepareApply}, Tolerance(t));
    }
  }
  KernelCase(
      "ResourceApplyAdagradDA",
      {Operand::Variable(Numbers(kFloat, {4})),
       Operand::Variable(Numbers(kFloat, {4})),
       Operand::Variable(Numbers(kFloat, {4}, 0.1, 1)), Numbers(kFloat, {4}),
       Tensor(0.1f), Tensor(0.01f), Tensor(0.02f), Tensor(int64_t{5})})
      .ExpectLikeCpu({gpu::ApplyAdagradDA, gpu::PrepareApply}, 1e-5);
}

}  // namespace
}  // namespace lockstep
