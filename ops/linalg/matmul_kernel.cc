// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/matmul_kernel.h"

#include "runtime/core/simd.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

using dnnl::memory;

constexpr int64_t kColumns = 256;  // of a block held in the first cache

template <class A>
A Factor(A a, bool conjugate) {
  if constexpr (kIsComplex<A>) {
    return conjugate ? std::conj(a) : a;
  } else {
    return a;
  }
}

// Rows [begin, end) of c = a b. a's element (i, l) is a[i * row + l * step];
// b: [k, n], already of the accumulator's type. c: [m, n].
template <class T, class A>
LS_SIMD_CLONES void MultiplyRows(T* c, const T* a, int64_t row, int64_t step,
                                 bool conjugate, const A* b, int64_t begin,
                                 int64_t end, int64_t n, int64_t k) {
  A sums[kColumns];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j0 = 0; j0 < n; j0 += kColumns) {
      const int64_t width = std::min(kColumns, n - j0);
      for (int64_t j = 0; j < width; ++j) sums[j] = A(0);
      for (int64_t l = 0; l < k; ++l) {
        const A factor =
            Factor(static_cast<A>(a[i * row + l * step]), conjugate);
        const A* bl = b + l * n + j0;
        for (int64_t j = 0; j < width; ++j) sums[j] += factor * bl[j];
      }
      T* out = c + i * n + j0;
      for (int64_t j = 0; j < width; ++j) out[j] = static_cast<T>(sums[j]);
    }
  }
}

// packed: [k, n] = b, transposed and widened.
template <class T, class A>
void PackRight(const MatMulDims& d, const T* b, A* packed) {
  ParallelFor(
      d.k, std::max<int64_t>(1, 16384 / std::max<int64_t>(d.n, 1)),
      [&](int64_t begin, int64_t end) {
        for (int64_t l = begin; l < end; ++l) {
          for (int64_t j = 0; j < d.n; ++j) {
            packed[l * d.n + j] = Factor(
                static_cast<A>(d.transpose_b ? b[j * d.k + l] : b[l * d.n + j]),
                d.conjugate_b);
          }
        }
      });
}

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
                      int64_t columns, bool transposed) {
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
  return DnnlStrided(dims, strides);
}

bool IsEmpty(const MatMulDims& d) {
  return d.m * d.n * d.k * d.batch.NumElements() == 0;
}

Status BuildProgram(MatMulState& s) {
  const MatMulDims& d = s.dims;
  const int rank = d.batch.rank();
  return DnnlGuard("matmul's operands", [&]() -> Status {
    const auto a = Matrices(d.batch_a, rank, d.m, d.k, d.transpose_a);
    const auto b = Matrices(d.batch_b, rank, d.k, d.n, d.transpose_b);
    const auto c = Matrices(d.batch, rank, d.m, d.n, false);
    const auto bias = DnnlStrided({1, d.n}, {d.n, 1});
    LS_ASSIGN_OR_RETURN(const auto pd,
                        MakeMatMul(a, b, s.epilogue.bias ? &bias : nullptr, c,
                                   {.relu = s.epilogue.relu}));
    const auto slot_a = s.program.Operand(a), slot_b = s.program.Operand(b),
               slot_c = s.program.Operand(c);
    if (!s.epilogue.bias) {
      return s.program.Add(pd, {{DNNL_ARG_SRC, slot_a},
                                {DNNL_ARG_WEIGHTS, slot_b},
                                {DNNL_ARG_DST, slot_c}});
    }
    return s.program.Add(pd, {{DNNL_ARG_SRC, slot_a},
                              {DNNL_ARG_WEIGHTS, slot_b},
                              {DNNL_ARG_DST, slot_c},
                              {DNNL_ARG_BIAS, s.program.Operand(bias)}});
  });
}

// A product over nothing is zero; bias and relu still apply.
void FillWithoutProduct(const MatMulState& s, KernelContext& k) {
  float* c = k.out<float>(0);
  const int64_t count = k.output(0).NumElements();
  for (int64_t i = 0; i < count; ++i) {
    const float v = s.epilogue.bias ? k.in<float>(2)[i % s.dims.n] : 0.0f;
    c[i] = s.epilogue.relu && v < 0 ? 0.0f : v;
  }
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

template <class T>
void MultiplyPlain(const MatMulDims& d, const T* a, const T* b, T* c,
                   void* scratch) {
  using A = ArithmeticType<T>;
  const A* right = nullptr;
  if (d.transpose_b || d.conjugate_b || sizeof(A) != sizeof(T)) {
    PackRight(d, b, static_cast<A*>(scratch));
    right = static_cast<const A*>(scratch);
  } else {
    right = reinterpret_cast<const A*>(b);  // T or its unsigned twin
  }
  const int64_t row = d.transpose_a ? 1 : d.k;
  const int64_t step = d.transpose_a ? d.m : 1;
  const int64_t work = std::max<int64_t>(d.n * d.k, 1);
  ParallelFor(d.m, std::max<int64_t>(1, 32768 / work),
              [&](int64_t begin, int64_t end) {
                MultiplyRows<T, A>(c, a, row, step, d.conjugate_a, right, begin,
                                   end, d.n, d.k);
              });
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
  if constexpr (std::is_same_v<T, float>) {
    if (IsEmpty(dims)) return Ok();
    LS_RETURN_IF_ERROR(BuildProgram(s));
    p.RequestScratch(s.program.scratch_bytes());
  } else {
    s.offsets = MatMulOffsets(dims);
    p.RequestScratch(MultiplyPlainScratch<T>(dims));
  }
  return Ok();
}

template <class T>
Status RunMatMul(KernelContext& k) {
  auto& s = k.state<MatMulState>();
  if constexpr (std::is_same_v<T, float>) {
    if (IsEmpty(s.dims)) {
      FillWithoutProduct(s, k);
      return Ok();
    }
    return s.program.Run(k.scratch(),
                         {k.in<float>(0), k.in<float>(1), k.out<float>(0),
                          s.epilogue.bias ? k.in<float>(2) : nullptr});
  } else {
    const MatMulDims& d = s.dims;
    T* c = k.out<T>(0);
    for (const auto& [a, b] : s.offsets) {
      MultiplyPlain(d, k.in<T>(0) + a, k.in<T>(1) + b, c, k.scratch());
      c += d.m * d.n;
    }
    return Ok();
  }
}

#define LS_INSTANTIATE(T)                                                   \
  template Status PrepareMatMul<T>(PrepareContext&, const MatMulDims&,      \
                                   const MatMulEpilogue&);                  \
  template Status RunMatMul<T>(KernelContext&);                             \
  template void MultiplyPlain<T>(const MatMulDims&, const T*, const T*, T*, \
                                 void*);
LS_INSTANTIATE(float)
LS_INSTANTIATE(double)
LS_INSTANTIATE(int8_t)
LS_INSTANTIATE(int16_t)
LS_INSTANTIATE(int32_t)
LS_INSTANTIATE(int64_t)
LS_INSTANTIATE(uint8_t)
LS_INSTANTIATE(uint16_t)
LS_INSTANTIATE(uint32_t)
LS_INSTANTIATE(uint64_t)
LS_INSTANTIATE(Half)
LS_INSTANTIATE(BFloat16)
LS_INSTANTIATE(std::complex<float>)
LS_INSTANTIATE(std::complex<double>)
#undef LS_INSTANTIATE

}  // namespace lockstep::detail
