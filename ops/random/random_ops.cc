// SPDX-License-Identifier: Apache-2.0

// RandomUniform, RandomStandardNormal, TruncatedNormal, RandomUniformInt.
//   shape: [rank] int32|int64   output: dtype of that shape
// RandomUniform is in [0, 1), TruncatedNormal within 2 standard deviations,
// RandomUniformInt in [minval, maxval), with minval < maxval.
// Every element is a function of (seeds, step, its number); see
// random_stream.h.

#include "ops/math/elementwise.h"
#include "ops/math/vector_math.h"
#include "ops/random/random.h"
#include "ops/random/random_stream.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int64_t kPieceBlocks = 64;  // generated at a time, on the stack
constexpr int64_t kPieceWords = 4 * kPieceBlocks;
constexpr double kTwoPi = 6.283185307179586;
// Redraws of a truncated normal begin this many blocks further on.
constexpr uint64_t kNextAttempt = uint64_t{1} << 56;
constexpr int kAttempts = 64;

Status RandomShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape shape, c.InputAsShape(0));
  if (c.InputValue(0) != nullptr && !shape.IsFullyKnown()) {
    return InvalidArgument("shape must not be negative, is ", shape);
  }
  return c.SetOutput(0, shape);
}

Status PrepareRandom(PrepareContext& c) {
  c.MakeState<RandomStream>(c);
  return Ok();
}

// The type that is drawn: 16-bit floats are rounded from it.
template <class T>
using Drawn = std::conditional_t<std::is_same_v<T, double>, double, float>;
template <class T>
inline constexpr int64_t kPerBlock = std::is_same_v<T, double> ? 2 : 4;

// Draws: turns the words of `blocks` blocks into kPerBlock elements each.
struct Uniform {
  template <class T>
  static void Fill(const Philox&, uint64_t, const uint32_t* words,
                   int64_t blocks, T* out) {
    for (int64_t i = 0; i < blocks * kPerBlock<T>; ++i) {
      if constexpr (std::is_same_v<T, double>) {
        out[i] = UniformDouble(words[2 * i], words[2 * i + 1]);
      } else if constexpr (std::is_same_v<T, Half>) {
        out[i] = T(static_cast<float>(words[i] >> 21) * 0x1p-11f);
      } else if constexpr (std::is_same_v<T, BFloat16>) {
        out[i] = T(static_cast<float>(words[i] >> 24) * 0x1p-8f);
      } else {
        out[i] = UniformFloat(words[i]);
      }
    }
  }
};

// Box-Muller: two uniforms make two normals. 1 - u is in (0, 1].
LS_SIMD_CLONES
void BoxMuller(const float* u, float* z, int64_t pairs) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float r = std::sqrt(-2.0f * vm::Log(1.0f - u[2 * i]));
    const float angle = static_cast<float>(kTwoPi) * u[2 * i + 1];
    z[2 * i] = r * vm::Cos(angle);
    z[2 * i + 1] = r * vm::Sin(angle);
  }
}
LS_SIMD_CLONES
void BoxMuller(const double* u, double* z, int64_t pairs) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const double r = std::sqrt(-2.0 * vm::Log(1.0 - u[2 * i]));
    const double angle = kTwoPi * u[2 * i + 1];
    z[2 * i] = r * vm::Cos(angle);
    z[2 * i + 1] = r * vm::Sin(angle);
  }
}

// Whole pieces, so that the vector functions see the same lanes whatever part
// of the stream is asked for.
template <class D>
void Normals(const uint32_t* words, D* z) {
  D u[kPieceBlocks * kPerBlock<D>];
  Uniform::Fill<D>(Philox(0, 0, 0), 0, words, kPieceBlocks, u);
  BoxMuller(u, z, kPieceBlocks * kPerBlock<D> / 2);
}

struct Normal {
  template <class T>
  static void Fill(const Philox&, uint64_t, const uint32_t* words,
                   int64_t blocks, T* out) {
    using D = Drawn<T>;
    D z[kPieceBlocks * kPerBlock<D>];
    Normals(words, z);
    for (int64_t i = 0; i < blocks * kPerBlock<T>; ++i) out[i] = T(z[i]);
  }
};

struct Truncated {
  template <class D>
  static D Redraw(const Philox& rng, uint64_t block, int64_t lane) {
    D z = 0;
    for (int attempt = 1; attempt < kAttempts; ++attempt) {
      const auto words =
          rng.Block(block + static_cast<uint64_t>(attempt) * kNextAttempt);
      D u[4];
      Uniform::Fill<D>(rng, 0, words.data(), 1, u);
      const D* pair = u + (lane & ~int64_t{1});
      const D r = std::sqrt(D{-2} * std::log(D{1} - pair[0]));
      const D angle = static_cast<D>(kTwoPi) * pair[1];
      z = r * ((lane & 1) ? std::sin(angle) : std::cos(angle));
      if (std::abs(z) <= D{2}) return z;
    }
    return z > 0 ? D{2} : D{-2};
  }
  template <class T>
  static void Fill(const Philox& rng, uint64_t first, const uint32_t* words,
                   int64_t blocks, T* out) {
    using D = Drawn<T>;
    constexpr int64_t kEach = kPerBlock<D>;
    D z[kPieceBlocks * kEach];
    Normals(words, z);
    for (int64_t i = 0; i < blocks * kEach; ++i) {
      const bool inside = std::abs(z[i]) <= D{2};
      out[i] =
          T(inside ? z[i]
                   : Redraw<D>(rng, first + static_cast<uint64_t>(i / kEach),
                               i % kEach));
    }
  }
};

