// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "runtime/graph/backward_function.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/function_gradients.h"

namespace lockstep {
namespace {

bool Differentiable(DType t) { return IsFloating(t) || IsComplex(t); }

// A While on its way to its gradient. The forward loop is made anew with a
// counter and a list for each variable whose values the gradient needs.
class LoopDifferentiator {
 public:
  explicit LoopDifferentiator(GradContext& g)
      : g_(g), graph_(g.scope().graph()), vars_(g.num_inputs()) {}

  Status Run() {
    const std::vector<std::string> names = FunctionsOf(*g_.node());
    LS_ASSIGN_OR_RETURN(cond_, FindFunction(*graph_, names[0]));
    LS_ASSIGN_OR_RETURN(body_, FindFunction(*graph_, names[1]));
    if (static_cast<int>(body_->args.size()) != vars_ ||
        static_cast<int>(body_->results.size()) != vars_) {
      return InvalidArgument("function '", names[1], "' does not fit the loop");
    }
    LS_RETURN_IF_ERROR(FindGradients());
    if (xs_.empty()) return Ok();
    LS_RETURN_IF_ERROR(MakeForward());
    return MakeBackwardLoop();
  }

 private:
  // The gradients that go round: of every variable that has one at some time.
  Status FindGradients() {
    const Dys dys = GradientsOf(g_);
    std::vector<DType> want(static_cast<size_t>(vars_), kInvalidType);
    for (size_t i = 0; i < dys.ys.size(); ++i) {
      want[static_cast<size_t>(dys.ys[i])] = dys.types[i];
    }
    for (;;) {
      std::vector<DType> types;
      xs_.clear();
      for (int i = 0; i < vars_; ++i) {
        if (want[static_cast<size_t>(i)] == kInvalidType) continue;
        xs_.push_back(i);
        types.push_back(want[static_cast<size_t>(i)]);
      }
      if (xs_.empty()) return Ok();
      LS_ASSIGN_OR_RETURN(back_,
                          MakeBackward(*body_, xs_, types, want, graph_));
      bool more = false;
      for (size_t i = 0; i < back_.xs.size(); ++i) {
        DType& w = want[static_cast<size_t>(back_.xs[i])];
        more = more || w == kInvalidType;
        w = BaseOf(back_.function.results[i].dtype());
      }
      if (!more) break;
    }
    const Consumers consumers(back_.function.body);
    for (int i = 0; i < vars_; ++i) {
      const Output arg = back_.function.args[static_cast<size_t>(i)]->output(0);
      const bool used = !consumers.Unused(arg.node) ||
                        std::ranges::find(back_.function.results, arg) !=
                            back_.function.results.end();
      const bool fixed = body_->results[static_cast<size_t>(i)].node ==
                         body_->args[static_cast<size_t>(i)];
      if (used && !fixed) listed_.push_back(i);
      if (used && fixed) fixed_.push_back(i);
    }
    back_name_ = back_.function.name;
    return AddFunction(graph_, std::move(back_.function));
  }

  Output Element(const Scope& s) const {
    return s.Op("Const")
        .Attr("dtype", kInt32)
        .Attr("value", Tensor(int32_t{-1}))
        .Out();
  }
  Output Int(const Scope& s, int32_t v) const {
    return s.Op("Const").Attr("dtype", kInt32).Attr("value", Tensor(v)).Out();
  }
  DType TypeOf(int var) const { return BaseOf(g_.node()->input(var).dtype()); }
  // A call of a function within another.
  std::vector<Output> Call(const Scope& s, const std::string& name,
                           const std::vector<Output>& in,
                           const std::vector<DType>& types) const {
    return s.Op("PartitionedCall")
        .In(in)
        .Attr("Tin", TypesOf(in))
        .Attr("Tout", types)
        .Attr("f", FunctionRef{.name = name})
        .Outs();
  }

