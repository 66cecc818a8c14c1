// SPDX-License-Identifier: Apache-2.0
#include "distributed/slice_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/flip_bit.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

TEST(SliceSumsTest, EachBitCountsHoweverThePartsAreCut) {
  constexpr int64_t kCount = 137;
  for (const DType dtype : {kHalf, kBfloat16, kFloat, kDouble}) {
    const auto element = static_cast<int64_t>(DTypeSize(dtype));
    std::vector<unsigned char> bytes(static_cast<size_t>(kCount * element));
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<unsigned char>(i * 37 + i / 7);
    }
    const auto sum = [&](int64_t begin, int64_t count) {
      return SumOfWords(bytes.data() + begin * element, count, dtype);
    };
    const uint32_t all = sum(0, kCount);
    for (int64_t cut = 0; cut <= kCount; ++cut) {
      EXPECT_EQ(sum(0, cut) + sum(cut, kCount - cut), all) << cut;
    }
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      FlipBit(bytes.data(), bit);
      EXPECT_NE(sum(0, kCount), all) << DTypeName(dtype) << " bit " << bit;
      FlipBit(bytes.data(), bit);
    }
  }
}

// An update that adds one to each value.
Status Add(SliceWatch* watch, std::vector<float>* values,
           const SlotSlices::Division& division) {
  watch->Begin(division);
  EXPECT_TRUE(watch
                  ->Around(values->data(), 5,
                           [&] {
                             for (float& v : *values) v += 1;
                             return Ok();
                           })
                  .ok());
  return watch->End("w", 3);
}

TEST(SliceWatchTest, ValuesThatChangeBetweenUpdatesAreAnError) {
  SliceSums sums;
  SliceWatch watch;
  watch.Prepare(sums.Of("w"), /*watched=*/true, kFloat);
  std::vector<float> values = {1, 2, 3, 4, 5};
  const SlotSlices::Division division{.first = 0, .total = 5};
  EXPECT_TRUE(Add(&watch, &values, division).ok());
  EXPECT_TRUE(Add(&watch, &values, division).ok());
  FlipBit(values.data(), 70);
  const Status changed = Add(&watch, &values, division);
  EXPECT_EQ(changed.code(), Code::kDataLoss);
  EXPECT_THAT(changed.message(),
              HasSubstr("rank 3 does not find what it wrote last to the "
                        "variable 'w'"));
}

TEST(SliceWatchTest, WhatOthersMayHaveWrittenIsNotLookedFor) {
  std::vector<float> values = {1, 2, 3, 4, 5};
  const SlotSlices::Division division{.first = 0, .total = 5};
  SliceSums sums;
  SliceWatch watch;
  watch.Prepare(sums.Of("w"), /*watched=*/true, kFloat);
  EXPECT_TRUE(Add(&watch, &values, division).ok());
  values[2] = 7;
  EXPECT_TRUE(Add(&watch, &values, {.first = 1, .total = 6}).ok());
  values[2] = 8;
  sums.Of("w")->valid = false;  // as _ForgetSums
  EXPECT_TRUE(Add(&watch, &values, {.first = 1, .total = 6}).ok());
  SliceWatch unwatched;
  unwatched.Prepare(sums.Of("w"), /*watched=*/false, kFloat);
  for (int i = 0; i < 2; ++i) {
    values[2] = 9;
    EXPECT_TRUE(Add(&unwatched, &values, {.first = 1, .total = 6}).ok());
  }
  // Nor does the next that is watched expect anything.
  EXPECT_TRUE(Add(&watch, &values, {.first = 1, .total = 6}).ok());
}

// What a step does to this rank's memory on its way forwards.
struct Harm {
  std::function<void()> cause;
};

Status HarmCpu(KernelContext& k) {
  k.output(0).CopyFrom(k.input(0));
  if (auto* harm = k.resources().Service<Harm>()) harm->cause();
  return Ok();
}

LOCKSTEP_OP("_TestHarm")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {HarmCpu});

