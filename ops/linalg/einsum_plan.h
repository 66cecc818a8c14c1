// SPDX-License-Identifier: Apache-2.0
#pragma once

// EinsumPlan: how an equation such as "bij,bjk->bik" becomes one batched
// matrix product. Labels are letters; "..." stands for leading dimensions that
// broadcast. Made in prepare.
//
//   LS_ASSIGN_OR_RETURN(EinsumPlan plan, EinsumPlan::Make("ij,jk->ik",
//   shapes)); plan.output();                     // [i, k]

#include <array>
#include <span>
#include <string>
#include <vector>

#include "ops/array/strided_copy.h"
#include "ops/linalg/matmul_kernel.h"

namespace lockstep {

// One subscript: a number for each dimension; letters are their codes, the
// dimensions of the ellipsis 256 + how many follow within it.
using EinsumLabels = std::vector<int>;

struct EinsumEquation {
  std::vector<std::string> inputs;
  std::string output;
  // INVALID_ARGUMENT unless there are one or two inputs and an output.
  static Result<EinsumEquation> Parse(std::string_view text);
};

class EinsumPlan {
 public:
  // Shapes may be partial: then only output() is right.
  static Result<EinsumPlan> Make(std::string_view equation,
                                 std::span<const Shape> inputs);
  const Shape& output() const { return output_; }

  // An operand brought into [batch, rows, columns]: an odometer over the kept
  // labels and, inside, one over those that are summed away.
  struct Operand {
    std::vector<int64_t> kept, kept_strides;
    std::array<size_t, 3> parts{};  // how many labels are batch, rows, columns
    std::vector<int64_t> summed, summed_strides;
    int64_t size = 1;
  };
  const std::vector<Operand>& operands() const { return operands_; }
  const detail::MatMulDims& matrix() const { return matrix_; }
  int64_t batches() const { return batches_; }
  // The product's labels, [batch, m, n] in order, as dims and as strides in the
  // output; some labels may stand in it several times (a diagonal).
  const std::vector<int64_t>& result_dims() const { return result_dims_; }
  const std::vector<int64_t>& result_strides() const { return result_strides_; }
  const std::array<size_t, 3>& result_parts() const { return result_parts_; }
  bool diagonal() const { return diagonal_; }

 private:
  Status Resolve(const std::vector<EinsumLabels>& labels,
                 std::span<const Shape> shapes);

  Shape output_;
  EinsumLabels output_labels_;
  std::vector<Operand> operands_;
  detail::MatMulDims matrix_;
  int64_t batches_ = 1;
  std::vector<int64_t> result_dims_, result_strides_;
  std::array<size_t, 3> result_parts_{};
  bool diagonal_ = false;
};

}  // namespace lockstep
