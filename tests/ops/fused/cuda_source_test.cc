// SPDX-License-Identifier: Apache-2.0
// The CUDA C++ of fused ops: NVRTC accepts it for the GPUs that are built for,
// and, compiled for the host, it computes what the CPU's evaluator does.
#include "ops/fused/cuda_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/fused/evaluator.h"
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/graph/passes/fuse_elements.h"
#include "runtime/op/element_functor.h"
#include "tests/ops/fused/cuda_on_host.h"
#include "tests/testing/graph_run.h"
#include "tests/testing/random_elements.h"

namespace lockstep {
namespace {

using testing::CudaOnHost;
using ::testing::HasSubstr;
using testing::RandomElements;
using testing::SameBits;

constexpr const char* kGpuName = "/job:localhost/replica:0/task:0/device:GPU:0";

// Of the nodes that a session would make of the graph on a GPU.
std::vector<ElementProgram> ProgramsOf(const testing::FedGraph& fed) {
  RunSignature signature;
  std::vector<FeedSpec> specs;
  const auto find = [&](const std::string& name) {
    return Output{fed.graph.Find(name.substr(0, name.find(':'))), 0};
  };
  for (const auto& [name, value] : fed.feeds) {
    signature.feeds.push_back(find(name));
    specs.push_back({value.dtype(), value.shape()});
  }
  for (const std::string& name : fed.fetches) {
    signature.fetches.push_back(find(name));
  }
  Result<PlanGraph> plan = Prune(fed.graph, signature, specs);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  for (Node* n : plan->graph.nodes()) n->set_assigned_device(kGpuName);
  const Status fused = FuseElements(&*plan, {.on = true}, /*gpus=*/true);
  EXPECT_TRUE(fused.ok()) << fused.ToString();
  std::vector<ElementProgram> programs;
  for (const Node* n : plan->graph.nodes()) {
    if (n->op() != "_Fused") continue;
    std::vector<DType> types;
    std::vector<Shape> shapes;
    for (const Output& in : n->inputs()) {
      types.push_back(in.dtype());
      shapes.push_back(in.shape());
    }
    auto program = ElementProgram::Read(n->attrs(), types, shapes);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    if (program.ok()) programs.push_back(*std::move(program));
  }
  return programs;
}

RandomElements GraphOf(uint64_t seed, bool exact) {
  return RandomElements(seed,
                        {.ops = seed % 3 == 0 ? 10 : 80,
                         .types = {kFloat, kDouble, kHalf, kBfloat16, kInt64},
                         .exact = exact});
}

Tensor Filled(DType dtype, const Shape& shape, double low, double high,
              uint64_t seed) {
  return testing::ToDType(testing::Numbers(kDouble, shape, low, high, seed),
                          dtype);
}
std::vector<Tensor> InputsOf(const ElementProgram& p, double low, double high) {
  std::vector<Tensor> inputs;
  for (const auto& in : p.inputs) {
    const bool whole = !IsFloating(in.dtype);
    inputs.push_back(Filled(in.dtype, in.shape, whole ? 0 : low,
                            whole ? 50 : high, inputs.size() + 1));
  }
  return inputs;
}
std::vector<Tensor> OutputsOf(const ElementProgram& p) {
  std::vector<Tensor> outputs;
  for (const int r : p.results) {
    outputs.emplace_back(p.TypeOf(r), Shape{p.size});
  }
  return outputs;
}
std::vector<Tensor> OnCpu(const ElementProgram& p,
                          const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs = OutputsOf(p);
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const Tensor& t : inputs) in.push_back(t.data());
  for (Tensor& t : outputs) out.push_back(t.data());
  const auto evaluator = ElementEvaluator::Make(p);
  EXPECT_TRUE(evaluator.ok()) << evaluator.status().ToString();
  if (evaluator.ok()) evaluator->Run(in, out);
  return outputs;
}
std::vector<Tensor> OnHost(const CudaOnHost& code, int kernel,
                           const ElementProgram& p,
                           const std::vector<Tensor>& inputs, bool packed) {
  std::vector<Tensor> outputs = OutputsOf(p);
  std::vector<void*> operands;
  for (const Tensor& t : inputs) {
    operands.push_back(const_cast<void*>(t.data()));
  }
  for (Tensor& t : outputs) operands.push_back(t.data());
  code.Run(kernel, operands, packed);
  return outputs;
}

// --- Compiled for the host ---------------------------------------------------

TEST(CudaSourceTest, GraphsOfNoPatternHaveTheCpusBits) {
  CudaOnHost code;
  std::vector<ElementProgram> programs;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const RandomElements graph = GraphOf(seed, /*exact=*/true);
    for (ElementProgram& p : ProgramsOf(graph.program())) {
      const Result<int> added = code.Add(p);
      ASSERT_TRUE(added.ok()) << added.status().ToString();
      programs.push_back(std::move(p));
    }
  }
  EXPECT_GT(programs.size(), 100u);
  const Status compiled = code.Compile();
  ASSERT_TRUE(compiled.ok()) << compiled.ToString();
  for (size_t i = 0; i < programs.size(); ++i) {
    SCOPED_TRACE(code.kernel(static_cast<int>(i)).source);
    const std::vector<Tensor> inputs = InputsOf(programs[i], -3, 3);
    const std::vector<Tensor> want = OnCpu(programs[i], inputs);
    for (const bool packed : {true, false}) {
      const std::vector<Tensor> got =
          OnHost(code, static_cast<int>(i), programs[i], inputs, packed);
      for (size_t r = 0; r < want.size(); ++r)
        EXPECT_TRUE(SameBits(got[r], want[r]));
    }
    if (HasFailure()) return;
  }
}

