// SPDX-License-Identifier: Apache-2.0

// RandomShuffle: the rows of value in a random order.
//   value: T [n, rest]   output: its shape

#include <cstring>
#include <numeric>

#include "ops/random/random.h"
#include "ops/random/random_ops.h"

namespace lockstep {
namespace {

struct ShuffleState {
  RandomStream stream;
  int64_t rows = 1;
  explicit ShuffleState(const PrepareContext& p) : stream(p) {}
};

Status ShufflePrepare(PrepareContext& p) {
  ShuffleState& s = p.MakeState<ShuffleState>(p);
  const Shape& shape = p.input_shape(0);
  s.rows = shape.rank() > 0 ? shape.dim(0) : 1;
  // The order, and a word for each row.
  p.RequestScratch(static_cast<size_t>(s.rows) * 12 + 16);
  return Ok();
}

// order[0 .. n): a permutation, by exchanging each with one behind it.
void Shuffle(const Philox& rng, int64_t n, int64_t* order, uint32_t* words) {
  std::iota(order, order + n, int64_t{0});
  FillWords(rng, 0, (n + 3) / 4, words);
  for (int64_t i = 0; i + 1 < n; ++i) {
    std::swap(order[i],
              order[i + static_cast<int64_t>(words[i] %
                                             static_cast<uint64_t>(n - i))]);
  }
}

Status ShuffleCpu(KernelContext& k) {
  const ShuffleState& s = k.state<ShuffleState>();
  const Tensor& x = k.input(0);
  Tensor& y = k.output(0);
  if (x.NumElements() == 0) return Ok();
  int64_t* order = static_cast<int64_t*>(k.scratch());
  Shuffle(s.stream.At(k.run()), s.rows, order,
          reinterpret_cast<uint32_t*>(order + s.rows));
  const int64_t width = x.NumElements() / s.rows;
  if (x.dtype() == kString) {
    for (int64_t r = 0; r < s.rows; ++r) {
      std::copy_n(x.flat<std::string>().data() + order[r] * width, width,
                  y.flat<std::string>().data() + r * width);
    }
    return Ok();
  }
  if (!IsPod(x.dtype())) {
    return Unimplemented("cannot shuffle elements of ", DTypeName(x.dtype()));
  }
  const size_t bytes = static_cast<size_t>(width) * DTypeSize(x.dtype());
  for (int64_t r = 0; r < s.rows; ++r) {
    std::memcpy(static_cast<char*>(y.data()) + static_cast<size_t>(r) * bytes,
                static_cast<const char*>(x.data()) +
                    static_cast<size_t>(order[r]) * bytes,
                bytes);
  }
  return Ok();
}

LOCKSTEP_OP("RandomShuffle")
    .Input("value: T")
    .Output("output: T")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Attr("T: type")
    .Shape(UnchangedShape)
    .NoGradient()
    .Random()
    .Kernel(kCpu, {ShuffleCpu, ShufflePrepare});

}  // namespace

Output ops::RandomShuffle(const Scope& scope, const Input& value,
                          int64_t seed) {
  NodeBuilder node = scope.Op("RandomShuffle");
  node.In(value);
  return SeededNode(scope, node, seed);
}

}  // namespace lockstep
