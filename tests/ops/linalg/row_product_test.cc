// SPDX-License-Identifier: Apache-2.0
// Rows of a product that are made by themselves are those of the whole product.
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"
#include "runtime/op/product_rule.h"

namespace lockstep {
namespace {

Tensor Pattern(const Shape& shape, int period, int zeros) {
  Tensor t(kFloat, shape);
  int i = 0;
  for (float& v : t.flat<float>()) {
    const int at = i++ * 7 % period;
    v = at < zeros ? 0 : static_cast<float>(at) / 31.0f - 1;
  }
  return t;
}

// Blocks of 48 rows and what is left, of 'a b' by MatMul; `zeros` of 61
// elements of a are 0, or of b.
void ExpectRowsOfProduct(const ProductDims& want, int zeros,
                         Zeros left_out = Zeros::kKept) {
  const Tensor a =
      Pattern(want.transpose_a ? Shape{want.k, want.m} : Shape{want.m, want.k},
              61, left_out == Zeros::kOfLeft ? zeros : 0);
  const Tensor b =
      Pattern(want.transpose_b ? Shape{want.n, want.k} : Shape{want.k, want.n},
              61, left_out == Zeros::kOfRight ? zeros : 0);
  Graph graph;
  const Scope root(&graph);
  const Output product =
      ops::MatMul(root, ops::Placeholder(root.WithName("a"), kFloat, a.shape()),
                  ops::Placeholder(root.WithName("b"), kFloat, b.shape()),
                  want.transpose_a, want.transpose_b);
  auto session = Session::Create(graph, {});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  const auto whole =
      (*session)->RunOne({{"a:0", a}, {"b:0", b}}, product.name());
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();

  const Node& node = *product.node;
  const ProductRule* rule = FindProductRule(node.def(), node.attrs());
  ASSERT_NE(rule, nullptr);
  ASSERT_TRUE(rule->fits(node.attrs()));
  const ProductDims dims = rule->dims(node.attrs(), a.shape(), b.shape());
  EXPECT_EQ(dims, want);
  Tensor shared(kUint8, Shape{static_cast<int64_t>(rule->shared_bytes(dims))});
  const ProductFactors factors{
      .a = a.data(),
      .b = b.data(),
      .left_out = rule->share(dims, a.data(), b.data(), shared.data()),
      .shared = shared.data()};
  EXPECT_EQ(factors.left_out, left_out);
  for (int64_t row = 0; row < dims.m; row += 48) {
    const int64_t rows = std::min<int64_t>(48, dims.m - row);
    auto made = rule->make(dims, rows);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    Tensor scratch(kUint8,
                   Shape{static_cast<int64_t>((*made)->scratch_bytes())});
    Tensor c(kFloat, Shape{rows, dims.n});
    const Status run =
        (*made)->Run(factors, row, c.flat<float>().data(), scratch.data());
    ASSERT_TRUE(run.ok()) << run.ToString();
    for (int64_t i = 0; i < rows * dims.n; ++i) {
      ASSERT_EQ(c.flat<float>()[static_cast<size_t>(i)],
                whole->flat<float>()[static_cast<size_t>(row * dims.n + i)])
          << "row " << row << ", element " << i;
    }
  }
}

TEST(RowProductTest, OfDenseFactors) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      ExpectRowsOfProduct(
          {.m = 500, .n = 301, .k = 70, .transpose_a = ta, .transpose_b = tb},
          0);
    }
  }
}

TEST(RowProductTest, OfAFactorWithManyZeros) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const ProductDims dims{
          .m = 500, .n = 301, .k = 70, .transpose_a = ta, .transpose_b = tb};
      ExpectRowsOfProduct(dims, 50, Zeros::kOfLeft);
      if (ta) ExpectRowsOfProduct(dims, 50, Zeros::kOfRight);
    }
  }
}

TEST(RowProductTest, WithoutAnInnerDimensionIsZero) {
  ExpectRowsOfProduct({.m = 100, .n = 5, .k = 0}, 0);
}

TEST(RowProductTest, AProductWithMoreBehindItDoesNotFit) {
  Graph graph;
  const Scope root(&graph);
  const Output relu = root.Op("_FusedMatMul")
                          .In(ops::Placeholder(root, kFloat, Shape{4, 3}))
                          .In(ops::Placeholder(root, kFloat, Shape{3, 2}))
                          .In(std::vector<Output>{})
                          .Attr("activation", "Relu")
                          .Out();
  ASSERT_TRUE(root.ok()) << root.status().ToString();
  const ProductRule* rule =
      FindProductRule(relu.node->def(), relu.node->attrs());
  EXPECT_TRUE(rule == nullptr || !rule->fits(relu.node->attrs()));
}

}  // namespace
}  // namespace lockstep
