// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/matmul_kernel.h"

namespace lockstep::detail {
namespace {

using dnnl::memory;

// Float products up to this many multiplications are done by our own loops.
constexpr int64_t kPlainProducts = 1 << 16;

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

template <class T>
bool IsPlain(const MatMulDims& d) {
  return !std::is_same_v<T, float> ||
         d.m * d.n * d.k * d.batch.NumElements() <= kPlainProducts;
}

Status BuildProgram(MatMulState& s) {
  const MatMulDims& d = s.dims;
  const int rank = d.batch.rank();
  return DnnlGuard("matmul's operands", [&]() -> Status {
    const auto bias = DnnlStrided({1, d.n}, {d.n, 1});
    LS_ASSIGN_OR_RETURN(
        s.program,
        MatMulProgram(Matrices(d.batch_a, rank, d.m, d.k, d.transpose_a),
                      Matrices(d.batch_b, rank, d.k, d.n, d.transpose_b),
                      Matrices(d.batch, rank, d.m, d.n, false),
                      s.epilogue.bias ? &bias : nullptr, s.epilogue.relu));
    return Ok();
  });
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
    p.RequestScratch(MultiplyPlainScratch<T>(dims));
    return Ok();
  }
  if (SplitMatMul::Pays(dims)) {
    LS_RETURN_IF_ERROR(s.split.Prepare(dims, epilogue));
    p.RequestScratch(s.split.scratch_bytes());
    return Ok();
  }
  LS_RETURN_IF_ERROR(BuildProgram(s));
  p.RequestScratch(s.program.scratch_bytes());
  return Ok();
}

template <class T>
Status RunMatMul(KernelContext& k) {
  auto& s = k.state<MatMulState>();
  if constexpr (std::is_same_v<T, float>) {
    const float* bias = s.epilogue.bias ? k.in<float>(2) : nullptr;
    if (s.split.prepared()) {
      return s.split.Run(k.in<float>(0), k.in<float>(1), bias, k.out<float>(0),
                         k.scratch());
    }
    if (!s.plain) {
      return s.program.Run(
          k.scratch(), {k.in<float>(0), k.in<float>(1), k.out<float>(0), bias});
    }
  }
  using A = ArithmeticType<T>;
  PlainEpilogue<A> epilogue{.relu = s.epilogue.relu};
  if constexpr (std::is_same_v<A, T>) {
    if (s.epilogue.bias) epilogue.bias = k.in<T>(2);
  }
  const MatMulDims& d = s.dims;
  T* c = k.out<T>(0);
  for (const auto& [a, b] : s.offsets) {
    MultiplyPlain(d, k.in<T>(0) + a, k.in<T>(1) + b, c, k.scratch(), epilogue);
    c += d.m * d.n;
  }
  return Ok();
}

#define LS_INSTANTIATE(T)                                              \
  template Status PrepareMatMul<T>(PrepareContext&, const MatMulDims&, \
                                   const MatMulEpilogue&);             \
  template Status RunMatMul<T>(KernelContext&);
LS_MATMUL_TYPES(LS_INSTANTIATE)
#undef LS_INSTANTIATE

}  // namespace lockstep::detail
