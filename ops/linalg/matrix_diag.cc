// SPDX-License-Identifier: Apache-2.0

// MatrixDiag, MatrixDiagV2, V3: matrices of `padding_value` with the given band
// of diagonals (see diagonals.h).
//   diagonal: T [..., longest] or [..., diagonals, longest]
//   k: int32, 1 or 2 numbers   num_rows, num_cols: int32 [], -1: the least
//   padding_value: T []   output: [..., rows, cols]
// Gradient: the band of dy.

#include "ops/array/axes.h"
#include "ops/array/element_unit.h"
#include "ops/linalg/diagonals.h"
#include "ops/linalg/linalg.h"
#include "runtime/core/threads.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct DiagState {
  Band band;
  int64_t rows = 0, cols = 0;
};

// The matrices' size; `wanted` is {num_rows, num_cols}.
Status ResolveSize(DiagState& s, int64_t longest,
                   std::array<int64_t, 2> wanted) {
  const int64_t least_rows = longest - std::min<int64_t>(s.band.upper, 0);
  const int64_t least_cols = longest + std::max<int64_t>(s.band.lower, 0);
  s.rows = wanted[0];
  s.cols = wanted[1];
  if (s.rows == -1 && s.cols == -1) {
    s.rows = s.cols = std::max(least_rows, least_cols);
  }
  if (s.rows == -1) s.rows = least_rows;
  if (s.cols == -1) s.cols = least_cols;
  if (s.rows < least_rows) {
    return InvalidArgument("The number of rows is too small: ", s.rows,
                           ", needs ", least_rows);
  }
  if (s.cols < least_cols) {
    return InvalidArgument("The number of columns is too small: ", s.cols,
                           ", needs ", least_cols);
  }
  if (s.rows != least_rows && s.cols != least_cols) {
    return InvalidArgument(
        "The number of rows or columns is not consistent with the specified "
        "d_lower, d_upper, and diagonal.");
  }
  return CheckBand(s.band, s.rows, s.cols);
}

std::string_view Align(const AttrMap& attrs) {
  const std::string* align = GetIf<std::string>(attrs, "align");
  return align == nullptr ? std::string_view("LEFT_LEFT") : *align;
}

// `values` are those of k, num_rows and num_cols, nulls for MatrixDiag.
Result<DiagState> MakeDiag(const Shape& diagonal, const AttrMap& attrs,
                           std::array<const Tensor*, 3> values) {
  DiagState s;
  const Tensor none(int32_t{0});
  LS_ASSIGN_OR_RETURN(
      s.band, BandOf(values[0] == nullptr ? none : *values[0], Align(attrs)));
  const int need = s.band.count() > 1 ? 2 : 1;
  if (diagonal.rank() < need) {
    return InvalidArgument("diagonal must have rank at least ", need,
                           ", has shape ", diagonal);
  }
  if (need == 2 && diagonal.dim(diagonal.rank() - 2) != s.band.count()) {
    return InvalidArgument(
        "The number of diagonals provided in the input does not match the "
        "lower_diag_index and upper_diag_index range: ",
        diagonal, " for ", s.band.count());
  }
  std::array<int64_t, 2> wanted{-1, -1};
  for (size_t i = 0; i < 2; ++i) {
    if (values[i + 1] == nullptr) continue;
    if (values[i + 1]->NumElements() != 1) {
      return InvalidArgument("num_rows and num_cols must be scalars");
    }
    wanted[i] = IntAt(*values[i + 1], 0);
  }
  LS_RETURN_IF_ERROR(ResolveSize(s, diagonal.dim(diagonal.rank() - 1), wanted));
  return s;
}

Status MatrixDiagShape(ShapeContext& c) {
  const Shape& d = c.Input(0);
  std::array<const Tensor*, 3> values{};
  for (int i = 1; i < c.num_inputs() && i <= 3; ++i) {
    values[static_cast<size_t>(i - 1)] = c.InputValue(i);
    if (c.InputValue(i) == nullptr) return Ok();
  }
  if (!d.HasRank()) return Ok();
  LS_RETURN_IF_ERROR(c.WithRankAtLeast(0, 1).status());
  const bool one = values[0] == nullptr || values[0]->NumElements() == 1 ||
                   IntAt(*values[0], 0) == IntAt(*values[0], 1);
  Shape y(d.dims().first(
      static_cast<size_t>(std::max(0, d.rank() - (one ? 1 : 2)))));
  if (y.rank() + 2 > Shape::kMaxRank) {
    return InvalidArgument("diagonal has too many dimensions: ", d);
  }
  if (d.dim(d.rank() - 1) == kUnknownDim ||
      (!one && d.rank() > 1 && d.dim(d.rank() - 2) == kUnknownDim)) {
    y.AddDim(kUnknownDim);
    y.AddDim(kUnknownDim);
    return c.SetOutput(0, y);
  }
  LS_ASSIGN_OR_RETURN(DiagState s, MakeDiag(d, c.attrs(), values));
  y.AddDim(s.rows);
  y.AddDim(s.cols);
  return c.SetOutput(0, y);
}

