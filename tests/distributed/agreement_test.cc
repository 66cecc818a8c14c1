// SPDX-License-Identifier: Apache-2.0
#include "distributed/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "distributed/data_parallel.h"
#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/op/precision.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// A model of some thirty nodes of several kinds.
void BuildModel(Graph* graph) {
  const Scope root(graph);
  Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 4});
  for (int layer = 0; layer < 4; ++layer) {
    const Scope scope = root.WithName(StrCat("w", layer));
    const Output w = ops::InitializedVariable(
        scope, Tensor::Of<float>(
                   {4, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}));
    x = ops::MatMul(root.WithName(StrCat("matmul", layer)), x, w);
    x = ops::Relu(root.WithName(StrCat("relu", layer)), x);
    x = ops::Add(root.WithName(StrCat("add", layer)), x,
                 ops::Const(root.WithName(StrCat("c", layer)),
                            Tensor::Of<float>({4}, {1, 2, 3, 4})));
  }
}

// What every rank gets when rank `odd` has another graph.
std::vector<Status> AgreeAbout(int ranks, int odd, const Graph& usual,
                               const Graph& other) {
  std::vector<Status> got(static_cast<size_t>(ranks));
  SpawnRanks(ranks, [&](Communicator& comm) {
    got[static_cast<size_t>(comm.rank())] =
        Agree(comm, FactsOf(comm.rank() == odd ? other : usual));
  });
  return got;
}

TEST(AgreementTest, RanksThatAreAlikeGoOn) {
  Graph graph;
  BuildModel(&graph);
  for (const Status& s : AgreeAbout(3, 1, graph, graph.Clone())) {
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
}

TEST(AgreementTest, AnAttributeIsNamedWithBothValues) {
  Graph usual, other;
  for (Graph* g : {&usual, &other}) {
    const Scope root(g);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{2, 2});
    root.WithName("product")
        .Op("MatMul")
        .In(x)
        .In(x)
        .Attr("transpose_b", g == &other)
        .Out();
  }
  for (const Status& s : AgreeAbout(3, 2, usual, other)) {
    EXPECT_EQ(s.ToString(),
              "FAILED_PRECONDITION: the ranks are not alike: node 'product' "
              "has attribute 'transpose_b' true on rank 2, false on rank 0; "
              "rank 2 differs from all others");
  }
  // Of two nobody knows who is right; of three, when it is rank 0 who is not.
  for (const Status& s : AgreeAbout(3, 0, usual, other)) {
    EXPECT_THAT(s.message(), HasSubstr("true on rank 0, false on rank 1; rank "
                                       "0 differs from all others"));
  }
}

// Changes the definition of a node; returns its name.
std::string Mutate(std::mt19937_64& random, Graph* graph) {
  const std::vector<Node*> nodes = graph->nodes();
  while (true) {
    Node* node = nodes[random() % nodes.size()];
    switch (random() % 5) {
      case 0: node->set_requested_device("/device:CPU:0"); return node->name();
      case 1: {  // a node more
        const Scope root(graph);
        return ops::Const(root.WithName("extra"), 3.0f).node->name();
      }
      case 2: {  // a control input more
        Node* from = nodes[random() % nodes.size()];
        if (from->id() >= node->id() || !node->control_inputs().empty()) break;
        graph->AddControlEdge(from, node);
        return node->name();
      }
      case 3: {  // an attribute
        if (const Tensor* value = GetIf<Tensor>(node->attrs(), "value");
            value != nullptr && value->dtype() == kFloat) {
          Tensor changed = value->Clone();
          auto values =
              std::span<float>(static_cast<float*>(changed.data()),
                               static_cast<size_t>(changed.NumElements()));
          values[random() % values.size()] += 1e-3f;
          node->mutable_attrs()["value"] = changed;
          return node->name();
        }
        const bool* flag = GetIf<bool>(node->attrs(), "transpose_a");
        if (flag == nullptr) break;
        node->mutable_attrs()["transpose_a"] = !*flag;
        return node->name();
      }
      case 4: {  // another input of the same type
        if (node->num_inputs() < 2 || node->input(0) == node->input(1) ||
            node->input(0).dtype() != node->input(1).dtype()) {
          break;
        }
        const Output first = node->input(0);
        graph->SetInput(node, 0, node->input(1));
        graph->SetInput(node, 1, first);
        return node->name();
      }
    }
  }
}

