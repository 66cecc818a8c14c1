// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

OpCase Range(int which, const Tensor& starts, const Tensor& limits,
             const Tensor& deltas) {
  OpCase c([=](const Scope& s, const Outputs& in) {
    const Outputs outs =
        s.Op("RaggedRange").In(in[0]).In(in[1]).In(in[2]).Outs();
    return outs.empty() ? Output{} : outs[static_cast<size_t>(which)];
  });
  c.In(starts).In(limits).In(deltas);
  return c;
}
void ExpectRange(const std::array<Tensor, 3>& in, const Tensor& splits,
                 const Tensor& values) {
  Range(0, in[0], in[1], in[2]).Want(splits);
  Range(1, in[0], in[1], in[2]).Want(values);
}

TEST(RaggedRangeTest, RowsFromStartToLimit) {
  ExpectRange({I({3}, {0, 5, 8}), I({3}, {3, 5, 12}), I({3}, {1, 1, 2})},
              L({4}, {0, 3, 3, 5}), I({5}, {0, 1, 2, 8, 10}));
  ExpectRange({I({2}, {5, 0}), I({2}, {0, 5}), I({2}, {-2, -1})},
              L({3}, {0, 3, 3}), I({3}, {5, 3, 1}));
  ExpectRange({F({2}, {0, 1}), F({2}, {1, 2.1f}), F({2}, {0.3f, 0.5f})},
              L({3}, {0, 4, 7}),
              F({7}, {0, 0.3f, 0.6f, 0.90000004f, 1, 1.5f, 2}));
  ExpectRange({I({}, {0}), I({}, {3}), I({}, {1})}, L({2}, {0, 3}),
              I({3}, {0, 1, 2}));
  ExpectRange({I({2}, {0, 1}), I({}, {3}), I({2}, {1, 2})}, L({3}, {0, 3, 4}),
              I({4}, {0, 1, 2, 1}));
  ExpectRange({I({0}, {}), I({0}, {}), I({0}, {})}, L({1}, {0}), I({0}, {}));
}

TEST(RaggedRangeTest, BadUse) {
  const auto refused = [](const std::array<Tensor, 3>& in, const char* text) {
    Range(1, in[0], in[1], in[2]).WantError(Code::kInvalidArgument, text);
  };
  refused({I({1}, {0}), I({1}, {3}), I({1}, {0})}, "Requires delta != 0");
  refused({I({2}, {0, 1}), I({3}, {3, 4, 5}), I({2}, {1, 1})},
          "starts, limits, and deltas must have the same shape");
  refused({I({1, 1}, {0}), I({1}, {3}), I({1}, {1})},
          "starts must be a scalar or vector");
  refused({L({2}, {INT64_MIN, 0}), L({2}, {INT64_MAX, 5}), L({2}, {1, 1})},
          "Requires ((limit - start) / delta) <= 9223372036854775807");
}

// Inputs: splits of each level, the values, indices. Output `which`.
OpCase Gather(int which, int levels, int made, const std::vector<Tensor>& in) {
  OpCase c([=](const Scope& s, const Outputs& x) {
    const auto split = x.begin() + levels;
    const Outputs outs = s.Op("RaggedGather")
                             .In(std::vector<Output>(x.begin(), split))
                             .In(split[0])
                             .In(split[1])
                             .Attr("OUTPUT_RAGGED_RANK", int64_t{made})
                             .Outs();
    return outs.empty() ? Output{} : outs[static_cast<size_t>(which)];
  });
  for (const Tensor& t : in) c.In(t);
  return c;
}
void ExpectGather(int levels, const std::vector<Tensor>& in,
                  const std::vector<Tensor>& want) {
  const int made = static_cast<int>(want.size()) - 1;
  for (int i = 0; i <= made; ++i) {
    Gather(i, levels, made, in).Want(want[static_cast<size_t>(i)]);
  }
}
const Tensor kSplits = L({4}, {0, 2, 2, 6});
const Tensor kValues = F({6}, {1, 2, 3, 4, 5, 6});

TEST(RaggedGatherTest, RowsByNumber) {
  const Tensor taken = F({10}, {3, 4, 5, 6, 1, 2, 3, 4, 5, 6});
  ExpectGather(1, {kSplits, kValues, L({4}, {2, 0, 1, 2})},
               {L({5}, {0, 4, 6, 6, 10}), taken});
  ExpectGather(1, {kSplits, kValues, L({2, 2}, {2, 0, 1, 2})},
               {L({3}, {0, 2, 4}), L({5}, {0, 4, 6, 6, 10}), taken});
  ExpectGather(1, {kSplits, kValues, L({1, 1, 2}, {2, 0})},
               {L({2}, {0, 1}), L({2}, {0, 2}), L({3}, {0, 4, 6}),
                F({6}, {3, 4, 5, 6, 1, 2})});
  ExpectGather(
      2, {L({3}, {0, 1, 3}), kSplits, kValues, L({2}, {1, 0})},
      {L({3}, {0, 2, 3}), L({4}, {0, 0, 4, 6}), F({6}, {3, 4, 5, 6, 1, 2})});
  ExpectGather(
      1, {L({3}, {0, 2, 3}), F({3, 2}, {0, 1, 2, 3, 4, 5}), I({2}, {1, 0})},
      {L({3}, {0, 1, 3}), F({3, 2}, {4, 5, 0, 1, 2, 3})});
  ExpectGather(1, {kSplits, kValues, L({}, {2})}, {F({4}, {3, 4, 5, 6})});
  ExpectGather(1, {kSplits, kValues, L({0}, {})}, {L({1}, {0}), F({0}, {})});
}

TEST(RaggedGatherTest, Gradient) {
  Gather(1, 1, 1, {kSplits, Doubles({6, 2}), L({4}, {2, 0, 1, 2})}).Gradient();
  Gather(2, 2, 2, {L({3}, {0, 1, 3}), kSplits, Doubles({6}), L({3}, {1, 0, 1})})
      .Gradient();
}

TEST(RaggedGatherTest, BadUse) {
  const auto refused = [](const Tensor& splits, const Tensor& indices,
                          const char* text) {
    Gather(1, 1, 1, {splits, kValues, indices})
        .WantError(Code::kInvalidArgument, text);
  };
  refused(kSplits, L({1}, {3}), "indices[0] = 3 is not in [0, 3)");
  refused(kSplits, L({1}, {-1}), "indices[0] = -1 is not in [0, 3)");
  refused(L({3}, {0, 2, 9}), L({1}, {1}),
          "Ragged splits must not point past values");
  refused(L({4}, {0, 4, 2, 6}), L({1}, {1}), "Ragged splits must be sorted");
  refused(L({2}, {-1, 2}), L({1}, {0}), "Ragged splits must be non-negative");
  refused(L({0}, {}), L({1}, {0}), "indices[0] = 0 is not in [0, -1)");
  refused(kSplits, L({1, 1}, {0}), "OUTPUT_RAGGED_RANK is 1, has to be 2");
  Gather(1, 1, 1, {L({2}, {0, 2}), F({}, {1}), L({1}, {0})})
      .WantError(Code::kInvalidArgument, "params.rank must be nonzero");
}

}  // namespace
}  // namespace lockstep