Status PrepareMatrixDiag(PrepareContext& c) {
  std::array<const Tensor*, 3> values{};
  for (int i = 1; i < c.num_inputs() && i <= 3; ++i) {
    values[static_cast<size_t>(i - 1)] = c.input_value(i);
  }
  LS_ASSIGN_OR_RETURN(DiagState s,
                      MakeDiag(c.input_shape(0), c.attrs(), values));
  c.MakeState<DiagState>(s);
  return Ok();
}

template <class U>
Status MatrixDiagCpu(KernelContext& k) {
  const DiagState& s = k.state<DiagState>();
  const U* diagonals = k.in<U>(0);
  U* y = k.out<U>(0);
  const U padding = k.num_inputs() > 4 ? k.in<U>(4)[0] : U{};
  const int64_t size = s.rows * s.cols;
  if (size == 0) return Ok();
  const int64_t band = s.band.count() * s.band.LongestIn(s.rows, s.cols);
  ParallelFor(
      k.output(0).NumElements() / size, std::max<int64_t>(1, 16384 / size),
      [&](int64_t begin, int64_t end) {
        for (int64_t m = begin; m < end; ++m) {
          U* matrix = y + m * size;
          std::fill_n(matrix, size, padding);
          ForDiagonals(s.band, s.rows, s.cols, [&](int64_t slot, int64_t at) {
            if (at >= 0) {
              matrix[at] = diagonals[m * band + slot];
            }
          });
        }
      });
  return Ok();
}

Status MatrixDiagGradient(GradContext& g) {
  const Scope& s = g.scope();
  if (g.num_inputs() == 1) {
    return g.SetDx(0, s.Op("MatrixDiagPart").In(g.dy(0)).Out());
  }
  const std::string* align = GetIf<std::string>(g.node()->attrs(), "align");
  return g.SetDx(0, ops::MatrixDiagPart(s, g.dy(0), g.x(1),
                                        Input(0).Resolve(s, g.dy(0).dtype()),
                                        align ? *align : "LEFT_LEFT"));
}

OpBuilder MatrixDiagOp(const char* name, int version) {
  OpBuilder b(name);
  b.Input("diagonal: T");
  if (version > 1) {
    b.Input("k: int32")
        .Input("num_rows: int32")
        .Input("num_cols: int32")
        .Input("padding_value: T")
        .NeedsValue({1, 2, 3});
  }
  b.Output("output: T").Attr("T: type");
  if (version > 2) {
    b.Attr(
        "align: {'LEFT_RIGHT', 'RIGHT_LEFT', 'LEFT_LEFT', 'RIGHT_RIGHT'} "
        "= 'RIGHT_LEFT'");
  }
  b.Shape(MatrixDiagShape).Gradient(MatrixDiagGradient);
  b.Kernels<LS_ANY_TYPES>(kCpu, [version]<class T>() {
    return KernelDef{
        MatrixDiagCpu<ElementUnit<T>>, PrepareMatrixDiag,
        version == 1 ? std::vector<std::string>{}
                     : std::vector<std::string>{"k", "num_rows", "num_cols"}};
  });
  return b;
}

const OpRegistrar kMatrixDiag = MatrixDiagOp("MatrixDiag", 1);
const OpRegistrar kMatrixDiagV2 = MatrixDiagOp("MatrixDiagV2", 2);
const OpRegistrar kMatrixDiagV3 = MatrixDiagOp("MatrixDiagV3", 3);

}  // namespace

Output ops::MatrixDiag(const Scope& scope, const Input& diagonal,
                       const Input& k, const Input& num_rows,
                       const Input& num_cols, const Input& padding_value,
                       const std::string& align) {
  return scope.Op("MatrixDiagV3")
      .In(diagonal)
      .In(k)
      .In(num_rows)
      .In(num_cols)
      .In(padding_value.Resolve(scope, diagonal.dtype()))
      .Attr("align", align)
      .Out();
}

}  // namespace lockstep
