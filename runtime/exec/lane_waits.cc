// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/lane_waits.h"

#include <algorithm>
#include <cstddef>

namespace lockstep {

std::vector<std::vector<LaneStep>> MakeWaits(
    const std::vector<int>& lane_of, const std::vector<LaneClock>& needs,
    int num_lanes) {
  const auto lanes = static_cast<size_t>(num_lanes);
  std::vector<std::vector<LaneStep>> parts(lanes);
  std::vector<int> place(lane_of.size());  // of a step in its lane
  // What is known to be done when a step begins, itself included at its end;
  // for each lane that of its last step, for each step a copy for others.
  std::vector<LaneClock> known(lanes, LaneClock(lanes, -1));
  std::vector<LaneClock> known_after(lane_of.size());
  for (size_t s = 0; s < lane_of.size(); ++s) {
    const auto own = static_cast<size_t>(lane_of[s]);
    LaneClock& now = known[own];
    LaneStep step{.step = static_cast<int>(s), .waits = {}};
    // The latest first: what it implies need not be waited for.
    std::vector<int> wanted;
    for (size_t l = 0; l < lanes; ++l) {
      if (l != own && needs[s][l] > now[l]) wanted.push_back(needs[s][l]);
    }
    std::ranges::sort(wanted, std::greater<>());
    for (int w : wanted) {
      const int lane = lane_of[static_cast<size_t>(w)];
      if (now[static_cast<size_t>(lane)] >= w) continue;
      step.waits.push_back(
          {.lane = lane, .done = place[static_cast<size_t>(w)] + 1});
      After(&now, known_after[static_cast<size_t>(w)]);
    }
    After(&now, lane_of[s], static_cast<int>(s));
    known_after[s] = now;
    place[s] = static_cast<int>(parts[own].size());
    parts[own].push_back(std::move(step));
  }
  // Number the steps that somebody waits for.
  for (auto& part : parts) {
    for (LaneStep& step : part) {
      for (LaneWait& w : step.waits) {
        LaneStep& last =
            parts[static_cast<size_t>(w.lane)][static_cast<size_t>(w.done - 1)];
        if (last.event < 0) last.event = 0;
      }
    }
  }
  for (auto& part : parts) {
    int events = 0;
    for (LaneStep& step : part) {
      if (step.event >= 0) step.event = events++;
    }
  }
  for (auto& part : parts) {
    for (LaneStep& step : part) {
      for (LaneWait& w : step.waits) {
        w.event =
            parts[static_cast<size_t>(w.lane)][static_cast<size_t>(w.done - 1)]
                .event;
      }
    }
  }
  return parts;
}

void FindRecordable(const std::vector<bool>& can_record,
                    std::vector<LaneStep>* lane) {
  const auto can = [&](size_t i) {
    return i < lane->size() && can_record[static_cast<size_t>((*lane)[i].step)];
  };
  for (size_t i = 0; i < lane->size(); ++i) {
    if (!can(i)) continue;
    size_t end = i + 1;
    while (can(end) && (*lane)[end].waits.empty() &&
           (*lane)[end - 1].event < 0) {
      ++end;
    }
    if (end - i >= 2) (*lane)[i].recordable = static_cast<int>(end - i);
    i = end - 1;
  }
}

}  // namespace lockstep
