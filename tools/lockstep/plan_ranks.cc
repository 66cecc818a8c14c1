// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/plan_ranks.h"

#include <charconv>
#include <cstdio>

#include "runtime/exec/session_config.h"

namespace lockstep {
namespace {

constexpr int kMostRanks = 4096;

Result<int> ParseRanks(std::string_view text) {
  int n = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, n);
  if (error != std::errc() || rest != end || n < 1 || n > kMostRanks) {
    return InvalidArgument("--ranks must be numbers from 1 to ", kMostRanks,
                           ", as in 2,4,8 or 1..1024; got '", text, "'");
  }
  return n;
}

}  // namespace

void RanksFlags::AddTo(po::options_description& options) {
  options.add_options()  //
      ("ranks", po::value(&ranks)->value_name("N,N...|A..B"),
       "predict a data-parallel step on so many ranks, each with the batch "
       "that is fed; A..B: doubling")  //
      ("ranks-per-host", po::value(&ranks_per_host)->value_name("N"),
       "that share a host's memory and its line [1]")  //
      ("shared", po::value(&shared_mb)->value_name("MB"),
       "that the ranks of a host sum in a second [20000]")  //
      ("alpha", po::value(&alpha_us)->value_name("US"),
       "a small message from host to host, one way [50]")  //
      ("beta", po::value(&mbit)->value_name("MBIT"),
       "what a host sends, and receives, in a second [10000]")  //
      ("message-us", po::value(&message_us)->value_name("US"),
       "of the processor, to send a message [5]")  //
      ("buckets", po::value(&buckets)->value_name("one|chosen|BYTES"),
       "gradients that are exchanged together [one]")  //
      ("overlap", po::bool_switch(&overlap),
       "exchange while the backward pass goes on")  //
      ("jitter", po::value(&jitter)->value_name("X"),
       "of ops and messages in the simulation, as a part of each [0]")  //
      ("simulate-up-to", po::value(&simulate_up_to)->value_name("N"),
       "ranks that are simulated, too; 0: none [128]")  //
      ("calibrate-steps", po::value(&steps)->value_name("N"),
       "runs to measure one rank by [50]")  //
      ("init", po::value(&init)->value_name("NODE"),
       "a node to run before measuring [init, if there is one]");
}

Result<std::vector<int>> RanksFlags::Ranks() const {
  std::vector<int> numbers;
  if (const size_t dots = ranks.find(".."); dots != ranks.npos) {
    LS_ASSIGN_OR_RETURN(const int first, ParseRanks(ranks.substr(0, dots)));
    LS_ASSIGN_OR_RETURN(const int last, ParseRanks(ranks.substr(dots + 2)));
    for (int n = first; n <= last; n *= 2) numbers.push_back(n);
    if (numbers.empty()) {
      return InvalidArgument("--ranks ", ranks, " are none: want the fewest ",
                             "first, as in 1..1024");
    }
  } else {
    for (const std::string& part : Split(ranks, ',')) {
      LS_ASSIGN_OR_RETURN(const int n, ParseRanks(part));
      numbers.push_back(n);
    }
  }
  if (!(alpha_us >= 0 && alpha_us < 1e9) || !(mbit > 0 && mbit < 1e9) ||
      !(message_us >= 0 && message_us < 1e9) || !(jitter >= 0 && jitter < 10)) {
    return InvalidArgument(
        "--alpha, --message-us and --jitter must not be negative, --beta above "
        "0");
  }
  if (ranks_per_host < 1 || ranks_per_host > kMostRanks ||
      !(shared_mb > 0 && shared_mb < 1e9)) {
    return InvalidArgument("--ranks-per-host must be 1 to ", kMostRanks,
                           ", --shared above 0");
  }
  if (steps < 1 || steps > 100000) {
    return InvalidArgument("--calibrate-steps must be 1 to 100000, got ",
                           steps);
  }
  return numbers;
}

