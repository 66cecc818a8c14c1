// SPDX-License-Identifier: Apache-2.0
// ShardedFilename: the name of one shard, "<basename>-00001-of-00004".
//   basename, shard, num_shards: []   filename: []
// MergeV2Checkpoints: one checkpoint of the shards that were written.
//   checkpoint_prefixes: [n]   destination_prefix: []
#include <cstdio>

#include "ops/io/session_env.h"
#include "runtime/io/checkpoint_merge.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ScalarInputs(ShapeContext& c) {
  for (int i = 0; i < c.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(c.WithRank(i, 0).status());
  }
  return ScalarShape(c);
}

Status FilenameCpu(KernelContext& k) {
  char suffix[40];
  std::snprintf(suffix, sizeof(suffix), "-%05d-of-%05d", *k.in<int32_t>(1),
                *k.in<int32_t>(2));
  k.SetOutput(0, Tensor(k.input(0).scalar<std::string>() + suffix));
  return Ok();
}

LOCKSTEP_OP("ShardedFilename")
    .Input("basename: string")
    .Input("shard: int32")
    .Input("num_shards: int32")
    .Output("filename: string")
    .Shape(ScalarInputs)
    .NoGradient()
    .Kernel(kCpu, {FilenameCpu});

Status MergeShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 1).status());
  return c.WithRank(1, 0).status();
}

Status MergeCpu(KernelContext& k) {
  return MergeCheckpoints(
      detail::EnvOf(k), k.input(0).flat<std::string>(),
      k.input(1).scalar<std::string>(),
      {.delete_old_dirs = GetOr<bool>(k.attrs(), "delete_old_dirs", true),
       .allow_missing_files =
           GetOr<bool>(k.attrs(), "allow_missing_files", false)});
}

LOCKSTEP_OP("MergeV2Checkpoints")
    .Input("checkpoint_prefixes: string")
    .Input("destination_prefix: string")
    .Attr("delete_old_dirs: bool = true")
    .Attr("allow_missing_files: bool = false")
    .Shape(MergeShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {MergeCpu});

}  // namespace
}  // namespace lockstep
