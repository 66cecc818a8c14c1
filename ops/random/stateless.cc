// SPDX-License-Identifier: Apache-2.0

// Random tensors that are functions of their inputs alone, TensorFlow's own.
// StatelessRandomUniform, -Normal, StatelessTruncatedNormal:
//   shape: int32|int64 [rank]   seed: int32|int64 [2]
// StatelessRandomUniformInt: and minval, maxval: dtype [], minval < maxval
// StatelessRandomUniformFullInt: every integer of dtype
// ...V2: key: uint64 [1], counter: uint64 [2 or more] and alg: int32 [] (1:
//   Philox, 3: the device's choice, Philox) in place of seed
// StatelessRandomGetKeyCounter: seed -> key [1], counter [2]
// StatelessRandomGetAlg: -> 1.   StatelessRandomGetKeyCounterAlg: all three

#include "ops/random/random.h"
#include "ops/random/random_ops.h"
#include "ops/random/stateless_seed.h"

namespace lockstep {
namespace {

using detail::CheckStatelessSeed;
using detail::SeedKind;
using detail::StatelessRng;

// The input with the lower bound of integers.
template <SeedKind kKind>
constexpr int kLow = kKind == SeedKind::kSeed ? 2 : 4;

template <SeedKind kKind>
Status StatelessShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckStatelessSeed(c, kKind, 1));
  if (c.num_inputs() > kLow<kKind>) {
    LS_RETURN_IF_ERROR(ScalarBounds(c, kLow<kKind>));
  }
  return RandomShape(c);
}

template <SeedKind kKind, class Distribution, class T>
Status StatelessCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const Philox rng, StatelessRng(k, kKind, 1));
  FillRandom(rng, 0, k.output(0).NumElements(), Distribution(), k.out<T>(0));
  return Ok();
}

template <SeedKind kKind, class T>
Status StatelessIntCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const Philox rng, StatelessRng(k, kKind, 1));
  LS_ASSIGN_OR_RETURN(
      const UniformInt<T> in_range,
      UniformIntOf(*k.in<T>(kLow<kKind>), *k.in<T>(kLow<kKind> + 1)));
  FillRandom(rng, 0, k.output(0).NumElements(), in_range, k.out<T>(0));
  return Ok();
}

// The op but for its dtype attribute and kernels; `more`: its last inputs.
template <SeedKind kKind>
OpBuilder StatelessOp(const std::string& name,
                      std::initializer_list<const char*> more = {}) {
  constexpr bool kV1 = kKind == SeedKind::kSeed;
  OpBuilder b(kV1 ? name : name + "V2");
  b.Input(kV1 ? "shape: T" : "shape: Tshape");
  if (kV1) {
    b.Input("seed: Tseed");
  } else {
    b.Input("key: uint64").Input("counter: uint64").Input("alg: int32");
  }
  for (const char* input : more) b.Input(input);
  b.Output("output: dtype");
  // TensorFlow gives no default where there are limits.
  b.Attr(!kV1              ? "Tshape: {int32, int64} = DT_INT32"
         : more.size() > 0 ? "T: {int32, int64}"
                           : "T: {int32, int64} = DT_INT32");
  if (kV1) b.Attr("Tseed: {int32, int64} = DT_INT64");
  b.Shape(StatelessShape<kKind>).NoGradient().NeedsValue({0});
  return b;
}

template <class Distribution>
struct StatelessFloats {
  explicit StatelessFloats(const char* name) {
    Add<SeedKind::kSeed>(name);
    Add<SeedKind::kKeyCounter>(name);
  }
  template <SeedKind kKind>
  static void Add(const char* name) {
    OpRegistrar registrar(
        StatelessOp<kKind>(name)
            .Attr("dtype: floattype = DT_FLOAT")
            .template Kernels<LS_FLOAT_TYPES>(
                kCpu,
                []<class T>() {
                  return KernelDef{
                      StatelessCpu<kKind, Distribution, T>, nullptr, {"shape"}};
                },
                "dtype"));
  }
};

