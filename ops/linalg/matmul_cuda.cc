// SPDX-License-Identifier: Apache-2.0

// MatMul, BatchMatMul and _FusedMatMul by cuBLASLt.
//   a: [..., m, k]  b: [..., k, n]  bias: [n]  c: [..., m, n], either operand
//   perhaps transposed
// cuBLASLt's matrices are column by column: it is asked for c' = b' a', whose
// memory is ours. The bias is then one of rows, as its epilogue wants it.

#include <array>
#include <vector>

#include "ops/linalg/gpu.h"
#include "ops/linalg/matmul_kernel.h"
#include "ops/nn/gpu_bias.h"
#include "runtime/core/float_products.h"
#include "runtime/device/cuda/cuda_libraries.h"
#include "runtime/device/stream.h"
#include "runtime/op/gpu_prepare.h"

namespace lockstep::gpu {
namespace {

constexpr size_t kMostWorkspace = size_t{32} << 20;

struct Epilogue {
  bool bias = false;
  bool relu = false;
};

struct MatMulState {
  detail::MatMulDims dims;
  Epilogue epilogue;
  std::vector<std::array<int64_t, 2>> offsets;  // of a and b, by product
  bool strided = false;                         // all in one call
  size_t element_bytes = 4;
  bool is_double = false;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  size_t workspace = 0;

  MatMulState() = default;
  MatMulState(const MatMulState&) = delete;
  MatMulState& operator=(const MatMulState&) = delete;
  ~MatMulState() {
    for (cublasLtMatrixLayout_t layout : {a, b, c}) {
      if (layout != nullptr) (void)cublasLtMatrixLayoutDestroy(layout);
    }
    if (product != nullptr) (void)cublasLtMatmulDescDestroy(product);
  }
  int64_t batches() const { return static_cast<int64_t>(offsets.size()); }
};

struct Types {
  cudaDataType_t element;
  cublasComputeType_t compute;
  cudaDataType_t scale;
};
cublasComputeType_t ComputeFloat() {
  switch (GetFloatProducts()) {
    case FloatProducts::kTf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case FloatProducts::kBfloat16: return CUBLAS_COMPUTE_32F_FAST_16BF;
    case FloatProducts::kFloat: break;
  }
  return CUBLAS_COMPUTE_32F;
}
Result<Types> TypesOf(DType dtype) {
  switch (dtype) {
    case kFloat: return Types{CUDA_R_32F, ComputeFloat(), CUDA_R_32F};
    case kHalf: return Types{CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
    case kBfloat16: return Types{CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
    case kDouble: return Types{CUDA_R_64F, CUBLAS_COMPUTE_64F, CUDA_R_64F};
    default: return Internal("no product of ", DTypeName(dtype), " on a GPU");
  }
}

// The stride from one product's operand to the next one's, if it is the same
// for all.
bool CommonStride(const MatMulState& s, size_t operand, int64_t* stride) {
  *stride = s.batches() > 1 ? s.offsets[1][operand] - s.offsets[0][operand] : 0;
  for (size_t i = 1; i < s.offsets.size(); ++i) {
    if (s.offsets[i][operand] - s.offsets[i - 1][operand] != *stride) {
      return false;
    }
  }
  return true;
}

Status SetBatch(cublasLtMatrixLayout_t layout, int64_t batches,
                int64_t stride) {
  const int32_t count = static_cast<int32_t>(batches);
  LS_RETURN_IF_CUBLAS(cublasLtMatrixLayoutSetAttribute(
      layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
  LS_RETURN_IF_CUBLAS(cublasLtMatrixLayoutSetAttribute(
      layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
      sizeof(stride)));
  return Ok();
}

// The matrices as cuBLASLt sees them: [columns, rows] of ours.
Status MakeLayouts(MatMulState& s, cudaDataType_t type) {
  const auto& d = s.dims;
  const auto make = [type](cublasLtMatrixLayout_t* layout, int64_t rows,
                           int64_t columns) {
    LS_RETURN_IF_CUBLAS(
        cublasLtMatrixLayoutCreate(layout, type, static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), rows));
    return Ok();
  };
  LS_RETURN_IF_ERROR(d.transpose_a ? make(&s.a, d.m, d.k)
                                   : make(&s.a, d.k, d.m));
  LS_RETURN_IF_ERROR(d.transpose_b ? make(&s.b, d.k, d.n)
                                   : make(&s.b, d.n, d.k));
  LS_RETURN_IF_ERROR(make(&s.c, d.n, d.m));
  int64_t stride_a = 0, stride_b = 0;
  s.strided = CommonStride(s, 0, &stride_a) && CommonStride(s, 1, &stride_b) &&
              s.batches() < (int64_t{1} << 31);
  if (!s.strided) return Ok();
  LS_RETURN_IF_ERROR(SetBatch(s.a, s.batches(), stride_a));
  LS_RETURN_IF_ERROR(SetBatch(s.b, s.batches(), stride_b));
  return SetBatch(s.c, s.batches(), d.m * d.n);
}

Status MakeProduct(MatMulState& s, const Types& types) {
  LS_RETURN_IF_CUBLAS(
      cublasLtMatmulDescCreate(&s.product, types.compute, types.scale));
  const auto set = [&s](cublasLtMatmulDescAttributes_t what,
                        const auto& value) {
    LS_RETURN_IF_CUBLAS(
        cublasLtMatmulDescSetAttribute(s.product, what, &value, sizeof(value)));
    return Ok();
  };
  const auto op = [](bool transpose) {
    return static_cast<int32_t>(transpose ? CUBLAS_OP_T : CUBLAS_OP_N);
  };
  LS_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_TRANSA, op(s.dims.transpose_b)));
  LS_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_TRANSB, op(s.dims.transpose_a)));
  if (!s.epilogue.bias) return Ok();
  // Any address that is aligned as the bias will be: the heuristic goes by it.
  LS_RETURN_IF_ERROR(set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, kTensorAlignment));
  return set(CUBLASLT_MATMUL_DESC_EPILOGUE,
             static_cast<uint32_t>(s.epilogue.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                                   : CUBLASLT_EPILOGUE_BIAS));
}

