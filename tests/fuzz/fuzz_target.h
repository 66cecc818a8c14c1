// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fuzz targets: functions that read hostile bytes. They must come back, with an
// error or without, on any input; a sanitizer or a limit on memory ends the
// program otherwise.
//
// One program holds them all. Compiled by clang it is libFuzzer's, and
// $LOCKSTEP_FUZZ_TARGET names the target to run; compiled by any other compiler
// it replays seeds and mutations of them (replay_main.cc).
//
//   FUZZ_TARGET(npy, MiB(64)) { (void)DecodeNpy(input, "input.npy"); }

#include <cstddef>
#include <string_view>
#include <vector>

namespace lockstep::fuzz {

struct Target {
  const char* name;
  // The most that one allocation for an input of at most kMaxInput bytes may
  // ask for.
  size_t max_allocation;
  void (*run)(std::string_view input);
};

inline constexpr size_t kMaxInput = size_t{64} << 10;
constexpr size_t MiB(size_t n) { return n << 20; }

std::vector<Target>& Targets();
const Target* FindTarget(std::string_view name);  // null when there is none

struct Registrar {
  explicit Registrar(const Target& target) { Targets().push_back(target); }
};

}  // namespace lockstep::fuzz

#define FUZZ_TARGET(name, max_allocation)                         \
  static void Fuzz_##name(std::string_view input);                \
  static const ::lockstep::fuzz::Registrar fuzz_registrar_##name( \
      {#name, max_allocation, Fuzz_##name});                      \
  static void Fuzz_##name(std::string_view input)
