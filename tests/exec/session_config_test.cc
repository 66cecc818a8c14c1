// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/session_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "ops/ops.h"
#include "runtime/core/float_products.h"
#include "runtime/core/strings.h"
#include "runtime/exec/session.h"
#include "runtime/exec/session_devices.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kMiB = size_t{1} << 20;

std::string Refused(const char* text) {
  const Result<SessionOptions> options = SessionOptionsFromText(text);
  return options.ok() ? "" : options.status().ToString();
}

TEST(SessionConfigTest, TextSetsWhatItNames) {
  std::vector<std::string> ignored;
  auto options = SessionOptionsFromText(
      "device_count { key: 'CPU' value: 2 } device_count { key: 'GPU' value: 0 "
      "}"
      " allow_soft_placement: true log_device_placement: true"
      " intra_op_parallelism_threads: 3 inter_op_parallelism_threads: 4"
      " gpu_options { per_process_gpu_memory_fraction: 0.25 allow_growth: true"
      "   visible_device_list: '1,0' }"
      " graph_options { optimizer_options { opt_level: L0 }"
      "   rewrite_options { auto_mixed_precision_onednn_bfloat16: ON } }",
      &ignored);
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_THAT(ignored, IsEmpty());
  EXPECT_EQ(options->device_count.at("CPU"), 2);
  EXPECT_EQ(options->device_count.at("GPU"), 0);
  EXPECT_TRUE(options->allow_soft_placement);
  EXPECT_TRUE(options->log_device_placement);
  EXPECT_EQ(options->intra_op_threads, 3);
  EXPECT_EQ(options->inter_op_threads, 4);
  EXPECT_EQ(options->gpu_options.per_process_gpu_memory_fraction, 0.25);
  EXPECT_TRUE(options->gpu_options.allow_growth);
  EXPECT_EQ(options->gpu_options.visible_device_list, "1,0");
  EXPECT_FALSE(options->optimize);
  EXPECT_EQ(options->mixed_precision, kBfloat16);
}

TEST(SessionConfigTest, TextLeavesTheRest) {
  SessionOptions options;
  options.intra_op_threads = 7;
  options.gpu_options.allow_growth = true;
  ASSERT_TRUE(ApplyConfigText("allow_soft_placement: true", &options).ok());
  EXPECT_EQ(options.intra_op_threads, 7);
  EXPECT_TRUE(options.gpu_options.allow_growth);
  EXPECT_TRUE(options.optimize);
}

TEST(SessionConfigTest, FieldsWithoutMeaningHereAreNamed) {
  std::vector<std::string> ignored;
  auto options = SessionOptionsFromText(
      "use_per_session_threads: true isolate_session_state: true"
      " gpu_options { allocator_type: 'BFC'"
      "   experimental { use_unified_memory: true } }"
      " graph_options { rewrite_options { constant_folding: OFF } }"
      " cluster_def { job { name: 'ps' tasks { key: 0 value: 'host:1' } } }"
      " experimental { xla_fusion_autotuner_thresh: 3 }",
      &ignored);
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  EXPECT_THAT(ignored,
              ElementsAre("cluster_def.job.name", "cluster_def.job.tasks",
                          "experimental.xla_fusion_autotuner_thresh",
                          "gpu_options.allocator_type",
                          "gpu_options.experimental.use_unified_memory",
                          "graph_options.rewrite_options.constant_folding",
                          "isolate_session_state", "use_per_session_threads"));
}

TEST(SessionConfigTest, AMisspeltFieldIsRefusedWithTheNearest) {
  EXPECT_THAT(Refused("allow_soft_placment: true"),
              AllOf(HasSubstr("INVALID_ARGUMENT: ConfigProto: line 1"),
                    HasSubstr("ConfigProto has no field 'allow_soft_placment' "
                              "(allow_soft_placement?)")));
  EXPECT_THAT(Refused("gpu_options {\n allow_grwth: true }"),
              AllOf(HasSubstr("line 2"),
                    HasSubstr("GPUOptions has no field 'allow_grwth' "
                              "(allow_growth?)")));
  EXPECT_THAT(Refused("nonsense: 1"), HasSubstr("no field 'nonsense'"));
}

TEST(SessionConfigTest, BadValuesAreRefused) {
  for (const char* text :
       {"allow_soft_placement: 7", "intra_op_parallelism_threads: -1",
        "inter_op_parallelism_threads: 5000", "allow_soft_placement",
        "device_count { key: 'CPU' value: -2 }", "gpu_options {",
        "gpu_options { experimental { virtual_devices { memory_limit_mb: 0 }}}",
        "gpu_options { experimental { virtual_devices { memory_limit_mb: nan "
        "}}}",
        "\xff\xfe"}) {
    EXPECT_THAT(Refused(text), HasSubstr("INVALID_ARGUMENT")) << text;
  }
}

