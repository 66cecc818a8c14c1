// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proximal step of Duchi and Singer, "Efficient learning using forward-
// backward splitting": shared by the Proximal* updates.

#include <algorithm>
#include <cmath>

#include "runtime/core/host_device.h"

namespace lockstep::detail {

// x nearer to zero by `by`, at most to zero.
template <class A>
LS_HOST_DEVICE inline A Shrink(A x, A by) {
  const A rest = std::max(std::abs(x) - by, A(0));
  return x > 0 ? rest : x < 0 ? -rest : A(0);
}

template <class A>
LS_HOST_DEVICE inline A Proximal(A x, A rate, A l1, A l2) {
  return (l1 > 0 ? Shrink(x, rate * l1) : x) / (A(1) + l2 * rate);
}

}  // namespace lockstep::detail
