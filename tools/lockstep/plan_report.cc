// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/plan_report.h"

#include <cstdio>
#include <map>
#include <set>
#include <unordered_map>

namespace lockstep {
namespace {

// A tensor is sent once to each device that reads it; constants are made anew.
Json Transfers(const PlanReport& report) {
  std::unordered_map<std::string, std::string> device_of;
  for (const Placement& p : report.placements) device_of[p.node] = p.assigned;
  std::set<std::pair<std::string, std::string>> seen;
  Json transfers = Json::array();
  for (const Node* n : report.graph->nodes()) {
    const std::string& to = device_of[n->name()];
    for (const Output& in : n->inputs()) {
      const std::string& from = device_of[in.node->name()];
      if (from == to || in.node->traits().constant ||
          !seen.emplace(in.name(), to).second) {
        continue;
      }
      transfers.push_back({{"tensor", in.name()},
                           {"dtype", DTypeName(BaseOf(in.dtype()))},
                           {"shape", in.shape().ToString()},
                           {"from", from},
                           {"to", to}});
    }
  }
  return transfers;
}

Json NodesJson(const std::vector<Placement>& placements) {
  Json nodes = Json::array();
  for (const Placement& p : placements) {
    nodes.push_back({{"name", p.node},
                     {"op", p.op},
                     {"requested", p.requested},
                     {"assigned", p.assigned},
                     {"reason", ReasonName(p.reason)},
                     {"why", p.why},
                     {"fell_back", p.fell_back}});
  }
  return nodes;
}

Json PlanJson(const PlanInfo& info) {
  Json devices = Json::array();
  for (const DeviceNeed& d : info.devices) {
    Json largest = Json::array();
    for (const auto& [name, bytes] : d.largest) {
      largest.push_back({{"name", name}, {"bytes", bytes}});
    }
    devices.push_back({{"device", d.device},
                       {"arena_bytes", d.arena_bytes},
                       {"lower_bound_bytes", d.lower_bound_bytes},
                       {"variable_bytes", d.variable_bytes},
                       {"constant_bytes", d.constant_bytes},
                       {"result_bytes", d.result_bytes},
                       {"communication_bytes", d.communication_bytes},
                       {"total_bytes", d.total_bytes},
                       {"limit_bytes", d.limit_bytes},
                       {"fits", d.total_bytes <= d.limit_bytes},
                       {"largest", std::move(largest)}});
  }
  return {{"num_steps", info.num_steps},
          {"num_dynamic_steps", info.num_dynamic_steps},
          {"devices", std::move(devices)},
          {"steps", info.steps}};
}

std::string Text(const Json& json) { return json.get<std::string>(); }

std::string Bytes(const Json& json) { return HumanBytes(json.get<uint64_t>()); }

void PrintNode(const Json& n) {
  std::printf("  %-40s %-20s %-16s %-32s %s\n", Text(n["name"]).c_str(),
              Text(n["op"]).c_str(), Text(n["requested"]).c_str(),
              Text(n["assigned"]).c_str(), Text(n["why"]).c_str());
}

void PrintNodes(const Json& nodes, bool explain) {
  size_t fell_back = 0;
  for (const Json& n : nodes) fell_back += n["fell_back"].get<bool>();
  if (explain) {
    std::printf("nodes: name, op, requested, assigned, why\n");
    for (const Json& n : nodes) PrintNode(n);
  }
  if (fell_back == 0) return;
  std::printf("not where they ask to be (%zu)\n", fell_back);
  for (const Json& n : nodes) {
    if (n["fell_back"].get<bool>()) PrintNode(n);
  }
}

void PrintTransfers(const Json& transfers, bool explain) {
  std::map<std::string, int> count;
  for (const Json& t : transfers) {
    ++count[Text(t["from"]) + " -> " + Text(t["to"])];
  }
  for (const auto& [way, tensors] : count) {
    std::printf("%s: %d tensor%s\n", way.c_str(), tensors,
                tensors == 1 ? "" : "s");
    for (const Json& t : transfers) {
      if (!explain || Text(t["from"]) + " -> " + Text(t["to"]) != way) continue;
      std::printf("  %-40s %-9s %s\n", Text(t["tensor"]).c_str(),
                  Text(t["dtype"]).c_str(), Text(t["shape"]).c_str());
    }
  }
}

void PrintPlan(const Json& plan, bool explain) {
  std::printf("a run has %d steps, %d of them dynamic\n",
              plan["num_steps"].get<int>(),
              plan["num_dynamic_steps"].get<int>());
  std::printf("memory      %12s %12s %12s %12s %12s %12s\n", "activations",
              "variables", "constants", "results", "in all", "limit");
  for (const Json& d : plan["devices"]) {
    std::printf(
        "  %-9s %12s %12s %12s %12s %12s %12s%s\n", Text(d["device"]).c_str(),
        Bytes(d["arena_bytes"]).c_str(), Bytes(d["variable_bytes"]).c_str(),
        Bytes(d["constant_bytes"]).c_str(), Bytes(d["result_bytes"]).c_str(),
        Bytes(d["total_bytes"]).c_str(), Bytes(d["limit_bytes"]).c_str(),
        d["fits"].get<bool>() ? "" : "  does not fit");
  }
  for (const Json& d : plan["devices"]) {
    if (d["largest"].empty()) continue;
    std::printf("largest on %s\n", Text(d["device"]).c_str());
    for (const Json& t : d["largest"]) {
      std::printf("  %-40s %s\n", Text(t["name"]).c_str(),
                  Bytes(t["bytes"]).c_str());
    }
  }
  if (!explain) return;
  std::printf("steps\n");
  for (const Json& s : plan["steps"]) std::printf("  %s\n", Text(s).c_str());
}

}  // namespace

Json ReportJson(const PlanReport& report) {
  std::map<std::string, int> devices;
  for (const Placement& p : report.placements) ++devices[p.assigned];
  Json json = {{"file", report.file},
               {"devices", devices},
               {"nodes", NodesJson(report.placements)},
               {"transfers", Transfers(report)}};
  if (report.plan) json["plan"] = PlanJson(*report.plan);
  return json;
}

void PrintReport(const Json& json, bool explain) {
  std::printf("%s: %zu nodes\n", Text(json["file"]).c_str(),
              json["nodes"].size());
  for (const auto& [device, nodes] : json["devices"].items()) {
    std::printf("  %-36s %d\n", device.c_str(), nodes.get<int>());
  }
  PrintNodes(json["nodes"], explain);
  PrintTransfers(json["transfers"], explain);
  if (json.contains("plan")) PrintPlan(json["plan"], explain);
}

}  // namespace lockstep
