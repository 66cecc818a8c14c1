// SPDX-License-Identifier: Apache-2.0

// UniformCandidateSampler, LogUniformCandidateSampler: classes below range_max
// for sampled losses (nce_loss, sampled_softmax_loss), all alike or class c
// with log((c + 2) / (c + 1)) / log(range_max + 1); AllCandidateSampler: all.
//   true_classes: int64 [n,num_true]   sampled_candidates: int64 [num_sampled],
//   none twice when `unique`   true_expected_count: float [n,num_true]
//   sampled_expected_count: float [num_sampled]
// Expected counts are of the draws that it took, as TensorFlow has them.
// ComputeAccidentalHits: true_classes, sampled_candidates -> where a candidate
// is a true class: indices: int32 [m], the row; ids: int64 [m], the
// candidate's number; weights: float [m], the lowest
// No gradients.

#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "ops/random/random.h"
#include "ops/random/random_ops.h"

namespace lockstep {
namespace {

// The words of a stream, one by one.
class Words {
 public:
  explicit Words(const Philox& rng) : rng_(rng) {}
  uint32_t Next() {
    if (at_ % 4 == 0) block_ = rng_.Block(at_ / 4);
    return block_[at_++ % 4];
  }
  uint64_t Next64() {
    const uint64_t low = Next();
    return low | uint64_t{Next()} << 32;
  }
  double NextDouble() {
    const uint32_t high = Next();
    return UniformDouble(high, Next());
  }

 private:
  Philox rng_;
  uint64_t at_ = 0;
  std::array<uint32_t, 4> block_{};
};

struct UniformClasses {
  int64_t range;
  double Probability(int64_t) const { return 1.0 / static_cast<double>(range); }
  // What lies below a multiple of the range is drawn again.
  int64_t Draw(Words& words) const {
    const auto n = static_cast<uint64_t>(range);
    if ((n & (n - 1)) == 0) {
      return static_cast<int64_t>(words.Next64() & (n - 1));
    }
    const uint64_t rest = std::numeric_limits<uint64_t>::max() % n + 1;
    uint64_t word = 0;
    do word = words.Next64();
    while (word < rest);
    return static_cast<int64_t>(word % n);
  }
};

struct LogUniformClasses {
  int64_t range;
  double log_range() const { return std::log1p(static_cast<double>(range)); }
  double Probability(int64_t c) const {
    const auto v = static_cast<double>(c);
    return std::log((v + 2.0) / (v + 1.0)) / log_range();
  }
  int64_t Draw(Words& words) const {
    const double v = std::exp(words.NextDouble() * log_range());
    return (static_cast<int64_t>(v) - 1) % range;
  }
};

// How often a class is expected among `count` that took `draws`.
float ExpectedCount(double probability, int64_t count, int64_t draws) {
  return static_cast<float>(
      draws == count
          ? probability * static_cast<double>(count)
          : -std::expm1(static_cast<double>(draws) * std::log1p(-probability)));
}

// Fills `classes`; how many draws it took.
template <class Classes>
int64_t DrawClasses(const Classes& from, Words& words, bool unique,
                    std::span<int64_t> classes) {
  std::unordered_set<int64_t> seen;
  int64_t draws = 0;
  for (size_t i = 0; i < classes.size(); ++draws) {
    const int64_t c = from.Draw(words);
    if (unique && !seen.insert(c).second) continue;
    classes[i++] = c;
  }
  return draws;
}

Status PrepareSampler(PrepareContext& p) {
  p.MakeState<RandomStream>(p);
  return Ok();
}

template <class Classes>
Status SampleCpu(KernelContext& k) {
  const Classes from{*GetIf<int64_t>(k.attrs(), "range_max")};
  const auto classes = k.output(0).flat<int64_t>();
  const auto count = static_cast<int64_t>(classes.size());
  Words words(k.state<RandomStream>().At(k.run()));
  const int64_t draws =
      DrawClasses(from, words, *GetIf<bool>(k.attrs(), "unique"), classes);
  for (size_t i = 0; i < classes.size(); ++i) {
    k.out<float>(2)[i] =
        ExpectedCount(from.Probability(classes[i]), count, draws);
  }
  for (int64_t i = 0; i < k.input(0).NumElements(); ++i) {
    k.out<float>(1)[i] =
        ExpectedCount(from.Probability(k.in<int64_t>(0)[i]), count, draws);
  }
  return Ok();
}

Status AllCpu(KernelContext& k) {
  for (int64_t i = 0; i < k.output(0).NumElements(); ++i) {
    k.out<int64_t>(0)[i] = i;
    k.out<float>(2)[i] = 1;
  }
  std::fill_n(k.out<float>(1), k.output(1).NumElements(), 1.0f);
  return Ok();
}

Result<Shape> TrueClasses(const ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape classes, c.WithRank(0, 2));
  const int64_t num_true = c.Attr<int64_t>("num_true");
  if (classes.dim(1) != kUnknownDim && classes.dim(1) != num_true) {
    return InvalidArgument("true_classes must have num_true columns, expected ",
                           num_true, " and was ", classes.dim(1));
  }
  classes.set_dim(1, num_true);
  return classes;
}

Status SampleShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape classes, TrueClasses(c));
  const int64_t count = c.Attr<int64_t>("num_sampled");
  if (const auto* range = GetIf<int64_t>(c.attrs(), "range_max");
      range != nullptr && c.Attr<bool>("unique") && count > *range) {
    return InvalidArgument("Sampler's range is too small.");
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{count}));
  LS_RETURN_IF_ERROR(c.SetOutput(1, classes));
  return c.SetOutput(2, Shape{count});
}

