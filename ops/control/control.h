// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functions, conditions and loops in a graph, as TensorFlow 2 writes them.
//
//   std::vector<Output> y = ops::Cond(s, p, {x},
//       [](const Scope& s, const std::vector<Output>& in) {
//         return std::vector<Output>{ops::Mul(s, in[0], 2.0f)};
//       },
//       [](const Scope& s, const std::vector<Output>& in) {
//         return std::vector<Output>{ops::Neg(s, in[0])};
//       });
//
// A function sees its arguments only: what it uses of the graph around it, it
// takes as an argument. Resource variables are passed as their handles;
// updates in a function are ordered by control edges like others. All of it
// can be differentiated, but for functions that change something outside.
// Mistakes go to the graph's status, as those of other builder functions;
// results are then undefined outputs.

#include <functional>
#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// Makes a function's results from its arguments, in the function's own graph.
using FunctionBody = std::function<std::vector<Output>(
    const Scope&, const std::vector<Output>&)>;

// Adds a function to the library of the scope's graph, with arguments of the
// dtypes and shapes of `like`. Returns its name: `name`, made unique; empty
// after an error.
std::string DefineFunction(const Scope& scope, const std::string& name,
                           const std::vector<Output>& like,
                           const FunctionBody& body);

// The results of a function for these arguments.
std::vector<Output> Call(const Scope& scope, const std::string& function,
                         const std::vector<Output>& args);

// then(inputs) if `pred`, a scalar, is true, else otherwise(inputs). Both give
// as many results, of equal dtypes; only one of them runs.
std::vector<Output> Cond(const Scope& scope, const Input& pred,
                         const std::vector<Output>& inputs,
                         const FunctionBody& then,
                         const FunctionBody& otherwise);

// branches[index](inputs); the last one when there is no such number.
std::vector<Output> Case(const Scope& scope, const Input& index,
                         const std::vector<Output>& inputs,
                         const std::vector<FunctionBody>& branches);

// While cond(vars), a boolean scalar, is true, vars = body(vars); returns the
// last. A variable keeps its dtype; sizes may change where `shapes`, if given,
// does not fix them.
std::vector<Output> While(const Scope& scope, const std::vector<Output>& vars,
                          const FunctionBody& cond, const FunctionBody& body,
                          const std::vector<lockstep::Shape>& shapes = {});

}  // namespace lockstep::ops
