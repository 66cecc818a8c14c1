// SPDX-License-Identifier: Apache-2.0
#pragma once

// What ops on strings share.
//
//   return MapStrings<int32_t>(k, [](const std::string& s) {
//     return static_cast<int32_t>(s.size()); });

#include <string>

#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

// Output 0, of R's dtype: y[i] = f(x[i]) for input 0, strings.
template <class R, class F>
Status MapStrings(KernelContext& k, const F& f) {
  const auto x = k.input(0).flat<std::string>();
  R* y = k.out<R>(0);
  for (size_t i = 0; i < x.size(); ++i) y[i] = f(x[i]);
  return Ok();
}

// Number of code points; bytes that begin none belong to the one before.
inline int64_t CountCharacters(std::string_view s) {
  int64_t n = 0;
  for (const char c : s) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

}  // namespace lockstep
