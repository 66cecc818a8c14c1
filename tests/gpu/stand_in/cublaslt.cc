// SPDX-License-Identifier: Apache-2.0
// cuBLASLt's products: column by column, with batches and with the epilogues of
// a bias and of ReLU. The heuristic notes in the algorithm what it was asked
// for, and the product holds its operands to it.
#include <algorithm>
#include <cstring>

#include "tests/gpu/stand_in/cublaslt_objects.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

// In a cublasLtMatmulAlgo_t.
struct Algorithm {
  uint64_t magic;
  int64_t m, n, k;
  uint64_t workspace;
  uint32_t alignment[4];
  uint32_t bias_alignment;
  uint32_t batches;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));
constexpr uint64_t kMagic = 0x5354414e44494e21;

struct Sizes {
  int64_t m, n, k;
};
// False when the matrices do not fit each other.
bool SizesOf(const Product& p, const Layout& a, const Layout& b,
             const Layout& c, Sizes* sizes) {
  const bool ta = p.op_a != CUBLAS_OP_N, tb = p.op_b != CUBLAS_OP_N;
  *sizes = {ta ? a.columns : a.rows, tb ? b.rows : b.columns,
            ta ? a.rows : a.columns};
  const int64_t inner = tb ? b.columns : b.rows;
  const bool types =
      a.type == b.type && a.type == c.type && a.type != Element::kNone &&
      p.compute ==
          (a.type == Element::kDouble ? Element::kDouble : Element::kFloat);
  return types && inner == sizes->k && c.rows == sizes->m &&
         c.columns == sizes->n && a.batches == b.batches &&
         a.batches == c.batches && a.leading >= a.rows && b.leading >= b.rows &&
         c.leading >= c.rows;
}

uint32_t AlignmentOf(const void* data) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  constexpr uintptr_t kMost = 256;
  return static_cast<uint32_t>(
      address == 0 ? kMost : std::min(address & (~address + 1), kMost));
}

// op(x), row by row: the other way round than cuBLASLt's.
template <class T>
std::vector<T> Rows(const Layout& x, const void* data, int64_t batch,
                    bool transposed) {
  const int64_t rows = transposed ? x.columns : x.rows;
  const int64_t columns = transposed ? x.rows : x.columns;
  std::vector<T> all(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      all[static_cast<size_t>(r * columns + c)] = Load<T>(
          x.type, data, transposed ? x.At(batch, c, r) : x.At(batch, r, c));
    }
  }
  return all;
}

struct Call {
  Product product;
  Layout a, b, d;
  Sizes sizes;
  const void* a_data;
  const void* b_data;
  void* d_data;
  double alpha, beta;
};

template <class T>
void Multiply(const Call& c) {
  const auto [m, n, k] = c.sizes;
  for (int32_t batch = 0; batch < c.a.batches; ++batch) {
    const auto a = Rows<T>(c.a, c.a_data, batch, c.product.op_a != CUBLAS_OP_N);
    const auto b = Rows<T>(c.b, c.b_data, batch, c.product.op_b != CUBLAS_OP_N);
    std::vector<T> sums(static_cast<size_t>(m * n));
    AddProduct(a, b, static_cast<size_t>(m), static_cast<size_t>(k),
               static_cast<size_t>(n), sums.data());
    for (int64_t column = 0; column < n; ++column) {
      for (int64_t row = 0; row < m; ++row) {
        const int64_t at = c.d.At(batch, row, column);
        T value = T(c.alpha) * sums[static_cast<size_t>(row * n + column)];
        if (c.beta != 0) value += T(c.beta) * Load<T>(c.d.type, c.d_data, at);
        if (c.product.has_bias()) {
          value += Load<T>(c.d.type, c.product.bias, row);
        }
        const bool relu = c.product.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
        // As fmaxf has it, a value that is no number becomes 0.
        if (relu && !(value > T(0))) value = T(0);
        Store(c.d.type, c.d_data, at, value);
      }
    }
  }
}

std::string WrongAlignment(const Algorithm& algorithm,
                           const void* const* data) {
  for (int i = 0; i < 4; ++i) {
    if (AlignmentOf(data[i]) < algorithm.alignment[i]) {
      return StrCat("operand ", i, " of cublasLtMatmul is at ",
                    AddressText(data[i]), ", not at a multiple of ",
                    algorithm.alignment[i], " as the heuristic was told");
    }
  }
  return {};
}

