// SPDX-License-Identifier: Apache-2.0

// Add, AddV2, Sub, Mul, SquaredDifference: with NumPy broadcasting.
//   x, y: numbers of one dtype, Add also strings   z: their broadcast shape
// Integers wrap around. SquaredDifference of complex numbers is |x - y|^2.

#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status AddGradient(GradContext& g) {
  return SetBroadcastGradients(g, g.dy(0), g.dy(0));
}

Status SubGradient(GradContext& g) {
  return SetBroadcastGradients(g, g.dy(0), ops::Neg(g.scope(), g.dy(0)));
}

// dx = dz * y, dy = dz * x.
Status MulGradient(GradContext& g) {
  const Scope& s = g.scope();
  return SetBroadcastGradients(g, ops::Mul(s, g.dy(0), Conjugate(s, g.x(1))),
                               ops::Mul(s, g.dy(0), Conjugate(s, g.x(0))));
}

// dx = 2 dz (x - y) = -dy.
Status SquaredDifferenceGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output d =
      ops::Mul(s, ops::Mul(s, 2.0f, g.dy(0)), ops::Sub(s, g.x(0), g.x(1)));
  return SetBroadcastGradients(g, d, ops::Neg(s, d));
}

// Strings are joined.
Status ConcatenateCpu(KernelContext& k) {
  const BroadcastWalk& w = k.state<BroadcastWalk>();
  const std::string* a = k.in<std::string>(0);
  const std::string* b = k.in<std::string>(1);
  std::string* z = k.out<std::string>(0);
  w.ForRuns(kCheapGrain, [&](int64_t at, const int64_t* from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      z[at + i] = a[from[0] + i * w.step(0)] + b[from[1] + i * w.step(1)];
    }
  });
  return Ok();
}

const OpRegistrar kAdd =
    BinaryOp("Add",
             "{bfloat16, half, float, double, uint8, uint16, uint32, uint64, "
             "int8, int16, int32, int64, complex64, complex128, string}",
             AddGradient)
        .Kernels<LS_NUMBER_TYPES>(kCpu,
                                  []<class T>() { return Binary<AddFn, T>(); })
        .Kernel<std::string>(kCpu, {ConcatenateCpu, PrepareBinary});
const OpRegistrar kAddV2 = BinaryOp("AddV2", "numbertype", AddGradient)
                               .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                                 return Binary<AddFn, T>();
                               });
const OpRegistrar kSub = BinaryOp("Sub", "numbertype", SubGradient)
                             .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                               return Binary<SubFn, T>();
                             });
const OpRegistrar kMul = BinaryOp("Mul", "numbertype", MulGradient)
                             .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                               return Binary<MulFn, T>();
                             });
const OpRegistrar kSquaredDifference =
    BinaryOp("SquaredDifference", "numbertype", SquaredDifferenceGradient)
        .Kernels<LS_NUMBER_TYPES>(
            kCpu, []<class T>() { return Binary<SquaredDifferenceFn, T>(); });

}  // namespace

namespace ops {

Output Add(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("AddV2").InPair(x, y).Out();
}
Output Sub(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Sub").InPair(x, y).Out();
}
Output Mul(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Mul").InPair(x, y).Out();
}
Output SquaredDifference(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("SquaredDifference").InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
