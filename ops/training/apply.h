// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernels that update variables share; for authors of ops.

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "ops/math/elementwise.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

// Elements of a variable that are worth a thread.
inline constexpr int64_t kApplyGrain = 8192;

// While it lives, this thread takes denormal floats for zero, as TensorFlow
// does: the moments of a unit that gets no gradient any more decay into them,
// and each operation on one costs a hundred cycles.
class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() : saved_(_mm_getcsr()) {
    constexpr unsigned kFlushResults = 0x8000, kOperandsAreZero = 0x40;
    _mm_setcsr(saved_ | kFlushResults | kOperandsAreZero);
  }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushDenormals() {}
#endif
};

// Runs f(begin, end) over the elements of a variable, on several threads.
template <class F>
void ForElements(int64_t n, const F& f) {
  ParallelFor(n, kApplyGrain, [&](int64_t begin, int64_t end) {
    const FlushDenormals flush;
    f(begin, end);
  });
}

// Shape rule: inputs [0, slots] (the variable and its slots) and the gradient
// have one shape, all other inputs are scalars; output 0 is the variable.
inline Status ApplyShape(ShapeContext& c, int slots, int gradient) {
  Shape var = c.Input(0);
  for (int i = 1; i < c.num_inputs(); ++i) {
    const std::string& name = c.def().inputs[static_cast<size_t>(i)].name;
    if (i <= slots || i == gradient) {
      auto merged = Shape::Merge(var, c.Input(i));
      if (!merged.ok()) {
        return InvalidArgument("var and ", name,
                               " do not have the same shape: ", var, " and ",
                               c.Input(i));
      }
      var = *merged;
    } else if (!c.Input(i).IsCompatibleWith(Shape{})) {
      return InvalidArgument(name, " is not a scalar: has shape ", c.Input(i));
    }
  }
  return c.SetOutput(0, var);
}

// A variable's shape is only certain when the step runs.
inline Status CheckSlot(KernelContext& k, int slot) {
  const Shape& var = k.variable(0).value().shape();
  const Shape& other = k.variable(slot).value().shape();
  if (var == other) [[likely]]
    return Ok();
  return InvalidArgument("var and its slot do not have the same shape: ", var,
                         " and ", other);
}
inline Status CheckGradient(KernelContext& k, int gradient) {
  const Shape& var = k.variable(0).value().shape();
  const Shape& grad = k.input(gradient).shape();
  if (var == grad) [[likely]]
    return Ok();
  return InvalidArgument("var and gradient do not have the same shape: ", var,
                         " and ", grad);
}

}  // namespace lockstep
