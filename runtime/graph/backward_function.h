// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functions that compute the gradients of functions; what the gradient rules
// of calls, branches and loops share. Internal to runtime/graph.

#include <memory>
#include <string>
#include <vector>

#include "runtime/graph/function.h"
#include "runtime/graph/gradients.h"

namespace lockstep {

// An argument of a function under construction, after those it has; undefined
// after an error, which is the body's status.
Output AddArg(Function* f, const std::string& name, DType type,
              const Shape& shape = Shape::Unknown());

Result<std::shared_ptr<const Function>> FindFunction(const Graph& graph,
                                                     std::string_view name);
Status AddFunction(Graph* graph, Function f);

struct Backward {
  Function function;    // (f's arguments, dys) -> dxs
  std::vector<int> xs;  // the arguments that have a gradient
};

// The gradients of `f` for those of its results that `ys` numbers, whose
// gradients have `dy_types`. `want[i]`: the dtype of a gradient for argument i
// that is among the results even if it is zero; kInvalidType where it need
// not be. UNIMPLEMENTED when it would have to repeat an effect. Functions that
// it needs go to `graph`'s library.
Result<Backward> MakeBackward(const Function& f, const std::vector<int>& ys,
                              const std::vector<DType>& dy_types,
                              const std::vector<DType>& want, Graph* graph);

// The name of a function (f's arguments, a dy for each of its results) -> (a dx
// for each argument): the one that the library names, else one that is made
// and added to `graph`'s library.
Result<std::string> GradientFunction(const std::string& f, Graph* graph);

// Zeros like x; like the variable of `dtype` when x is its handle.
Output ZerosFor(const Scope& s, Output x, DType dtype);

// The node's outputs that have gradients: numbers, gradients, dtypes.
struct Dys {
  std::vector<int> ys;
  std::vector<Output> values;
  std::vector<DType> types;
};
Dys GradientsOf(GradContext& g);

std::vector<DType> TypesOf(const std::vector<Output>& outputs);
std::vector<Shape> ShapesOf(const std::vector<Output>& outputs);

}  // namespace lockstep
