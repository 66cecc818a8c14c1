// SPDX-License-Identifier: Apache-2.0

// The update ops against what TensorFlow 2.21 computed in two steps, in
// double: all forms of an op, from the same start.

#include <gtest/gtest.h>

#include <cmath>

#include "ops/array/array.h"
#include "ops/state/state.h"
#include "ops/training/training.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using Values2 = std::vector<std::vector<double>>;

using Apply = Node* (*)(const Scope&, const std::vector<Output>&,
                        const GradientValue&);
struct Update {
  const char* name;
  Apply apply;
  Values2 dense, sparse;  // the variable and its slots; sparse: perhaps none
};
void PrintTo(const Update& u, std::ostream* out) { *out << u.name; }

// Of the variable and of three slots at the start, [3,2]; of two steps.
const Values2 kStart = {{1, -2, 3, 0.5, -0.25, 4},
                        {0.1, 0.2, 0.3, 0.4, 0.5, 0.6},
                        {0.6, 0.5, 0.4, 0.35, 0.25, 0.15},
                        {0.02, 0.03, 0.01, 0.04, 0.05, 0.06}};
const Values2 kGradients = {{0.5, -1, 0, 2, -0.25, 0.125},
                            {-1, 0.75, 0.5, -0.5, 3, 0.25}};
const std::initializer_list<int32_t> kRows = {2, 0, 2};

ops::AdamInputs Adam(const Scope& s, const std::vector<Output>& v,
                     const GradientValue& g) {
  const DType dtype = BaseOf(g.values.dtype());
  return {.var = v[0],
          .m = v[1],
          .v = v[2],
          .beta1_power = Input(0.81).Resolve(s, dtype),
          .beta2_power = Input(0.98).Resolve(s, dtype),
          .lr = 0.1,
          .beta1 = 0.9,
          .beta2 = 0.99,
          .epsilon = 1e-3,
          .grad = g};
}
ops::FtrlInputs Ftrl(const std::vector<Output>& v, const GradientValue& g,
                     double lr_power) {
  return {.var = v[0],
          .accum = v[1],
          .linear = v[2],
          .grad = g,
          .lr = 0.1,
          .l1 = 0.05,
          .l2 = 0.25,
          .lr_power = lr_power};
}

#define APPLY(call)                                \
  [](const Scope& s, const std::vector<Output>& v, \
     const GradientValue& g) -> Node* { return call; }
