// SPDX-License-Identifier: Apache-2.0
// ScalarSummary: one scalar under each tag.
//   tags, values: [...], equal shapes   summary: []
#include "ops/summary/emit.h"
#include "ops/summary/summary.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ScalarCpu(KernelContext& k) {
  const Tensor& tags = k.input(0);
  const Tensor& values = k.input(1);
  if (tags.shape() != values.shape()) {
    return InvalidArgument("tags and values are not the same shape: ",
                           tags.shape(), " != ", values.shape());
  }
  Summary summary;
  const auto names = tags.flat<std::string>();
  LS_RETURN_IF_ERROR(
      VisitDType(values.dtype(), [&]<class T>(std::type_identity<T>) {
        const auto numbers = values.flat<T>();
        for (size_t i = 0; i < names.size(); ++i) {
          summary.AddScalar(names[i], static_cast<float>(numbers[i]));
        }
        return Ok();
      }));
  return detail::Emit(k, summary);
}

LOCKSTEP_OP("ScalarSummary")
    .Input("tags: string")
    .Input("values: T")
    .Output("summary: string")
    .Attr("T: realnumbertype")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {ScalarCpu});

}  // namespace

Output ops::ScalarSummary(const Scope& scope, const Input& tags,
                          const Input& values) {
  return scope.Op("ScalarSummary").In(tags).In(values).Out();
}

}  // namespace lockstep
