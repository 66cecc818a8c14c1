// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_state.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "proto/checkpoint_state.pb.h"
#include "runtime/core/logging.h"
#include "runtime/io/checkpoint_index.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

std::string StatePath(const std::string& dir) {
  return JoinPath(dir, "checkpoint");
}

// One spelling for a path: "./a", "a" and "b/../a" are equal.
std::string Normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

// As the file stores it: without the folder when it is inside.
std::string Relative(const std::string& dir, const std::string& path) {
  const std::string inside = Normal(dir + "/");
  const std::string normal = Normal(path);
  if (inside == "./") return normal;
  if (normal.size() > inside.size() && normal.starts_with(inside)) {
    return normal.substr(inside.size());
  }
  return path;
}

bool Exists(Env& env, const std::string& prefix) {
  return env.FileExists(prefix + ".index");
}

// Of those that the state names, the ones that exist.
std::vector<std::string> NewestFirst(Env& env, const CheckpointState& state) {
  std::vector<std::string> found;
  const auto add = [&](const std::string& prefix) {
    if (std::ranges::find(found, prefix) == found.end() &&
        Exists(env, prefix)) {
      found.push_back(prefix);
    }
  };
  add(state.latest);
  std::for_each(state.all.rbegin(), state.all.rend(), add);
  return found;
}

Status DeleteIfThere(Env& env, const std::string& path) {
  const Status status = env.DeleteFile(path);
  return status.code() == Code::kNotFound ? Ok() : status;
}

// "model" of "dir/model-100".
std::string BaseWithoutStep(const std::string& prefix) {
  const std::string base = BaseName(prefix);
  const size_t end = base.find_last_not_of("0123456789");
  if (end == std::string::npos || base[end] != '-' || end + 1 == base.size()) {
    return base;
  }
  return base.substr(0, end);
}

// A file that a killed writer left: "<base>-7.index.tmp", "checkpoint.tmp-…".
bool IsLeftover(std::string_view name, std::string_view base) {
  if (name.starts_with("checkpoint.tmp-")) return true;
  if (!name.starts_with(base) || !name.ends_with(".tmp")) return false;
  name.remove_prefix(base.size());
  if (name.starts_with('-')) {
    const size_t end = name.find_first_not_of("0123456789", 1);
    name.remove_prefix(std::min(end, name.size()));
  }
  return name == ".index.tmp" || name.starts_with(".data-");
}

// Errors are dropped: nothing refers to these files.
void RemoveLeftovers(Env& env, const std::string& dir,
                     const std::string& base) {
  auto names = env.ListDir(dir);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (IsLeftover(name, base)) (void)env.DeleteFile(JoinPath(dir, name));
  }
}

// Appends `prefix`, which may be there already.
void AddNewest(const std::string& prefix, double now, CheckpointState& state) {
  state.timestamps.resize(state.all.size(), now);
  const auto known = std::ranges::find(state.all, Normal(prefix), Normal);
  if (known != state.all.end()) {
    state.timestamps.erase(state.timestamps.begin() +
                           (known - state.all.begin()));
    state.all.erase(known);
  }
  state.latest = prefix;
  state.all.push_back(prefix);
  state.timestamps.push_back(now);
}

// Takes the oldest ones out of the list; returns those to delete.
std::vector<std::string> TakeSurplus(const KeepPolicy& keep,
                                     CheckpointState& state) {
  std::vector<std::string> surplus;
  while (keep.max_to_keep > 0 && std::ssize(state.all) > keep.max_to_keep) {
    const double time = state.timestamps.front();
    if (keep.every_n_hours > 0 &&
        time >= state.last_preserved + keep.every_n_hours * 3600) {
      state.last_preserved = time;  // stays for good
    } else {
      surplus.push_back(state.all.front());
    }
    state.all.erase(state.all.begin());
    state.timestamps.erase(state.timestamps.begin());
  }
  return surplus;
}

}  // namespace

Result<CheckpointState> ReadCheckpointState(Env& env, const std::string& dir) {
  const std::string path = StatePath(dir);
  LS_ASSIGN_OR_RETURN(const std::string text, env.ReadFile(path));
  proto::CheckpointState p;
  const Status parsed = ParseTextProto(text, p, UnknownFields::kSkip);
  if (!parsed.ok()) {
    return DataLoss("'", path,
                    "': not a checkpoint state file: ", parsed.message());
  }
  CheckpointState state;
  state.latest = p.model_checkpoint_path();
  if (state.latest.empty()) {
    return DataLoss("'", path, "': no model_checkpoint_path");
  }
  state.latest = JoinPath(dir, state.latest);
  for (const std::string& one : p.all_model_checkpoint_paths()) {
    state.all.push_back(JoinPath(dir, one));
  }
  state.last_preserved = p.last_preserved_timestamp();
  if (p.all_model_checkpoint_timestamps_size() ==
      p.all_model_checkpoint_paths_size()) {
    state.timestamps.assign(p.all_model_checkpoint_timestamps().begin(),
                            p.all_model_checkpoint_timestamps().end());
  }
  return state;
}

