// SPDX-License-Identifier: Apache-2.0
#pragma once

// Checkpoints whose tensors tell which save they are of, for tests that cut
// saves short.

#include <string>
#include <vector>

#include "runtime/io/checkpoint_manager.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"

namespace lockstep {

inline std::vector<NamedTensor> Values(int value) {
  return {{"v", Tensor(value)},
          {"s", Tensor::Of<std::string>({2}, {StrCat("word", value), "x"})},
          {"w", Tensor::Of<float>({3}, {float(value), 2, 3})}};
}

// The value of the newest checkpoint, which must be whole.
inline Result<int> LatestValue(Env& env) {
  LS_ASSIGN_OR_RETURN(const std::string prefix, LatestCheckpoint(env, "dir"));
  LS_ASSIGN_OR_RETURN(const auto reader, CheckpointReader::Open(env, prefix));
  LS_RETURN_IF_ERROR(reader->Verify());
  LS_ASSIGN_OR_RETURN(const Tensor v, reader->Read("v"));
  LS_ASSIGN_OR_RETURN(const Tensor w, reader->Read("w"));
  LS_ASSIGN_OR_RETURN(const Tensor s, reader->Read("s"));
  const int value = v.scalar<int32_t>();
  if (w.flat<float>()[0] != static_cast<float>(value) ||
      s.flat<std::string>()[0] != StrCat("word", value)) {
    return DataLoss("values of different saves");
  }
  return int{value};
}

}  // namespace lockstep