  // (count, variables, lists): the forward loop's and its functions' ends.
  std::vector<Output> ForwardArgs(Function* f) const {
    std::vector<Output> args = {AddArg(f, "count", kInt32, Shape{})};
    for (int i = 0; i < vars_; ++i) {
      args.push_back(AddArg(f, StrCat("var", i), TypeOf(i)));
    }
    for (int i : listed_) {
      args.push_back(AddArg(f, StrCat("list", i), kVariant, Shape{}));
    }
    return args;
  }
  std::vector<Output> VarsOf(const std::vector<Output>& args) const {
    return {args.begin() + 1, args.begin() + 1 + vars_};
  }

  Status MakeForward() {
    std::vector<DType> types;
    for (int i = 0; i < vars_; ++i) types.push_back(TypeOf(i));
    Function cond{.name =
                      graph_->functions()->UniqueName(cond_->name + "_kept")};
    Scope cs(&cond.body);
    cond.results = Call(cs, cond_->name, VarsOf(ForwardArgs(&cond)), {kBool});
    Function body{.name =
                      graph_->functions()->UniqueName(body_->name + "_kept")};
    Scope bs(&body.body);
    const std::vector<Output> args = ForwardArgs(&body);
    body.results = {bs.Op("AddV2").In(args[0]).In(Int(bs, 1)).Out()};
    for (const Output& o : Call(bs, body_->name, VarsOf(args), types)) {
      body.results.push_back(o);
    }
    for (size_t i = 0; i < listed_.size(); ++i) {
      const int var = listed_[i];
      body.results.push_back(bs.Op("TensorListPushBack")
                                 .In(args[1 + static_cast<size_t>(vars_) + i])
                                 .In(args[1 + static_cast<size_t>(var)])
                                 .Attr("element_dtype", TypeOf(var))
                                 .Out());
    }
    LS_RETURN_IF_ERROR(cond.body.status());
    LS_RETURN_IF_ERROR(body.body.status());
    const std::string cond_name = cond.name, body_name = body.name;
    LS_RETURN_IF_ERROR(AddFunction(graph_, std::move(cond)));
    LS_RETURN_IF_ERROR(AddFunction(graph_, std::move(body)));

    const Scope& s = g_.scope();
    std::vector<Output> in = {Int(s, 0)};
    for (const Output& o : g_.node()->inputs()) in.push_back(o);
    for (int var : listed_) {
      in.push_back(s.Op("EmptyTensorList")
                       .In(Element(s))
                       .In(Int(s, -1))
                       .Attr("element_dtype", TypeOf(var))
                       .Attr("shape_type", kInt32)
                       .Out());
    }
    std::vector<Shape> shapes = ShapesOf(in);
    for (int i = 0; i < vars_; ++i) {
      shapes[static_cast<size_t>(i) + 1] = g_.node()->output_shape(i);
    }
    forward_ = s.Op(g_.node()->op())
                   .In(in)
                   .Attr("T", TypesOf(in))
                   .Attr("output_shapes", shapes)
                   .Attr("cond", FunctionRef{.name = cond_name})
                   .Attr("body", FunctionRef{.name = body_name})
                   .Build();
    if (!forward_) return s.status();
    for (int i = 0; i < vars_; ++i) {
      graph_->ReplaceUses(g_.y(i), forward_->output(i + 1), forward_);
    }
    return Ok();
  }

  // (count, gradients, lists, fixed values)
  std::vector<Output> BackwardArgs(Function* f) const {
    std::vector<Output> args = {AddArg(f, "count", kInt32, Shape{})};
    for (int i : xs_) {
      const DType type = TypeOf(i);
      args.push_back(
          AddArg(f, StrCat("d", i), Differentiable(type) ? type : dx_type(i)));
    }
    for (int i : listed_) {
      args.push_back(AddArg(f, StrCat("list", i), kVariant, Shape{}));
    }
    for (int i : fixed_) {
      args.push_back(AddArg(f, StrCat("fixed", i), TypeOf(i)));
    }
    return args;
  }
  // The gradient's dtype: of a handle, that of its variable.
  DType dx_type(int var) const {
    const auto f = graph_->functions()->Find(back_name_);
    for (size_t i = 0; i < back_.xs.size(); ++i) {
      if (back_.xs[i] == var) return BaseOf(f->results[i].dtype());
    }
    return kFloat;
  }

