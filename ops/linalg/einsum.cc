// SPDX-License-Identifier: Apache-2.0

// Einsum: sums of products by Einstein's convention, of one or two tensors:
// "ij,jk->ik" is a matrix product, "ii->i" a diagonal, "...ij->...ji"
// transposes matrices. Labels that the output leaves out are summed over.
//   inputs: N * T, N is 1 or 2   output: T
// Gradients: the same equation with the output and one input exchanged; labels
// that only that input has are spread.

#include "ops/array/array.h"
#include "ops/linalg/einsum_product.h"
#include "ops/linalg/linalg.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/core/allocator.h"

namespace lockstep {
namespace {

Status EinsumShape(ShapeContext& c) {
  std::vector<Shape> shapes;
  for (int i = 0; i < c.num_inputs(); ++i) shapes.push_back(c.Input(i));
  LS_ASSIGN_OR_RETURN(
      EinsumPlan plan,
      EinsumPlan::Make(c.Attr<std::string>("equation"), shapes));
  return c.SetOutput(0, plan.output());
}

struct EinsumState {
  EinsumPlan plan;
  // Operands that are only moved; one with labels to sum has none.
  std::vector<std::optional<StridedCopy>> moves;
  std::optional<StridedCopy> result;
  EinsumProduct product;  // of floats, where it pays
  // Where in the scratch memory the operands, the product and the packed right
  // operand stand.
  std::array<size_t, 4> offset{};
};

std::vector<int64_t> DenseStrides(const std::vector<int64_t>& dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t d = dims.size(); d-- > 1;) strides[d - 1] = strides[d] * dims[d];
  return strides;
}

template <class T>
Status PrepareEinsum(PrepareContext& c) {
  std::vector<Shape> shapes;
  for (int i = 0; i < c.num_inputs(); ++i) shapes.push_back(c.input_shape(i));
  LS_ASSIGN_OR_RETURN(
      EinsumPlan plan,
      EinsumPlan::Make(c.Attr<std::string>("equation"), shapes));
  EinsumState& s = c.MakeState<EinsumState>();
  s.plan = std::move(plan);
  size_t at = 0;
  for (size_t i = 0; i < s.plan.operands().size(); ++i) {
    const EinsumPlan::Operand& op = s.plan.operands()[i];
    s.moves.emplace_back();
    if (op.summed.empty()) {
      LS_ASSIGN_OR_RETURN(
          s.moves.back(),
          StridedCopy::Make(DTypeOf<T>::value, op.kept, DenseStrides(op.kept),
                            op.kept_strides));
    }
    s.offset[i] = at;
    at += AlignedSize(static_cast<size_t>(op.size) * sizeof(T));
  }
  const detail::MatMulDims& m = s.plan.matrix();
  s.offset[2] = at;
  if (s.plan.operands().size() > 1) {
    at += AlignedSize(static_cast<size_t>(s.plan.batches() * m.m * m.n) *
                      sizeof(T));
  }
  s.offset[3] = at;
  if (std::is_same_v<T, float> && EinsumProduct::Pays(s.plan)) {
    LS_RETURN_IF_ERROR(s.product.Prepare(s.plan));
    at += s.product.scratch_bytes();
  } else {
    at += detail::MultiplyPlainScratch<T>(m);
  }
  LS_ASSIGN_OR_RETURN(s.result,
                      StridedCopy::Make(DTypeOf<T>::value, s.plan.result_dims(),
                                        s.plan.result_strides(),
                                        DenseStrides(s.plan.result_dims())));
  c.RequestScratch(at);
  return Ok();
}

// Offset of number i within dims, the last running fastest.
int64_t OffsetAt(const std::vector<int64_t>& dims,
                 const std::vector<int64_t>& strides, int64_t i) {
  int64_t at = 0;
  for (size_t d = dims.size(); d-- > 0;) {
    at += i % dims[d] * strides[d];
    i /= dims[d];
  }
  return at;
}

template <class T>
void SumAway(const EinsumPlan::Operand& op, const T* x, T* y) {
  using A = ArithmeticType<T>;
  int64_t count = 1;
  for (const int64_t n : op.summed) count *= n;
  ParallelFor(op.size, std::max<int64_t>(1, 16384 / (count + 1)),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  const T* from = x + OffsetAt(op.kept, op.kept_strides, i);
                  A sum(0);
                  for (int64_t j = 0; j < count; ++j) {
                    sum += static_cast<A>(
                        from[OffsetAt(op.summed, op.summed_strides, j)]);
                  }
                  y[i] = static_cast<T>(sum);
                }
              });
}

