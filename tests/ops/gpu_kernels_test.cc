// SPDX-License-Identifier: Apache-2.0
// The lists of what a GPU has kernels for, held to the ops themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "runtime/core/strings.h"
#include "runtime/graph/placer.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

struct Listed {
  const OpDef* op;
  const RegisteredKernel* kernel;

  std::string ToString() const {
    std::string text = op->name;
    for (const TypeConstraint& c : kernel->constraints) {
      text += StrCat(" ", c.attr, "=", DTypeName(c.type));
    }
    return text;
  }
};

std::vector<Listed> AllListed() {
  std::vector<Listed> all;
  for (const std::string& name : OpRegistry::Global().Names()) {
    const OpDef* op = OpRegistry::Global().Find(name);
    for (const RegisteredKernel& k : op->kernels) {
      if (k.device == kGpu) all.push_back({op, &k});
    }
  }
  return all;
}

AttrMap AttrsOf(const RegisteredKernel& kernel) {
  AttrMap attrs;
  for (const TypeConstraint& c : kernel.constraints) {
    attrs.emplace(c.attr, c.type);
  }
  return attrs;
}

TEST(GpuKernelsTest, NameOpsThatThereAre) {
  EXPECT_THAT(OpRegistry::Global().OpsOfLostKernels(), testing::IsEmpty());
  EXPECT_GT(AllListed().size(), 1000u);
}

TEST(GpuKernelsTest, AreOfTypesThatTheOpAllows) {
  for (const Listed& listed : AllListed()) {
    for (const TypeConstraint& c : listed.kernel->constraints) {
      const AttrDef* attr = listed.op->FindAttr(c.attr);
      ASSERT_NE(attr, nullptr) << listed.ToString();
      EXPECT_TRUE(attr->allowed_types.empty() ||
                  std::ranges::count(attr->allowed_types, c.type) > 0)
          << listed.ToString();
    }
  }
}

TEST(GpuKernelsTest, KeepArgumentsOfTheOpInHostMemory) {
  for (const Listed& listed : AllListed()) {
    std::set<std::string> args;
    for (const ArgDef& a : listed.op->inputs) args.insert(a.name);
    for (const ArgDef& a : listed.op->outputs) args.insert(a.name);
    for (const std::string& arg : listed.kernel->def.host_memory) {
      EXPECT_TRUE(args.contains(arg)) << listed.ToString() << ": " << arg;
    }
  }
}

// What decides shapes is looked at by the host.
TEST(GpuKernelsTest, FindNeededValuesInHostMemory) {
  for (const Listed& listed : AllListed()) {
    const OpDef& op = *listed.op;
    if (listed.kernel->def.on_host) continue;
    for (const int input : op.traits.needs_value) {
      // Sequences stand before a single last input or after a first one.
      const size_t at = input < 0
                            ? op.inputs.size() - static_cast<size_t>(-input)
                            : static_cast<size_t>(input);
      EXPECT_EQ(std::ranges::count(listed.kernel->def.host_memory,
                                   op.inputs[at].name),
                1)
          << listed.ToString() << ": " << op.inputs[at].name;
    }
  }
}

// Virtual GPUs run these.
TEST(GpuKernelsTest, HaveOneOfTheCpuForTheSameTypes) {
  for (const Listed& listed : AllListed()) {
    if (!NeedsKernel(*listed.op)) continue;
    // Types that the list leaves open may be chosen by the CPU's kernels.
    const AttrMap attrs = AttrsOf(*listed.kernel);
    const bool found =
        std::ranges::any_of(listed.op->kernels, [&](const RegisteredKernel& k) {
          return k.device == kCpu &&
                 std::ranges::all_of(k.constraints, [&](const auto& c) {
                   const DType* type = GetIf<DType>(attrs, c.attr);
                   return type == nullptr || *type == c.type;
                 });
        });
    EXPECT_TRUE(found) << listed.ToString();
  }
}

TEST(GpuKernelsTest, AreNotForStrings) {
  for (const Listed& listed : AllListed()) {
    for (const TypeConstraint& c : listed.kernel->constraints) {
      EXPECT_TRUE(IsPod(c.type)) << listed.ToString();
    }
  }
}

TEST(GpuKernelsTest, AreOnceForEachType) {
  std::set<std::string> seen;
  for (const Listed& listed : AllListed()) {
    EXPECT_TRUE(seen.insert(listed.ToString()).second) << listed.ToString();
  }
}

const KernelDef* CpuKernelOf(const Listed& listed) {
  return listed.op->FindKernel(kCpu, AttrsOf(*listed.kernel));
}

// Those that are the CPU's own they have everywhere.
TEST(GpuKernelsTest, HaveFunctionsInBuildsWithCudaAlone) {
  for (const Listed& listed : AllListed()) {
    const KernelDef* cpu = CpuKernelOf(listed);
    if (cpu != nullptr && listed.kernel->def.run == cpu->run) continue;
    EXPECT_NE(listed.kernel->def.run, SharedWithCpu) << listed.ToString();
    // PlaceholderWithDefault runs where it is not fed.
    const bool runs = (NeedsKernel(*listed.op) || cpu != nullptr) &&
                      listed.op->name != "_Recv" && !listed.kernel->def.on_host;
#ifdef LOCKSTEP_CUDA
    EXPECT_EQ(listed.kernel->def.run != nullptr, runs) << listed.ToString();
#else
    EXPECT_EQ(listed.kernel->def.run, nullptr) << listed.ToString();
    (void)runs;
#endif
  }
}

const KernelDef* Kernel(const char* op, const char* attr, DType type) {
  return OpRegistry::Global().Find(op)->FindKernel(kGpu, {{attr, type}});
}

TEST(GpuKernelsTest, FollowTensorFlowsConventions) {
  EXPECT_TRUE(Kernel("AddV2", "T", kInt32)->on_host);
  EXPECT_FALSE(Kernel("AddV2", "T", kFloat)->on_host);
  EXPECT_EQ(Kernel("AddV2", "T", kComplex64), nullptr);
  EXPECT_EQ(Kernel("VariableV2", "dtype", kInt32), nullptr);
  EXPECT_NE(Kernel("VariableV2", "dtype", kInt64), nullptr);
  EXPECT_NE(Kernel("VarHandleOp", "dtype", kInt32), nullptr);
  EXPECT_EQ(Kernel("Const", "dtype", kString), nullptr);
  EXPECT_TRUE(Kernel("Const", "dtype", kInt32)->on_host);
  EXPECT_EQ(Kernel("Merge", "T", kFloat), nullptr);
  EXPECT_EQ(Kernel("SaveV2", "dtypes", kFloat), nullptr);
  EXPECT_EQ(Kernel("Assert", "T", kFloat), nullptr);
  EXPECT_THAT(Kernel("Reshape", "T", kFloat)->host_memory,
              testing::ElementsAre("shape"));
  EXPECT_THAT(Kernel("Shape", "T", kFloat)->host_memory,
              testing::ElementsAre("output"));
}

}  // namespace
}  // namespace lockstep
