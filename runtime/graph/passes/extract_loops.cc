// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/extract_loops.h"

#include <algorithm>

#include "runtime/graph/control_flow.h"
#include "runtime/graph/copy_nodes.h"
#include "runtime/graph/function.h"
#include "runtime/graph/passes/frames.h"

namespace lockstep {
namespace {

// One loop variable.
struct LoopVar {
  Node* merge = nullptr;
  Node* enter = nullptr;
  Node* next = nullptr;
  std::vector<Node*> switches;
};

// One outermost frame on its way to a `_Loop`.
class LoopBuilder {
 public:
  LoopBuilder(PlanGraph* plan, const Frames& frames, Frame* frame,
              FunctionLibrary* library)
      : plan_(*plan),
        graph_(plan->graph),
        frames_(frames),
        frame_(frame),
        library_(*library) {}

  Status Build() {
    LS_RETURN_IF_ERROR(Collect());
    LS_RETURN_IF_ERROR(FindVars());
    Divide();
    LS_RETURN_IF_ERROR(FindInvariants());
    LS_RETURN_IF_ERROR(MakeCond());
    LS_RETURN_IF_ERROR(MakeBody());
    return Replace();
  }

 private:
  Status Malformed(const std::string& why) const {
    return InvalidArgument("loop '", frame_->name, "': ", why);
  }
  bool Inside(const Node* n) const { return member_.contains(n); }
  // Of this frame itself, not of one within.
  bool Own(const Node* n) const { return frames_.Of(n) == frame_; }

  Status Collect() {
    for (Node* n : graph_.nodes()) {
      if (frames_.Outermost(n) != frame_) continue;
      members_.push_back(n);
      member_.insert(n);
      if (Own(n) && IsLoopCond(*n)) {
        if (loop_cond_) return Malformed("it has two conditions");
        loop_cond_ = n;
      }
    }
    return loop_cond_ ? Ok() : Malformed("it has no condition (LoopCond)");
  }

  Status FindVars() {
    for (Node* n : members_) {
      if (!Own(n) || !IsMerge(*n) || n->num_inputs() != 2) continue;
      Node* a = n->input(0).node;
      Node* b = n->input(1).node;
      if (IsNextIteration(*a)) std::swap(a, b);
      if (!IsNextIteration(*b)) continue;  // the end of a cond
      if (!IsEnter(*a)) return Malformed("variable without an Enter");
      vars_.push_back({.merge = n, .enter = a, .next = b});
      structural_.insert({n, a, b});
    }
    for (Node* n : members_) {
      if (Own(n) && (IsExit(*n) || IsEnter(*n))) structural_.insert(n);
      if (!Own(n) || !IsSwitch(*n) || n->input(1).node != loop_cond_) continue;
      auto var = std::ranges::find(vars_, n->input(0).node, &LoopVar::merge);
      if (var == vars_.end()) {
        return Malformed(StrCat("switch '", n->name(), "' is of no variable"));
      }
      var->switches.push_back(n);
      structural_.insert(n);
    }
    structural_.insert(loop_cond_);
    FindWaysOut();
    return Ok();
  }

  // Gated gradients have identities between a Switch and its Exit. They are of
  // no iteration, as they run once, behind the last.
  void FindWaysOut() {
    std::vector<Output> leaving;
    for (const LoopVar& v : vars_) {
      for (Node* s : v.switches) leaving.push_back(s->output(0));
    }
    for (size_t i = 0; i < leaving.size(); ++i) {
      const Output from = leaving[i];
      for (Node* n : members_) {
        if (!Own(n) || n->op() != "Identity" || n->input(0) != from) continue;
        structural_.insert(n);
        way_out_[n] = way_out_.contains(from.node) ? way_out_[from.node] : from;
        leaving.push_back(n->output(0));
      }
    }
  }

  // Splits the rest: what decides on another iteration, and what happens in
  // it, that is below a switch of the loop.
  void Divide() {
    std::unordered_set<const Node*> below;
    for (const LoopVar& v : vars_) {
      below.insert(v.switches.begin(), v.switches.end());
    }
    // Cannot fail: Frames::Find ordered the whole graph.
    const std::vector<Node*> order = *OrderWithLoops(members_);
    for (bool changed = true; changed;) {
      changed = false;
      for (Node* n : order) {
        if (structural_.contains(n) || below.contains(n)) continue;
        auto is = [&](const Node* m) { return below.contains(m); };
        if (std::ranges::any_of(n->inputs(), is, &Output::node) ||
            std::ranges::any_of(n->control_inputs(), is)) {
          changed = true;  // inner loops go round: look again
          const std::vector<Node*> whole = WithInnerLoop(n);
          below.insert(whole.begin(), whole.end());
        }
      }
    }
    for (Node* n : order) {
      if (structural_.contains(n)) continue;
      const bool constant = n->traits().constant;
      if (constant || below.contains(n)) body_.push_back(n);
      if (constant || !below.contains(n)) cond_.push_back(n);
    }
    in_body_.insert(body_.begin(), body_.end());
  }