TEST(AgreementTest, OfTwoHundredChangesOnOneRankEachIsFoundAtItsNode) {
  Graph usual;
  BuildModel(&usual);
  ASSERT_TRUE(usual.status().ok()) << usual.status().ToString();
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    Graph other = usual.Clone();
    const std::string name = Mutate(random, &other);
    const int ranks = 2 + static_cast<int>(seed % 3);
    const int odd = static_cast<int>(random() % static_cast<uint64_t>(ranks));
    for (const Status& s : AgreeAbout(ranks, odd, usual, other)) {
      EXPECT_EQ(s.code(), Code::kFailedPrecondition) << "seed " << seed;
      EXPECT_THAT(s.message(), HasSubstr(StrCat("node '", name, "'")))
          << "seed " << seed;
      EXPECT_THAT(s.message(), HasSubstr(StrCat("rank ", odd)));
    }
  }
}

TEST(AgreementTest, ADataParallelSessionIsNotMadeOfDifferentGraphs) {
  std::vector<Status> got(2);
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const auto rank = static_cast<size_t>(comm->rank());
    Graph graph;
    const Scope root(&graph);
    ops::Const(root.WithName("rate"), rank == 0 ? 0.5f : 0.25f);
    SessionOptions options;
    UseDataParallel(comm, {}, &options);
    got[rank] = Session::Create(graph, options).status();
  });
  for (const Status& s : got) {
    EXPECT_THAT(s.message(), HasSubstr("node 'rate' has attribute 'value'"));
    EXPECT_THAT(s.message(), AnyOf(HasSubstr("on rank 1"), HasSubstr("0.25")));
  }
}

TEST(AgreementTest, WhatTheProgramDeclaresAndTheOptionsCountToo) {
  std::vector<Status> declared(2), optimize(2), mixed(2);
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const auto rank = static_cast<size_t>(comm->rank());
    Graph graph;
    ops::Const(Scope(&graph), 1.0f);
    SessionOptions options;
    UseDataParallel(comm,
                    {.declared = {MakeFact("the program", "--lr",
                                           rank == 0 ? "0.1" : "0.2")}},
                    &options);
    declared[rank] = Session::Create(graph, options).status();
    SessionOptions plain;
    UseDataParallel(comm, {}, &plain);
    plain.optimize = rank == 0;
    optimize[rank] = Session::Create(graph, plain).status();
    SessionOptions narrow;
    UseDataParallel(comm, {}, &narrow);
    narrow.mixed_precision = rank == 0 ? kFloat : kBfloat16;
    mixed[rank] = Session::Create(graph, narrow).status();
  });
  for (const Status& s : declared) {
    EXPECT_THAT(s.message(), HasSubstr("the program has --lr 0.2 on rank 1, "
                                       "0.1 on rank 0"));
  }
  for (const Status& s : optimize) {
    EXPECT_THAT(s.message(), HasSubstr("the session has option optimize false "
                                       "on rank 1, true on rank 0"));
  }
  for (const Status& s : mixed) {
    if (!HasBfloat16Products()) continue;
    EXPECT_THAT(s.message(), HasSubstr("mixed precision bfloat16 on rank 1"));
  }
}

TEST(AgreementTest, TheProgramHasABuildId) {
  const std::vector<Fact> facts = FactsOfProgram();
  ASSERT_GE(facts.size(), 2u);  // the test and the library
  for (const Fact& f : facts) EXPECT_GE(f.value.size(), 16u) << f.subject;
}

}  // namespace
}  // namespace lockstep
