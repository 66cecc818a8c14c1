// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rewrite rules: how the ops of ops/ tell the planner about better forms of
// themselves (MatMul + BiasAdd + Relu in one primitive, a pool that keeps its
// argmax for the gradient), while runtime/ knows no particular op.
//
// A rule is tried at each node of its root op on a CPU, in order of
// registration, until nothing changes. It sees concrete shapes. The ops that
// rules make are the CPU's: nodes on GPUs are left as they are.
// Late rules come after the session's own passes: what they make takes things
// apart that those look for (a gradient and its update become one node).
//
//   Result<bool> FuseBias(RewriteContext& c) {
//     Node* bias = c.node();                       // BiasAdd(MatMul(a, b), v)
//     Node* mm = c.Producer(bias->input(0), "MatMul");
//     if (!mm || !c.OnlyUse(bias->input(0))) return false;
//     ...
//     return true;
//   }
//   LOCKSTEP_REWRITE("BiasAdd", FuseBias);

#include <string>
#include <unordered_set>
#include <vector>

#include "runtime/graph/passes/pass.h"

namespace lockstep {

class RewriteContext {
 public:
  RewriteContext(PassContext& pass, const Consumers& consumers, Node* node)
      : pass_(pass), consumers_(consumers), node_(node) {}

  Node* node() const { return node_; }
  Graph& graph() const { return pass_.graph; }
  const Consumers& consumers() const { return consumers_; }
  // The producer of `output` when it is of op `op` and on node()'s device,
  // else null.
  Node* Producer(Output output, std::string_view op) const;
  bool direct_convolution() const { return pass_.direct_convolution; }
  // Exactly one data use, not fetched and not fed.
  bool OnlyUse(Output output) const;
  bool IsFetched(Output output) const;
  bool IsFed(const Node* node) const;
  // A node beside node(): same device, a unique name from `name`.
  Result<Node*> Add(std::string name, std::string op,
                    std::vector<Output> inputs, AttrMap attrs = {});
  // Uses and fetches of `from` read `to` from now on. What waited for `from`'s
  // node waits for `to`'s, or for `awaited`, if given, which also is the target
  // in its place: a node that stayed one would be found again and again. After
  // a rule that returns true, nodes that nothing needs any more are removed.
  void Replace(Output from, Output to, Node* awaited = nullptr);
  // What waited for `from` waits for `to`, which also is the target in its
  // place; nothing may use `from`'s outputs.
  void ReplaceNode(Node* from, Node* to);

 private:
  void MoveControlEdges(Node* from, Node* to);

  PassContext& pass_;
  const Consumers& consumers_;
  Node* node_;
};

using RewriteFn = Result<bool> (*)(RewriteContext&);

enum class RewritePhase { kEarly, kLate };

struct RewriteRegistrar {
  RewriteRegistrar(std::string_view root_op, RewriteFn fn,
                   RewritePhase phase = RewritePhase::kEarly);
};

// Applies all registered rules of the phase until nothing changes.
Status ApplyRewrites(PassContext& context, RewritePhase phase);

}  // namespace lockstep

#define LOCKSTEP_REWRITE(op, fn)                          \
  static const ::lockstep::RewriteRegistrar LS_OP_CONCAT( \
      ls_rewrite_registrar_, __COUNTER__) {               \
    op, fn                                                \
  }
#define LOCKSTEP_LATE_REWRITE(op, fn)                     \
  static const ::lockstep::RewriteRegistrar LS_OP_CONCAT( \
      ls_rewrite_registrar_, __COUNTER__) {               \
    op, fn, ::lockstep::RewritePhase::kLate               \
  }