TEST(SessionConfigTest, OneGpuIsSplitByVirtualDevices) {
  auto options = SessionOptionsFromText(
      "gpu_options { experimental {"
      "  virtual_devices { memory_limit_mb: [64, 32] } } }");
  ASSERT_TRUE(options.ok()) << options.status().ToString();
  options->gpu_options.virtual_gpus = {.count = 2, .bytes = 128 * kMiB};
  auto devices = MakeSessionDevices(*options);
  ASSERT_TRUE(devices.ok()) << devices.status().ToString();
  ASSERT_EQ(devices->ToString(), "/cpu:0, /gpu:0, /gpu:1, /gpu:2");
  const std::vector<Device>& all = devices->all();
  EXPECT_EQ(all[1].memory->limit(), 64 * kMiB);
  EXPECT_EQ(all[2].memory->limit(), 32 * kMiB);
  EXPECT_EQ(&all[1].memory->hardware(), &all[2].memory->hardware());
  EXPECT_EQ(all[3].memory->limit(), 128 * kMiB);
  // What is left of the first.
  EXPECT_EQ(all[1].memory->hardware().TotalShares(), 96 * kMiB);
  options->session_name = "second";
  EXPECT_EQ(MakeSessionDevices(*options).code(), Code::kResourceExhausted);
  devices = DeviceSet();
  EXPECT_TRUE(MakeSessionDevices(*options).ok());
}

TEST(SessionConfigTest, VirtualGpusStandInForWhatIsToBeSplit) {
  auto options = SessionOptionsFromText(
      "gpu_options { experimental {"
      "  virtual_devices { memory_limit_mb: 300 memory_limit_mb: 100 } } }");
  auto devices = MakeSessionDevices(*options);
  ASSERT_TRUE(devices.ok()) << devices.status().ToString();
  EXPECT_EQ(devices->ToString(), "/cpu:0, /gpu:0, /gpu:1");
  EXPECT_EQ(devices->all()[1].memory->limit(), 300 * kMiB);
}

TEST(SessionConfigTest, ASplitThatCannotBeIsRefused) {
  SessionOptions options;
  options.gpu_options.virtual_gpus = {.count = 1, .bytes = 64 * kMiB};
  options.gpu_options.virtual_devices = {{48 * kMiB, 32 * kMiB}};
  auto devices = MakeSessionDevices(options);
  EXPECT_EQ(devices.code(), Code::kResourceExhausted);
  EXPECT_THAT(devices.status().message(),
              AllOf(HasSubstr("80.0 MiB"), HasSubstr("64.0 MiB")));
  options.gpu_options.virtual_devices = {{kMiB}, {kMiB}};
  EXPECT_EQ(MakeSessionDevices(options).code(), Code::kInvalidArgument);
  options.gpu_options.virtual_devices = {{kMiB}};
  options.gpu_options.per_process_gpu_memory_fraction = 0.5;
  EXPECT_EQ(MakeSessionDevices(options).code(), Code::kInvalidArgument);
}

TEST(SessionConfigTest, VisibleGpusAreNumberedAnew) {
  SessionOptions options;
  options.gpu_options.virtual_gpus = {.count = 3, .bytes = 32 * kMiB};
  const auto gpus = VirtualGpus(options.gpu_options.virtual_gpus);
  options.gpu_options.visible_device_list = "2,0";
  auto devices = MakeSessionDevices(options);
  ASSERT_TRUE(devices.ok()) << devices.status().ToString();
  ASSERT_EQ(devices->ToString(), "/cpu:0, /gpu:0, /gpu:1");
  EXPECT_EQ(&devices->all()[1].memory->hardware(), gpus[2].get());
  EXPECT_EQ(&devices->all()[2].memory->hardware(), gpus[0].get());
  for (const char* list : {"3", "0,0", "-1", "a", "0,,1"}) {
    options.gpu_options.visible_device_list = list;
    const auto refused = MakeSessionDevices(options);
    EXPECT_EQ(refused.code(), Code::kInvalidArgument) << list;
    EXPECT_THAT(refused.status().message(), HasSubstr(StrCat("'", list, "'")));
  }
}

