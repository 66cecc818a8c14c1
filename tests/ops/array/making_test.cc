// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

TEST(OneHotTest, MarksTheIndex) {
  const auto one_hot = [](int axis) {
    return OpCase([axis](const Scope& s, const Outputs& in) {
      return ops::OneHot(s, in[0], 3, 1.0f, 0.0f, axis);
    });
  };
  one_hot(-1)
      .In(I({3}, {0, 2, 5}))
      .Want(F({3, 3}, {1, 0, 0, 0, 0, 1, 0, 0, 0}));
  one_hot(0).In(L({2}, {1, -1})).Want(F({3, 2}, {0, 0, 1, 0, 0, 0}));
  one_hot(-1).In(Tensor::Scalar<uint8_t>(1)).Want(F({3}, {0, 1, 0}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::OneHot(s, in[0], -1);
  })
      .In(I({1}, {0}))
      .WantError(Code::kInvalidArgument, "non-negative");
}

OpCase Range() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Range(s, in[0], in[1], in[2]);
  });
}

TEST(RangeTest, CountsUpAndDown) {
  Range().In(I({}, {1})).In(I({}, {8})).In(I({}, {3})).Want(I({3}, {1, 4, 7}));
  Range().In(L({}, {5})).In(L({}, {0})).In(L({}, {-2})).Want(L({3}, {5, 3, 1}));
  Range()
      .In(F({}, {0}))
      .In(F({}, {1}))
      .In(F({}, {0.25}))
      .Want(F({4}, {0, 0.25, 0.5, 0.75}));
  Range().In(I({}, {3})).In(I({}, {3})).In(I({}, {1})).Want(I({0}, {}));
}

TEST(RangeTest, RefusesWhatNeverEnds) {
  Range()
      .In(I({}, {0}))
      .In(I({}, {3}))
      .In(I({}, {0}))
      .WantError(Code::kInvalidArgument, "delta != 0");
  Range()
      .In(I({}, {3}))
      .In(I({}, {0}))
      .In(I({}, {1}))
      .WantError(Code::kInvalidArgument, "start <= limit");
  Range()
      .In(I({1}, {0}))
      .In(I({}, {3}))
      .In(I({}, {1}))
      .WantError(Code::kInvalidArgument, "rank 0");
}

TEST(FillTest, FillsWithOneValue) {
  OpCase fill([](const Scope& s, const Outputs& in) {
    return ops::Fill(s, in[0], in[1]);
  });
  OpCase(fill).In(I({2}, {2, 2})).In(F({}, {3})).Want(F({2, 2}, {3, 3, 3, 3}));
  OpCase(fill).In(L({0}, {})).In(S({}, {"a"})).Want(S({}, {"a"}));
  OpCase(fill).In(I({1}, {2})).In(S({}, {"a"})).Want(S({2}, {"a", "a"}));
  OpCase(fill)
      .In(I({1}, {-1}))
      .In(F({}, {3}))
      .WantError(Code::kInvalidArgument, "Dimension -1 must be >= 0");
  OpCase(fill).In(I({2}, {2, 3})).In(D({}, {3})).Gradient();
}

TEST(FillTest, RefusesSizesBeyondAnyMemory) {
  constexpr int64_t kHuge = int64_t{1} << 61;
  const auto refused = [](const std::function<Output(const Scope&)>& build) {
    Graph graph;
    const Scope s(&graph);
    const Output y = build(s);
    Result<std::unique_ptr<Session>> session = Session::Create(graph);
    Status status = session.status();
    if (session.ok()) {
      Result<Tensor> r = (*session)->Run({}, y);
      status = r.ok() ? Ok() : r.status();
    }
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
  };
  refused([](const Scope& s) { return ops::Fill(s, L({1}, {kHuge}), 1.0); });
  refused([](const Scope& s) {
    return ops::Fill(s, L({2}, {kHuge, kHuge}), 1.0f);
  });
  refused([](const Scope& s) {
    return ops::Tile(s, F({2, 2}, {1, 2, 3, 4}), L({2}, {kHuge, kHuge * 3}));
  });
  refused([](const Scope& s) {
    return ops::Pad(s, F({1}, {1}), L({1, 2}, {INT64_MAX, INT64_MAX}));
  });
  refused([](const Scope& s) {
    return ops::Range(s, int64_t{0}, int64_t{INT64_MAX}, int64_t{1});
  });
  refused([](const Scope& s) { return ops::Range(s, -1e300, 1e300, 1e-300); });
}

TEST(LikeTest, ZerosAndOnesHaveTheInputsShape) {
  OpCase zeros([](const Scope& s, const Outputs& in) {
    return ops::ZerosLike(s, in[0]);
  });
  OpCase(zeros).In(F({2}, {1, 2})).Want(F({2}, {0, 0}));
  OpCase(zeros).In(S({1}, {"a"})).Want(S({1}, {""}));
  OpCase ones([](const Scope& s, const Outputs& in) {
    return ops::OnesLike(s, in[0]);
  });
  OpCase(ones).In(L({2}, {5, 6})).Want(L({2}, {1, 1}));
  OpCase(ones).In(As(kBfloat16, F({1}, {5}))).Want(As(kBfloat16, F({1}, {1})));
}

TEST(LinSpaceTest, DividesAnInterval) {
  OpCase space([](const Scope& s, const Outputs& in) {
    return ops::LinSpace(s, in[0], in[1], in[2]);
  });
  OpCase(space)
      .In(F({}, {1}))
      .In(F({}, {3}))
      .In(I({}, {5}))
      .Want(F({5}, {1, 1.5, 2, 2.5, 3}));
  OpCase(space).In(D({}, {1})).In(D({}, {3})).In(L({}, {1})).Want(D({1}, {1}));
  OpCase(space)
      .In(D({}, {1}))
      .In(D({}, {3}))
      .In(I({}, {0}))
      .WantError(Code::kInvalidArgument, "num > 0");
}

}  // namespace
}  // namespace lockstep