// A program of one instruction for each op and type that a GPU fuses.
std::vector<ElementProgram> Instructions() {
  std::vector<ElementProgram> all;
  for (const std::string& name : OpRegistry::Global().Names()) {
    const OpDef& op = *OpRegistry::Global().Find(name);
    if (ElementFunctorOf(op) == nullptr) continue;
    for (const RegisteredKernel& k : op.kernels) {
      if (k.device != kGpu || k.def.on_host) continue;
      AttrMap attrs{{"N", int64_t{2}}};
      for (const TypeConstraint& c : k.constraints) attrs[c.attr] = c.type;
      const ElementRule* rule = FindElementRule(op, attrs);
      const auto types = ArgTypes(op, op.inputs, attrs);
      if (rule == nullptr || !types.ok() || !rule->RunOf(attrs)) continue;
      ElementProgram p;
      p.size = 37;
      std::vector<int> args;
      for (const DType type : *types) {
        args.push_back(static_cast<int>(p.inputs.size()));
        p.inputs.push_back({type, Shape{p.size}, Shape{p.size}});
      }
      p.results = {static_cast<int>(args.size())};
      p.code.push_back(ElementProgram::Of(op, attrs, args));
      all.push_back(std::move(p));
    }
  }
  return all;
}

TEST(CudaSourceTest, EachOpHasTheCpusValues) {
  CudaOnHost code;
  const std::vector<ElementProgram> programs = Instructions();
  EXPECT_GT(programs.size(), 250u);
  for (const ElementProgram& p : programs) {
    const Result<int> added = code.Add(p);
    ASSERT_TRUE(added.ok()) << added.status().ToString();
  }
  const Status compiled = code.Compile();
  ASSERT_TRUE(compiled.ok()) << compiled.ToString();
  for (size_t i = 0; i < programs.size(); ++i) {
    const ElementProgram& p = programs[i];
    SCOPED_TRACE(p.code[0].ToString());
    // Within the domain of all functions, but for those that begin at 1.
    const bool from_one = p.code[0].op->name == "Acosh";
    const std::vector<Tensor> inputs =
        InputsOf(p, from_one ? 1.1 : 0.1, from_one ? 4 : 0.9);
    const DType made = p.TypeOf(p.results[0]);
    const double tolerance = made == kHalf       ? 1e-3
                             : made == kBfloat16 ? 8e-3
                             : made == kDouble   ? 1e-14
                                                 : 1e-6;
    testing::ExpectClose(OnHost(code, static_cast<int>(i), p, inputs, true)[0],
                         OnCpu(p, inputs)[0], tolerance);
  }
}

ElementProgram Scaled(int64_t rows, int64_t columns) {
  const Shape all{rows, columns};
  ElementProgram p;
  p.size = rows * columns;
  p.inputs = {{kFloat, all, all},
              {kFloat, {columns}, all},
              {kFloat, {rows, 1}, all},
              {kFloat, {1}, {p.size}}};
  const auto add = [&](const char* op, std::vector<int> args) {
    p.code.push_back(ElementProgram::Of(*OpRegistry::Global().Find(op),
                                        {{"T", kFloat}}, std::move(args)));
  };
  add("Mul", {0, 1});
  add("AddV2", {4, 2});
  add("AddN", {5, 0, 3, 0});
  p.results = {6, 4, 3};
  return p;
}

TEST(CudaSourceTest, SpreadsFoldsAndWorksInPlace) {
  CudaOnHost code;
  const std::vector<std::pair<int64_t, int64_t>> shapes = {
      {1, 1}, {3, 1}, {1, 5}, {2, 2}, {7, 9}, {64, 33}};
  for (const auto& [rows, columns] : shapes) {
    ASSERT_TRUE(code.Add(Scaled(rows, columns)).ok());
  }
  const Status compiled = code.Compile();
  ASSERT_TRUE(compiled.ok()) << compiled.ToString();
  for (size_t i = 0; i < shapes.size(); ++i) {
    ElementProgram p = Scaled(shapes[i].first, shapes[i].second);
    if (p.size == 1) p.results = {6, 4};  // an input of all elements is none
    const std::vector<Tensor> inputs = InputsOf(p, -1, 1);
    const std::vector<Tensor> want = OnCpu(p, inputs);
    std::vector<Tensor> spare = OutputsOf(Scaled(1, p.size));
    std::vector<Tensor> copies;
    std::vector<void*> operands;
    for (const Tensor& t : inputs) {
      copies.push_back(t.Clone());
      operands.push_back(copies.back().data());
    }
    // The first result is where the first input is.
    operands.push_back(copies[0].data());
    operands.push_back(spare[1].data());
    operands.push_back(spare[2].data());
    code.Run(static_cast<int>(i), operands);
    EXPECT_TRUE(SameBits(copies[0].Reshaped({p.size}).value(), want[0]));
    EXPECT_TRUE(SameBits(spare[1], want[1]));
    if (p.size > 1) {
      EXPECT_TRUE(SameBits(spare[2], want[2]));
    }
  }
}

