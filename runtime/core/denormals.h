// SPDX-License-Identifier: Apache-2.0
#pragma once

// FlushDenormals: while it lives, this thread takes denormal floats for zero,
// operands and results, as TensorFlow's threads do. A hundred cycles for each
// operation on one is what saturated softmaxes, and moments of units that get
// no gradient any more, would cost.
//
//   Status RunSteps() {
//     const FlushDenormals flush;
//     ...
//   }
//
// A mode of the thread, which threads that it makes inherit. Without effect on
// processors other than x86.

namespace lockstep {

class FlushDenormals {
 public:
  FlushDenormals() : before_(Mode()) { SetMode(before_ | kFlushes); }
  ~FlushDenormals() { SetMode(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

  // For good.
  static void OnThisThread() { SetMode(Mode() | kFlushes); }

 private:
  static constexpr unsigned kFlushes = 0x8000 | 0x40;  // results, operands
#if defined(__SSE2__)
  static unsigned Mode() { return __builtin_ia32_stmxcsr(); }
  static void SetMode(unsigned mode) {
    if (mode != Mode()) __builtin_ia32_ldmxcsr(mode);
  }
#else
  static unsigned Mode() { return kFlushes; }
  static void SetMode(unsigned) {}
#endif

  unsigned before_;
};

}  // namespace lockstep
