// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/check.h"

#include <cstdio>

#include "runtime/graph/check_graph.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

constexpr const char* kHelp = R"(lockstep check GRAPH [--nodes N] [--json]

Lists every op, attribute and type of a graph that would not run here, with the
nodes. GRAPH is a .pb, .pbtxt or .meta file or the folder of a SavedModel.
Exit status 0 when all would run, 1 when not, 2 for a file that is no graph.
)";

const char* KindName(GraphProblem::Kind kind) {
  switch (kind) {
    case GraphProblem::Kind::kUnknownOp: return "unknown_op";
    case GraphProblem::Kind::kAttribute: return "attribute";
    case GraphProblem::Kind::kKernel: return "kernel";
    case GraphProblem::Kind::kGraph: return "graph";
  }
  return "";
}

void PrintJson(const std::string& path, const GraphCheck& check) {
  Json problems = Json::array();
  for (const GraphProblem& p : check.problems) {
    problems.push_back({{"kind", KindName(p.kind)},
                        {"op", p.op},
                        {"text", p.text},
                        {"nodes", p.nodes}});
  }
  const Json json = {{"file", path},
                     {"nodes", check.num_nodes},
                     {"functions", check.num_functions},
                     {"problems", std::move(problems)}};
  std::printf("%s\n", DumpJson(json, 1).c_str());
}

void PrintText(const std::string& path, const GraphCheck& check, size_t most) {
  std::printf("%s: %d nodes, %d functions: ", path.c_str(), check.num_nodes,
              check.num_functions);
  if (check.problems.empty()) {
    std::printf("everything would run\n");
    return;
  }
  std::printf("%zu problem%s\n", check.problems.size(),
              check.problems.size() == 1 ? "" : "s");
  for (const GraphProblem& p : check.problems) {
    std::printf("  %s\n", p.text.c_str());
    if (p.nodes.empty()) continue;
    const size_t shown = std::min(most, p.nodes.size());
    std::printf(
        "    %zu node%s: %s%s\n", p.nodes.size(),
        p.nodes.size() == 1 ? "" : "s",
        Join(std::vector<std::string>(
                 p.nodes.begin(), p.nodes.begin() + static_cast<long>(shown)),
             ", ")
            .c_str(),
        shown < p.nodes.size() ? ", ..." : "");
  }
}

}  // namespace

int CheckMain(const std::vector<std::string>& args) {
  std::string graph;
  size_t nodes = 5;
  bool json = false;
  CommandLine line(kHelp);
  line.positional.add("graph", 1);
  line.options.add_options()  //
      ("graph", po::value(&graph)->value_name("GRAPH"),
       "the graph; also without --graph")  //
      ("nodes", po::value(&nodes)->value_name("N"),
       "nodes named for each problem [5]")  //
      ("json", po::bool_switch(&json), "as JSON, with all nodes");
  Status status = line.Parse(args);
  if (line.help()) return line.ShowHelp();
  status.Update(Required("graph", graph));
  if (!status.ok()) return Fail("check", status, kExitBadInput);
  const auto check = CheckGraphFile(*Env::Default(), graph);
  if (!check.ok()) return Fail("check", check.status(), kExitBadInput);
  if (json) {
    PrintJson(graph, *check);
  } else {
    PrintText(graph, *check, nodes);
  }
  return check->problems.empty() ? 0 : 1;
}

}  // namespace lockstep
