// SPDX-License-Identifier: Apache-2.0

// BatchMatMul, V2, V3: z[i] = x[i] y[i] for matrices in the last two
// dimensions, either adjoined (transposed, and conjugated if complex) first;
// leading dimensions broadcast (V1: are equal). V3's operands may be int8
// or uint8 where the product is int32.
//   x: [..., m,k]  y: [..., k,n]  z: [..., m,n]
// Gradient: two products, summed over the dimensions that were broadcast.

#include "ops/linalg/linalg.h"
#include "ops/linalg/matmul_kernel.h"
#include "runtime/core/allocator.h"
#include "runtime/graph/gradients.h"
#include "runtime/graph/node_work.h"

namespace lockstep {
namespace {

Status BatchMatMulShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRankAtLeast(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape y, c.WithRankAtLeast(1, 2));
  if (!x.HasRank() || !y.HasRank()) return c.SetOutput(0, Shape::Unknown());
  const bool ax = c.Attr<bool>("adj_x"), ay = c.Attr<bool>("adj_y");
  const int rx = x.rank(), ry = y.rank();
  const int64_t inner_x = x.dim(ax ? rx - 2 : rx - 1);
  const int64_t inner_y = y.dim(ay ? ry - 1 : ry - 2);
  if (inner_x >= 0 && inner_y >= 0 && inner_x != inner_y) {
    return InvalidArgument("Matrix size-incompatible: In[0]: ", x,
                           ax ? "'" : "", ", In[1]: ", y, ay ? "'" : "", ": ",
                           inner_x, " columns times ", inner_y, " rows");
  }
  const Shape batch_x(x.dims().first(static_cast<size_t>(rx - 2)));
  const Shape batch_y(y.dims().first(static_cast<size_t>(ry - 2)));
  Result<Shape> batch = c.def().name == "BatchMatMul"
                            ? Shape::Merge(batch_x, batch_y)
                            : Shape::Broadcast(batch_x, batch_y);
  if (!batch.ok()) {
    return InvalidArgument("In[0] and In[1] must have compatible batch ",
                           "dimensions: ", x, " vs. ", y);
  }
  Shape z = *batch;
  z.AddDim(x.dim(ax ? rx - 1 : rx - 2));
  z.AddDim(y.dim(ay ? ry - 2 : ry - 1));
  return c.SetOutput(0, z);
}

template <class T>
Status BatchMatMulPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      auto dims,
      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                           p.Attr<bool>("adj_x"), p.Attr<bool>("adj_y")));
  dims.conjugate_a = kIsComplex<T> && dims.transpose_a;
  dims.conjugate_b = kIsComplex<T> && dims.transpose_b;
  return detail::PrepareMatMul<T>(p, dims, {});
}

Status BatchMatMulGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(0), y = g.x(1), dz = g.dy(0);
  const bool ax = g.Attr<bool>("adj_x"), ay = g.Attr<bool>("adj_y");
  const Output dx = ax ? ops::BatchMatMul(s, y, dz, ay, true)
                       : ops::BatchMatMul(s, dz, y, false, !ay);
  const Output dy = ay ? ops::BatchMatMul(s, dz, x, true, ax)
                       : ops::BatchMatMul(s, x, dz, !ax, false);
  if (!s.ok()) return s.status();
  // The matrix dimensions of dx and x agree, so only batches are summed.
  LS_RETURN_IF_ERROR(g.SetDx(0, SumToShapeOf(s, dx, x, dx, true)));
  return g.SetDx(1, SumToShapeOf(s, dy, y, dy, true));
}

template <class... Ts>
OpBuilder BatchMatMulOp(const char* name, const char* types) {
  OpBuilder b(name);
  b.Input("x: T").Input("y: T").Output("output: T").Attr(types);
  b.Attr("adj_x: bool = false")
      .Attr("adj_y: bool = false")
      .Attr("grad_x: bool = false")
      .Attr("grad_y: bool = false")
      .Shape(BatchMatMulShape)
      .Gradient(BatchMatMulGradient);
  return b.Kernels<Ts...>(kCpu, []<class T>() {
    return KernelDef{detail::RunMatMul<T>, BatchMatMulPrepare<T>};
  });
}

const OpRegistrar kBatchMatMul =
    BatchMatMulOp<LS_FLOAT_TYPES, int32_t, int64_t, LS_COMPLEX_TYPES>(
        "BatchMatMul",
        "T: {bfloat16, half, float, double, int32, int64, complex64, "
        "complex128}");
