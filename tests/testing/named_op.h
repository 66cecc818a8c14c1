// SPDX-License-Identifier: Apache-2.0
#pragma once

// An op by its name, with attributes, for OpCase.
//
//   NamedOp("Qr", {{"full_matrices", true}}, 1).In(x).Want(r);

#include "tests/testing/op_test.h"

namespace lockstep {

inline OpCase NamedOp(const char* name, AttrMap attrs = {}, int output = 0) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op(name);
    for (const Output& x : in) b.In(x);
    for (const auto& [key, value] : attrs) b.Attr(key, value);
    return b.Out(output);
  });
}

}  // namespace lockstep
