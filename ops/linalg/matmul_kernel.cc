// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/matmul_kernel.h"

#include "runtime/core/allocator.h"

namespace lockstep::detail {
namespace {

using dnnl::memory;

// Where each of the product's batches starts in `from`, in matrices.
std::vector<int64_t> BatchIndices(const Shape& from, const Shape& batch) {
  const int64_t count = batch.NumElements();
  std::vector<int64_t> indices(static_cast<size_t>(count), 0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, stride = 1, index = 0;
    for (int d = batch.rank() - 1, f = from.rank() - 1; f >= 0; --d, --f) {
      const int64_t at = rest % batch.dim(d);
      rest /= batch.dim(d);
      if (from.dim(f) != 1) index += at * stride;
      stride *= from.dim(f);
    }
    indices[static_cast<size_t>(i)] = index;
  }
  return indices;
}

// [batch..., rows, columns] of a dense tensor whose batch shape may be shorter
// than the product's.
memory::desc Matrices(const Shape& batch, int batch_rank, int64_t rows,
                      int64_t columns, bool transposed, DnnlType type) {
  memory::dims dims, strides;
  for (int i = batch.rank(); i < batch_rank; ++i) dims.push_back(1);
  for (const int64_t d : batch.dims()) dims.push_back(d);
  dims.push_back(rows);
  dims.push_back(columns);
  strides.resize(dims.size());
  const size_t r = dims.size() - 2, c = dims.size() - 1;
  strides[r] = transposed ? 1 : columns;
  strides[c] = transposed ? rows : 1;
  int64_t stride = rows * columns;
  for (size_t i = r; i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return DnnlStrided(dims, strides, type);
}

template <class T>
bool IsPlain(const MatMulDims& d) {
  if (std::is_same_v<T, BFloat16> ? !DnnlHasBfloat16()
                                  : !std::is_same_v<T, float>) {
    return true;
  }
  return d.m * d.n * d.k * d.batch.NumElements() <= kPlainProducts;
}

template <class T>
Status BuildProgram(MatMulState& s) {
  const MatMulDims& d = s.dims;
  const int rank = d.batch.rank();
  const DnnlType type = DnnlTypeOf(DTypeOf<T>::value);
  const DnnlType made = s.epilogue.wide ? DnnlType::f32 : type;
  return DnnlGuard("matmul's operands", [&]() -> Status {
    const auto bias = DnnlStrided({1, d.n}, {d.n, 1}, made);
    const auto dst = Matrices(d.batch, rank, d.m, d.n, false, made);
    LS_ASSIGN_OR_RETURN(
        s.program,
        MatMulProgram(
            Matrices(d.batch_a, rank, d.m, d.k, d.transpose_a, type),
            Matrices(d.batch_b, rank, d.k, d.n, d.transpose_b, type), dst,
            s.epilogue.bias ? &bias : nullptr,
            {.added = s.epilogue.residual ? &dst : nullptr,
             .activation = {s.epilogue.relu ? ActivationKind::kRelu
                                            : ActivationKind::kNone}}));
    return Ok();
  });
}

// --- Small products of BFloat16 with an epilogue, made of floats -----------

// Where the operands are as floats, in the scratch memory, in bytes.
struct Widened {
  size_t a, b, bias, c, loops;

  explicit Widened(const MatMulDims& d) {
    const auto bytes = [](int64_t n) {
      return AlignedSize(static_cast<size_t>(n) * sizeof(float));
    };
    a = 0;
    b = a + bytes(d.m * d.k);
    bias = b + bytes(d.k * d.n);
    c = bias + bytes(d.n);
    loops = c + bytes(d.m * d.n);
  }
};

const float* ConvertTo(float* to, const BFloat16* from, int64_t n) {
  Convert(from, to, n);
  return to;
}

// One product: what has an epilogue has no batches.
template <class T>
bool Widens(const MatMulState& s) {
  return std::is_same_v<T, BFloat16> && s.plain &&
         (s.epilogue.bias || s.epilogue.relu || s.epilogue.wide);
}

void MultiplyWidened(const MatMulState& s, KernelContext& k) {
  const MatMulDims& d = s.dims;
  const Widened at(d);
  char* scratch = static_cast<char*>(k.scratch());
  const auto place = [&](size_t bytes) {
    return reinterpret_cast<float*>(scratch + bytes);
  };
  PlainEpilogue<float> epilogue{.relu = s.epilogue.relu};
  if (s.epilogue.bias) {
    epilogue.bias = s.epilogue.wide
                        ? k.in<float>(2)
                        : ConvertTo(place(at.bias), k.in<BFloat16>(2), d.n);
  }
  float* c = s.epilogue.wide ? k.out<float>(0) : place(at.c);
  MultiplyPlain(d, ConvertTo(place(at.a), k.in<BFloat16>(0), d.m * d.k),
                ConvertTo(place(at.b), k.in<BFloat16>(1), d.k * d.n), c,
                scratch + at.loops, epilogue);
  if (!s.epilogue.wide) Convert(c, k.out<BFloat16>(0), d.m * d.n);
}

// --- Residuals ---------------------------------------------------------------

const float* ResidualOf(const MatMulState& s, KernelContext& k) {
  return s.epilogue.residual ? k.in<float>(s.epilogue.bias ? 3 : 2) : nullptr;
}
// Products by loops of our own are made without it, and Relu comes after it.
MatMulEpilogue BeforeResidual(MatMulEpilogue epilogue) {
  epilogue.relu = epilogue.relu && !epilogue.residual;
  return epilogue;
}
void AddResidual(const MatMulState& s, KernelContext& k) {
  if (!s.epilogue.residual) return;
  FinishProduct(s.dims, ResidualOf(s, k), nullptr, s.epilogue.relu,
                k.out<float>(0));
}

}  // namespace

Result<MatMulDims> MatMulDimsOf(const Shape& a, const Shape& b,
                                bool transpose_a, bool transpose_b) {
  MatMulDims d{.transpose_a = transpose_a, .transpose_b = transpose_b};
  const int ra = a.rank(), rb = b.rank();
  d.m = a.dim(transpose_a ? ra - 1 : ra - 2);
  d.k = a.dim(transpose_a ? ra - 2 : ra - 1);
  d.n = b.dim(transpose_b ? rb - 2 : rb - 1);
  d.batch_a = Shape(a.dims().first(static_cast<size_t>(ra - 2)));
  d.batch_b = Shape(b.dims().first(static_cast<size_t>(rb - 2)));
  LS_ASSIGN_OR_RETURN(d.batch, Shape::Broadcast(d.batch_a, d.batch_b));
  return d;
}

std::vector<std::array<int64_t, 2>> MatMulOffsets(const MatMulDims& dims) {
  const auto a = BatchIndices(dims.batch_a, dims.batch);
  const auto b = BatchIndices(dims.batch_b, dims.batch);
  std::vector<std::array<int64_t, 2>> offsets;
  for (size_t i = 0; i < a.size(); ++i) {
    offsets.push_back({a[i] * dims.m * dims.k, b[i] * dims.k * dims.n});
  }
  return offsets;
}

template <class T>
Status PrepareMatMul(PrepareContext& p, const MatMulDims& dims,
                     const MatMulEpilogue& epilogue) {
  auto& s = p.MakeState<MatMulState>();
  s.dims = dims;
  s.epilogue = epilogue;
  s.plain = IsPlain<T>(dims);
  if (s.plain) {
    s.offsets = MatMulOffsets(dims);
    p.RequestScratch(Widens<T>(s) ? Widened(dims).loops +
                                        MultiplyPlainScratch<float>(dims)
                                  : MultiplyPlainScratch<T>(dims));
    return Ok();
  }
  constexpr bool kFloats = std::is_same_v<T, float>;
  const MatMulEpilogue first = BeforeResidual(epilogue);
  if (kFloats && SkippingMatMul::May(dims)) s.skipping.Prepare(dims, first);
  const size_t least = s.skipping.scratch_bytes();
  if (kFloats && SplitMatMul::Pays(dims)) {
    LS_RETURN_IF_ERROR(s.split.Prepare(dims, first));
    p.RequestScratch(std::max(least, s.split.scratch_bytes()));
    return Ok();
  }
  LS_RETURN_IF_ERROR(BuildProgram<T>(s));
  p.RequestScratch(std::max(least, s.program.scratch_bytes()));
  return Ok();
}

template <class T>
Status RunMatMul(KernelContext& k) {
  auto& s = k.state<MatMulState>();
  if constexpr (std::is_same_v<T, float>) {
    const float *a = k.in<float>(0), *b = k.in<float>(1);
    const float* bias = s.epilogue.bias ? k.in<float>(2) : nullptr;
    if (s.skipping.Run(a, b, bias, k.out<float>(0), k.scratch())) {
      AddResidual(s, k);
      return Ok();
    }
    if (s.split.prepared()) {
      LS_RETURN_IF_ERROR(s.split.Run(a, b, bias, k.out<float>(0), k.scratch()));
      AddResidual(s, k);
      return Ok();
    }
  }
  if (!s.plain) {
    const void* residual = ResidualOf(s, k);
    const void* bias = s.epilogue.bias ? k.in<void>(2) : residual;
    return s.program.Run(
        k.scratch(), {k.in<T>(0), k.in<T>(1), k.out<void>(0), bias, residual});
  }
  if (Widens<T>(s)) {
    MultiplyWidened(s, k);
    return Ok();
  }
  using A = ArithmeticType<T>;
  PlainEpilogue<A> epilogue{.relu = BeforeResidual(s.epilogue).relu};
  if constexpr (std::is_same_v<A, T>) {
    if (s.epilogue.bias) epilogue.bias = k.in<T>(2);
  }
  const MatMulDims& d = s.dims;
  T* c = k.out<T>(0);
  for (const auto& [a, b] : s.offsets) {
    MultiplyPlain(d, k.in<T>(0) + a, k.in<T>(1) + b, c, k.scratch(), epilogue);
    c += d.m * d.n;
  }
  AddResidual(s, k);
  return Ok();
}

#define LS_INSTANTIATE(T)                                              \
  template Status PrepareMatMul<T>(PrepareContext&, const MatMulDims&, \
                                   const MatMulEpilogue&);             \
  template Status RunMatMul<T>(KernelContext&);
LS_MATMUL_TYPES(LS_INSTANTIATE)
#undef LS_INSTANTIATE

}  // namespace lockstep::detail