const OpRegistrar kBatchMatMulV2 =
    BatchMatMulOp<LS_FLOAT_TYPES, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                  uint32_t, uint64_t, LS_COMPLEX_TYPES>(
        "BatchMatMulV2",
        "T: {bfloat16, half, float, double, int16, int32, int64, uint8, "
        "uint16, uint32, uint64, complex64, complex128}");

// Operands of 8 bits, widened into the scratch memory first.
struct WideningState {
  detail::MatMulDims dims;
  std::vector<std::array<int64_t, 2>> offsets;
};

size_t WideBytes(int64_t ints) {
  return AlignedSize(static_cast<size_t>(ints) * sizeof(int32_t));
}

Status PrepareWidening(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      auto dims,
      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                           p.Attr<bool>("adj_x"), p.Attr<bool>("adj_y")));
  auto offsets = detail::MatMulOffsets(dims);
  p.RequestScratch(WideBytes(p.input_shape(0).NumElements()) +
                   WideBytes(p.input_shape(1).NumElements()) +
                   detail::MultiplyPlainScratch<int32_t>(dims));
  p.MakeState<WideningState>(WideningState{dims, std::move(offsets)});
  return Ok();
}

template <class A, class B>
Status RunWidening(KernelContext& k) {
  const WideningState& s = k.state<WideningState>();
  const int64_t n = k.input(0).NumElements(), m = k.input(1).NumElements();
  char* scratch = static_cast<char*>(k.scratch());
  auto* a = reinterpret_cast<int32_t*>(scratch);
  auto* b = reinterpret_cast<int32_t*>(scratch + WideBytes(n));
  std::copy_n(k.in<A>(0), n, a);
  std::copy_n(k.in<B>(1), m, b);
  int32_t* c = k.out<int32_t>(0);
  for (const auto& [at_a, at_b] : s.offsets) {
    detail::MultiplyPlain(s.dims, a + at_a, b + at_b, c,
                          scratch + WideBytes(n) + WideBytes(m));
    c += s.dims.m * s.dims.n;
  }
  return Ok();
}

OpBuilder BatchMatMulV3Op() {
  OpBuilder b("BatchMatMulV3");
  b.Input("x: Ta").Input("y: Tb").Output("output: Tout");
  b.Attr(
       "Ta: {bfloat16, half, float, double, uint8, int8, int16, int32, "
       "int64, complex64, complex128}")
      .Attr(
          "Tb: {bfloat16, half, float, double, uint8, int8, int16, int32, "
          "int64, complex64, complex128}")
      .Attr(
          "Tout: {bfloat16, half, float, double, int16, int32, int64, "
          "complex64, complex128}")
      .Attr("adj_x: bool = false")
      .Attr("adj_y: bool = false")
      .Attr("grad_x: bool = false")
      .Attr("grad_y: bool = false")
      .Shape(BatchMatMulShape)
      .Gradient(BatchMatMulGradient);
  auto add = [&b]<class T>() {
    constexpr DType t = DTypeOf<T>::value;
    b.Kernel(kCpu, {{"Ta", t}, {"Tb", t}, {"Tout", t}},
             {detail::RunMatMul<T>, BatchMatMulPrepare<T>});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_FLOAT_TYPES, int16_t, int32_t, int64_t,
                                  LS_COMPLEX_TYPES>>());
  auto widen = [&b]<class A, class B>() {
    b.Kernel(kCpu,
             {{"Ta", DTypeOf<A>::value},
              {"Tb", DTypeOf<B>::value},
              {"Tout", kInt32}},
             {RunWidening<A, B>, PrepareWidening});
  };
  widen.operator()<int8_t, int8_t>();
  widen.operator()<int8_t, uint8_t>();
  widen.operator()<uint8_t, int8_t>();
  widen.operator()<uint8_t, uint8_t>();
  return b;
}
const OpRegistrar kBatchMatMulV3 = BatchMatMulV3Op();
LOCKSTEP_FLOPS("BatchMatMul", ProductFlops);
LOCKSTEP_FLOPS("BatchMatMulV2", ProductFlops);
LOCKSTEP_FLOPS("BatchMatMulV3", ProductFlops);

}  // namespace

Output ops::BatchMatMul(const Scope& scope, const Input& x, const Input& y,
                        bool adj_x, bool adj_y) {
  return scope.Op("BatchMatMulV2")
      .InPair(x, y)
      .Attr("adj_x", adj_x)
      .Attr("adj_y", adj_y)
      .Out();
}

}  // namespace lockstep
