// SPDX-License-Identifier: Apache-2.0

// AddN: the sum of N tensors of one shape, added from first to last.
//   inputs: N * T   sum: same shape
// AccumulateNV2: the same, of tensors whose shape fits attribute "shape".
// Gradient: dy to every input.

#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/core/object.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct AddFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) + static_cast<C>(b));
  }
};

constexpr int64_t kPiece = 2048;  // elements; partial sums stay in the cache

// Whether the output stands in the memory of an input that is read after the
// first write to it: AddN(x, y, x) in x's place.
template <class T>
bool NeedsRoom(KernelContext& k) {
  for (int i = 2; i < k.num_inputs(); ++i) {
    if (k.in<T>(i) == k.out<T>(0)) return true;
  }
  return false;
}

template <class T>
void AddPiece(KernelContext& k, bool room, int64_t begin, int64_t n) {
  T* y = k.out<T>(0) + begin;
  if (k.num_inputs() == 1) {
    if (y != k.in<T>(0) + begin) std::copy_n(k.in<T>(0) + begin, n, y);
    return;
  }
  T buffer[kPiece];
  T* sum = room ? buffer : y;
  detail::BinaryRun<AddFn, T, T>(k.in<T>(0) + begin, 1, k.in<T>(1) + begin, 1,
                                 sum, n);
  for (int i = 2; i < k.num_inputs(); ++i) {
    detail::BinaryRun<AddFn, T, T>(sum, 1, k.in<T>(i) + begin, 1, sum, n);
  }
  if (room) std::copy_n(sum, n, y);
}

template <class T>
Status AddNCpu(KernelContext& k) {
  const bool room = NeedsRoom<T>(k);
  ParallelFor(k.output(0).NumElements(), kPiece * 8,
              [&](int64_t begin, int64_t end) {
                for (int64_t at = begin; at < end; at += kPiece) {
                  AddPiece<T>(k, room, at, std::min(kPiece, end - at));
                }
              });
  return Ok();
}

template <class T>
KernelDef AddNKernel() {
  AddElementRule(AddNCpu<T>,
                 {.run = detail::BinaryElements<AddFn, T, T>, .folds = true});
  return {AddNCpu<T>};
}

// Lists of tensors and their like.
Status AddObjects(KernelContext& k) {
  Tensor sum = k.input(0).Clone();
  for (int i = 1; i < k.num_inputs(); ++i) {
    const auto x = k.input(i).flat<ObjectRef>();
    for (size_t j = 0; j < x.size(); ++j) {
      ObjectRef& total = sum.flat<ObjectRef>()[j];
      if (!x[j]) continue;
      if (!total) {
        total = x[j];
      } else {
        LS_ASSIGN_OR_RETURN(total, total->Plus(*x[j]));
      }
    }
  }
  k.SetOutput(0, std::move(sum));
  return Ok();
}

Status AddNGradient(GradContext& g) {
  for (int i = 0; i < g.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(i, g.dy(0)));
  }
  return Ok();
}

int SingleInput(ShapeContext& c) { return c.num_inputs() == 1 ? 0 : -1; }

LOCKSTEP_OP("AddN")
    .Input("inputs: N * T")
    .Output("sum: T")
    .Attr("N: int >= 1")
    .Attr("T: {numbertype, variant}")
    .Shape(SameShapes)
    .Gradient(AddNGradient)
    .IdentityWhen(SingleInput)
    .InPlace(0, 0)
    .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() { return AddNKernel<T>(); })
    .Kernel(kCpu, {{"T", kVariant}}, {AddObjects});

Status AccumulateShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SameShapes(c));
  LS_ASSIGN_OR_RETURN(Shape y,
                      Shape::Merge(c.outputs()[0], c.Attr<Shape>("shape")));
  return c.SetOutput(0, y);
}

LOCKSTEP_OP("AccumulateNV2")
    .Input("inputs: N * T")
    .Output("sum: T")
    .Attr("N: int >= 1")
    .Attr("T: numbertype")
    .Attr("shape: shape")
    .Shape(AccumulateShape)
    .Gradient(AddNGradient)
    .IdentityWhen(SingleInput)
    .InPlace(0, 0)
    .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() { return AddNKernel<T>(); });

}  // namespace

namespace ops {

Output AddN(const Scope& scope, const std::vector<Output>& inputs) {
  return scope.Op("AddN").In(inputs).Out();
}

}  // namespace ops
}  // namespace lockstep