struct StatelessInts {
  StatelessInts() {
    Add<SeedKind::kSeed, int32_t, int64_t>();
    Add<SeedKind::kKeyCounter, int32_t, int64_t, uint32_t, uint64_t>();
    AddFull<SeedKind::kSeed>();
    AddFull<SeedKind::kKeyCounter>();
  }
  template <SeedKind kKind, class... Ts>
  static void Add() {
    OpRegistrar registrar(
        StatelessOp<kKind>("StatelessRandomUniformInt",
                           {"minval: dtype", "maxval: dtype"})
            .Attr(sizeof...(Ts) == 2 ? "dtype: {int32, int64}"
                                     : "dtype: {int32, int64, uint32, uint64}")
            .template Kernels<Ts...>(
                kCpu,
                []<class T>() {
                  return KernelDef{
                      StatelessIntCpu<kKind, T>, nullptr, {"shape"}};
                },
                "dtype"));
  }
  template <SeedKind kKind>
  static void AddFull() {
    OpRegistrar registrar(
        StatelessOp<kKind>("StatelessRandomUniformFullInt")
            .Attr("dtype: {int32, int64, uint32, uint64} = DT_UINT64")
            .template Kernels<int32_t, int64_t, uint32_t, uint64_t>(
                kCpu,
                []<class T>() {
                  return KernelDef{
                      StatelessCpu<kKind, FullInt<T>, T>, nullptr, {"shape"}};
                },
                "dtype"));
  }
};

const StatelessFloats<Uniform> kUniform("StatelessRandomUniform");
const StatelessFloats<Normal> kNormal("StatelessRandomNormal");
const StatelessFloats<TruncatedNormal> kTruncated("StatelessTruncatedNormal");
const StatelessInts kInts;

Status KeyCounterShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckStatelessSeed(c, SeedKind::kSeed, 0));
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{1}));
  LS_RETURN_IF_ERROR(c.SetOutput(1, Shape{2}));
  return c.num_outputs() > 2 ? c.SetOutput(2, Shape{}) : Ok();
}

constexpr int32_t kPhiloxAlgorithm = 1;

Status KeyCounterCpu(KernelContext& k) {
  const detail::KeyCounter from = detail::KeyCounterOf(k.input(0));
  *k.out<uint64_t>(0) = from.key;
  k.out<uint64_t>(1)[0] = 0;
  k.out<uint64_t>(1)[1] = from.counter;
  if (k.num_outputs() > 2) *k.out<int32_t>(2) = kPhiloxAlgorithm;
  return Ok();
}
Status AlgorithmCpu(KernelContext& k) {
  *k.out<int32_t>(0) = kPhiloxAlgorithm;
  return Ok();
}

LOCKSTEP_OP("StatelessRandomGetKeyCounter")
    .Input("seed: Tseed")
    .Output("key: uint64")
    .Output("counter: uint64")
    .Attr("Tseed: {int32, int64} = DT_INT64")
    .Shape(KeyCounterShape)
    .NoGradient()
    .Kernel(kCpu, {KeyCounterCpu});
LOCKSTEP_OP("StatelessRandomGetKeyCounterAlg")
    .Input("seed: Tseed")
    .Output("key: uint64")
    .Output("counter: uint64")
    .Output("alg: int32")
    .Attr("Tseed: {int32, int64} = DT_INT64")
    .Shape(KeyCounterShape)
    .NoGradient()
    .Kernel(kCpu, {KeyCounterCpu});
LOCKSTEP_OP("StatelessRandomGetAlg")
    .Output("alg: int32")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {AlgorithmCpu});

Output StatelessNode(const Scope& scope, const char* op, const Input& shape,
                     const Input& seed, DType dtype) {
  return scope.Op(op).In(shape).In(seed).Attr("dtype", dtype).Out();
}

}  // namespace

namespace ops {

Output StatelessRandomUniform(const Scope& scope, const Input& shape,
                              const Input& seed, DType dtype) {
  return StatelessNode(scope, "StatelessRandomUniform", shape, seed, dtype);
}
Output StatelessRandomNormal(const Scope& scope, const Input& shape,
                             const Input& seed, DType dtype) {
  return StatelessNode(scope, "StatelessRandomNormal", shape, seed, dtype);
}
Output StatelessTruncatedNormal(const Scope& scope, const Input& shape,
                                const Input& seed, DType dtype) {
  return StatelessNode(scope, "StatelessTruncatedNormal", shape, seed, dtype);
}
Output StatelessRandomUniformFullInt(const Scope& scope, const Input& shape,
                                     const Input& seed, DType dtype) {
  return StatelessNode(scope, "StatelessRandomUniformFullInt", shape, seed,
                       dtype);
}
Output StatelessRandomUniformInt(const Scope& scope, const Input& shape,
                                 const Input& seed, const Input& minval,
                                 const Input& maxval) {
  return scope.Op("StatelessRandomUniformInt")
      .In(shape)
      .In(seed)
      .InPair(minval, maxval)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