Status WriteCheckpointState(Env& env, const std::string& dir,
                            const CheckpointState& state) {
  proto::CheckpointState p;
  p.set_model_checkpoint_path(Relative(dir, state.latest));
  for (const std::string& one : state.all) {
    p.add_all_model_checkpoint_paths(Relative(dir, one));
  }
  for (double t : state.timestamps) p.add_all_model_checkpoint_timestamps(t);
  p.set_last_preserved_timestamp(state.last_preserved);
  std::string text;
  if (!google::protobuf::TextFormat::PrintToString(p, &text)) {
    return Internal("cannot print the state of '", dir, "'");
  }
  return NamingOtherRuns(env.WriteFileAtomically(StatePath(dir), text));
}

Status NamingOtherRuns(Status renamed) {
  if (renamed.code() != Code::kNotFound) return renamed;
  return renamed.WithContext("another run may be saving in the same folder");
}

Result<std::string> LatestCheckpoint(Env& env, const std::string& dir) {
  LS_ASSIGN_OR_RETURN(const CheckpointState state,
                      ReadCheckpointState(env, dir));
  const std::vector<std::string> found = NewestFirst(env, state);
  if (!found.empty()) return found.front();
  return NotFound("'", StatePath(dir), "' names '", state.latest,
                  "', which does not exist, nor does an older one");
}

Result<std::string> GoBackToWholeCheckpoint(Env& env, const std::string& dir) {
  LS_ASSIGN_OR_RETURN(CheckpointState state, ReadCheckpointState(env, dir));
  for (const std::string& prefix : NewestFirst(env, state)) {
    const auto reader = CheckpointReader::Open(env, prefix);
    const Status whole = reader.ok() ? (*reader)->Verify() : reader.status();
    if (!whole.ok()) {
      LogWarning("checkpoint '", prefix, "' is left out: ", whole.message());
      continue;
    }
    if (prefix != state.latest) {
      state.latest = prefix;
      LS_RETURN_IF_ERROR(WriteCheckpointState(env, dir, state));
    }
    return prefix;
  }
  return NotFound("'", StatePath(dir), "' names no checkpoint that is whole");
}

Status NamingOlderCheckpoint(Env& env, const std::string& dir,
                             Status restored) {
  if (restored.code() != Code::kDataLoss &&
      restored.code() != Code::kOutOfRange) {
    return restored;
  }
  const auto state = ReadCheckpointState(env, dir);
  if (!state.ok()) return restored;
  const std::vector<std::string> found = NewestFirst(env, *state);
  if (found.size() < 2) return restored;
  return Status(
      restored.code(),
      StrCat(restored.message(), "; the checkpoint before it is '", found[1],
             "': '", StatePath(dir), "' says which one is taken"));
}

Status UpdateCheckpointState(Env& env, const std::string& dir,
                             const std::string& prefix,
                             const KeepPolicy& keep) {
  CheckpointState state;
  auto old = ReadCheckpointState(env, dir);
  if (old.ok()) {
    state = *std::move(old);
  } else if (old.code() == Code::kDataLoss) {
    LogWarning("it is replaced: ", old.status().message());
  } else if (old.code() != Code::kNotFound) {
    return old.status();
  }
  const double now = static_cast<double>(env.NowMicros()) * 1e-6;
  if (state.last_preserved == 0) state.last_preserved = now;
  AddNewest(prefix, now, state);
  const std::vector<std::string> surplus = TakeSurplus(keep, state);
  LS_RETURN_IF_ERROR(WriteCheckpointState(env, dir, state));
  for (const std::string& one : surplus) {
    const Status status = DeleteCheckpoint(env, one);
    if (!status.ok()) LogWarning("old checkpoint: ", status.message());
  }
  RemoveLeftovers(env, dir, BaseWithoutStep(prefix));
  return Ok();
}

Status DeleteCheckpoint(Env& env, const std::string& prefix) {
  const std::string dir = DirName(prefix);
  const std::string base = BaseName(prefix);
  Status status = DeleteIfThere(env, prefix + ".index");
  LS_RETURN_IF_ERROR(status);
  LS_ASSIGN_OR_RETURN(const auto names, env.ListDir(dir));
  for (const std::string& name : names) {
    if (ShardCountOf(name, base).has_value()) {
      status.Update(DeleteIfThere(env, JoinPath(dir, name)));
    }
  }
  status.Update(DeleteIfThere(env, prefix + ".meta"));
  return status;
}

}  // namespace lockstep
