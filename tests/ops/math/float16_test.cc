// SPDX-License-Identifier: Apache-2.0

// Ops on Half and BFloat16 give what they give on the same numbers as floats,
// rounded once: in whole blocks, in what is left of one, and under broadcasts.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Longer than two blocks and no multiple of any vector.
constexpr int64_t kRows = 9, kColumns = 613;

template <class T>
Tensor AsFloats(const Tensor& x) {
  Tensor wide(kFloat, x.shape());
  for (size_t i = 0; i < x.flat<T>().size(); ++i) {
    wide.flat<float>()[i] = x.flat<T>()[i];
  }
  return wide;
}

template <class T>
Tensor Rounded(const Tensor& x) {
  Tensor narrow(DTypeOf<T>::value, x.shape());
  for (size_t i = 0; i < x.flat<float>().size(); ++i) {
    narrow.flat<T>()[i] = x.flat<float>()[i];
  }
  return narrow;
}

Tensor Computed(const char* op, const std::vector<Tensor>& inputs) {
  Graph graph;
  const Scope root(&graph);
  auto node = root.WithName("y").Op(op);
  std::vector<Session::Feed> feeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = StrCat("x", i);
    if (inputs[i].dtype() == kInt32) {  // axes
      node.In(ops::Const(root, inputs[i]));
      continue;
    }
    node.In(ops::Placeholder(root.WithName(name), inputs[i].dtype(),
                             inputs[i].shape()));
    feeds.push_back({name + ":0", inputs[i]});
  }
  node.Out();
  auto session = Session::Create(graph, {});
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  auto y = (*session)->RunOne(feeds, "y:0");
  EXPECT_TRUE(y.ok()) << op << ": " << y.status().ToString();
  return y.ok() ? *y : Tensor();
}

template <class T>
void ExpectRoundedOnce(const char* op, const std::vector<Tensor>& inputs) {
  SCOPED_TRACE(StrCat(op, " of ", DTypeName(DTypeOf<T>::value)));
  std::vector<Tensor> wide = inputs;
  for (Tensor& x : wide) {
    if (x.dtype() == DTypeOf<T>::value) x = AsFloats<T>(x);
  }
  const Tensor got = Computed(op, inputs), exact = Computed(op, wide);
  ASSERT_EQ(got.shape(), exact.shape());
  if (got.dtype() == kBool) {
    for (size_t i = 0; i < got.flat<bool>().size(); ++i) {
      ASSERT_EQ(got.flat<bool>()[i], exact.flat<bool>()[i]) << i;
    }
    return;
  }
  const Tensor want = Rounded<T>(exact);
  for (size_t i = 0; i < want.flat<T>().size(); ++i) {
    const T g = got.flat<T>()[i], w = want.flat<T>()[i];
    ASSERT_TRUE(g.bits == w.bits ||
                (std::isnan(float(g)) && std::isnan(float(w))))
        << i << ": " << float(g) << ", not " << float(w);
  }
}

// Each of the 65,536 numbers, from the n-th.
template <class T>
Tensor AllNumbers(uint32_t n) {
  Tensor x(DTypeOf<T>::value, Shape{65536 + 5});
  for (size_t i = 0; i < x.flat<T>().size(); ++i) {
    x.flat<T>()[i].bits = static_cast<uint16_t>(i * 40503u + n);
  }
  return x;
}

template <class T>
Tensor Some(const Shape& shape, uint64_t seed) {
  return As(DTypeOf<T>::value, Doubles(shape, -3, 3, seed));
}

template <class T>
class Float16Test : public testing::Test {};
using Float16Types = testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(Float16Test, Float16Types);

TYPED_TEST(Float16Test, UnaryOpsOfEveryNumber) {
  for (const char* op :
       {"Neg",   "Abs",      "Sign",     "Square",   "Floor",      "Ceil",
        "Rint",  "Round",    "Sqrt",     "Rsqrt",    "Reciprocal", "IsNan",
        "IsInf", "IsFinite", "Exp",      "Expm1",    "Log",        "Log1p",
        "Sin",   "Tanh",     "Sigmoid",  "Erf",      "Relu",       "Relu6",
        "Elu",   "Selu",     "Softplus", "Softsign", "LeakyRelu",  "Lgamma"}) {
    ExpectRoundedOnce<TypeParam>(op, {AllNumbers<TypeParam>(0)});
  }
}

TYPED_TEST(Float16Test, BinaryOpsOfNumbersOfAllKinds) {
  for (const char* op : {"AddV2",
                         "Sub",
                         "Mul",
                         "RealDiv",
                         "SquaredDifference",
                         "Maximum",
                         "Minimum",
                         "FloorDiv",
                         "FloorMod",
                         "Less",
                         "GreaterEqual",
                         "Equal",
                         "NotEqual",
                         "DivNoNan",
                         "MulNoNan",
                         "SqrtGrad",
                         "TanhGrad",
                         "SigmoidGrad",
                         "ReluGrad",
                         "Relu6Grad",
                         "EluGrad",
                         "SeluGrad",
                         "SoftsignGrad",
                         "LeakyReluGrad",
                         "Add"}) {
    ExpectRoundedOnce<TypeParam>(
        op, {AllNumbers<TypeParam>(0), AllNumbers<TypeParam>(12345)});
  }
}

TYPED_TEST(Float16Test, BinaryOpsUnderBroadcasts) {
  const Shape whole{kRows, kColumns};
  for (const Shape& other :
       {whole, Shape{kColumns}, Shape{kRows, 1}, Shape{}, Shape{1, 1}}) {
    for (const char* op : {"AddV2", "Sub", "Less"}) {
      const Tensor a = Some<TypeParam>(whole, 1), b = Some<TypeParam>(other, 2);
      ExpectRoundedOnce<TypeParam>(op, {a, b});
      ExpectRoundedOnce<TypeParam>(op, {b, a});
    }
  }
}

TYPED_TEST(Float16Test, Reductions) {
  const Tensor x = Some<TypeParam>(Shape{kRows, kColumns}, 3);
  for (const char* op :
       {"Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"}) {
    for (const Tensor& axes : {I({1}, {0}), I({1}, {1}), I({2}, {0, 1})}) {
      ExpectRoundedOnce<TypeParam>(op, {x, axes});
    }
  }
  ExpectRoundedOnce<TypeParam>("L2Loss", {x});
}

TYPED_TEST(Float16Test, Softmax) {
  const Tensor x = Some<TypeParam>(Shape{kRows, kColumns}, 4);
  ExpectRoundedOnce<TypeParam>("Softmax", {x});
  ExpectRoundedOnce<TypeParam>("LogSoftmax", {x});
  ExpectRoundedOnce<TypeParam>("SoftmaxCrossEntropyWithLogits",
                               {x, Some<TypeParam>(Shape{kRows, kColumns}, 5)});
}

}  // namespace
}  // namespace lockstep