const Update kUpdates[] = {
    {"GradientDescent",
     APPLY(ops::ApplyGradientDescent(s, v[0], 0.1, g)),
     {{1.05, -1.975, 2.95, 0.35, -0.525, 3.9625}},
     {}},
    {"ProximalGradientDescent",
     APPLY(ops::ApplyProximalGradientDescent(s, v[0], 0.1, 0.5, 0.25, g)),
     {{0.9054134444, -1.785246877, 2.710291493, 0.237953599, -0.4104699584,
       3.674598453}},
     {{0.8066627008, -1.948839976, 3, 0.5, -0.257972985, 3.418915117}}},
    {"ProximalGradientDescent",
     APPLY(ops::ApplyProximalGradientDescent(s, v[0], 0.1, 0.0, 0.25, g)),
     {{1.001784652, -1.881618084, 2.806662701, 0.3343248067, -0.506841166,
       3.770969661}},
     {{0.9030339084, -2.045211184, 3, 0.5, -0.4460716954, 3.607013827}}},
    {"Momentum",
     APPLY(ops::ApplyMomentum(s, v[0], v[1], 0.1, g, 0.9, false)),
     {{0.9879, -1.9192, 2.8987, 0.1016, -0.588, 3.84865},
      {-0.469, 0.012, 0.743, 1.624, 3.18, 0.8485}},
     {{0.9329, -2.3642, 3, 0.5, -0.618955, 3.956819},
      {0.581, 1.462, 0.3, 0.4, 2.59005, 0.69091}}},
    {"Momentum",
     APPLY(ops::ApplyMomentum(s, v[0], v[1], 0.1, g, 0.9, true)),
     {{1.03911, -1.90228, 2.85883, -0.00856, -0.8292, 3.826285},
      {-0.469, 0.012, 0.743, 1.624, 3.18, 0.8485}},
     {{0.88961, -2.47778, 3, 0.5, -0.8070595, 3.9486371},
      {0.581, 1.462, 0.3, 0.4, 2.59005, 0.69091}}},
    {"KerasMomentum",
     APPLY(ops::ApplyKerasMomentum(s, v[0], v[1], 0.1, g, 0.9, false)),
     {{1.176, -1.543, 3.463, 0.854, 0.3525, 4.97725},
      {0.136, 0.177, 0.193, 0.194, 0.1275, 0.44975}},
     {{1.121, -1.988, 3, 0.5, 1.08335, 5.999585},
      {0.031, 0.032, 0.3, 0.4, 0.10185, 0.363935}}},
    {"KerasMomentum",
     APPLY(ops::ApplyKerasMomentum(s, v[0], v[1], 0.1, g, 0.9, true)),
     {{1.2084, -1.5637, 3.3667, 0.6686, 0.01725, 4.842025},
      {0.136, 0.177, 0.193, 0.194, 0.1275, 0.44975}},
     {{1.0589, -2.1392, 3, 0.5, 0.725015, 5.7871265},
      {0.031, 0.032, 0.3, 0.4, 0.10185, 0.363935}}},
    {"Adam",
     APPLY(ops::ApplyAdam(s, Adam(s, v, g), false)),
     {{0.9840311501, -2.023734008, 2.933449772, 0.3786973799, -0.4009126106,
       3.792764328},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225},
      {0.600535, 0.505575, 0.39454, 0.385135, 0.33564375, 0.1477946875}},
     {}},
    {"Adam",
     APPLY(ops::ApplyAdam(s, Adam(s, v, g), true)),
     {{0.9904081154, -2.018741312, 2.934189246, 0.372908223, -0.4205695805,
       3.806253274},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225},
      {0.600535, 0.505575, 0.39454, 0.385135, 0.33564375, 0.1477946875}},
     {}},
    {"AdamWithAmsgrad",
     APPLY(ops::ApplyAdamWithAmsgrad(s, Adam(s, v, g), v[3])),
     {{0.9840311501, -2.023734008, 2.933513632, 0.3787933091, -0.4009126106,
       3.793056246},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225},
      {0.600535, 0.505575, 0.39454, 0.385135, 0.33564375, 0.1477946875},
      {0.600535, 0.505575, 0.396, 0.3865, 0.33564375, 0.14865625}},
     {}},
    {"AdaMax",
     APPLY(ops::ApplyAdaMax(s, Adam(s, v, g))),
     {{0.8624904507, -2.120134261, 2.334246792, 0.2320856562, -1.260869097,
       0.9598265975},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225},
      {1, 0.99, 0.5, 1.98, 3, 0.25}},
     {}},
    {"Adagrad",
     APPLY(ops::ApplyAdagrad(s, v[0], v[1], 0.1, g, true)),
     {{1.001550871, -1.965206175, 2.932580014, 0.4278406859, -0.3136809167,
       3.953709838},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125}},
     {{0.9154845745, -2.073887734, 3, 0.5, -0.2969561924, 4.00170296},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625}}},
    {"Adagrad",
     APPLY(ops::ApplyAdagrad(s, v[0], v[1], 0.1, g, false)),
     {{1.158113883, -1.944098301, 2.908712907, 0.2628291755, -0.6389087297,
       3.951587708},
      {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}},
     {{0.841886117, -2.335410197, 3, 0.5, -0.5681980515, 3.983862569},
      {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}}},
    {"AdagradV2",
     APPLY(ops::ApplyAdagradV2(s, v[0], v[1], 0.1, 0.01, g)),
     {{1.002221277, -1.96560962, 2.93347701, 0.4281860441, -0.3138067989,
       3.954274569},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125}},
     {{0.9168894001, -2.073525685, 3, 0.5, -0.2968724929, 4.001612478},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625}}},
    {"ProximalAdagrad",
     APPLY(ops::ApplyProximalAdagrad(s, v[0], v[1], 0.1, 0.5, 0.25, g)),
     {{0.8226113739, -1.806315709, 2.560586896, 0.3720189545, -0.2241939976,
       3.598951502},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125}},
     {{0.5863949014, -1.977368331, 3, 0.5, -0.1183769398, 3.579524966},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625}}},
    {"AdagradDA",
     APPLY(ops::ApplyAdagradDA(s, v[0], v[1], v[2], g, 0.1, 0.05, 0.25, 3)),
     {{0.0174198177, 0, -0.0737608929, -0.07883731418, -0.0991480019,
       -0.1492876727},
      {-0.4, -0.05, 0.8, 1.9, 3.25, 0.975},
      {1.85, 2.0625, 0.65, 4.6, 9.3125, 0.228125}},
     {{-0.04513746861, -0.06875292702, 3, 0.5, -0.07819548872, -0.04068946007},
      {0.6, 1.7, 0.3, 0.4, 2.75, 0.725},
      {0.85, 4.75, 0.4, 0.35, 10.5625, 1.790625}}},
    {"AdagradDA",
     APPLY(ops::ApplyAdagradDA(s, v[0], v[1], v[2], g, 0.1, 0.0, 0.25, 3)),
     {{0.02787170832, 0.003308758825, -0.09078263742, -0.08559479825,
       -0.1039454859, -0.1764308859},
      {-0.4, -0.05, 0.8, 1.9, 3.25, 0.975},
      {1.85, 2.0625, 0.65, 4.6, 9.3125, 0.228125}},
     {{-0.06018329148, -0.07540643609, 3, 0.5, -0.08270676692, -0.05130410183},
      {0.6, 1.7, 0.3, 0.4, 2.75, 0.725},
      {0.85, 4.75, 0.4, 0.35, 10.5625, 1.790625}}},
    {"Adadelta",
     APPLY(ops::ApplyAdadelta(s, v[0], v[1], v[2], 0.5, 0.9, 1e-3, g)),
     {{1.336333308, -1.867306984, 2.710387389, 0.03075596933, -0.7847408914,
       3.901380214},
      {0.2035, 0.30825, 0.268, 0.709, 1.310625, 0.49365625},
      {0.930458783, 0.6799255747, 0.3575501859, 0.4671677093, 0.3630167077,
       0.1236152314}},
     {{0.4378570708, -2.627314239, 3, 0.5, -0.6414799214, 3.957049517},
      {0.106, 0.547, 0.3, 0.4, 1.3413375, 0.524700625},
      {0.6124018692, 0.7517406278, 0.4, 0.35, 0.3784498053, 0.1302921637}}},
    {"RMSProp",
     APPLY(ops::ApplyRMSProp(s, v[0], v[1], v[2], 0.1, 0.9, 0.5, 1e-3, g)),
     {{0.5509253087, -2.226898717, 2.603596264, -0.04705834396, -0.6439920496,
       3.82649901},
      {0.2035, 0.30825, 0.268, 0.709, 1.310625, 0.49365625},
      {0.002269636396, 0.1655443864, 0.1964037359, 0.1427933927, 0.3059632159,
       0.08153086132}},
     {{0.3971455399, -2.701037248, 3, 0.5, -0.5988552813, 3.882231847},
      {0.106, 0.547, 0.3, 0.4, 1.3413375, 0.524700625},
      {0.3028544601, 0.1886504805, 0.4, 0.35, 0.2028111922, 0.08171623834}}},
    {"CenteredRMSProp",
     APPLY(ops::ApplyCenteredRMSProp(s, v[0], v[1], v[2], v[3], 0.1, 0.9, 0.5,
                                     1.0, g)),
     {{1.003533314, -1.96240861, 2.948012053, 0.257926953, -0.4850098451,
       3.907420758},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225},
      {0.6085, 0.55125, 0.349, 0.6685, 1.108125, 0.12915625},
      {-0.05375400676, 0.02789688404, 0.04698794747, 0.05312664814, 0.234400089,
       0.04886949303}},
     {{0.9440910712, -2.213916515, 3, 0.5, -0.4319738198, 3.97202259},
      {0.131, 0.292, 0.3, 0.4, 0.55425, 0.423385},
      {0.511, 0.79, 0.4, 0.35, 1.1773125, 0.229455625},
      {0.0459089288, 0.04577554254, 0.01, 0.04, 0.1775378356, 0.05551166917}}},
    {"Ftrl",
     APPLY(ops::ApplyFtrl(s, Ftrl(v, g, -0.5), false)),
     {{0.3324814497, -1.138268694, -0.121717225, 0.2520231178, -0.1026247131,
       -0.008085480558},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125},
      {-4.079326077, 15.73069625, 1.013537713, -5.610602448, 3.274806345,
       0.1206253349}},
     {{-0.228108971, -1.61987276, 3, 0.5, -0.1117609841, 1.477615443},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625},
      {1.513565357, 35.03118968, 0.4, 0.35, 3.780846086, -22.90681568}}},
    {"Ftrl",
     APPLY(ops::ApplyFtrl(s, Ftrl(v, g, -0.75), false)),
     {{0.3979687028, -1.418042696, -0.149466667, 0.348289094, -0.06714444051,
       0},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125},
      {-5.23322779, 22.45034986, 1.079322205, -11.2529783, 3.734797633,
       -0.02033407458}},
     {{-0.3404120088, -1.832078437, 3, 0.5, -0.1037693616, 2.004352558},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625},
      {1.769222012, 57.09849871, 0.4, 0.35, 6.28936364, -37.75935426}}},
    {"Ftrl",
     APPLY(ops::ApplyFtrl(s, Ftrl(v, g, -0.5), true)),
     {{-0.4935681288, -1.531129072, -0.724003345, 0.1053489679, -0.3838747131,
       -0.1693030567},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125},
      {0.6031527493, 2.114270861, 0.5781354185, -0.2374404736, 1.211260727,
       0.1528834188}},
     {{-1.702601214, -1.834220721, 3, 0.5, -0.3573873598, 1.374946902},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625},
      {1.097402522, 3.966003887, 0.4, 0.35, 1.198043568, -2.131866504}}},
    {"FtrlV2",
     APPLY(ops::ApplyFtrlV2(s, Ftrl(v, g, -0.5), 0.125, false)),
     {{0.2891641297, -1.075740856, -0.2413816236, 0.243669826, -0.09530296917,
       -0.1245414597},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125},
      {-3.554365641, 14.86931787, 1.960824843, -5.426296599, 3.044733047,
       1.137849045}},
     {{-0.2878609445, -1.577311146, 3, 0.5, -0.1003912018, 1.32797002},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625},
      {1.896938786, 34.11207065, 0.4, 0.35, 3.401295851, -20.59199293}}},
    {"FtrlV2",
     APPLY(ops::ApplyFtrlV2(s, Ftrl(v, g, -0.5), 0.125, true)),
     {{-0.519844996, -1.461471756, -0.824647057, 0.09865760374, -0.3738298592,
       -0.2816626829},
      {1.35, 1.7625, 0.55, 4.65, 9.5625, 0.678125},
      {0.6349975535, 2.018311513, 0.6578069785, -0.2226767424, 1.17969649,
       0.2510276933}},
     {{-1.704900183, -1.789177657, 3, 0.5, -0.3335217974, 1.230495925},
      {0.35, 4.45, 0.3, 0.4, 10.8125, 2.240625},
      {1.098877559, 3.868733285, 0.4, 0.35, 1.118374674, -1.90841937}}},
    {"AddSign",
     APPLY(ops::ApplyAddSign(s, v[0], v[1], 0.1, 1.0, 0.5, 0.9, g)),
     {{0.975, -2.0625, 2.925, 0.225, -0.6875, 3.94375},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225}},
     {}},
    {"PowerSign",
     APPLY(ops::ApplyPowerSign(s, v[0], v[1], 0.1, 1.0, 0.5, 0.9, g)),
     {{0.9782170024, -2.063001029, 2.917563936, 0.2005822788, -0.7294531147,
       3.938172952},
      {0.026, 0.147, 0.293, 0.454, 0.6825, 0.52225}},
     {}}};

Tensor MatrixOf(DType dtype, const std::vector<double>& values) {
  return ToDType(Tensor::FromSpan<double>(Shape{3, 2}, values), dtype);
}

// What two steps of `update` make of variable and slots.
Values2 Train(const Update& update, DType dtype, bool resource, bool sparse) {
  Graph graph;
  const Scope s(&graph);
  std::vector<Output> variables;
  const size_t count = update.dense.size();
  for (size_t i = 0; i < count; ++i) {
    const auto make =
        resource ? ops::InitializedResource : ops::InitializedVariable;
    variables.push_back(
        make(s.WithName(StrCat("v", i)), MatrixOf(dtype, kStart[i])));
  }
  const Output g = ops::Placeholder(s.WithName("g"), dtype, Shape{3, 2});
  const Output rows = Input(kRows).Resolve(s);
  Node* apply = update.apply(
      s, variables, sparse ? GradientValue(g, rows) : GradientValue(g));
  Node* init = ops::VariablesInitializer(s);
  std::vector<Output> reads;
  for (const Output& v : variables) reads.push_back(ops::ReadVariable(s, v));
  EXPECT_TRUE(s.ok()) << s.status().ToString();
  if (!s.ok()) return {};
  auto session = Session::Create(graph).value();
  EXPECT_TRUE(session->RunTargets({init->name()}).ok());
  for (const auto& gradient : kGradients) {
    const Status status = session->RunTargets(
        {apply->name()}, {{"g:0", MatrixOf(dtype, gradient)}});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  Values2 values;
  for (const Output& v : reads) {
    values.push_back(Values(session->Run({}, v).value()));
  }
  return values;
}

void ExpectAll(const Values2& got, const Values2& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    for (size_t j = 0; j < want[i].size(); ++j) {
      const double w = want[i][j];
      EXPECT_NEAR(got[i][j], w, tolerance * std::max(1.0, std::abs(w)))
          << i << ", " << j;
    }
  }
}