  Status MakeBackwardLoop() {
    Function cond{.name =
                      graph_->functions()->UniqueName(cond_->name + "_grad")};
    Scope cs(&cond.body);
    cond.results = {
        cs.Op("Greater").In(BackwardArgs(&cond)[0]).In(Int(cs, 0)).Out()};
    Function body{.name =
                      graph_->functions()->UniqueName(body_->name + "_back")};
    FillBackwardBody(&body);
    LS_RETURN_IF_ERROR(cond.body.status());
    LS_RETURN_IF_ERROR(body.body.status());
    const std::string cond_name = cond.name, body_name = body.name;
    LS_RETURN_IF_ERROR(AddFunction(graph_, std::move(cond)));
    LS_RETURN_IF_ERROR(AddFunction(graph_, std::move(body)));

    const Scope& s = g_.scope();
    std::vector<Output> in = {forward_->output(0)};
    for (int i : xs_) {
      in.push_back(g_.has_dy(i)
                       ? g_.dy(i)
                       : ZerosFor(s, forward_->output(i + 1), dx_type(i)));
    }
    for (size_t i = 0; i < listed_.size(); ++i) {
      in.push_back(forward_->output(1 + vars_ + static_cast<int>(i)));
    }
    for (int i : fixed_) in.push_back(g_.node()->input(i));
    Node* loop = s.Op(g_.node()->op())
                     .In(in)
                     .Attr("T", TypesOf(in))
                     .Attr("output_shapes", ShapesOf(in))
                     .Attr("cond", FunctionRef{.name = cond_name})
                     .Attr("body", FunctionRef{.name = body_name})
                     .Build();
    for (size_t i = 0; loop && i < xs_.size(); ++i) {
      LS_RETURN_IF_ERROR(
          g_.SetDx(xs_[i], loop->output(1 + static_cast<int>(i))));
    }
    return s.status();
  }

  void FillBackwardBody(Function* body) const {
    Scope s(&body->body);
    const std::vector<Output> args = BackwardArgs(body);
    std::vector<Output> values(static_cast<size_t>(vars_)), lists;
    size_t at = 1 + xs_.size();
    for (int i : listed_) {
      Node* pop = s.Op("TensorListPopBack")
                      .In(args[at++])
                      .In(Element(s))
                      .Attr("element_dtype", TypeOf(i))
                      .Build();
      if (!pop) return;
      lists.push_back(pop->output(0));
      values[static_cast<size_t>(i)] = pop->output(1);
    }
    for (int i : fixed_) values[static_cast<size_t>(i)] = args[at++];
    for (int i = 0; i < vars_; ++i) {  // not used by the gradient
      Output& v = values[static_cast<size_t>(i)];
      if (v.defined()) continue;
      v = s.Op("Const")
              .Attr("dtype", TypeOf(i))
              .Attr("value", Tensor(TypeOf(i), Shape{0}))
              .Out();
    }
    std::vector<DType> types;
    const auto f = graph_->functions()->Find(back_name_);
    for (const Output& o : f->results) types.push_back(BaseOf(o.dtype()));
    values.insert(values.end(), args.begin() + 1,
                  args.begin() + 1 + static_cast<int>(xs_.size()));
    body->results = {s.Op("Sub").In(args[0]).In(Int(s, 1)).Out()};
    for (const Output& o : Call(s, back_name_, values, types)) {
      body->results.push_back(o);
    }
    body->results.insert(body->results.end(), lists.begin(), lists.end());
    const size_t fixed = args.size() - fixed_.size();
    body->results.insert(body->results.end(),
                         args.begin() + static_cast<int>(fixed), args.end());
  }

  GradContext& g_;
  Graph* graph_;
  int vars_;
  std::shared_ptr<const Function> cond_;
  std::shared_ptr<const Function> body_;
  Backward back_;
  std::string back_name_;
  std::vector<int> xs_;      // variables with gradients
  std::vector<int> listed_;  // variables whose values the gradient needs
  std::vector<int> fixed_;   // likewise, but they never change
  Node* forward_ = nullptr;
};

}  // namespace

Status WhileGradient(GradContext& g) { return LoopDifferentiator(g).Run(); }

}  // namespace lockstep