// Repeated along a dimension in the middle, and along those on both sides.
TEST(CudaSourceTest, SpreadsInTheMiddle) {
  const Shape all{3, 5, 4, 2};
  ElementProgram p;
  p.size = all.NumElements();
  p.inputs = {{kFloat, {3, 1, 4, 2}, all},
              {kFloat, {5, 1, 1}, all},
              {kFloat, {3, 1, 4, 1}, all}};
  for (const std::vector<int>& args : {std::vector{0, 1}, std::vector{3, 2}}) {
    p.code.push_back(ElementProgram::Of(*OpRegistry::Global().Find("Sub"),
                                        {{"T", kFloat}}, args));
  }
  p.results = {4};
  CudaOnHost code;
  ASSERT_TRUE(code.Add(p).ok());
  ASSERT_TRUE(code.Compile().ok());
  const std::vector<Tensor> inputs = InputsOf(p, -1, 1);
  EXPECT_TRUE(
      SameBits(OnHost(code, 0, p, inputs, true)[0], OnCpu(p, inputs)[0]));
}

TEST(CudaSourceTest, SaysWhatAGpuHasNoElementOf) {
  ElementProgram p;
  p.size = 4;
  p.inputs = {{kFloat, {4}, {4}}};
  p.code.push_back(ElementProgram::Of(*OpRegistry::Global().Find("Lgamma"),
                                      {{"T", kFloat}}, {0}));
  p.results = {1};
  EXPECT_THAT(CudaElementsOf(p).status().ToString(), HasSubstr("of Lgamma"));
  p.inputs[0].dtype = kComplex64;
  EXPECT_THAT(CudaElementsOf(p).status().ToString(), HasSubstr("complex64"));
}

TEST(CudaSourceTest, ReadsNeighboursAtOnce) {
  EXPECT_THAT(CudaElementsOf(Scaled(8, 8))->source,
              HasSubstr("reinterpret_cast<const Pack<float, 4>*>(a0)[p]"));
  EXPECT_FALSE(CudaElementsOf(Scaled(8, 8))->wide);
  EXPECT_TRUE(CudaElementsOf(Scaled(1 << 16, 1 << 15))->wide);
}

// --- Compiled by NVRTC -------------------------------------------------------

class NvrtcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status found = FindNvrtc(); !found.ok()) {
      GTEST_SKIP() << found.ToString();
    }
  }
  static void ExpectAccepted(const std::vector<ElementProgram>& programs,
                             int capability) {
    std::string source = kCudaFunctors;
    for (size_t i = 0; i < programs.size(); ++i) {
      const auto made = CudaElementsOf(programs[i], StrCat("Fused", i));
      ASSERT_TRUE(made.ok()) << made.status().ToString();
      source += made->source;
    }
    const Result<std::string> code = CompileCuda(source, capability);
    ASSERT_TRUE(code.ok()) << code.status().ToString() << source.substr(30000);
    EXPECT_EQ(code->substr(1, 3), "ELF");
    EXPECT_THAT(*code, HasSubstr(StrCat("Fused", programs.size() - 1)));
  }
};

TEST_F(NvrtcTest, AcceptsGraphsOfNoPattern) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    const RandomElements graph = GraphOf(seed, /*exact=*/false);
    const std::vector<ElementProgram> programs = ProgramsOf(graph.program());
    if (programs.empty()) continue;
    for (const int capability : {80, 90}) ExpectAccepted(programs, capability);
    if (HasFailure()) return;
  }
}

TEST_F(NvrtcTest, AcceptsEachOp) { ExpectAccepted(Instructions(), 90); }

TEST_F(NvrtcTest, AcceptsMoreElementsThan32BitsCount) {
  ExpectAccepted({Scaled(1 << 16, 1 << 15)}, 90);
}

TEST_F(NvrtcTest, MakesPtxForGpusThatItDoesNotKnow) {
  const auto made = CudaElementsOf(Scaled(4, 4));
  ASSERT_TRUE(made.ok());
  const auto code = CompileCuda(kCudaFunctors + made->source, 999);
  ASSERT_TRUE(code.ok()) << code.status().ToString();
  EXPECT_THAT(*code, HasSubstr(".visible .entry Fused"));
  EXPECT_THAT(*code, HasSubstr("ld.global.v4"));
}

TEST_F(NvrtcTest, SaysWhatItDoesNotAccept) {
  const auto code = CompileCuda("__global__ void F() { return wrong; }", 90);
  EXPECT_EQ(code.status().code(), Code::kInternal);
  EXPECT_THAT(code.status().message(), HasSubstr("\"wrong\" is undefined"));
}

}  // namespace
}  // namespace lockstep
