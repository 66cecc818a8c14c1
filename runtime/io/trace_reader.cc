// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/trace_reader.h"

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

constexpr int kMostRanks = 1 << 20;
// Ticks that no clock gives: 30 years of nanoseconds.
constexpr uint64_t kMostTicks = uint64_t{1} << 60;

// From the ticks of a trace to nanoseconds of the steady clock.
struct TickScale {
  uint64_t ticks = 0;
  int64_t steady_ns = 0;
  double ns_per_tick = 1;

  int64_t Nanos(uint64_t at) const {
    const auto since = static_cast<int64_t>(at - ticks);
    const double ns = static_cast<double>(since) * ns_per_tick;
    return steady_ns + static_cast<int64_t>(std::clamp(ns, -kMost, kMost));
  }
  static constexpr double kMost = 0x1p61;
};

bool Plausible(const TraceInstant& instant) {
  return instant.ticks < kMostTicks && instant.steady_ns < kMostTicks &&
         instant.wall_ns < 4 * kMostTicks;
}

Status CheckHeader(const TraceHeader& h) {
  if (std::memcmp(h.magic, kTraceMagic, sizeof(kTraceMagic)) != 0) {
    return InvalidArgument("no trace: it does not begin with LSTRACE1");
  }
  if (h.ranks < 1 || h.ranks > kMostRanks || h.rank < 0 || h.rank >= h.ranks) {
    return InvalidArgument("damaged trace: rank ", h.rank, " of ", h.ranks);
  }
  if (h.records_at != kTraceNames + kTraceNamesBytes || h.capacity == 0 ||
      h.last_index > 1) {
    return InvalidArgument("damaged trace: records at ", h.records_at);
  }
  const TraceInstant& last = h.last[h.last_index];
  if (!Plausible(h.first) || !Plausible(last) || last.ticks <= h.first.ticks ||
      last.steady_ns <= h.first.steady_ns) {
    return InvalidArgument("damaged trace: its clocks do not go forward");
  }
  return Ok();
}

TickScale ScaleOf(const TraceHeader& h) {
  const TraceInstant& last = h.last[h.last_index];
  return {
      .ticks = h.first.ticks,
      .steady_ns = static_cast<int64_t>(h.first.steady_ns),
      .ns_per_tick = static_cast<double>(last.steady_ns - h.first.steady_ns) /
                     static_cast<double>(last.ticks - h.first.ticks)};
}

std::vector<TraceName> DecodeNames(std::string_view table) {
  std::vector<TraceName> names;
  while (table.size() >= kTraceNameHead) {
    uint16_t op_size = 0, name_size = 0;
    std::memcpy(&op_size, table.data(), 2);
    std::memcpy(&name_size, table.data() + 2, 2);
    const size_t need = kTraceNameHead + op_size + name_size;
    const auto kind = static_cast<uint8_t>(table[4]);
    if (need > table.size() || kind == 0 || kind > kLastTraceKind) break;
    names.push_back({.kind = static_cast<TraceKind>(kind),
                     .synchronizes = (table[5] & kTraceSynchronizes) != 0,
                     .op = std::string(table.substr(kTraceNameHead, op_size)),
                     .name = std::string(
                         table.substr(kTraceNameHead + op_size, name_size))});
    table.remove_prefix(need);
  }
  return names;
}

bool IsWhole(const TraceRecord& r, uint64_t slot, uint64_t capacity,
             uint64_t written) {
  if (r.sequence == 0) return false;
  // The last place in all records that went to this slot.
  const uint64_t laps = (written - slot - 1) / capacity;
  const uint64_t place = slot + laps * capacity;
  const auto kind = static_cast<uint8_t>(r.kind);
  return r.sequence == static_cast<uint32_t>(place + 1) && kind > 0 &&
         kind <= kLastTraceKind && r.begin <= r.end && r.end < kMostTicks;
}

void DecodeRecords(std::string_view ring, const TraceHeader& h, TraceLog* log) {
  const TickScale scale = ScaleOf(h);
  const uint64_t slots =
      std::min<uint64_t>(ring.size() / sizeof(TraceRecord), h.capacity);
  const uint64_t used = std::min(slots, h.written);
  log->overwritten = h.written > h.capacity ? h.written - h.capacity : 0;
  log->damaged = std::min(h.written, h.capacity) - used;
  log->events.reserve(used);
  for (uint64_t slot = 0; slot < used; ++slot) {
    TraceRecord r;
    std::memcpy(&r, ring.data() + slot * sizeof(r), sizeof(r));
    if (!IsWhole(r, slot, h.capacity, h.written)) {
      ++log->damaged;
      continue;
    }
    log->events.push_back({.begin_ns = scale.Nanos(r.begin),
                           .end_ns = scale.Nanos(r.end),
                           .bytes = r.bytes,
                           .number = r.number,
                           .name = r.name,
                           .kind = r.kind,
                           .lane = r.lane,
                           .group = r.group});
  }
  // A span that holds others comes before them.
  std::ranges::sort(log->events, [](const TraceEvent& a, const TraceEvent& b) {
    return a.begin_ns != b.begin_ns ? a.begin_ns < b.begin_ns
                                    : a.end_ns > b.end_ns;
  });
}

}  // namespace

const TraceName& TraceLog::NameOf(uint32_t number) const {
  static const TraceName kNameless;
  return number == 0 || number > names.size() ? kNameless : names[number - 1];
}

Result<TraceLog> DecodeTrace(std::string_view bytes, const std::string& path) {
  TraceHeader h;
  if (bytes.size() < sizeof(h)) {
    return InvalidArgument("'", path, "' is no trace: it has ", bytes.size(),
                           " bytes, a header ", sizeof(h));
  }
  std::memcpy(&h, bytes.data(), sizeof(h));
  if (const Status s = CheckHeader(h); !s.ok()) {
    return s.WithContext(StrCat("'", path, "'"));
  }
  h.host[sizeof(h.host) - 1] = '\0';
  const TraceInstant& last = h.last[h.last_index];
  TraceLog log{.path = path,
               .rank = h.rank,
               .ranks = h.ranks,
               .process = h.process,
               .threads = h.threads,
               .host = h.host,
               .job = h.job,
               .clock = h.clock,
               .closed = h.closed == 1,
               .wall_minus_steady_ns =
                   static_cast<int64_t>(last.wall_ns - last.steady_ns),
               .names = {},
               .events = {},
               .current = {h.current, h.current + kTraceLanes}};
  const std::string_view rest =
      bytes.substr(std::min(bytes.size(), kTraceNames));
  log.names = DecodeNames(
      rest.substr(0, std::min<uint64_t>(h.names_used, kTraceNamesBytes)));
  if (rest.size() > kTraceNamesBytes) {
    DecodeRecords(rest.substr(kTraceNamesBytes), h, &log);
  } else {
    log.damaged = std::min(h.written, h.capacity);
  }
  return log;
}

Result<TraceLog> ReadTrace(Env& env, const std::string& path) {
  LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(path));
  return DecodeTrace(bytes, path);
}

}  // namespace lockstep
