// SPDX-License-Identifier: Apache-2.0

// BatchMatMulV2: z[i] = x[i] y[i] for matrices in the last two dimensions,
// either adjoined (transposed) first; leading dimensions broadcast.
//   x: [..., m,k]  y: [..., k,n]  z: [..., m,n]
// Gradient: two products, summed over the dimensions that were broadcast.

#include "ops/linalg/linalg.h"
#include "ops/linalg/matmul_kernel.h"
#include "runtime/graph/gradients.h"

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
  LS_ASSIGN_OR_RETURN(Shape z, Shape::Broadcast(batch_x, batch_y));
  z.AddDim(x.dim(ax ? rx - 1 : rx - 2));
  z.AddDim(y.dim(ay ? ry - 2 : ry - 1));
  return c.SetOutput(0, z);
}

template <class T>
Status BatchMatMulPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      const auto dims,
      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                           p.Attr<bool>("adj_x"), p.Attr<bool>("adj_y")));
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

LOCKSTEP_OP("BatchMatMulV2")
    .Input("x: T")
    .Input("y: T")
    .Output("output: T")
    .Attr("T: {bfloat16, half, float, double, int32, int64}")
    .Attr("adj_x: bool = false")
    .Attr("adj_y: bool = false")
    .Attr("grad_x: bool = false")
    .Attr("grad_y: bool = false")
    .Shape(BatchMatMulShape)
    .Gradient(BatchMatMulGradient)
    .Kernels<float, double, int32_t, int64_t, Half, BFloat16>(
        kCpu, []<class T>() {
          return KernelDef{detail::RunMatMul<T>, BatchMatMulPrepare<T>};
        });

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