// The product of operands that are [batch, m, k] and [batch, k, n], or lie as
// s.product says.
template <class T>
Status Multiply(EinsumState& s, const T* a, const T* b, T* c, char* scratch) {
  if constexpr (std::is_same_v<T, float>) {
    if (s.product.prepared()) return s.product.Run(a, b, c, scratch);
  }
  const detail::MatMulDims& m = s.plan.matrix();
  for (int64_t i = 0; i < s.plan.batches(); ++i) {
    detail::MultiplyPlain(m, a + i * m.m * m.k, b + i * m.k * m.n,
                          c + i * m.m * m.n, scratch);
  }
  return Ok();
}

template <class T>
Status EinsumCpu(KernelContext& k) {
  EinsumState& s = k.state<EinsumState>();
  char* scratch = static_cast<char*>(k.scratch());
  const auto part = [&](size_t i) {
    return reinterpret_cast<T*>(scratch + s.offset[i]);
  };
  const auto& operands = s.plan.operands();
  const int64_t n = k.output(0).NumElements();
  if (n == 0) return Ok();
  const T* placed[2] = {part(0), part(1)};
  for (size_t i = 0; i < operands.size(); ++i) {
    const T* x = k.in<T>(static_cast<int>(i));
    if (s.product.in_place(i)) {
      placed[i] = x;
    } else if (s.moves[i]) {
      s.moves[i]->Run(part(i), x);
    } else {
      SumAway(operands[i], x, part(i));
    }
  }
  const bool whole = s.product.in_place(2);
  const T* product = placed[0];
  if (operands.size() > 1) {
    T* to = whole ? k.out<T>(0) : part(2);
    LS_RETURN_IF_ERROR(
        Multiply(s, placed[0], placed[1], to, scratch + s.offset[3]));
    product = to;
  }
  if (whole) return Ok();
  if (s.plan.diagonal()) std::fill_n(k.out<T>(0), n, T{});
  s.result->Run(k.out<T>(0), product);
  return Ok();
}

// The gradient to input i, by the equation "output, other -> input i".
Output InputGradient(GradContext& g, const EinsumEquation& e, int i) {
  const Scope& s = g.scope();
  const std::string& own = e.inputs[static_cast<size_t>(i)];
  std::string left = e.output;
  std::vector<Output> operands{g.dy(0)};
  if (e.inputs.size() > 1) {
    left += "," + e.inputs[static_cast<size_t>(1 - i)];
    operands.push_back(Conjugate(s, g.x(1 - i)));
  }
  // Each label once: of repeated ones the gradient is a diagonal.
  std::string once;
  for (const char c : own) {
    if (c == '.' || once.find(c) == once.npos) once += c;
  }
  const Output like =
      once == own ? g.x(i) : ops::Einsum(s, {g.x(i)}, own + "->" + once);
  // What only this input has was summed away: put back as dimensions of 1,
  // those before the ellipsis from the front, those behind it from the back.
  std::string kept;
  std::vector<int> front, back;
  const size_t dots = once.find("...");
  for (size_t c = 0; c < once.size(); ++c) {
    const int at = static_cast<int>(c);
    if (once[c] == '.' || left.find(once[c]) != left.npos) {
      kept += once[c];
    } else if (dots != once.npos && c > dots) {
      back.insert(back.begin(), at - static_cast<int>(once.size()));
    } else {
      front.push_back(at);
    }
  }
  Output dx = ops::Einsum(s, operands, left + "->" + kept);
  for (const int axis : front) dx = ops::ExpandDims(s, dx, axis);
  for (const int axis : back) dx = ops::ExpandDims(s, dx, axis);
  if (!front.empty() || !back.empty()) {
    dx = ops::Mul(s, dx, ops::OnesLike(s, like));
  }
  if (dots != once.npos) dx = SumToShapeOf(s, dx, like, dx, true);
  return once == own ? dx : ops::Einsum(s, {dx}, once + "->" + own);
}

Status EinsumGradient(GradContext& g) {
  LS_ASSIGN_OR_RETURN(EinsumEquation e,
                      EinsumEquation::Parse(g.Attr<std::string>("equation")));
  for (int i = 0; i < g.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(i, InputGradient(g, e, i)));
  }
  return g.scope().status();
}

LOCKSTEP_OP("Einsum")
    .Input("inputs: N * T")
    .Output("output: T")
    .Attr("equation: string")
    .Attr("N: int >= 1")
    .Attr("T: type")
    .Shape(EinsumShape)
    .Gradient(EinsumGradient)
    .Kernels<LS_FLOAT_TYPES, int32_t, int64_t, LS_COMPLEX_TYPES>(
        kCpu, []<class T>() {
          return KernelDef{EinsumCpu<T>, PrepareEinsum<T>};
        });

}  // namespace

Output ops::Einsum(const Scope& scope, const std::vector<Output>& inputs,
                   const std::string& equation) {
  return scope.Op("Einsum").In(inputs).Attr("equation", equation).Out();
}

}  // namespace lockstep
