// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/op/op_def.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

Status Nothing(KernelContext&);

LOCKSTEP_OP("TestSpecs")
    .Input("ref: Ref(T)")
    .Input("values: N * T")
    .Input("more: Tin")
    .Input("axis: int32")
    .Output("sum: T")
    .Output("out_ref: Ref(T)")
    .Attr("T: {float, double} = DT_FLOAT")
    .Attr("N: int >= 2")
    .Attr("Tin: list(type) >= 1")
    .Attr("padding: {'SAME', 'VALID'} = 'SAME'")
    .Attr("strides: list(int) = [1, 2]")
    .Attr("epsilon: float = 0.001")
    .Attr("use_locking: bool = false")
    .Shape(UnknownShape)
    .Kernel<float>(kCpu, {Nothing});

Status Nothing(KernelContext&) { return Ok(); }

const OpDef& Specs() { return *OpRegistry::Global().Find("TestSpecs"); }

AttrMap GoodAttrs() {
  return {{"N", 3}, {"Tin", std::vector<DType>{kInt64, kBool}}};
}

TEST(OpBuilderTest, AllRegistrationsAreWellFormed) {
  EXPECT_THAT(OpRegistry::Global().errors(), ::testing::IsEmpty());
}

TEST(OpBuilderTest, ReadsArguments) {
  const OpDef& def = Specs();
  ASSERT_EQ(def.inputs.size(), 4u);
  EXPECT_TRUE(def.inputs[0].is_ref);
  EXPECT_EQ(def.inputs[0].type_attr, "T");
  EXPECT_EQ(def.inputs[1].number_attr, "N");
  EXPECT_EQ(def.inputs[2].type_list_attr, "Tin");
  EXPECT_EQ(def.inputs[3].type, kInt32);
  EXPECT_TRUE(def.outputs[1].is_ref);
}

TEST(OpBuilderTest, FillsDefaults) {
  AttrMap attrs = GoodAttrs();
  ASSERT_TRUE(CheckAttrs(Specs(), &attrs).ok());
  EXPECT_EQ(*GetIf<DType>(attrs, "T"), kFloat);
  EXPECT_EQ(*GetIf<std::string>(attrs, "padding"), "SAME");
  EXPECT_EQ(*GetIf<std::vector<int64_t>>(attrs, "strides"),
            (std::vector<int64_t>{1, 2}));
  EXPECT_FLOAT_EQ(*GetIf<float>(attrs, "epsilon"), 0.001f);
  EXPECT_FALSE(*GetIf<bool>(attrs, "use_locking"));
}

TEST(OpBuilderTest, ExpandsSequencesIntoTypes) {
  AttrMap attrs = GoodAttrs();
  ASSERT_TRUE(CheckAttrs(Specs(), &attrs).ok());
  auto types = ArgTypes(Specs(), Specs().inputs, attrs);
  ASSERT_TRUE(types.ok()) << types.status().ToString();
  EXPECT_EQ(*types, (std::vector<DType>{RefOf(kFloat), kFloat, kFloat, kFloat,
                                        kInt64, kBool, kInt32}));
  auto range = ArgRange(Specs(), Specs().inputs, attrs, 2);
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(*range, std::pair(4, 2));
}

struct BadAttr {
  const char* name;
  AttrValue value;
  const char* message;
};

TEST(OpBuilderTest, RefusesBadAttributesByName) {
  const BadAttr cases[] = {
      {"N", 1, "'N' must be at least 2, is 1"},
      {"N", "three", "'N' must be int, is \"three\""},
      {"T", kInt32, "'T' must be one of {float, double}, is int32"},
      {"padding", "FULL", "'padding' must be one of {SAME, VALID}"},
      {"Tin", std::vector<DType>{}, "'Tin' needs at least 1 types"},
      {"unknown", 1, "has no attribute 'unknown'"}};
  for (const BadAttr& c : cases) {
    AttrMap attrs = GoodAttrs();
    attrs[c.name] = c.value;
    const Status s = CheckAttrs(Specs(), &attrs);
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << c.name;
    EXPECT_THAT(s.message(), HasSubstr(c.message));
  }
}

TEST(OpBuilderTest, AttributesThatBeginWithAnUnderscoreAreFree) {
  AttrMap attrs = GoodAttrs();
  attrs["_class"] = std::vector<std::string>{"loc:@w"};
  EXPECT_TRUE(CheckAttrs(Specs(), &attrs).ok());
}

TEST(OpBuilderTest, MissingAttributeIsNamed) {
  AttrMap attrs;
  const Status s = CheckAttrs(Specs(), &attrs);
  EXPECT_THAT(s.message(), HasSubstr("needs attribute 'N'"));
}

TEST(OpBuilderTest, FindsKernelsByType) {
  AttrMap attrs = GoodAttrs();
  ASSERT_TRUE(CheckAttrs(Specs(), &attrs).ok());
  EXPECT_NE(Specs().FindKernel(kCpu, attrs), nullptr);
  EXPECT_EQ(Specs().FindKernel(kGpu, attrs), nullptr);
  attrs["T"] = kDouble;
  EXPECT_EQ(Specs().FindKernel(kCpu, attrs), nullptr);
}

TEST(OpBuilderTest, BadSpecsAreRecorded) {
  OpBuilder builder("TestNeverRegistered");
  builder.Input("no colon").Attr("x: strange").Shape(UnknownShape);
  OpRegistry& registry = OpRegistry::Global();
  const size_t before = registry.errors().size();
  { OpRegistrar registrar(builder); }
  EXPECT_GT(registry.errors().size(), before);
  // Leave the registry as the other tests expect it.
  const_cast<std::vector<std::string>&>(registry.errors()).resize(before);
}

TEST(AttrTest, EqualsComparesKindAndValue) {
  EXPECT_TRUE(AttrValue(1).Equals(AttrValue(int64_t{1})));
  EXPECT_FALSE(AttrValue(1).Equals(AttrValue(1.0)));
  EXPECT_TRUE(AttrValue(Tensor(2.0f)).Equals(AttrValue(Tensor(2.0f))));
  EXPECT_FALSE(AttrValue(Tensor(2.0f)).Equals(AttrValue(Tensor(3.0f))));
  EXPECT_EQ(AttrValue(std::vector<int64_t>{1, 2}).ToString(), "[1,2]");
}

// Files write an empty list without its kind.
TEST(CheckAttrsTest, AnEmptyListIsOfTheKindThatTheOpReads) {
  const OpDef* op = OpRegistry::Global().Find("If");
  ASSERT_NE(op, nullptr);
  AttrMap attrs = {{"Tcond", kBool},
                   {"Tin", std::vector<int64_t>{}},
                   {"Tout", std::vector<int64_t>{}},
                   {"output_shapes", std::vector<std::string>{}},
                   {"then_branch", FunctionRef{.name = "a"}},
                   {"else_branch", FunctionRef{.name = "b"}}};
  const Status checked = CheckAttrs(*op, &attrs);
  ASSERT_TRUE(checked.ok()) << checked.ToString();
  EXPECT_NE(GetIf<std::vector<DType>>(attrs, "Tin"), nullptr);
  EXPECT_NE(GetIf<std::vector<Shape>>(attrs, "output_shapes"), nullptr);
  attrs["Tin"] = std::vector<int64_t>{1};
  EXPECT_EQ(CheckAttrs(*op, &attrs).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep
