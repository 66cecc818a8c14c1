// SPDX-License-Identifier: Apache-2.0
#pragma once

// Function and FunctionLibrary: graphs that other graphs call - the bodies of
// PartitionedCall, If, While - as in a GraphDef's library.
//
//   Function f;
//   f.name = "twice";
//   f.args = {x};                       // _Arg nodes of f.body, in order
//   f.results = {ops::Add(s, x, x)};
//   auto library = std::make_shared<FunctionLibrary>();
//   LS_RETURN_IF_ERROR(library->Add(std::move(f)));
//   graph.set_functions(library);
//
// A library may have a parent, whose functions it has too. Functions do not
// change once they are in a library. Thread-compatible.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

struct Function {
  std::string name;
  Graph body;
  std::vector<Node*> args;      // `_Arg` nodes of body
  std::vector<Output> results;  // of body
  // Run whenever the function is, whatever results are used.
  std::vector<Node*> control_results;
  // As in the library's signature; empty: arg0, arg1 ... and ret0, ret1 ...
  std::vector<std::string> arg_names;
  std::vector<std::string> result_names;
  std::vector<std::string> control_names;  // of control_results
  AttrMap attrs;                           // of the definition

  DType arg_type(size_t i) const { return args[i]->output_type(0); }
  // What a call has to run: control_results, and every node of the body that
  // changes something.
  std::vector<Node*> Effects() const;
};

class FunctionLibrary {
 public:
  explicit FunctionLibrary(
      std::shared_ptr<const FunctionLibrary> parent = nullptr)
      : parent_(std::move(parent)) {}

  // ALREADY_EXISTS when there is one of that name.
  Status Add(Function function);
  // A function that could not be read: using it gives the error.
  void AddBroken(const std::string& name, Status error);
  // `gradient` is the function of the gradients of `function`:
  // (arguments, dys) -> dxs.
  void SetGradient(const std::string& function, const std::string& gradient);
  // The name of such a function; empty when none was set.
  std::string GradientOf(std::string_view function) const;
  // Null when there is none.
  std::shared_ptr<const Function> Find(std::string_view name) const;
  // NOT_FOUND with the nearest name instead of null; a broken one's error.
  Result<std::shared_ptr<const Function>> Get(std::string_view name) const;
  // `base`, or `base_1` ...: the first that is free.
  std::string UniqueName(std::string_view base) const;
  std::vector<std::string> Names() const;  // sorted, the parent's too
  // The errors of those that are broken, by name.
  const std::map<std::string, Status, std::less<>>& broken() const {
    return broken_;
  }

 private:
  std::shared_ptr<const FunctionLibrary> parent_;
  std::map<std::string, std::shared_ptr<const Function>, std::less<>>
      functions_;
  std::map<std::string, Status, std::less<>> broken_;
  std::map<std::string, std::string, std::less<>> gradients_;
};

// Writes to something outside the graph, prints, asserts: has to run though
// nobody reads its outputs. Reading variables and drawing numbers are no
// effects.
bool HasEffect(const Node& node);

}  // namespace lockstep