// Calls draw(first block, words, blocks, element of the output, skip, n) piece
// by piece: elements [at, at + n) are numbers skip .. skip + n of the piece.
template <class F>
void ForPieces(const Philox& rng, int64_t first, int64_t n, int64_t per_block,
               const F& draw) {
  const int64_t piece = kPieceBlocks * per_block;
  const int64_t begin_piece = first / piece;
  const int64_t pieces = (first + n + piece - 1) / piece - begin_piece;
  ParallelFor(pieces, 16, [&](int64_t p0, int64_t p1) {
    for (int64_t p = p0; p < p1; ++p) {
      const int64_t number = (begin_piece + p) * piece;  // of its 1st element
      const uint64_t block = static_cast<uint64_t>(number / per_block);
      const int64_t from = std::max(first, number);
      const int64_t to = std::min(first + n, number + piece);
      uint32_t words[kPieceWords];
      FillWords(rng, block, kPieceBlocks, words);
      draw(block, words, from - first, from - number, to - from);
    }
  });
}

template <class Distribution, class T>
Status RandomCpu(KernelContext& k) {
  const RandomStream& stream = k.state<RandomStream>();
  const Philox rng = stream.At(k.run());
  T* y = k.out<T>(0);
  ForPieces(rng, stream.FirstElement(k.run()), k.output(0).NumElements(),
            kPerBlock<T>,
            [&](uint64_t block, const uint32_t* words, int64_t at, int64_t skip,
                int64_t n) {
              if (skip == 0 && n == kPieceBlocks * kPerBlock<T>) {
                Distribution::template Fill<T>(rng, block, words, kPieceBlocks,
                                               y + at);
                return;
              }
              T part[kPieceWords];
              Distribution::template Fill<T>(rng, block, words, kPieceBlocks,
                                             part);
              std::copy_n(part + skip, n, y + at);
            });
  return Ok();
}

// 64 bits for each element: the high word of bits * range is unbiased as far
// as 2^64 values can be divided among it.
template <class T>
Status UniformIntCpu(KernelContext& k) {
  const T low = k.in<T>(1)[0], high = k.in<T>(2)[0];
  if (low >= high) {
    return InvalidArgument("Need minval < maxval, got ", low, " >= ", high);
  }
  const uint64_t range =
      static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  const RandomStream& stream = k.state<RandomStream>();
  const Philox rng = stream.At(k.run());
  T* y = k.out<T>(0);
  ForPieces(rng, stream.FirstElement(k.run()), k.output(0).NumElements(), 2,
            [&](uint64_t, const uint32_t* words, int64_t at, int64_t skip,
                int64_t n) {
              for (int64_t i = 0; i < n; ++i) {
                const uint32_t* w = words + 2 * (skip + i);
                const uint64_t bits = uint64_t{w[0]} << 32 | w[1];
                __extension__ using Wide = unsigned __int128;
                const auto part =
                    static_cast<uint64_t>(Wide{bits} * range >> 64);
                y[at + i] = static_cast<T>(static_cast<uint64_t>(low) + part);
              }
            });
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
          kCpu,
          []<class T>() {
            return KernelDef{
                RandomCpu<Distribution, T>, PrepareRandom, {"shape"}};
          },
          "dtype");
  return b;
}

const OpRegistrar kRandomUniform = RandomOp<Uniform>("RandomUniform");
const OpRegistrar kRandomStandardNormal =
    RandomOp<Normal>("RandomStandardNormal");
const OpRegistrar kTruncatedNormal = RandomOp<Truncated>("TruncatedNormal");

LOCKSTEP_OP("RandomUniformInt")
    .Input("shape: T")
    .Input("minval: Tout")
    .Input("maxval: Tout")
    .Output("output: Tout")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Attr("Tout: {int32, int64}")
    .Attr("T: {int32, int64}")
    .Shape(RandomShape)
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

// The node, keyed by the scope's seed and its own.
Output Seeded(const Scope& scope, NodeBuilder& node, int64_t seed) {
  node.Attr("seed", scope.graph_seed()).Attr("seed2", seed);
  const Output out = node.Out();
  if (out.defined() && seed == 0) {
    out.node->mutable_attrs()["seed2"] = HashName(out.node->name());
  }
  return out;
}

Output RandomNode(const Scope& scope, const char* op, const Input& shape,
                  DType dtype, int64_t seed) {
  NodeBuilder node = scope.Op(op);
  node.In(shape).Attr("dtype", dtype);
  return Seeded(scope, node, seed);
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
  return Seeded(scope, node, seed);
}

}  // namespace ops
}  // namespace lockstep
