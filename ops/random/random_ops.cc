// SPDX-License-Identifier: Apache-2.0

// RandomUniform, RandomStandardNormal, TruncatedNormal, RandomUniformInt.
//   shape: [rank] int32|int64   output: dtype of that shape
// RandomUniform is in [0, 1), TruncatedNormal within 2 standard deviations,
// RandomUniformInt in [minval, maxval), with minval < maxval.
// Every element is a function of (seeds, step, its number); see
// random_stream.h.

#include "ops/random/random_ops.h"

#include "ops/random/distributions.h"
#include "ops/random/random.h"
#include "runtime/op/shape_context.h"
#include "runtime/op/source_rule.h"

namespace lockstep {
namespace {

Status PrepareRandom(PrepareContext& c) {
  c.MakeState<RandomStream>(c);
  return Ok();
}

template <class Distribution, class T>
Status RandomCpu(KernelContext& k) {
  const RandomStream& stream = k.state<RandomStream>();
  FillRandom(stream.At(k.run()), stream.FirstElement(k.run()),
             k.output(0).NumElements(), Distribution(), k.out<T>(0));
  return Ok();
}

// As FillRandom, on one thread.
template <class Distribution, class T>
void FillSome(const void* source, const RunInfo& run, int64_t first, int64_t n,
              void* y) {
  constexpr int64_t kEach = Distribution::template kGroup<T>;
  constexpr int64_t kPiece = kPieceGroups * kEach;
  const auto& stream = *static_cast<const RandomStream*>(source);
  const Philox rng = stream.At(run);
  T* out = static_cast<T*>(y);
  first += stream.FirstElement(run);
  while (n > 0) {
    const auto group = static_cast<uint64_t>(first / kEach);
    const int64_t skip = first % kEach;
    const int64_t made = std::min(n, kPiece - skip);
    if (made == kPiece) {
      Distribution().Fill(rng, group, out);
    } else {
      T part[kPiece];
      Distribution().Fill(rng, group, part);
      std::copy_n(part + skip, made, out);
    }
    first += made;
    out += made;
    n -= made;
  }
}

std::shared_ptr<const void> MakeStream(const AttrMap& attrs,
                                       std::string_view node,
                                       const Shape& shape) {
  return std::make_shared<const RandomStream>(attrs, node, shape);
}

template <class Distribution, class T>
KernelDef RandomKernel() {
  constexpr int kCost = 12;  // as measured, of a uniform one
  AddSourceRule(
      RandomCpu<Distribution, T>,
      {.make = MakeStream, .fill = FillSome<Distribution, T>, .cost = kCost});
  return {RandomCpu<Distribution, T>, PrepareRandom, {"shape"}};
}

Status UniformIntShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(ScalarBounds(c, 1));
  return RandomShape(c);
}

template <class T>
Status UniformIntCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const UniformInt<T> in_range,
                      UniformIntOf(*k.in<T>(1), *k.in<T>(2)));
  const RandomStream& stream = k.state<RandomStream>();
  FillRandom(stream.At(k.run()), stream.FirstElement(k.run()),
             k.output(0).NumElements(), in_range, k.out<T>(0));
  return Ok();
}

template <class Distribution>
OpBuilder RandomOp(const char* name) {
  OpBuilder b(name);
  b.Input("shape: T")
      .Output("output: dtype")
      .Attr("seed: int = 0")
      .Attr("seed2: int = 0")
      .Attr("dtype: floattype")
      .Attr("T: {int32, int64}")
      .Shape(RandomShape)
      .NoGradient()
      .Random()
      .NeedsValue({0})
      .template Kernels<LS_FLOAT_TYPES>(
          kCpu, []<class T>() { return RandomKernel<Distribution, T>(); },
          "dtype");
  return b;
}

const OpRegistrar kRandomUniform = RandomOp<Uniform>("RandomUniform");
const OpRegistrar kRandomStandardNormal =
    RandomOp<Normal>("RandomStandardNormal");
const OpRegistrar kTruncatedNormal =
    RandomOp<TruncatedNormal>("TruncatedNormal");

LOCKSTEP_OP("RandomUniformInt")
    .Input("shape: T")
    .Input("minval: Tout")
    .Input("maxval: Tout")
    .Output("output: Tout")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Attr("Tout: {int32, int64}")
    .Attr("T: {int32, int64}")
    .Shape(UniformIntShape)
    .NoGradient()
    .Random()
    .NeedsValue({0})
    .Kernels<int32_t, int64_t>(
        kCpu,
        []<class T>() {
          return KernelDef{
              UniformIntCpu<T>, PrepareRandom, {"shape", "minval", "maxval"}};
        },
        "Tout");

Output RandomNode(const Scope& scope, const char* op, const Input& shape,
                  DType dtype, int64_t seed) {
  NodeBuilder node = scope.Op(op);
  node.In(shape).Attr("dtype", dtype);
  return SeededNode(scope, node, seed);
}

}  // namespace

namespace ops {

Output RandomUniform(const Scope& scope, const Input& shape, DType dtype,
                     int64_t seed) {
  return RandomNode(scope, "RandomUniform", shape, dtype, seed);
}
Output RandomStandardNormal(const Scope& scope, const Input& shape, DType dtype,
                            int64_t seed) {
  return RandomNode(scope, "RandomStandardNormal", shape, dtype, seed);
}
Output TruncatedNormal(const Scope& scope, const Input& shape, DType dtype,
                       int64_t seed) {
  return RandomNode(scope, "TruncatedNormal", shape, dtype, seed);
}
Output RandomUniformInt(const Scope& scope, const Input& shape,
                        const Input& minval, const Input& maxval,
                        int64_t seed) {
  NodeBuilder node = scope.Op("RandomUniformInt");
  node.In(shape).InPair(minval, maxval);
  return SeededNode(scope, node, seed);
}

}  // namespace ops
}  // namespace lockstep
