// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kinds of faults that inject.cc makes and fault_trials_test.cc tries, and
// on how many ranks.

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace lockstep {

inline constexpr int kRanks = 4;  // unless set
inline constexpr const char* kKilled = "(died|was killed by signal 9)";

struct Kind {
  const char* name;
  double bound;       // s from the fault to the end of the last process
  const char* words;  // of the verdict, a regular expression; RANK: the victim
  const char* fault = nullptr;  // that inject.cc makes; null: as the name
  // From where the instant counts, and how late it may be.
  const char* place = "SoftmaxCrossEntropyWithLogits";
  uint64_t micros = 500'000;
  int victim = -1;                // -1: any
  const char* setting = nullptr;  // of the environment
};

// Stopped ranks are told from starved ones after 1.5 s; what hangs, after the
// time that this test gives it. The rest are dead, or say so.
inline constexpr Kind kKinds[] = {
    {"kill", 2, "(died|was killed by signal 9)"},
    {"stop", 5, "is stopped \\(SIGSTOP\\)"},
    {"segv", 2, "(died|was killed by signal 11)"},
    {"abort", 2, "(died|was killed by signal 6)"},
    {"exit", 2, "called exit"},
    {"quit", 2, "(died|exited with status)"},
    {"throw", 2,
     "failed.*node 'cross_entropy' .*threw an exception: out of luck"},
    {"thread", 2, "failed.*not caught: nobody catches this"},
    {"error", 2, "failed.*INTERNAL: .*node 'cross_entropy' .*out of luck"},
    // Four times the time while ranks evaluate: they have patience then.
    {"loop", 13, "makes no progress.*in node 'cross_entropy'"},
    {"sleep", 13, "makes no progress.*in node 'cross_entropy'"},
    {"disagree", 2, "ranks disagree: .*rank RANK calls Barrier"},
    // Each rank on a host of its own, and nothing comes or goes any more. 4 s
    // of silence are told from a slow network.
    {"cut", 5,
     "(sent no heartbeat for .*: it is cut off|hears nothing from "
     "most of the others)"},
    // Killed where a run is not training: as its ranks meet, the session is
    // made and initialised; as a checkpoint is restored; while it is saved, in
    // each step; as the run ends. And two ranks at once.
    {"start", 2, kKilled, "kill", "MPI_Init_thread", 150'000},
    {"restore", 2, kKilled, "kill", "RestoreV2", 20'000},
    {"save", 2, kKilled, "kill"},
    {"end", 2, kKilled, "kill", "SoftmaxCrossEntropyWithLogits", 100'000},
    {"two", 2, kKilled, "kill"},
    // A bit of a rank's memory: of its variables; of what it got of the summed
    // gradients, where each rank has a copy.
    {"flip", 2,
     "failed.*DATA_LOSS: .*: rank RANK (differs from the other ranks|does not "
     "find what it wrote last)",
     nullptr, "_BatchShare"},
    {"flipsum", 2,
     "failed.*DATA_LOSS: .*: rank RANK differs from the other ranks", nullptr,
     "_GradientExchange", 500'000, -1, "LOCKSTEP_COMM=mpi"},
    // Of its own slice of the variables, where nobody else has that value.
    {"flipown", 2,
     "failed.*DATA_LOSS: .*: rank RANK does not find what it wrote last to the "
     "variable 'dense1/weights'",
     nullptr, "_GradientUpdate"},
    // Rank 0 saves, and prints.
    {"full", 2, "failed.*RESOURCE_EXHAUSTED: .*: No space left on device",
     "full", "SoftmaxCrossEntropyWithLogits", 500'000, 0},
    {"output", 60, "", "output", "SoftmaxCrossEntropyWithLogits", 10'000, 0},
};

inline bool Is(const Kind& kind, std::string_view name) {
  return kind.name == name;
}

inline uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

inline int Ranks() {
  static const auto ranks =
      static_cast<int>(Setting("LOCKSTEP_FAULT_RANKS", kRanks));
  return ranks;
}

// Of two ranks that differ, or do not hear each other, nobody knows which is
// wrong; and where both are killed nobody is left to tell.
inline bool CanBeTold(const Kind& kind) {
  return Ranks() > 2 || !(Is(kind, "flip") || Is(kind, "flipsum") ||
                          Is(kind, "cut") || Is(kind, "two"));
}

}  // namespace lockstep