// How far every operand's address is aligned, whichever product it is of.
uint32_t Alignment(const MatMulState& s) {
  uint64_t bytes = 64;
  const auto divide = [&](int64_t elements) {
    while ((static_cast<uint64_t>(elements) * s.element_bytes) % bytes != 0) {
      bytes /= 2;
    }
  };
  if (s.batches() > 1) {
    for (const auto& [a, b] : s.offsets) {
      divide(a);
      divide(b);
    }
    divide(s.dims.m * s.dims.n);
  }
  return static_cast<uint32_t>(bytes);
}

Status ChooseAlgorithm(MatMulState& s) {
  cublasLtMatmulPreference_t wishes = nullptr;
  LS_RETURN_IF_CUBLAS(cublasLtMatmulPreferenceCreate(&wishes));
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t what,
                       const auto& value) {
    (void)cublasLtMatmulPreferenceSetAttribute(wishes, what, &value,
                                               sizeof(value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kMostWorkspace});
  const uint32_t alignment = Alignment(s);
  for (const auto what : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(what, alignment);
  }
  // Sums of parts are put together in memory, not by atomics: the same bits.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const Result<cublasLtHandle_t> handle = CublasLtHandle();
  Status status = handle.status();
  if (handle.ok()) {
    status = CublasStatus(
        cublasLtMatmulAlgoGetHeuristic(*handle, s.product, s.b, s.a, s.c, s.c,
                                       wishes, 1, &found, &count),
        "cublasLtMatmulAlgoGetHeuristic");
  }
  (void)cublasLtMatmulPreferenceDestroy(wishes);
  LS_RETURN_IF_ERROR(status);
  if (count == 0) {
    return Unimplemented("cuBLASLt has no product of ", s.dims.m, " x ",
                         s.dims.k, " x ", s.dims.n);
  }
  s.algorithm = found.algo;
  s.workspace = found.workspaceSize;
  return Ok();
}

