// SPDX-License-Identifier: Apache-2.0
#pragma once

// Agreement: ranks that are to train together compare what they were started
// with - the program, its settings, the graph - before the first step. What
// differs is an error on all of them that names the rank, the node and the
// attribute.
//
// One digest a rank goes around when all are alike; else two ranks show what
// they have and all of them find the same first difference. Threading: as the
// communicator's calls.
//
//   std::vector<Fact> facts = FactsOf(graph);
//   facts.push_back(MakeFact("option", "--lr", StrCat(lr)));
//   LS_RETURN_IF_ERROR(Agree(communicator, facts));

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/session_options.h"
#include "runtime/graph/graph.h"

namespace lockstep {

class Communicator;

// Something that all ranks must have in common.
struct Fact {
  std::string subject;    // "node 'fc1/MatMul'"
  std::string attribute;  // "attribute 'transpose_b'"
  std::string value;      // for messages: it may be shortened
  uint64_t digest = 0;    // of the value
};

Fact MakeFact(std::string subject, std::string attribute, std::string value);
// Of all nodes, in the order of the graph, and of those of its functions.
std::vector<Fact> FactsOf(const Graph& graph);
// Of options that change what is computed, not of threads or memory.
std::vector<Fact> FactsOf(const SessionOptions& options);
// The build ids of the program and of Lockstep's libraries.
std::vector<Fact> FactsOfProgram();

// Called by all ranks. FAILED_PRECONDITION with the first difference, on all.
Status Agree(Communicator& ranks, const std::vector<Fact>& facts);

// Makes all ranks' sessions compare their programs, options and graphs, and
// `declared`, as they are made.
void CheckAgreement(std::shared_ptr<Communicator> ranks,
                    std::vector<Fact> declared, SessionOptions* session);

}  // namespace lockstep