// What is wrong with a product as it is called; empty for nothing.
std::string WrongCall(const Call& c, const Algorithm& algorithm,
                      const void* workspace, size_t workspace_bytes) {
  if (algorithm.magic != kMagic || algorithm.m != c.sizes.m ||
      algorithm.n != c.sizes.n || algorithm.k != c.sizes.k ||
      algorithm.batches != static_cast<uint32_t>(c.a.batches)) {
    return "cublasLtMatmul with another product's algorithm";
  }
  if (workspace_bytes < algorithm.workspace) {
    return StrCat("cublasLtMatmul with a workspace of ", workspace_bytes,
                  " bytes; the algorithm wants ", algorithm.workspace);
  }
  if (algorithm.workspace > 0 && AlignmentOf(workspace) < 256) {
    return StrCat("cublasLtMatmul's workspace is at ", AddressText(workspace),
                  ", no multiple of 256");
  }
  if (c.product.has_bias() &&
      AlignmentOf(c.product.bias) < algorithm.bias_alignment) {
    return StrCat("cublasLtMatmul's bias is at ", AddressText(c.product.bias),
                  ", not at a multiple of ", algorithm.bias_alignment,
                  " as when the heuristic was asked");
  }
  const void* const data[] = {c.a_data, c.b_data, c.d_data, c.d_data};
  return WrongAlignment(algorithm, data);
}

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
    cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t wishes, int most,
    cublasLtMatmulHeuristicResult_t* found, int* count) {
  *count = 0;
  const Wishes& w = WishesOf(wishes);
  if (!IsLive(handle) || handle->device != CurrentDevice() || most < 1) {
    Misuse("cuBLASLt's handle is gone or another GPU's");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Product& p = ProductOf(product);
  Sizes sizes;
  if (!SizesOf(p, LayoutOf(a), LayoutOf(b), LayoutOf(d), &sizes) ||
      LayoutOf(c) != LayoutOf(d)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  Algorithm algorithm{.magic = kMagic,
                      .m = sizes.m,
                      .n = sizes.n,
                      .k = sizes.k,
                      .workspace = 0,
                      .alignment = {},
                      .bias_alignment = AlignmentOf(p.bias),
                      .batches = static_cast<uint32_t>(LayoutOf(a).batches)};
  std::ranges::copy(w.alignment, algorithm.alignment);
  // Some products are summed up in parts, which takes memory: of sizes that are
  // no multiples of anything.
  constexpr uint64_t kParts = 100'004;
  if (sizes.k > 8 && w.workspace >= kParts) algorithm.workspace = kParts;
  *found = {};
  std::memcpy(&found->algo, &algorithm, sizeof(algorithm));
  found->workspaceSize = algorithm.workspace;
  found->state = CUBLAS_STATUS_SUCCESS;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle,
                              cublasLtMatmulDesc_t product, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algo, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  if (!IsLive(handle) || handle->device != CurrentDevice()) {
    Misuse("cuBLASLt's handle is gone or another GPU's");
    return CUBLAS_STATUS_NOT_INITIALIZED;
  }
  Call call{.product = ProductOf(product),
            .a = LayoutOf(a_layout),
            .b = LayoutOf(b_layout),
            .d = LayoutOf(d_layout),
            .sizes = {},
            .a_data = a,
            .b_data = b,
            .d_data = d,
            .alpha = 0,
            .beta = 0};
  if (c != d || LayoutOf(c_layout) != call.d) {
    Misuse("cublasLtMatmul out of place is not stood in for");
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (!SizesOf(call.product, call.a, call.b, call.d, &call.sizes)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  call.alpha = Load<double>(call.product.compute, alpha, 0);
  call.beta = Load<double>(call.product.compute, beta, 0);
  Algorithm algorithm;
  std::memcpy(&algorithm, algo, sizeof(algorithm));
  const std::string wrong =
      WrongCall(call, algorithm, workspace, workspace_bytes);
  if (!wrong.empty()) {
    Misuse(wrong);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  std::vector<Use> uses = {{a, call.a.bytes()},
                           {b, call.b.bytes()},
                           {d, call.d.bytes()},
                           {workspace, algorithm.workspace}};
  if (call.product.has_bias()) {
    uses.push_back({call.product.bias,
                    static_cast<size_t>(call.d.rows) * SizeOf(call.d.type)});
  }
  const cudaError_t given = EnqueueKernel(
      stream, "cublasLtMatmul", std::move(uses),
      [call, workspace, bytes = algorithm.workspace] {
        if (bytes > 0) std::memset(workspace, 0xff, bytes);
        call.product.compute == Element::kDouble ? Multiply<double>(call)
                                                 : Multiply<float>(call);
      });
  return given == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                              : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
