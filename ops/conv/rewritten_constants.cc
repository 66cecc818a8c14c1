// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/rewritten_constants.h"

#include <algorithm>

namespace lockstep::detail {

Result<Output> AddConstant(RewriteContext& c, std::string_view name,
                           Tensor value) {
  const DType dtype = value.dtype();
  LS_ASSIGN_OR_RETURN(Node * n,
                      c.Add(StrCat(c.node()->name(), name), "Const", {},
                            {{"dtype", dtype}, {"value", std::move(value)}}));
  return n->output(0);
}

Result<Output> AddDims(RewriteContext& c, const Shape& shape, DType dtype) {
  Tensor dims(dtype, Shape{shape.rank()});
  if (dtype == kInt32) {
    std::ranges::copy(shape.dims(), dims.flat<int32_t>().begin());
  } else {
    std::ranges::copy(shape.dims(), dims.flat<int64_t>().begin());
  }
  return AddConstant(c, "/dims", std::move(dims));
}

}  // namespace lockstep::detail