  // The node and, when it is in a loop within this one, all of that loop.
  std::vector<Node*> WithInnerLoop(Node* n) const {
    const Frame* inner = InnerFrame(n);
    if (!inner) return {n};
    std::vector<Node*> whole;
    for (Node* m : members_) {
      if (InnerFrame(m) == inner) whole.push_back(m);
    }
    return whole;
  }
  const Frame* InnerFrame(const Node* n) const {
    const Frame* f = frames_.Of(n);
    while (f && f->parent && f->parent != frame_) f = f->parent;
    return f == frame_ ? nullptr : f;
  }

  // Outputs that enter unchanged, and those of the condition's nodes that the
  // body needs.
  Status FindInvariants() {
    for (Node* n : members_) {
      if (Own(n) && IsEnter(*n) && !IsVarEnter(n)) {
        AddInvariant(n->input(0), n->output(0), n->op() == "RefEnter");
      }
    }
    auto look = [&](const Node* n, bool body) {
      for (const Output& in : n->inputs()) {
        const Output o = Resolve(in);
        if (!Inside(o.node)) {
          AddInvariant(o, o, IsRef(o.dtype()));
        } else if (body && !structural_.contains(o.node) &&
                   !in_body_.contains(o.node) &&
                   std::ranges::find(shared_, o) == shared_.end()) {
          shared_.push_back(o);
        }
      }
    };
    for (Node* n : cond_) look(n, false);
    look(loop_cond_, false);
    for (Node* n : body_) look(n, true);
    for (const LoopVar& v : vars_) look(v.next, true);
    return Ok();
  }

  bool IsVarEnter(const Node* n) const {
    return std::ranges::find(vars_, n, &LoopVar::enter) != vars_.end();
  }

  void AddInvariant(Output outside, Output inside, bool ref) {
    for (const Invariant& have : invariants_) {
      if (have.inside == inside) return;
    }
    invariants_.push_back({outside, inside, ref});
  }

  // LoopCond passes its input on.
  Output Resolve(Output o) const {
    return o.node == loop_cond_ ? loop_cond_->input(0) : o;
  }

  // Arguments for the variables and the invariants; constants are repeated,
  // so that the body is planned with their values.
  Status AddArgs(Function* f, NodeCopier* copier) const {
    auto add = [&](const std::string& name, DType type, bool ref) {
      return f->body.AddNode(
          {.name = f->body.UniqueName(name),
           .op = ref ? "_RefArg" : "_Arg",
           .attrs = {{"T", BaseOf(type)},
                     {"index", static_cast<int64_t>(f->args.size())}}});
    };
    for (const LoopVar& v : vars_) {
      LS_ASSIGN_OR_RETURN(Node * arg,
                          add(v.merge->name(), v.merge->output_type(0), false));
      f->args.push_back(arg);
      copier->Map(v.merge->output(0), arg->output(0));
      for (Node* s : v.switches) copier->Map(s->output(1), arg->output(0));
    }
    for (const Invariant& i : invariants_) {
      if (i.outside.node->traits().constant) {
        LS_ASSIGN_OR_RETURN(
            Node * value,
            f->body.AddNode({.name = f->body.UniqueName(i.inside.node->name()),
                             .op = i.outside.node->op(),
                             .attrs = i.outside.node->attrs()}));
        copier->Map(i.inside, value->output(0));
        continue;
      }
      LS_ASSIGN_OR_RETURN(Node * arg,
                          add(i.inside.node->name(), i.outside.dtype(), i.ref));
      f->args.push_back(arg);
      copier->Map(i.inside, arg->output(0));
    }
    return Ok();
  }

  Status MakeCond() {
    Function f{.name = library_.UniqueName("_loop_cond")};
    NodeCopier copier(&f.body, {});
    LS_RETURN_IF_ERROR(AddArgs(&f, &copier));
    LS_RETURN_IF_ERROR(copier.Copy(cond_));
    f.results.push_back(copier.Now(loop_cond_->input(0)));
    for (const Output& o : shared_) f.results.push_back(copier.Now(o));
    for (const Output& o : f.results) {
      if (!o.defined()) return Malformed("its condition depends on its body");
    }
    cond_name_ = f.name;
    return library_.Add(std::move(f));
  }

  Status MakeBody() {
    Function f{.name = library_.UniqueName("_loop_body")};
    NodeCopier copier(&f.body, {});
    LS_RETURN_IF_ERROR(AddArgs(&f, &copier));
    for (const Output& o : shared_) {
      LS_ASSIGN_OR_RETURN(
          Node * arg,
          f.body.AddNode(
              {.name = f.body.UniqueName(o.node->name()),
               .op = "_Arg",
               .attrs = {{"T", BaseOf(o.dtype())},
                         {"index", static_cast<int64_t>(f.args.size())}}}));
      f.args.push_back(arg);
      copier.Map(o, arg->output(0));
      if (o == loop_cond_->input(0)) {
        copier.Map(loop_cond_->output(0), arg->output(0));
      }
    }
    LS_RETURN_IF_ERROR(copier.Copy(body_));
    for (const LoopVar& v : vars_) {
      f.results.push_back(copier.Now(Resolve(v.next->input(0))));
      if (!f.results.back().defined()) {
        return Malformed(
            StrCat("variable '", v.merge->name(), "' has no next value"));
      }
      for (const Node* c : v.next->control_inputs()) {
        if (Node* now = copier.NodeNow(c)) f.control_results.push_back(now);
      }
    }
    body_name_ = f.name;
    return library_.Add(std::move(f));
  }

