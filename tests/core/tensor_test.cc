// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/tensor.h"

#include <gtest/gtest.h>

#include <limits>
#include <new>

#include "runtime/core/object.h"

namespace lockstep {
namespace {

bool Aligned(const Tensor& t, size_t alignment) {
  return reinterpret_cast<uintptr_t>(t.data()) % alignment == 0;
}

TEST(TensorTest, DefaultIsUndefined) {
  const Tensor t;
  EXPECT_FALSE(t.defined());
  EXPECT_EQ(t.NumElements(), 0);
  EXPECT_EQ(t.bytes(), 0u);
  EXPECT_FALSE(t.owns_memory());
  EXPECT_FALSE(t.Clone().defined());
  EXPECT_EQ(t.ToString(), "undefined tensor");
}

TEST(TensorTest, HoldsWhatItIsGiven) {
  const Tensor t = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(t.dtype(), kFloat);
  EXPECT_EQ(t.shape(), (Shape{2, 2}));
  EXPECT_EQ(t.NumElements(), 4);
  EXPECT_EQ(t.bytes(), 16u);
  EXPECT_EQ(t.flat<float>()[3], 4.0f);
  EXPECT_TRUE(t.unique());
}

TEST(TensorTest, ScalarsTakeTheirTypeFromTheValue) {
  EXPECT_EQ(Tensor(1.5f).dtype(), kFloat);
  EXPECT_EQ(Tensor(1.5).dtype(), kDouble);
  EXPECT_EQ(Tensor(3).dtype(), kInt32);
  EXPECT_EQ(Tensor(int64_t{7}).scalar<int64_t>(), 7);
  EXPECT_EQ(Tensor(true).dtype(), kBool);
  EXPECT_EQ(Tensor("text").scalar<std::string>(), "text");
  EXPECT_TRUE(Tensor("text").shape().IsScalar());
}

TEST(TensorTest, OwnedMemoryIsAligned) {
  for (const int64_t n : {0, 1, 3, 17, 1000, 100000}) {
    const Tensor t(kInt8, Shape{n});
    EXPECT_NE(t.data(), nullptr) << n;
    EXPECT_TRUE(Aligned(t, kTensorAlignment)) << n;
  }
  EXPECT_TRUE(Aligned(Tensor(kFloat, Shape{1 << 20}), 2 << 20));
}

TEST(TensorTest, CopiesShareTheElements) {
  Tensor a = Tensor::Of<int32_t>({2}, {1, 2});
  Tensor b = a;
  EXPECT_FALSE(a.unique());
  b.flat<int32_t>()[0] = 9;
  EXPECT_EQ(a.flat<int32_t>()[0], 9);
  b = Tensor();
  EXPECT_TRUE(a.unique());
}

TEST(TensorTest, CloneHasMemoryOfItsOwn) {
  const Tensor a =
      Tensor::Of<std::string>({2}, {"x", "a longer text than SSO"});
  Tensor b = a.Clone();
  EXPECT_TRUE(BitwiseEqual(a, b));
  b.flat<std::string>()[1] = "changed";
  EXPECT_EQ(a.flat<std::string>()[1], "a longer text than SSO");
  EXPECT_FALSE(BitwiseEqual(a, b));
}

TEST(TensorTest, StringsStartEmptyAndAreDestroyed) {
  Tensor t(kString, Shape{1000});
  for (std::string& s : t.flat<std::string>()) {
    EXPECT_EQ(s, "");
    s.assign(100, 'x');  // the asan build reports what is not freed
  }
  EXPECT_EQ(t.bytes(), 1000 * sizeof(std::string));
}

struct Counted final : Object {
  explicit Counted(int* alive) : alive(alive) { ++*alive; }
  ~Counted() override { --*alive; }
  std::string DebugString() const override { return "counted"; }
  int* alive;
};

TEST(TensorTest, ObjectsLiveAsLongAsATensorRefersToThem) {
  int alive = 0;
  Tensor copy;
  {
    Tensor t(kVariant, Shape{2});
    EXPECT_EQ(t.scalar<ObjectRef>(), nullptr);
    t.flat<ObjectRef>()[1] = std::make_shared<Counted>(&alive);
    EXPECT_EQ(t.ToString(), "variant [2] {none, counted}");
    copy = t.Clone();
    EXPECT_TRUE(BitwiseEqual(copy, t));
    t.flat<ObjectRef>()[1].reset();
    EXPECT_FALSE(BitwiseEqual(copy, t));
  }
  EXPECT_EQ(alive, 1);
  copy = Tensor();
  EXPECT_EQ(alive, 0);
}

TEST(TensorTest, MakeReportsWhatCannotBeAllocated) {
  EXPECT_EQ(Tensor::Make(kFloat, {-1, 2}).status().ToString(),
            "INVALID_ARGUMENT: a tensor needs a fully known shape, got [?,2]");
  EXPECT_EQ(Tensor::Make(kFloat, Shape::Unknown()).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Tensor::Make(kInvalidType, {2}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Tensor::Make(RefOf(kFloat), {2}).code(), Code::kInvalidArgument);
  // Fits in elements, not in bytes.
  EXPECT_EQ(Tensor::Make(kDouble, {1ll << 61}).code(), Code::kInvalidArgument);
  Shape huge{1ll << 40};
  huge.AddDim(1ll << 40);
  EXPECT_EQ(Tensor::Make(kInt8, huge).code(), Code::kInvalidArgument);
  EXPECT_THROW(Tensor(kFloat, Shape{-1}), std::bad_alloc);
}

// Sanitizers end the process at such sizes.
#if !defined(__SANITIZE_ADDRESS__) && !defined(LOCKSTEP_TSAN)
TEST(TensorTest, MakeReportsThatMemoryRanOut) {
  const Status s = Tensor::Make(kFloat, {1ll << 58}).status();
  EXPECT_EQ(s.code(), Code::kResourceExhausted);
  EXPECT_EQ(s.message(),
            "out of memory: a float tensor of shape [288230376151711744] takes "
            "1.0 EiB");
}
#endif

TEST(TensorTest, BorrowedMemoryIsNotOwned) {
  float values[] = {1, 2, 3};
  Tensor t = Tensor::Borrow(kFloat, {3}, values);
  EXPECT_FALSE(t.owns_memory());
  EXPECT_FALSE(t.unique());
  t.flat<float>()[1] = 5;
  EXPECT_EQ(values[1], 5);
  float others[] = {7, 8, 9};
  t.Rebind(others);
  EXPECT_EQ(t.flat<float>()[2], 9);
}

TEST(TensorTest, SharedMemoryKeepsItsOwnerAlive) {
  auto owner = std::make_shared<std::vector<int32_t>>(3, 4);
  const std::weak_ptr<void> watch = owner;
  Tensor t = Tensor::Share(kInt32, {3}, owner->data(), owner);
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(t.flat<int32_t>()[2], 4);
  t = Tensor();
  EXPECT_TRUE(watch.expired());
}

TEST(TensorTest, ReshapedSharesTheElements) {
  const Tensor t = Tensor::Of<int32_t>({2, 3}, {0, 1, 2, 3, 4, 5});
  const Tensor r = t.Reshaped({3, 2}).value();
  EXPECT_EQ(r.shape(), (Shape{3, 2}));
  EXPECT_EQ(r.data(), t.data());
  EXPECT_EQ(t.Reshaped({4, 2}).status().ToString(),
            "INVALID_ARGUMENT: cannot reshape [2,3] (6 elements) to [4,2]");
  EXPECT_EQ(t.Reshaped({-1, 2}).code(), Code::kInvalidArgument);
}

TEST(TensorTest, CopyFromNeedsNoEqualShape) {
  Tensor a(kInt64, Shape{2, 2});
  a.CopyFrom(Tensor::Of<int64_t>({4}, {1, 2, 3, 4}));
  EXPECT_EQ(a.flat<int64_t>()[3], 4);
  EXPECT_EQ(a.shape(), (Shape{2, 2}));
}

TEST(TensorTest, ToStringShowsTheFirstValues) {
  EXPECT_EQ(Tensor::Of<float>({2, 2}, {1, 2.5, 0.1f, 4}).ToString(),
            "float [2,2] {1, 2.5, 0.1, 4}");
  EXPECT_EQ(Tensor::Vector<int64_t>({1, 2, 3}).ToString(2),
            "int64 [3] {1, 2, ...}");
  EXPECT_EQ(Tensor::Of<std::string>({1}, {"a"}).ToString(),
            "string [1] {\"a\"}");
  EXPECT_EQ(Tensor(true).ToString(), "bool [] {true}");
  EXPECT_EQ(Tensor::Scalar(std::complex<float>(1, -2)).ToString(),
            "complex64 [] {(1,-2)}");
  EXPECT_EQ(Tensor::Scalar(Half(1.5f)).ToString(), "half [] {1.5}");
  EXPECT_EQ(Tensor::Scalar(int8_t{-3}).ToString(), "int8 [] {-3}");
  EXPECT_EQ(Tensor(kFloat, Shape{0}).ToString(), "float [0] {}");
}

TEST(TensorTest, IntegersAreReadWidened) {
  const Tensor a = Tensor::Of<int32_t>({2}, {-1, 7});
  const Tensor b = Tensor::Of<int64_t>({2}, {-1, 1ll << 40});
  EXPECT_EQ(IntAt(a, 0), -1);
  EXPECT_EQ(IntAt(b, 1), 1ll << 40);
  EXPECT_EQ(ToInt64s(a).value(), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(ToInt64s(Tensor(1.0f)).status().ToString(),
            "INVALID_ARGUMENT: want int32 or int64, got float");
  EXPECT_EQ(ToInt64s(Tensor()).code(), Code::kInvalidArgument);
}

TEST(TensorTest, BitwiseEqualComparesBitsNotValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(BitwiseEqual(Tensor(nan), Tensor(nan)));
  EXPECT_FALSE(BitwiseEqual(Tensor(0.0f), Tensor(-0.0f)));
  EXPECT_FALSE(BitwiseEqual(Tensor(1), Tensor(int64_t{1})));
  EXPECT_FALSE(BitwiseEqual(Tensor(1), Tensor::Of<int32_t>({1}, {1})));
  EXPECT_TRUE(BitwiseEqual(Tensor(), Tensor()));
  EXPECT_TRUE(BitwiseEqual(Tensor(kInt8, Shape{0}), Tensor(kInt8, Shape{0})));
}

}  // namespace
}  // namespace lockstep
