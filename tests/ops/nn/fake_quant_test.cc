// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/named_op.h"

namespace lockstep {
namespace {

Tensor Values(const Shape& shape) {
  return F(shape, {-7, -3.01f, -0.01f, 0, 0.4f, 1.26f, 2.9f, 9});
}
Tensor Ones(int64_t n) {
  Tensor ones(kFloat, {n});
  std::ranges::fill(ones.flat<float>(), 1.0f);
  return ones;
}
const Tensor kX = Values({8});
const Tensor kDy = F({8}, {1, 2, 3, 4, 5, 6, 7, 8});

// All values are TensorFlow's.
TEST(FakeQuantTest, Args) {
  const AttrMap attrs = {{"min", -3.0f}, {"max", 5.0f}, {"num_bits", 4}};
  NamedOp("FakeQuantWithMinMaxArgs", attrs)
      .In(kX)
      .Within(1e-6)
      .Want(F({8}, {-3.20000029f, -3.20000029f, 0, 0, 0.533333361f, 1.06666672f,
                    2.66666675f, 4.80000019f}));
  AttrMap narrow = attrs;
  narrow["narrow_range"] = true;
  NamedOp("FakeQuantWithMinMaxArgs", narrow)
      .In(kX)
      .Within(1e-6)
      .Want(F({8}, {-2.85714293f, -2.85714293f, 0, 0, 0.571428597f, 1.14285719f,
                    2.85714293f, 5.14285755f}));
  NamedOp("FakeQuantWithMinMaxArgsGradient", attrs)
      .In(kDy)
      .In(kX)
      .Want(F({8}, {0, 2, 3, 4, 5, 6, 7, 0}));
}

TEST(FakeQuantTest, Vars) {
  const auto vars = [](float min, float max, AttrMap attrs = {}) {
    return NamedOp("FakeQuantWithMinMaxVars", std::move(attrs))
        .In(kX)
        .In(F({}, {min}))
        .In(F({}, {max}))
        .Within(1e-6);
  };
  vars(1, 3, {{"num_bits", 3}})
      .Want(F({8}, {0, 0, 0, 0, 0.285714298f, 1.14285719f, 2, 2}));
  vars(0, 0).Want(F({8}, {0, 0, 0, 0, 0, 0, 0, 0}));
  const Tensor wanted[] = {F({8}, {0, 0, 3, 4, 5, 6, 0, 0}), F({}, {3}),
                           F({}, {15})};
  for (int i = 0; i < 3; ++i) {
    NamedOp("FakeQuantWithMinMaxVarsGradient", {}, i)
        .In(kDy)
        .In(kX)
        .In(F({}, {-3}))
        .In(F({}, {2.5}))
        .Want(wanted[i]);
  }
}

TEST(FakeQuantTest, Channels) {
  const Tensor x = Values({4, 2});
  const Tensor min = F({2}, {-3, -1}), max = F({2}, {2, 0.5});
  NamedOp("FakeQuantWithMinMaxVarsPerChannel")
      .In(x)
      .In(min)
      .In(max)
      .Within(1e-6)
      .Want(F({4, 2}, {-3, -1, -0.0196078438f, 0, 0.392156869f, 0.5, 2, 0.5}));
  const Tensor wanted[] = {F({4, 2}, {0, 0, 3, 4, 5, 0, 0, 0}), F({2}, {1, 2}),
                           F({2}, {7, 14})};
  for (int i = 0; i < 3; ++i) {
    NamedOp("FakeQuantWithMinMaxVarsPerChannelGradient", {}, i)
        .In(Tensor::Of<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
        .In(x)
        .In(min)
        .In(max)
        .Want(wanted[i]);
  }
}

// One range is repeated over 64 elements at a time: each is as it is alone.
TEST(FakeQuantTest, ManyElements) {
  constexpr int64_t kSize = 200;
  Tensor x(kFloat, {kSize}), want(kFloat, {kSize});
  for (size_t i = 0; i < kSize; ++i) {
    x.flat<float>()[i] = 0.037f * static_cast<float>(i) - 3.5f;
    const Result<Tensor> alone = NamedOp("FakeQuantWithMinMaxArgs")
                                     .In(F({1}, {x.flat<float>()[i]}))
                                     .Run();
    ASSERT_TRUE(alone.ok());
    want.flat<float>()[i] = alone->flat<float>()[0];
  }
  NamedOp("FakeQuantWithMinMaxArgs").In(x).Want(want);
  NamedOp("FakeQuantWithMinMaxVars")
      .In(x)
      .In(F({}, {-6}))
      .In(F({}, {6}))
      .Want(want);
  const Tensor below = F({}, {54}), ones = Ones(kSize);
  NamedOp("FakeQuantWithMinMaxVarsGradient", {}, 1)  // 54 are below -1.5
      .In(ones)
      .In(x)
      .In(F({}, {-1.505882f}))
      .In(F({}, {1.5f}))
      .Want(below);
}

// Straight through: 1 within the range, though the outputs are steps.
TEST(FakeQuantTest, GradientsGoThroughWithinTheRange) {
  Result<Tensor> dx = OpCase([](const Scope& s, const Outputs& in) {
                        std::vector<Output> dx;
                        const Output y =
                            s.Op("FakeQuantWithMinMaxArgs").In(in[0]).Out();
                        EXPECT_TRUE(AddGradients(s, {y}, {in[0]}, &dx).ok());
                        return dx.empty() ? Output() : dx[0];
                      })
                          .In(kX)
                          .Run();
  ASSERT_TRUE(dx.ok()) << dx.status().ToString();
  EXPECT_TRUE(SameTensor(*dx, F({8}, {0, 1, 1, 1, 1, 1, 1, 0})));
}

TEST(FakeQuantTest, BadUse) {
  NamedOp("FakeQuantWithMinMaxArgs", {{"num_bits", 17}})
      .In(kX)
      .WantError(Code::kInvalidArgument, "between 2 and 16");
  NamedOp("FakeQuantWithMinMaxArgs", {{"min", 6.0f}})
      .In(kX)
      .WantError(Code::kInvalidArgument, "min has to be smaller");
  NamedOp("FakeQuantWithMinMaxVarsPerChannel")
      .In(kX)
      .In(F({2}, {0, 0}))
      .In(F({2}, {1, 1}))
      .WantError(Code::kInvalidArgument, "channels");
}

}  // namespace
}  // namespace lockstep
