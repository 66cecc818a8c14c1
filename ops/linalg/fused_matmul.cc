// SPDX-License-Identifier: Apache-2.0

// _FusedMatMul: MatMul, plus a bias for each column, then perhaps Relu, in one
// primitive.     a, b: as MatMul's   bias: [n]   product: [m,n]; float
// Brought in by rules for BiasAdd(MatMul), AddV2(MatMul, vector) and Relu of
// them, when nothing else reads what is in between.

#include "ops/linalg/matmul_kernel.h"
#include "runtime/graph/node_work.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status FusedMatMulShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape a, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape b, c.WithRank(1, 2));
  return c.SetOutput(0, Shape{a.dim(c.Attr<bool>("transpose_a") ? 1 : 0),
                              b.dim(c.Attr<bool>("transpose_b") ? 0 : 1)});
}

Status FusedMatMulPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  return detail::PrepareMatMul<float>(
      p, dims, {.bias = true, .relu = p.Attr<bool>("relu")});
}

LOCKSTEP_OP("_FusedMatMul")
    .Input("a: float")
    .Input("b: float")
    .Input("bias: float")
    .Output("product: float")
    .Attr("transpose_a: bool = false")
    .Attr("transpose_b: bool = false")
    .Attr("relu: bool = false")
    .Shape(FusedMatMulShape)
    .Kernel(kCpu, {detail::RunMatMul<float>, FusedMatMulPrepare});

Result<bool> Fuse(RewriteContext& c, Output product, Output bias) {
  Node* add = c.node();
  Node* mm = c.Producer(product, "MatMul");
  if (!mm || !c.OnlyUse(product) || c.IsFed(add) ||
      mm->output_type(0) != kFloat ||
      bias.shape() != Shape{mm->output_shape(0).dim(1)}) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(Node * fused,
                      c.Add(add->name() + "/fused", "_FusedMatMul",
                            {mm->input(0), mm->input(1), bias},
                            {{"transpose_a", mm->Attr<bool>("transpose_a")},
                             {"transpose_b", mm->Attr<bool>("transpose_b")}}));
  c.Replace(add->output(0), fused->output(0));
  return true;
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
  Node* relu = c.node();
  Node* mm = c.Producer(relu->input(0), "_FusedMatMul");
  if (!mm || mm->Attr<bool>("relu") || !c.OnlyUse(relu->input(0)) ||
      c.IsFed(relu)) {
    return false;
  }
  AttrMap attrs = mm->attrs();
  attrs["relu"] = true;
  LS_ASSIGN_OR_RETURN(
      Node * fused, c.Add(relu->name() + "/fused", "_FusedMatMul", mm->inputs(),
                          std::move(attrs)));
  c.Replace(relu->output(0), fused->output(0));
  return true;
}
LOCKSTEP_REWRITE("Relu", FuseRelu);
LOCKSTEP_FLOPS("_FusedMatMul", ProductFlops);

}  // namespace
}  // namespace lockstep