// One layer, trained by Adam; other targets halve its weights, after the step
// or by themselves.
constexpr int64_t kIn = 9, kOut = 64;
struct Layer {
  Layer() {
    const Output x =
        ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, kIn});
    Tensor value(kFloat, Shape{kIn, kOut});
    int i = 0;
    for (float& v : value.flat<float>()) {
      v = static_cast<float>((i++ * 13 + 5) % 29) / 58.0f - 0.2f;
    }
    const Output w = ops::InitializedVariable(root.WithName("w"), value);
    const Output y = ops::MatMul(root, root.Op("_TestHarm").In(x).Out(), w);
    const Output loss = ops::Mean(root, ops::Square(root, y), {0, 1});
    ops::AdamOptimizer adam(0.01f);
    Node* update = adam.Minimize(root, loss, {w});
    train = update->name();
    const auto halve = [&](const Scope& scope) {
      return ops::Assign(scope, w, ops::Mul(scope, w, 0.5f)).node->name();
    };
    halved = halve(root);
    train_and_halve =
        halve(root.WithControlDependencies(std::vector<Node*>{update}));
    ops::VariablesInitializer(root.WithName("init"));
    EXPECT_TRUE(root.ok()) << root.status().ToString();
  }

  Graph graph;
  Scope root{&graph};
  std::string train, halved, train_and_halve;
};

std::vector<Session::Feed> Samples(int rank) {
  Tensor x(kFloat, Shape{4, kIn});
  int i = rank;
  for (float& v : x.flat<float>()) {
    v = static_cast<float>((i++ * 7) % 23) / 23.0f;
  }
  return {{"x:0", x}};
}

// The middle of the rank's own slice of the weights.
void HarmSlice(Session& session, const Communicator& comm) {
  const Slice slice = SliceOf(kIn * kOut, comm.rank(), comm.size());
  const int64_t middle = (slice.begin + slice.end) / 2;
  FlipBit(session.resources().variables().Find("w")->value().data(),
          static_cast<size_t>(middle) * 32 + 22);
}

// Without `batch` no digests are compared: nothing else would see it.
TEST(SliceSumsTest, AChangeOfARanksOwnSliceStopsTheStep) {
  for (const int odd : {0, 1, 2}) {
    SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
      const Layer layer;
      auto session = Open(layer.graph, comm, {});
      const auto harm = std::make_shared<Harm>();
      int step = 0;
      harm->cause = [&] {
        if (comm->rank() == odd && step == 5) HarmSlice(*session, *comm);
      };
      session->resources().SetService(harm);
      Status s = session->RunTargets({"init"});
      for (; s.ok() && step < 20; ++step) {
        s = session->RunTargets({layer.train}, Samples(comm->rank()));
      }
      if (comm->rank() == odd) {
        EXPECT_EQ(step, 6);
        EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
        EXPECT_THAT(s.message(), HasSubstr(StrCat("rank ", odd,
                                                  " does not find what it "
                                                  "wrote last")));
        EXPECT_THAT(s.message(), HasSubstr("'w'"));
      } else {
        EXPECT_EQ(s.code(), Code::kUnavailable) << s.ToString();  // it left
      }
    });
  }
}

TEST(SliceSumsTest, WhatTheProgramItselfWritesIsNoFault) {
  SpawnRanksShared(2, [](std::shared_ptr<Communicator> comm) {
    const Layer layer;
    auto session = Open(layer.graph, comm);
    Status s = session->RunTargets({"init"});
    const std::string* const runs[] = {
        &layer.train, &layer.train,           &layer.train_and_halve,
        &layer.train, &layer.train_and_halve, &layer.train_and_halve,
        &layer.train, &layer.halved,          &layer.train};
    for (const std::string* target : runs) {
      s.Update(target == &layer.halved
                   ? session->RunTargets({*target})
                   : session->RunTargets({*target}, Samples(comm->rank())));
    }
    s.Update(session->RunTargets({"init"}));
    s.Update(session->RunTargets({layer.train}, Samples(comm->rank())));
    EXPECT_TRUE(s.ok()) << s.ToString();
  });
}

}  // namespace
}  // namespace lockstep