TEST(SessionConfigTest, DeviceCountsAddCpusAndLeaveGpusOut) {
  SessionOptions options;
  options.gpu_options.virtual_gpus = {.count = 2, .bytes = 32 * kMiB};
  const auto with = [&](int cpus, int gpus) {
    options.device_count = {{"CPU", cpus}, {"GPU", gpus}};
    auto devices = MakeSessionDevices(options);
    return devices.ok() ? devices->ToString() : devices.status().ToString();
  };
  EXPECT_EQ(with(2, 1), "/cpu:0, /cpu:1, /gpu:0");
  EXPECT_EQ(with(1, 0), "/cpu:0");
  EXPECT_EQ(with(0, 9), "/cpu:0, /gpu:0, /gpu:1");  // one CPU there is always
}

TEST(SessionConfigTest, BytesAreReadAsTheyArePrinted) {
  EXPECT_EQ(ParseBytes("812"), 812u);
  EXPECT_EQ(ParseBytes("812 B"), 812u);
  EXPECT_EQ(ParseBytes("64MiB"), 64 * kMiB);
  EXPECT_EQ(ParseBytes("1.5 GiB"), uint64_t{3} << 29);
  for (uint64_t bytes : {uint64_t{0}, uint64_t{1536}, uint64_t{3} << 40}) {
    EXPECT_EQ(ParseBytes(HumanBytes(bytes)), bytes);
  }
  for (const char* text : {"", "MiB", "64MB", "-1", "64 MiB ", "1e3", "nan",
                           "inf", "16EiB", "64  MiB"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
}

TEST(SessionConfigTest, VirtualGpusInWords) {
  EXPECT_EQ(ParseVirtualGpus("2")->count, 2);
  EXPECT_EQ(ParseVirtualGpus("2")->bytes, VirtualGpuOptions().bytes);
  EXPECT_EQ(ParseVirtualGpus("4x64MiB")->bytes, 64 * kMiB);
  for (const char* text :
       {"", "x", "2x", "x64MiB", "2x0", "-1", "1000", "2y3"}) {
    EXPECT_EQ(ParseVirtualGpus(text).code(), Code::kInvalidArgument) << text;
  }
}

// Sets variables of the environment while it lives.
class Environment {
 public:
  void Set(const std::string& name, const char* value) {
    names_.push_back("LOCKSTEP_" + name);
    setenv(names_.back().c_str(), value, 1);
  }
  ~Environment() {
    for (const std::string& name : names_) unsetenv(name.c_str());
  }

 private:
  std::vector<std::string> names_;
};

TEST(SessionEnvironmentTest, EveryVariableSetsItsOption) {
  Environment environment;
  environment.Set("ALLOW_GROWTH", "1");
  environment.Set("ALLOW_SOFT_PLACEMENT", "true");
  environment.Set("CPU_MEMORY_LIMIT", "1GiB");
  environment.Set("DEVICE_COUNT", "CPU=2,GPU=1");
  environment.Set("GPU_MEMORY_LIMIT", "64MiB");
  environment.Set("INTER_OP_PARALLELISM_THREADS", "2");
  environment.Set("INTRA_OP_PARALLELISM_THREADS", "3");
  environment.Set("LOG_DEVICE_PLACEMENT", "1");
  environment.Set("MIXED_PRECISION", "bfloat16");
  environment.Set("PER_PROCESS_GPU_MEMORY_FRACTION", "0.5");
  environment.Set("STRICT_PLACEMENT", "1");
  environment.Set("VIRTUAL_GPUS", "2x256MiB");
  environment.Set("VISIBLE_DEVICE_LIST", "1");
  SessionOptions o;
  const Status s = ApplyEnvironment(&o);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_TRUE(o.gpu_options.allow_growth);
  EXPECT_TRUE(o.allow_soft_placement);
  EXPECT_EQ(o.cpu_memory_limit, 1024 * kMiB);
  EXPECT_EQ(o.device_count.at("CPU"), 2);
  EXPECT_EQ(o.device_count.at("GPU"), 1);
  EXPECT_EQ(o.gpu_options.memory_limit, 64 * kMiB);
  EXPECT_EQ(o.inter_op_threads, 2);
  EXPECT_EQ(o.intra_op_threads, 3);
  EXPECT_TRUE(o.log_device_placement);
  EXPECT_EQ(o.mixed_precision, kBfloat16);
  EXPECT_EQ(o.gpu_options.per_process_gpu_memory_fraction, 0.5);
  EXPECT_TRUE(o.strict_placement);
  EXPECT_EQ(o.gpu_options.virtual_gpus.count, 2);
  EXPECT_EQ(o.gpu_options.virtual_gpus.bytes, 256 * kMiB);
  EXPECT_EQ(o.gpu_options.visible_device_list, "1");
}

TEST(SessionEnvironmentTest, OptionsGoBeforeTheEnvironment) {
  Environment environment;
  environment.Set("VIRTUAL_GPUS", "2x256MiB");
  environment.Set("INTRA_OP_PARALLELISM_THREADS", "3");
  environment.Set("DEVICE_COUNT", "CPU=2,GPU=1");
  SessionOptions o;
  o.gpu_options.virtual_gpus.count = 1;
  o.intra_op_threads = 5;
  o.device_count["CPU"] = 1;
  ASSERT_TRUE(ApplyEnvironment(&o).ok());
  EXPECT_EQ(o.gpu_options.virtual_gpus.count, 1);
  EXPECT_EQ(o.intra_op_threads, 5);
  EXPECT_EQ(o.device_count.at("CPU"), 1);
  EXPECT_EQ(o.device_count.at("GPU"), 1);
}

TEST(SessionEnvironmentTest, SessionsMayLeaveItUnread) {
  Environment environment;
  environment.Set("ALLOW_SOFT_PLACEMENT", "1");
  environment.Set("VIRTUAL_GPUS", "none");  // bad, and not seen
  Graph graph;
  ops::Const(Scope(&graph).WithName("c").WithDevice("/gpu:0"), Tensor(1.0f));
  SessionOptions o;
  o.read_environment = false;
  auto session = Session::Create(graph, o);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  EXPECT_EQ((*session)->RunOne({}, "c:0").code(), Code::kInvalidArgument);
}

TEST(SessionEnvironmentTest, ABadVariableIsNamedBySessions) {
  for (const auto& [name, value] : {std::pair{"VIRTUAL_GPUS", "many"},
                                    {"ALLOW_GROWTH", "yes"},
                                    {"DEVICE_COUNT", "TPU=1"},
                                    {"DEVICE_COUNT", "CPU=2,CPU=3"},
                                    {"FLOAT_PRODUCTS", "half"},
                                    {"GPU_MEMORY_LIMIT", "lots"},
                                    {"INTRA_OP_PARALLELISM_THREADS", "-1"},
                                    {"MIXED_PRECISION", "half"},
                                    {"PER_PROCESS_GPU_MEMORY_FRACTION", "2"}}) {
    Environment environment;
    environment.Set(name, value);
    const auto session = Session::Create(Graph());
    EXPECT_EQ(session.code(), Code::kInvalidArgument) << name;
    EXPECT_THAT(session.status().message(),
                HasSubstr(StrCat("LOCKSTEP_", name, "='", value, "'")));
  }
}

// With 8 bits where the processor has tiles for them, else with all 24; what is
// not multiplied keeps its bits.
TEST(SessionEnvironmentTest, ProductsOfFloatsMayHaveFewerBits) {
  constexpr int64_t n = 192;
  Graph graph;
  const Scope root(&graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{n, n});
  const Output product = ops::MatMul(root, x, x);
  const Output sum = ops::Add(root, x, x);
  Tensor value(kFloat, Shape{n, n});
  double most = 0;
  for (int64_t i = 0; i < n * n; ++i) {
    value.flat<float>()[static_cast<size_t>(i)] =
        1.0f + static_cast<float>(i * 37 % 101) / 101.0f;
  }
  const auto run = [&] {
    auto session = Session::Create(graph);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    auto r = (*session)->Run({{"x:0", value}}, {product.name(), sum.name()});
    EXPECT_TRUE(r.ok()) << r.status().ToString();
    return *std::move(r);
  };
  const std::vector<Tensor> whole = run();
  Environment environment;
  environment.Set("FLOAT_PRODUCTS", "bfloat16");
  const std::vector<Tensor> cut = run();
  EXPECT_EQ(GetFloatProducts(), FloatProducts::kBfloat16);
  SetFloatProducts(FloatProducts::kFloat);
  EXPECT_TRUE(BitwiseEqual(cut[1], whole[1]));
  for (size_t i = 0; i < n * n; ++i) {
    const double a = whole[0].flat<float>()[i], b = cut[0].flat<float>()[i];
    most = std::max(most, std::abs(a - b) / a);
  }
  EXPECT_LT(most, 1.0 / 128);
}

TEST(SessionEnvironmentTest,
     VirtualGpusOfTheEnvironmentTakeWhatAsksForNothing) {
  Environment environment;
  environment.Set("VIRTUAL_GPUS", "1x16MiB");
  Graph graph;
  const Scope root(&graph);
  ops::Exp(root.WithName("y"),
           ops::Placeholder(root.WithName("x"), kFloat, Shape{2}));
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  for (const Placement& p : (*session)->placements()) {
    EXPECT_EQ(p.assigned, "/job:worker/task:0/device:GPU:0") << p.node;
  }
}

}  // namespace
}  // namespace lockstep