  Status Replace() {
    NodeSpec spec{.name = graph_.UniqueName(frame_->name), .op = "_Loop"};
    std::vector<DType> types, invariant_types;
    std::vector<int64_t> refs;
    for (const LoopVar& v : vars_) {
      spec.inputs.push_back(v.enter->input(0));
      types.push_back(BaseOf(v.merge->output_type(0)));
    }
    for (const Invariant& i : invariants_) {
      if (i.outside.node->traits().constant) continue;
      if (i.ref) refs.push_back(static_cast<int64_t>(spec.inputs.size()));
      spec.inputs.push_back(i.outside);
      invariant_types.push_back(BaseOf(i.outside.dtype()));
    }
    spec.attrs = {{"T", std::move(types)},
                  {"I", std::move(invariant_types)},
                  {"cond", FunctionRef{.name = cond_name_}},
                  {"body", FunctionRef{.name = body_name_}},
                  {"shared", static_cast<int64_t>(shared_.size())},
                  {"ref_inputs", std::move(refs)}};
    LS_ASSIGN_OR_RETURN(Node * loop, graph_.AddNode(std::move(spec)));
    for (Node* n : members_) {
      for (Node* c : n->control_inputs()) {
        if (!Inside(c)) graph_.AddControlEdge(c, loop);
      }
    }
    for (size_t i = 0; i < vars_.size(); ++i) {
      LS_RETURN_IF_ERROR(
          ReplaceExits(vars_[i], loop->output(static_cast<int>(i))));
    }
    for (Node* n : graph_.nodes()) {
      if (n == loop || Inside(n)) continue;
      for (Node* c : std::vector<Node*>(n->control_inputs())) {
        if (!Inside(c)) continue;
        graph_.RemoveControlEdge(c, n);
        graph_.AddControlEdge(loop, n);
      }
    }
    for (Node*& t : plan_.targets) {
      if (Inside(t)) t = loop;
    }
    return Ok();
  }

  Status ReplaceExits(const LoopVar& v, Output last) {
    for (Node* n : members_) {
      if (!Own(n) || !IsExit(*n)) continue;
      Output from = n->input(0);
      if (way_out_.contains(from.node)) from = way_out_[from.node];
      if (std::ranges::find(v.switches, from.node) == v.switches.end()) {
        continue;
      }
      if (from.index != 0) return Malformed("an Exit leaves from the body");
      graph_.ReplaceUses(n->output(0), last);
      for (Output& f : plan_.fetches) {
        if (f == n->output(0)) f = last;
      }
    }
    return Ok();
  }

  struct Invariant {
    Output outside;
    Output inside;
    bool ref = false;
  };

  PlanGraph& plan_;
  Graph& graph_;
  const Frames& frames_;
  Frame* frame_;
  FunctionLibrary& library_;
  std::vector<Node*> members_;
  std::unordered_set<const Node*> member_;
  std::unordered_set<const Node*> structural_;
  Node* loop_cond_ = nullptr;
  std::vector<LoopVar> vars_;
  std::unordered_map<const Node*, Output> way_out_;  // identity -> Switch:0
  std::vector<Node*> cond_;
  std::vector<Node*> body_;
  std::unordered_set<const Node*> in_body_;
  std::vector<Invariant> invariants_;
  std::vector<Output> shared_;
  std::string cond_name_;
  std::string body_name_;
};

}  // namespace

Status ExtractLoops(PlanGraph* plan) {
  const std::vector<Node*> nodes = plan->graph.nodes();
  if (std::ranges::none_of(nodes,
                           [](Node* n) { return IsEnter(*n) || IsExit(*n); })) {
    return Ok();
  }
  Frames frames;
  LS_RETURN_IF_ERROR(frames.Find(plan->graph));
  for (const Output& f : plan->fetches) {
    if (frames.Of(f.node) && !IsExit(*f.node)) {
      return InvalidArgument("tensor '", f.name(), "' is inside loop '",
                             frames.Of(f.node)->name,
                             "' and cannot be fetched");
    }
  }
  auto library = std::make_shared<FunctionLibrary>(plan->graph.functions());
  for (const auto& [key, frame] : frames.all()) {
    if (frame->parent) continue;
    LS_RETURN_IF_ERROR(
        LoopBuilder(plan, frames, frame.get(), library.get()).Build());
  }
  plan->graph.set_functions(std::move(library));
  // The frames are cycles that nothing needs any more.
  RemoveDeadNodes(&plan->graph, plan->feeds, plan->fetches, plan->targets);
  return Ok();
}

}  // namespace lockstep