Status Prepare(PrepareContext& p, const detail::MatMulDims& dims,
               const Epilogue& epilogue) {
  MatMulState& s = p.MakeState<MatMulState>();
  s.dims = dims;
  s.epilogue = epilogue;
  s.offsets = detail::MatMulOffsets(dims);
  s.element_bytes = DTypeSize(p.input_dtype(0));
  s.is_double = p.input_dtype(0) == kDouble;
  if (dims.m == 0 || dims.n == 0 || dims.k == 0 || s.batches() == 0) {
    return Ok();
  }
  const GpuScope scope(p);
  LS_RETURN_IF_ERROR(scope.status());
  LS_ASSIGN_OR_RETURN(const Types types, TypesOf(p.input_dtype(0)));
  LS_RETURN_IF_ERROR(MakeLayouts(s, types.element));
  LS_RETURN_IF_ERROR(MakeProduct(s, types));
  LS_RETURN_IF_ERROR(ChooseAlgorithm(s));
  ScratchParts parts;
  parts.Add(s.workspace);
  if (parts.bytes() > 0) p.RequestScratch(parts.bytes());
  return Ok();
}

// The product of nothing is 0; the bias is float, as _FusedMatMul is here.
Status WithoutProduct(KernelContext& k, const MatMulState& s) {
  if (!s.epilogue.bias) {
    return ClearBytes(k.output(0).data(), k.output(0).bytes(), k.stream());
  }
  return AddBias(k.stream(), nullptr, k.in<float>(2), k.output(0),
                 {.channels = s.dims.n, .relu = s.epilogue.relu});
}

}  // namespace

Status PrepareMatMul(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  return Prepare(p, dims, {});
}
Status PrepareFusedMatMul(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  const bool bias = p.num_inputs() > 2;
  const bool relu = !p.Attr<std::string>("activation").empty();
  if (relu && !bias) {
    return Unimplemented("_FusedMatMul with Relu and no bias on a GPU");
  }
  return Prepare(p, dims, {.bias = bias, .relu = relu});
}
Status PrepareBatchMatMul(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      const auto dims,
      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                           p.Attr<bool>("adj_x"), p.Attr<bool>("adj_y")));
  return Prepare(p, dims, {});
}

Status MatMul(KernelContext& k) {
  MatMulState& s = k.state<MatMulState>();
  if (k.output(0).NumElements() == 0) return Ok();
  if (s.product == nullptr) return WithoutProduct(k, s);
  LS_ASSIGN_OR_RETURN(const cublasLtHandle_t handle, CublasLtHandle());
  if (s.epilogue.bias) {
    const void* bias = k.input(2).data();
    LS_RETURN_IF_CUBLAS(cublasLtMatmulDescSetAttribute(
        s.product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias)));
  }
  const float one = 1, zero = 0;
  const double one_double = 1, zero_double = 0;
  const void* alpha =
      s.is_double ? static_cast<const void*>(&one_double) : &one;
  const void* beta =
      s.is_double ? static_cast<const void*>(&zero_double) : &zero;
  const char* a = static_cast<const char*>(k.input(0).data());
  const char* b = static_cast<const char*>(k.input(1).data());
  char* c = static_cast<char*>(k.output(0).data());
  const size_t calls = s.strided ? 1 : s.offsets.size();
  for (size_t i = 0; i < calls; ++i) {
    const auto at = [&](int64_t elements) {
      return static_cast<size_t>(elements) * s.element_bytes;
    };
    char* to = c + at(static_cast<int64_t>(i) * s.dims.m * s.dims.n);
    LS_RETURN_IF_CUBLAS(
        cublasLtMatmul(handle, s.product, alpha, b + at(s.offsets[i][1]), s.b,
                       a + at(s.offsets[i][0]), s.a, beta, to, s.c, to, s.c,
                       &s.algorithm, ScratchParts::At(k.scratch(), 0),
                       s.workspace, static_cast<cudaStream_t>(k.stream())));
  }
  return Ok();
}

}  // namespace lockstep::gpu
