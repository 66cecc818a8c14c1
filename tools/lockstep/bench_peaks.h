// SPDX-License-Identifier: Apache-2.0
#pragma once

// What this machine can do at best with so many threads, measured: the share
// of it that an op reaches says how much there is to gain.
//
//   MachinePeaks peaks(/*threads=*/2);
//   peaks.Micros({.bytes = 1 << 20, .flops = 2e6})   // at the very least
//
// Used from one thread.

#include <map>

#include "runtime/graph/node_work.h"

namespace lockstep {

class MachinePeaks {
 public:
  explicit MachinePeaks(int threads) : threads_(threads) {}

  // Multiplications and additions of floats in a microsecond, in registers, as
  // fused multiply-adds of the widest vectors there are.
  double FlopsPerMicro();
  // Bytes read and written in a microsecond by z = x + y over arrays that take
  // about so many bytes together: from a cache when they fit into one.
  double BytesPerMicro(double bytes);
  // The time that work takes when nothing but memory or arithmetic limits it.
  double Micros(const NodeWork& work);

 private:
  int threads_;
  double flops_ = 0;                // 0: not measured yet
  std::map<int, double> by_class_;  // of powers of four
};

}  // namespace lockstep
