// SPDX-License-Identifier: Apache-2.0
// cuBLASLt's objects: handles, layouts, products and what is asked of the
// heuristic. Those that are destroyed twice, or left over, are told.
#include "tests/gpu/stand_in/cublaslt_objects.h"

#include <cstring>
#include <mutex>

#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

struct State {
  std::mutex mutex;
  Handles<const void*> all{"object of cuBLASLt"};
  State() {
    CheckAtExit([] {
      const size_t left = Get().all.left();
      return left == 0 ? std::string()
                       : StrCat(left, " objects of cuBLASLt are left over");
    });
  }
  static State& Get() {
    static auto& state = *new State;
    return state;
  }
};

template <class T, class Opaque>
cublasStatus_t Keep(T* made, Opaque* handle) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  s.all.Add(made);
  *handle = reinterpret_cast<Opaque>(made);
  return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t Drop(T* made) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.all.Remove(made)) {
    Misuse("an object of cuBLASLt is destroyed that is gone");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  delete made;
  return CUBLAS_STATUS_SUCCESS;
}

Element ElementOf(cudaDataType type) {
  switch (type) {
    case CUDA_R_32F: return Element::kFloat;
    case CUDA_R_16F: return Element::kHalf;
    case CUDA_R_16BF: return Element::kBfloat16;
    case CUDA_R_64F: return Element::kDouble;
    default: return Element::kNone;
  }
}

// Sets an attribute of `bytes` bytes, which have to be its own.
template <class T>
cublasStatus_t Set(T* value, const void* from, size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(value, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

bool IsLive(const void* made) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  return s.all.Has(made);
}

}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return Keep(new cublasLtContext{CurrentDevice()}, handle);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return Drop(handle); }

const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE   ? "CUBLAS_STATUS_INVALID_VALUE"
         : status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED"
                                                 : "another status";
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout,
                                          cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  return Keep(new Layout{ElementOf(type), static_cast<int64_t>(rows),
                         static_cast<int64_t>(columns), leading},
              layout);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return Drop(&LayoutOf(layout));
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(
    cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t what,
    const void* value, size_t bytes) {
  Layout& l = LayoutOf(layout);
  switch (what) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return Set(&l.batches, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return Set(&l.stride, value, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* product,
                                        cublasComputeType_t compute,
                                        cudaDataType scale) {
  const bool wide = compute == CUBLAS_COMPUTE_64F;
  if (ElementOf(scale) != (wide ? Element::kDouble : Element::kFloat)) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return Keep(new Product{ElementOf(scale)}, product);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  return Drop(&ProductOf(product));
}
cublasStatus_t cublasLtMatmulDescSetAttribute(
    cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t what,
    const void* value, size_t bytes) {
  Product& p = ProductOf(product);
  switch (what) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return Set(&p.op_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return Set(&p.op_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return Set(&p.epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return Set(&p.bias, value, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(
    cublasLtMatmulPreference_t* wishes) {
  return Keep(new Wishes, wishes);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(
    cublasLtMatmulPreference_t wishes) {
  return Drop(&WishesOf(wishes));
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t wishes,
    cublasLtMatmulPreferenceAttributes_t what, const void* value,
    size_t bytes) {
  Wishes& w = WishesOf(wishes);
  switch (what) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return Set(&w.workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return Set(&w.schemes, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return Set(
          &w.alignment[what - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES],
          value, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

}  // extern "C"
