// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

OpCase Split(int which, int parts, const Tensor& axis, const Tensor& indices,
             const Tensor& values, const Tensor& shape) {
  OpCase c([=](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op("SparseSplit");
    for (const Output& x : in) b.In(x);
    const Outputs outs = b.Attr("num_split", int64_t{parts}).Outs();
    return outs.empty() ? Output{} : outs[static_cast<size_t>(which)];
  });
  c.In(axis).In(indices).In(values).In(shape);
  return c;
}
const Tensor kIndices = L({5, 2}, {0, 1, 0, 3, 1, 0, 1, 4, 2, 6});
const Tensor kValues = F({5}, {1, 2, 3, 4, 5});
const Tensor kShape = L({2}, {3, 7});

// `want`: all indices, all values, all shapes.
void Expect(int64_t axis, const std::vector<Tensor>& want) {
  for (int i = 0; i < static_cast<int>(want.size()); ++i) {
    Split(i, static_cast<int>(want.size()) / 3, L({}, {axis}), kIndices,
          kValues, kShape)
        .Want(want[static_cast<size_t>(i)]);
  }
}

TEST(SparseSplitTest, TheFirstPartsAreLarger) {
  const std::vector<Tensor> halves = {L({3, 2}, {0, 1, 0, 3, 1, 0}),
                                      L({2, 2}, {1, 0, 2, 2}),
                                      F({3}, {1, 2, 3}),
                                      F({2}, {4, 5}),
                                      L({2}, {3, 4}),
                                      L({2}, {3, 3})};
  Expect(1, halves);
  Expect(-1, halves);
  Expect(1, {L({2, 2}, {0, 1, 1, 0}), L({2, 2}, {0, 0, 1, 1}),
             L({1, 2}, {2, 1}), F({2}, {1, 3}), F({2}, {2, 4}), F({1}, {5}),
             L({2}, {3, 3}), L({2}, {3, 2}), L({2}, {3, 2})});
  Expect(0, {L({2, 2}, {0, 1, 0, 3}), L({2, 2}, {0, 0, 0, 4}),
             L({1, 2}, {0, 6}), F({2}, {1, 2}), F({2}, {3, 4}), F({1}, {5}),
             L({2}, {1, 7}), L({2}, {1, 7}), L({2}, {1, 7})});
  Expect(1, {kIndices, kValues, kShape});
}

TEST(SparseSplitTest, BadUse) {
  const auto refused = [](OpCase c, const char* text) {
    c.WantError(Code::kInvalidArgument, text);
  };
  refused(Split(0, 2, L({}, {2}), kIndices, kValues, kShape),
          "Input axis should be in range [-2, 2), got 2");
  refused(Split(0, 8, L({}, {1}), kIndices, kValues, kShape),
          "Input num_split should be between 1 and the splitting dimension "
          "size (7), got 8");
  for (int64_t beyond : {9, -1}) {
    refused(
        Split(0, 2, L({}, {1}), L({1, 2}, {0, beyond}), F({1}, {1}), kShape),
        "Sparse index tuple indices[0, :] = [0, ");
  }
}

}  // namespace
}  // namespace lockstep
