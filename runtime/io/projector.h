// SPDX-License-Identifier: Apache-2.0
#pragma once

// Embeddings for TensorBoard's projector: points with labels or pictures, as
// `projector_config.pbtxt` in a log folder and files beside it.
//
// Thread-safe, but for calls for one folder. Errors name the file.
//
//   ProjectorEmbedding e{.name = "digits", .values = codes, .labels = labels};
//   LS_RETURN_IF_ERROR(WriteProjector(env, "logs/train", {&e, 1}));

#include <span>
#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

struct ProjectorEmbedding {
  std::string name;
  // float [n,d]. Undefined: the variable of that name in the newest checkpoint
  // of the folder is shown.
  Tensor values = {};
  // One for each row, or none. Tabs and line breaks become spaces.
  std::vector<std::string> labels = {};
  // uint8 [n,height,width,channels]: a picture for each row; or undefined.
  Tensor pictures = {};
};

// Replaces the folder's configuration. INVALID_ARGUMENT for tensors that are
// not as above, or numbers of rows that differ.
Status WriteProjector(Env& env, const std::string& dir,
                      std::span<const ProjectorEmbedding> embeddings);

// Names, values and labels; pictures stay where they are. Values that lie in a
// checkpoint are undefined.
Result<std::vector<ProjectorEmbedding>> ReadProjector(Env& env,
                                                      const std::string& dir);

}  // namespace lockstep
