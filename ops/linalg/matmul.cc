// SPDX-License-Identifier: Apache-2.0

// MatMul: c = a b, either transposed first.   a: [m,k]  b: [k,n]  c: [m,n]
// Gradient: two products, transposed so that no transpose is ever made.

#include "ops/linalg/linalg.h"
#include "ops/linalg/matmul_kernel.h"
#include "ops/math/binary_gradient.h"
#include "runtime/graph/node_work.h"

namespace lockstep {
namespace {

Status MatMulShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape a, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape b, c.WithRank(1, 2));
  const bool ta = c.Attr<bool>("transpose_a");
  const bool tb = c.Attr<bool>("transpose_b");
  const int64_t inner_a = a.dim(ta ? 0 : 1), inner_b = b.dim(tb ? 1 : 0);
  if (inner_a >= 0 && inner_b >= 0 && inner_a != inner_b) {
    return InvalidArgument("Matrix size-incompatible: In[0]: ", a,
                           ta ? "'" : "", ", In[1]: ", b, tb ? "'" : "", ": ",
                           inner_a, " columns times ", inner_b, " rows");
  }
  return c.SetOutput(0, Shape{a.dim(ta ? 1 : 0), b.dim(tb ? 0 : 1)});
}

template <class T>
Status MatMulPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  return detail::PrepareMatMul<T>(p, dims, {});
}

Status MatMulGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output a = Conjugate(s, g.x(0)), b = Conjugate(s, g.x(1)), dy = g.dy(0);
  const bool ta = g.Attr<bool>("transpose_a");
  const bool tb = g.Attr<bool>("transpose_b");
  const Output da =
      ta ? ops::MatMul(s, b, dy, tb, true) : ops::MatMul(s, dy, b, false, !tb);
  LS_RETURN_IF_ERROR(g.SetDx(0, da));
  const Output db =
      tb ? ops::MatMul(s, dy, a, true, ta) : ops::MatMul(s, a, dy, !ta, false);
  return g.SetDx(1, db);
}

LOCKSTEP_OP("MatMul")
    .Input("a: T")
    .Input("b: T")
    .Output("product: T")
    .Attr("transpose_a: bool = false")
    .Attr("transpose_b: bool = false")
    .Attr(
        "T: {bfloat16, half, float, double, int32, int64, uint8, uint16, "
        "uint32, uint64, complex64, complex128}")
    .Attr("grad_a: bool = false")
    .Attr("grad_b: bool = false")
    .Shape(MatMulShape)
    .Gradient(MatMulGradient)
    .Kernels<LS_FLOAT_TYPES, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
             uint64_t, LS_COMPLEX_TYPES>(kCpu, []<class T>() {
      return KernelDef{detail::RunMatMul<T>, MatMulPrepare<T>};
    });
LOCKSTEP_FLOPS("MatMul", ProductFlops);

}  // namespace

Output ops::MatMul(const Scope& scope, const Input& a, const Input& b,
                   bool transpose_a, bool transpose_b) {
  return scope.Op("MatMul")
      .InPair(a, b)
      .Attr("transpose_a", transpose_a)
      .Attr("transpose_b", transpose_b)
      .Out();
}

}  // namespace lockstep
