// SPDX-License-Identifier: Apache-2.0

// Which collective ops run on a GPU: what the rewrite puts there, where the
// session's GpuExchange has a communicator.

#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

const GpuKernels kExchange =
    GpuKernels({"_GradientExchange"}).Shared("T", kGpuFloats);

}  // namespace
}  // namespace lockstep
