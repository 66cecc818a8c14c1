// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the rules of blocked_layout.cc and blocked_moves.cc share. For those
// files; functions of any thread.

#include "ops/conv/blocked.h"
#include "ops/conv/conv_dims.h"
#include "runtime/graph/passes/rewrite.h"

namespace lockstep::detail {

// The image is read out of blocks, which are `BehindBlocks`.
bool IsBlocked(Output image);
Output BehindBlocks(Output image);
// `image` in blocks: those that it is read out of, or made now.
Result<Output> ToBlocked(RewriteContext& c, Output image);
// Everybody reads `from` out of `blocked` from now on.
Status ReplaceByBlocked(RewriteContext& c, Output from, Output blocked);

// Winograd's transforms can be used and take less time than the direct kernels
// of a float convolution of this size.
bool WinogradPays(const RewriteContext& c, const ConvDims& d);
// Channels are last: blocks of them are images of their own.
bool ChannelsLast(const Node& n);
// The rule's node has its channels last and is not fed.
bool MayMove(RewriteContext& c);
// Somebody reads the image, and nobody who cannot read it in blocks.
bool AllReadBlocks(RewriteContext& c, Output image);
// And it comes to a convolution or a pool, perhaps by way of what moves in
// front of _FromBlocked.
bool StaysBlocked(RewriteContext& c, Output image);

}  // namespace lockstep::detail
