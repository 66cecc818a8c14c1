// SPDX-License-Identifier: Apache-2.0
// Uses the installed library as a stranger would.

#include <cstdio>

#include "runtime/core/tensor.h"
#include "runtime/core/threads.h"

int main() {
  using namespace lockstep;
  Tensor x = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
  auto values = x.flat<float>();
  ParallelFor(4, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[static_cast<size_t>(i)] *= 2;
  });
  std::printf("%s\n", x.ToString().c_str());
  const Status refused = x.Reshaped({3}).status();
  std::printf("%s\n", refused.ToString().c_str());
  return x.ToString() == "float [2,2] {2, 4, 6, 8}" && !refused.ok() ? 0 : 1;
}
