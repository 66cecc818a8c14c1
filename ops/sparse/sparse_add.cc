// SPDX-License-Identifier: Apache-2.0

// SparseAdd: a_indices: int64 [n,rank], a_values: T [n], a_shape: int64
// [rank], b the same, thresh: the real type of T, [] -> indices, values and
// shape of the sum; of places in both it leaves out those below thresh. Indices
// are taken to be in row-major order.
// SparseAddGrad: backprop_val_grad: T [m], a_indices, b_indices, sum_indices:
// int64 [m,rank] -> a_val_grad [n of a], b_val_grad [n of b]

#include "ops/math/elementwise.h"
#include "ops/sparse/sparse_inputs.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status AddShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const SparseShape a, SparseInputs(c, 0, 1, 2));
  LS_ASSIGN_OR_RETURN(const SparseShape b, SparseInputs(c, 3, 4, 5));
  LS_RETURN_IF_ERROR(c.WithRank(6, 0).status());
  if (a.rank != kUnknownDim && b.rank != kUnknownDim && a.rank != b.rank) {
    return InvalidArgument("Input indices must have the same dimension, got ",
                           a.rank, " and ", b.rank);
  }
  return SetSparseOutputs(c, a.rank == kUnknownDim ? b.rank : a.rank);
}

// An element of the sum: numbers of elements of a and b, -1 for none.
struct Term {
  int64_t a, b;
};
std::vector<Term> TermsOfSum(const int64_t* a, int64_t na, const int64_t* b,
                             int64_t nb, int64_t rank) {
  std::vector<Term> terms;
  int64_t i = 0, j = 0;
  while (i < na || j < nb) {
    const int order = i == na ? 1
                      : j == nb
                          ? -1
                          : CompareIndices(a + i * rank, b + j * rank, rank);
    terms.push_back({order <= 0 ? i++ : -1, order >= 0 ? j++ : -1});
  }
  return terms;
}

template <class T>
struct RealType {
  using Type = T;
};
template <class T>
struct RealType<std::complex<T>> {
  using Type = T;
};

template <class T>
Status AddCpu(KernelContext& k) {
  using V = ValueType<T>;
  using Real = typename RealType<T>::Type;
  if (k.input(6).dtype() != DTypeOf<Real>::value) {
    return InvalidArgument("thresh is ", DTypeName(k.input(6).dtype()),
                           ", has to be ", DTypeName(DTypeOf<Real>::value));
  }
  const int64_t rank = k.input(2).NumElements();
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t a = k.in<int64_t>(2)[d], b = k.in<int64_t>(5)[d];
    if (a == b) continue;
    return InvalidArgument("Operands' shapes do not match: got ", a, " and ", b,
                           " for dimension ", d);
  }
  std::vector<Term> terms =
      TermsOfSum(k.in<int64_t>(0), k.input(1).NumElements(), k.in<int64_t>(3),
                 k.input(4).NumElements(), rank);
  const T* a = k.in<T>(1);
  const T* b = k.in<T>(4);
  const auto sum = [&](const Term& t) {
    return static_cast<V>(static_cast<V>(a[t.a]) + static_cast<V>(b[t.b]));
  };
  const Real thresh = *k.in<Real>(6);
  std::erase_if(terms, [&](const Term& t) {
    return t.a >= 0 && t.b >= 0 && !(thresh <= std::abs(sum(t)));
  });
  const auto n = static_cast<int64_t>(terms.size());
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{n, rank}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{n}));
  for (int64_t i = 0; i < n; ++i) {
    const Term& t = terms[static_cast<size_t>(i)];
    const int64_t* from = t.a >= 0 ? k.in<int64_t>(0) + t.a * rank
                                   : k.in<int64_t>(3) + t.b * rank;
    std::copy_n(from, rank, k.out<int64_t>(0) + i * rank);
    k.out<T>(1)[i] = t.b < 0 ? a[t.a] : t.a < 0 ? b[t.b] : T(sum(t));
  }
  std::copy_n(k.in<int64_t>(2), rank, k.out<int64_t>(2));
  return Ok();
}

Status AddGradient(GradContext& g) {
  const std::vector<Output> d = g.scope()
                                    .Op("SparseAddGrad")
                                    .In(g.dy(1))
                                    .In(g.x(0))
                                    .In(g.x(3))
                                    .In(g.y(0))
                                    .Outs();
  if (d.size() != 2) return g.scope().status();
  LS_RETURN_IF_ERROR(g.SetDx(1, d[0]));
  return g.SetDx(4, d[1]);
}

LOCKSTEP_OP("SparseAdd")
    .Input("a_indices: int64")
    .Input("a_values: T")
    .Input("a_shape: int64")
    .Input("b_indices: int64")
    .Input("b_values: T")
    .Input("b_shape: int64")
    .Input("thresh: Treal")
    .Output("sum_indices: int64")
    .Output("sum_values: T")
    .Output("sum_shape: int64")
    .Attr("T: numbertype")
    .Attr("Treal: realnumbertype")
    .Shape(AddShape)
    .Gradient(AddGradient)
    .Kernels<float, double, LS_SIGNED_TYPES, LS_COMPLEX_TYPES>(
        kCpu, []<class T>() { return KernelDef{AddCpu<T>}; });

Status AddGradShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckPropagated(c, 3));
  LS_RETURN_IF_ERROR(GradientOf(c, 1, 0));
  return GradientOf(c, 2, 1);
}

// To each index of a (or b), the gradient of the equal one of the sum.
template <class T>
void Propagate(KernelContext& k, int operand) {
  const int64_t rank = k.input(3).shape().dim(1);
  const int64_t* index = k.in<int64_t>(operand + 1);
  const int64_t* sum = k.in<int64_t>(3);
  const int64_t* const end = sum + k.input(3).NumElements();
  const T* dy = k.in<T>(0);
  T* dx = k.out<T>(operand);
  for (int64_t i = 0; i < k.output(operand).NumElements(); ++i, index += rank) {
    while (sum != end && CompareIndices(sum, index, rank) < 0) {
      sum += rank;  // came from the other operand alone
      ++dy;
    }
    dx[i] = sum != end && CompareIndices(sum, index, rank) == 0 ? *dy : T{};
  }
}

template <class T>
Status AddGradCpu(KernelContext& k) {
  const int64_t rank = k.input(3).shape().dim(1);
  for (int i = 0; i < 2; ++i) {
    if (k.input(i + 1).shape().dim(1) != rank) {
      return InvalidArgument(
          "a_indices, b_indices and sum_indices have elements of ",
          k.input(1).shape().dim(1), ", ", k.input(2).shape().dim(1), " and ",
          rank, " dimensions");
    }
    Propagate<T>(k, i);
  }
  return Ok();
}

LOCKSTEP_OP("SparseAddGrad")
    .Input("backprop_val_grad: T")
    .Input("a_indices: int64")
    .Input("b_indices: int64")
    .Input("sum_indices: int64")
    .Output("a_val_grad: T")
    .Output("b_val_grad: T")
    .Attr("T: numbertype")
    .Shape(AddGradShape)
    .NoGradient()
    .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
      return KernelDef{AddGradCpu<T>};
    });

}  // namespace
}  // namespace lockstep
