// SPDX-License-Identifier: Apache-2.0

// _FusedMatMul: MatMul, perhaps plus a bias for each column, then perhaps Relu,
// in one primitive.     a, b: as MatMul's   bias: [n]   product: [m,n]
// Float; or BFloat16, where the product may be float.
// Brought in by rules for BiasAdd(MatMul), AddV2(MatMul, vector) and Relu of
// them, and for Cast(MatMul) from BFloat16 to float, when nothing else reads
// what is in between.

#include "ops/dnnl/fuse_epilogue.h"
#include "ops/linalg/matmul_kernel.h"
#include "runtime/graph/node_work.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status FusedMatMulShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape a, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape b, c.WithRank(1, 2));
  return c.SetOutput(0, Shape{a.dim(c.Attr<bool>("transpose_a") ? 1 : 0),
                              b.dim(c.Attr<bool>("transpose_b") ? 0 : 1)});
}

template <class T>
Status FusedMatMulPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  return detail::PrepareMatMul<T>(
      p, dims,
      {.bias = p.num_inputs() > 2,
       .relu = p.Attr<bool>("relu"),
       .wide = p.output_dtype(0) != p.input_dtype(0)});
}
template <class T, class Out>
OpBuilder& AddKernel(OpBuilder& b) {
  return b.Kernel(kCpu,
                  {{"T", DTypeOf<T>::value}, {"Tout", DTypeOf<Out>::value}},
                  {detail::RunMatMul<T>, FusedMatMulPrepare<T>});
}

OpBuilder FusedMatMulOp() {
  OpBuilder b("_FusedMatMul");
  b.Input("a: T")
      .Input("b: T")
      .Input("bias: num_args * Tout")
      .Output("product: Tout")
      .Attr("num_args: int >= 0")
      .Attr("T: {float, bfloat16} = DT_FLOAT")
      .Attr("Tout: {float, bfloat16} = DT_FLOAT")
      .Attr("transpose_a: bool = false")
      .Attr("transpose_b: bool = false")
      .Attr("relu: bool = false")
      .Shape(FusedMatMulShape);
  AddKernel<float, float>(b);
  AddKernel<BFloat16, BFloat16>(b);
  return AddKernel<BFloat16, float>(b);
}
const OpRegistrar kFusedMatMul = FusedMatMulOp();

AttrMap AttrsOf(const Node& mm) {
  return {{"T", BaseOf(mm.input(0).dtype())},
          {"transpose_a", mm.Attr<bool>("transpose_a")},
          {"transpose_b", mm.Attr<bool>("transpose_b")}};
}
constexpr detail::EpilogueOps kOps{"MatMul", "_FusedMatMul", AttrsOf};

Result<bool> Fuse(RewriteContext& c, Output product, Output bias) {
  const Node* mm = detail::ProducerToJoin(c, product, kOps);
  if (!mm || mm->num_inputs() != 2 ||
      bias.shape() != Shape{mm->output_shape(0).dim(1)}) {
    return false;
  }
  return detail::JoinEpilogue(c, kOps, *mm, {mm->input(0), mm->input(1), bias},
                              {});
}

Result<bool> FuseBiasAdd(RewriteContext& c) {
  return Fuse(c, c.node()->input(0), c.node()->input(1));
}
Result<bool> FuseAdd(RewriteContext& c) {
  const Node* add = c.node();
  LS_ASSIGN_OR_RETURN(const bool fused, Fuse(c, add->input(0), add->input(1)));
  return fused ? Result<bool>(true) : Fuse(c, add->input(1), add->input(0));
}
LOCKSTEP_REWRITE("BiasAdd", FuseBiasAdd);
LOCKSTEP_REWRITE("Add", FuseAdd);
LOCKSTEP_REWRITE("AddV2", FuseAdd);

Result<bool> FuseRelu(RewriteContext& c) {
  return detail::FuseReluInto(c, kOps);
}
LOCKSTEP_REWRITE("Relu", FuseRelu);

Result<bool> FuseCast(RewriteContext& c) {
  return detail::FuseCastInto(c, kOps);
}
LOCKSTEP_REWRITE("Cast", FuseCast);
LOCKSTEP_FLOPS("_FusedMatMul", ProductFlops);

}  // namespace
}  // namespace lockstep
