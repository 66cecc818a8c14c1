// SPDX-License-Identifier: Apache-2.0

// _FusedMatMul: MatMul, perhaps plus a bias for each column, perhaps plus a
// residual, then perhaps Relu, in one primitive.
//   a, b: as MatMul's   bias: [n]   residual, product: [m,n]
// Float; or BFloat16, where the product may be float, without a residual.
// Brought in by rules for BiasAdd(MatMul), AddV2(MatMul, vector), the sum with
// another matrix and Relu of them, and for Cast(MatMul) from BFloat16 to float,
// when nothing else reads what is in between.

#include "ops/dnnl/fuse_epilogue.h"
#include "ops/linalg/matmul_kernel.h"
#include "runtime/graph/node_work.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status FusedMatMulShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape a, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape b, c.WithRank(1, 2));
  const Shape product{a.dim(c.Attr<bool>("transpose_a") ? 1 : 0),
                      b.dim(c.Attr<bool>("transpose_b") ? 0 : 1)};
  if (c.Attr<bool>("residual") &&
      !c.Input(c.num_inputs() - 1).IsCompatibleWith(product)) {
    return InvalidArgument("the residual has shape ",
                           c.Input(c.num_inputs() - 1), ", not ", product);
  }
  return c.SetOutput(0, product);
}

template <class T>
Status FusedMatMulPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::MatMulDimsOf(p.input_shape(0), p.input_shape(1),
                                           p.Attr<bool>("transpose_a"),
                                           p.Attr<bool>("transpose_b")));
  const bool residual = p.Attr<bool>("residual");
  return detail::PrepareMatMul<T>(
      p, dims,
      {.bias = p.num_inputs() - residual > 2,
       .residual = residual,
       .relu = p.Attr<std::string>("activation") == "Relu",
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
      .Input("bias_residual: num_args * Tout")
      .Output("product: Tout")
      .Attr("num_args: int >= 0")
      .Attr("T: {float, bfloat16} = DT_FLOAT")
      .Attr("Tout: {float, bfloat16} = DT_FLOAT")
      .Attr("transpose_a: bool = false")
      .Attr("transpose_b: bool = false")
      .Attr("residual: bool = false")
      .Attr("activation: {'', 'Relu'} = ''")
      .Shape(FusedMatMulShape);
  AddKernel<float, float>(b);
  AddKernel<BFloat16, BFloat16>(b);
  return AddKernel<BFloat16, float>(b);
}
const OpRegistrar kFusedMatMul = FusedMatMulOp();

AttrMap AttrsOf(const Node& mm) {
  return {{"T", BaseOf(mm.input(0).dtype())},
          {"transpose_a", mm.Attr<bool>("transpose_a")},
          {"transpose_b", mm.Attr<bool>("transpose_b")},
          {"residual", GetOr(mm.attrs(), "residual", false)}};
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

// Multiplications from which a residual joins: smaller products had better not
// wait for what else is added, which may run beside them.
constexpr int64_t kMinWork = 1 << 20;

int64_t ProductsOf(const Node& mm) {
  const Shape& a = mm.input(0).shape();
  return a.NumElements() * mm.output_shape(0).dim(1);
}

Result<bool> FuseResidual(RewriteContext& c, Output product, Output residual) {
  const Node* mm = detail::ProducerToJoin(c, product, kOps);
  if (!mm || mm->input(0).dtype() != kFloat || product.dtype() != kFloat ||
      GetOr(mm->attrs(), "residual", false) || product == residual ||
      !product.shape().IsFullyKnown() || product.shape() != residual.shape() ||
      !mm->input(0).shape().IsFullyKnown() || ProductsOf(*mm) < kMinWork) {
    return false;
  }
  std::vector<Output> inputs(mm->inputs().begin(), mm->inputs().end());
  inputs.push_back(residual);
  return detail::JoinEpilogue(c, kOps, *mm, std::move(inputs),
                              {{"residual", true}});
}
Result<bool> FuseSum(RewriteContext& c) {
  const Output a = c.node()->input(0), b = c.node()->input(1);
  LS_ASSIGN_OR_RETURN(const bool fused, FuseResidual(c, a, b));
  return fused ? Result<bool>(true) : FuseResidual(c, b, a);
}
LOCKSTEP_REWRITE("BiasAdd", FuseBiasAdd);
LOCKSTEP_REWRITE("Add", FuseAdd);
LOCKSTEP_REWRITE("AddV2", FuseAdd);
LOCKSTEP_REWRITE("Add", FuseSum);
LOCKSTEP_REWRITE("AddV2", FuseSum);

Result<bool> FuseRelu(RewriteContext& c) {
  const Node* mm = detail::ProducerToJoin(c, c.node()->input(0), kOps);
  return mm ? detail::JoinActivation(c, kOps, *mm) : Result<bool>(false);
}
LOCKSTEP_REWRITE("Relu", FuseRelu);

Result<bool> FuseCast(RewriteContext& c) {
  return detail::FuseCastInto(c, kOps);
}
LOCKSTEP_REWRITE("Cast", FuseCast);
LOCKSTEP_FLOPS("_FusedMatMul", ProductFlops);

}  // namespace
}  // namespace lockstep