class UpdateTest : public ::testing::TestWithParam<Update> {};

TEST_P(UpdateTest, GivesTensorFlowsValues) {
  const Update& update = GetParam();
  for (const auto& [dtype, tolerance] :
       {std::pair{kDouble, 1e-8}, {kFloat, 2e-5}, {kHalf, 0.02}}) {
    for (const bool resource : {false, true}) {
      for (const bool sparse : {false, true}) {
        const Values2& want = sparse ? update.sparse : update.dense;
        const std::string op =
            StrCat(resource ? "Resource" : "", sparse ? "Sparse" : "", "Apply",
                   update.name);
        if (want.empty() || !OpRegistry::Global().Find(op)) continue;
        SCOPED_TRACE(StrCat(op, " of ", DTypeName(dtype)));
        ExpectAll(Train(update, dtype, resource, sparse), want, tolerance);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, UpdateTest, ::testing::ValuesIn(kUpdates),
                         [](const auto& info) {
                           return StrCat(info.param.name, "_", info.index);
                         });

TEST(UpdateFormsTest, EveryFormIsThere) {
  for (const Update& u : kUpdates) {
    const bool references = std::string_view(u.name) != "KerasMomentum" &&
                            std::string_view(u.name) != "AdamWithAmsgrad";
    for (const char* kind : {"", "Resource"}) {
      for (const char* form : {"", "Sparse"}) {
        if (*kind == 0 && !references) continue;
        if (*form != 0 && u.sparse.empty()) continue;
        const std::string op = StrCat(kind, form, "Apply", u.name);
        EXPECT_NE(OpRegistry::Global().Find(op), nullptr) << op;
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::testing
