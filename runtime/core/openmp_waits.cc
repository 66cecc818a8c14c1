// SPDX-License-Identifier: Apache-2.0

// A library of its own, which has to be initialised before OpenMP's is: how
// long OpenMP's threads spin at the end of a region before they sleep is read
// from the environment then, and never again. By default it is milliseconds,
// and where another program has one of the processors, the thread that has
// none is waited for at each region by one that spins: six times as slow as
// with this count, which on an idle machine is as fast (docs/performance.md).
// What the user has set stays.

#include <cstdlib>

namespace {

__attribute__((constructor)) void SpinBriefly() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) {
    setenv("GOMP_SPINCOUNT", "1000", /*replace=*/0);
  }
}

}  // namespace