OpBuilder SamplerOp(const char* name, bool range, KernelDef kernel) {
  OpBuilder b(name);
  b.Input("true_classes: int64")
      .Output("sampled_candidates: int64")
      .Output("true_expected_count: float")
      .Output("sampled_expected_count: float")
      .Attr("num_true: int >= 1")
      .Attr("num_sampled: int >= 1")
      .Attr("unique: bool");
  if (range) b.Attr("range_max: int >= 1");
  b.Attr("seed: int = 0")
      .Attr("seed2: int = 0")
      .Shape(SampleShape)
      .NoGradient()
      .Random()
      .Kernel(kCpu, std::move(kernel));
  return b;
}

const OpRegistrar kUniform =
    SamplerOp("UniformCandidateSampler", true,
              {SampleCpu<UniformClasses>, PrepareSampler});
const OpRegistrar kLogUniform =
    SamplerOp("LogUniformCandidateSampler", true,
              {SampleCpu<LogUniformClasses>, PrepareSampler});
const OpRegistrar kAll = SamplerOp("AllCandidateSampler", false, {AllCpu});

Status HitsShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(TrueClasses(c).status());
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  for (int i = 0; i < 3; ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{kUnknownDim}));
  }
  return Ok();
}

Status HitsCpu(KernelContext& k) {
  std::unordered_map<int64_t, int64_t> number;
  const auto sampled = k.input(1).flat<int64_t>();
  for (size_t i = 0; i < sampled.size(); ++i) {
    number[sampled[i]] = static_cast<int64_t>(i);
  }
  const auto classes = k.input(0).flat<int64_t>();
  const int64_t width = k.input(0).shape().dim(1);
  std::vector<int32_t> rows;
  std::vector<int64_t> ids;
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto it = number.find(classes[i]);
    if (it == number.end()) continue;
    rows.push_back(static_cast<int32_t>(static_cast<int64_t>(i) / width));
    ids.push_back(it->second);
  }
  const Shape shape{static_cast<int64_t>(ids.size())};
  for (int i = 0; i < 3; ++i) LS_RETURN_IF_ERROR(k.AllocateOutput(i, shape));
  std::ranges::copy(rows, k.out<int32_t>(0));
  std::ranges::copy(ids, k.out<int64_t>(1));
  std::fill_n(k.out<float>(2), ids.size(),
              std::numeric_limits<float>::lowest());
  return Ok();
}

LOCKSTEP_OP("ComputeAccidentalHits")
    .Input("true_classes: int64")
    .Input("sampled_candidates: int64")
    .Output("indices: int32")
    .Output("ids: int64")
    .Output("weights: float")
    .Attr("num_true: int")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Shape(HitsShape)
    .NoGradient()
    .Kernel(kCpu, {HitsCpu});

ops::Candidates Sample(const char* op, const Scope& scope,
                       const Input& true_classes,
                       const ops::CandidateAttrs& attrs, int64_t seed) {
  NodeBuilder node = scope.Op(op);
  node.In(true_classes)
      .Attr("num_true", attrs.num_true)
      .Attr("num_sampled", attrs.num_sampled)
      .Attr("unique", attrs.unique)
      .Attr("range_max", attrs.range_max);
  const Output sampled = SeededNode(scope, node, seed);
  if (!sampled.defined()) return {};
  return {sampled, sampled.node->output(1), sampled.node->output(2)};
}

}  // namespace

namespace ops {

Candidates UniformCandidateSampler(const Scope& scope,
                                   const Input& true_classes,
                                   const CandidateAttrs& attrs, int64_t seed) {
  return Sample("UniformCandidateSampler", scope, true_classes, attrs, seed);
}
Candidates LogUniformCandidateSampler(const Scope& scope,
                                      const Input& true_classes,
                                      const CandidateAttrs& attrs,
                                      int64_t seed) {
  return Sample("LogUniformCandidateSampler", scope, true_classes, attrs, seed);
}

}  // namespace ops
}  // namespace lockstep