Result<ScheduleOptions> RanksFlags::Schedule() const {
  ScheduleOptions options{.overlap = overlap};
  if (buckets == "one") return options;
  if (buckets == "chosen") {
    options.bucket_bytes = 0;
    return options;
  }
  const auto bytes = ParseBytes(buckets);
  if (!bytes || *bytes == 0 || *bytes > (uint64_t{1} << 40)) {
    return InvalidArgument(
        "--buckets must be one, chosen, or bytes as in 4MiB; got '", buckets,
        "'");
  }
  options.bucket_bytes = static_cast<int64_t>(*bytes);
  return options;
}

Result<Json> PredictRanks(const StepProfile& profile, const RanksFlags& flags) {
  LS_ASSIGN_OR_RETURN(const std::vector<int> numbers, flags.Ranks());
  LS_ASSIGN_OR_RETURN(const ScheduleOptions options, flags.Schedule());
  const NetworkCost network{.latency_us = flags.alpha_us,
                            .bytes_per_us = flags.mbit / 8,
                            .message_us = flags.message_us,
                            .ranks_per_host = flags.ranks_per_host,
                            .shared_bytes_per_us = flags.shared_mb};
  Json rows = Json::array();
  for (const int ranks : numbers) {
    const StepSchedule schedule =
        MakeSchedule(profile, ranks, network, options);
    const Prediction p = Predict(profile, schedule, ranks, network);
    Json row = {{"ranks", ranks},
                {"buckets", ranks > 1 ? schedule.bucket_ends.size() : 0},
                {"step_us", p.step_us},
                {"compute_us", p.compute_us},
                {"communication_us", p.communication_us},
                {"exposed_us", p.exposed_us},
                {"sent_bytes", p.sent_bytes},
                {"memory_bytes", p.memory_bytes}};
    // Hosts of the simulation have as many ranks each.
    const bool even = ranks % network.OnHost(ranks) == 0;
    if (ranks <= flags.simulate_up_to && even) {
      const Simulated s =
          Simulate(profile, schedule, ranks, network, {.jitter = flags.jitter});
      row["simulated_us"] = s.step_us;
    }
    rows.push_back(std::move(row));
  }
  return Json{{"step_us",
               profile.compute_us + profile.updates_us() + profile.overhead_us},
              {"compute_us", profile.compute_us},
              {"updates_us", profile.updates_us()},
              {"overhead_us", profile.overhead_us},
              {"gradients", profile.gradients.size()},
              {"gradient_bytes", profile.gradient_bytes()},
              {"predictions", rows}};
}

void PrintRanks(const Json& report) {
  const auto number = [](const Json& json, const char* name) {
    return json[name].get<double>();
  };
  std::printf(
      "\nmeasured on one rank: %.0f us a step (ops %.0f, updates %.0f, "
      "the rest %.0f), %d gradients, %.0f bytes\n\n",
      number(report, "step_us"), number(report, "compute_us"),
      number(report, "updates_us"), number(report, "overhead_us"),
      report["gradients"].get<int>(), number(report, "gradient_bytes"));
  std::printf(
      "ranks  buckets      step us  exposed us   of it  simulated us  "
      "speed-up     memory\n");
  for (const Json& row : report["predictions"]) {
    const double step = number(row, "step_us");
    const bool simulated = row.contains("simulated_us");
    char text[32] = "-";
    if (simulated) {
      std::snprintf(text, sizeof(text), "%.0f", number(row, "simulated_us"));
    }
    std::printf("%5d %8d %12.0f %11.0f %5.1f %% %13s %8.2f x %10.0f\n",
                row["ranks"].get<int>(), row["buckets"].get<int>(), step,
                number(row, "exposed_us"),
                100 * number(row, "exposed_us") / step, text,
                row["ranks"].get<double>() * number(report, "step_us") / step,
                number(row, "memory_bytes"));
  }
}

}  // namespace lockstep
