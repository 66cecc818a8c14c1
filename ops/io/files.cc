// SPDX-License-Identifier: Apache-2.0

// ReadFile: filename: string [] -> contents: string []
// WriteFile: filename, contents: string []; makes the folders it needs
// MatchingFiles: pattern: string [] or [n] -> the names, sorted, of files and
// folders that match one of them, each as often as it does; *, ? and [] stand
// for parts of a name.
// None has a gradient.

#include <fnmatch.h>

#include <algorithm>

#include "ops/io/session_env.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

using detail::EnvOf;

Status RequireScalar(ShapeContext& c, int input, const char* what) {
  if (!c.Input(input).HasRank() || c.Input(input).rank() == 0) return Ok();
  return InvalidArgument(
      what, " tensor must be scalar, but had shape: ", c.Input(input));
}

Status ReadShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(RequireScalar(c, 0, "Input filename"));
  return c.SetOutput(0, Shape{});
}

Status ReadCpu(KernelContext& k) {
  Env& env = EnvOf(k);
  const std::string& name = *k.in<std::string>(0);
  Result<std::string> contents = env.ReadFile(name);
  if (!contents.ok()) {
    const bool folder = !name.empty() && env.ListDir(name).ok();
    return folder ? FailedPrecondition(name, "; Is a directory")
                  : contents.status();
  }
  *k.out<std::string>(0) = *std::move(contents);
  return Ok();
}

LOCKSTEP_OP("ReadFile")
    .Input("filename: string")
    .Output("contents: string")
    .Stateful()  // the file may be another in the next run
    .Shape(ReadShape)
    .NoGradient()
    .Kernel(kCpu, {ReadCpu});

Status WriteShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(RequireScalar(c, 0, "Input filename"));
  return RequireScalar(c, 1, "Contents");
}

Status WriteCpu(KernelContext& k) {
  Env& env = EnvOf(k);
  const std::string& name = *k.in<std::string>(0);
  if (const std::string dir(DirName(name)); !dir.empty()) {
    LS_RETURN_IF_ERROR(env.CreateDirs(dir));
  }
  LS_ASSIGN_OR_RETURN(const auto file, env.NewWritableFile(name));
  LS_RETURN_IF_ERROR(file->Append(*k.in<std::string>(1)));
  return file->Close();
}

LOCKSTEP_OP("WriteFile")
    .Input("filename: string")
    .Input("contents: string")
    .Stateful()
    .Shape(WriteShape)
    .NoGradient()
    .Kernel(kCpu, {WriteCpu});

// Adds what matches `pattern`, in the folder `dir` (which ends in '/' unless
// it is empty), to `names`.
void Match(Env& env, const std::string& dir, const std::string& pattern,
           std::vector<std::string>* names) {
  const size_t slash = pattern.find('/');
  const std::string part = pattern.substr(0, slash);
  const auto take = [&](const std::string& name) {
    if (slash != std::string::npos) {
      Match(env, StrCat(dir, name, "/"), pattern.substr(slash + 1), names);
    } else if (env.FileExists(dir + name)) {
      names->push_back(dir + name);
    }
  };
  if (part.find_first_of("*?[\\") == std::string::npos) return take(part);
  const auto all = env.ListDir(dir.empty() ? "." : dir);
  if (!all.ok()) return;  // no folder, so nothing in it
  for (const std::string& name : *all) {
    if (fnmatch(part.c_str(), name.c_str(), 0) == 0) take(name);
  }
}

Status MatchingShape(ShapeContext& c) {
  if (c.Input(0).HasRank() && c.Input(0).rank() > 1) {
    return InvalidArgument("Input patterns tensor must be scalar or vector, ",
                           "but had shape: ", c.Input(0));
  }
  return c.SetOutput(0, Shape{kUnknownDim});
}

Status MatchingCpu(KernelContext& k) {
  std::vector<std::string> names;
  for (const std::string& pattern : k.input(0).flat<std::string>()) {
    Match(EnvOf(k), "", pattern, &names);
  }
  std::ranges::sort(names);
  const auto n = static_cast<int64_t>(names.size());
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{n}));
  std::ranges::move(names, k.out<std::string>(0));
  return Ok();
}

LOCKSTEP_OP("MatchingFiles")
    .Input("pattern: string")
    .Output("filenames: string")
    .Stateful()
    .Shape(MatchingShape)
    .NoGradient()
    .Kernel(kCpu, {MatchingCpu});

}  // namespace
}  // namespace lockstep
