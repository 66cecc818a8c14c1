// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the steps of one lane wait for in other lanes.
//
// Steps have one static order. A lane runs its own steps in that order, so to
// wait for a step is to wait until its lane has done so many steps, and what a
// lane has waited for once holds for all its later steps. Since a wait is only
// ever for an earlier step of the static order, lanes cannot wait for each
// other in a circle. Internal to runtime/exec.
//
//   LaneClock need(lanes, -1);           // of step s: nothing yet
//   After(&need, lane_of_p, p);          // it comes after step p
//   std::vector<LaneSteps> parts = MakeWaits(lane_of, needs);

#include <cstddef>
#include <vector>

namespace lockstep {

// For each lane the last step (by its number in the static order) that has to
// be done; -1: none.
using LaneClock = std::vector<int>;

inline void After(LaneClock* clock, int lane, int step) {
  int& last = (*clock)[static_cast<size_t>(lane)];
  if (step > last) last = step;
}
inline void After(LaneClock* clock, const LaneClock& other) {
  for (size_t l = 0; l < other.size(); ++l) {
    if (other[l] > (*clock)[l]) (*clock)[l] = other[l];
  }
}

struct LaneWait {
  int lane = 0;
  int done = 0;    // steps that the lane has to have done
  int event = -1;  // the one that the lane marks after the last of them
};

struct LaneStep {
  int step = 0;    // in the static order
  int event = -1;  // marked after it; -1: nobody waits for it
  std::vector<LaneWait> waits;
  // How many steps from here on can be recorded as one: waits come before the
  // first of them, an event after the last. 0: they are not the first of such.
  int recordable = 0;
  int recording = -1;  // their number in the queue, once recorded
};

// `lane_of[s]` and `needs[s]` for each step s. Returns each lane's steps in
// order, waits that others imply left out.
std::vector<std::vector<LaneStep>> MakeWaits(
    const std::vector<int>& lane_of, const std::vector<LaneClock>& needs,
    int num_lanes);

// Sets `recordable` in a lane's steps: of the longest rows of steps that
// `can_record[step]`, two or more.
void FindRecordable(const std::vector<bool>& can_record,
                    std::vector<LaneStep>* lane);

}  // namespace lockstep
