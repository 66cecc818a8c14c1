// SPDX-License-Identifier: Apache-2.0

// MatrixDiagPart (V2, V3): a band of each matrix's diagonals (diagonals.h).
//   input: T [..., rows, cols]   k: int32, 1 or 2 numbers   padding_value: T []
//   diagonal: [..., longest], with 2 numbers [..., diagonals, longest]
// MatrixSetDiag (V2, V3): the matrices with that band replaced by `diagonal`.
// Gradients: MatrixDiagPart: dy set into zeros; MatrixSetDiag: dy with zeros
// in the band, and dy's band.

#include "ops/array/array.h"
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

// The input that k is, -1 for the first versions, which have none.
int KInput(std::string_view op) {
  if (op == "MatrixDiagPart" || op == "MatrixSetDiag") return -1;
  return op.starts_with("MatrixSetDiag") ? 2 : 1;
}

struct PartState {
  Band band;
  int64_t rows = 0, cols = 0, band_size = 0;
};

// Of matrices [..., rows, cols] of `shape`; k's value null for no k.
Result<PartState> MakePart(const Shape& shape, const Tensor* k,
                           const AttrMap& attrs) {
  PartState s;
  const std::string* align = GetIf<std::string>(attrs, "align");
  LS_ASSIGN_OR_RETURN(s.band,
                      BandOf(k == nullptr ? Tensor(int32_t{0}) : *k,
                             align == nullptr ? std::string_view("LEFT_LEFT")
                                              : std::string_view(*align)));
  s.rows = shape.dim(shape.rank() - 2);
  s.cols = shape.dim(shape.rank() - 1);
  if (s.rows < 0 || s.cols < 0) return s;
  LS_RETURN_IF_ERROR(CheckBand(s.band, s.rows, s.cols));
  s.band_size = s.band.count() * s.band.LongestIn(s.rows, s.cols);
  return s;
}

// The shape of the band of input 0, of unknown rank when that is not known.
Result<Shape> BandShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRankAtLeast(0, 2));
  const int at = KInput(c.def().name);
  if (!x.HasRank()) return Shape::Unknown();
  Shape y(x.dims().first(static_cast<size_t>(x.rank() - 2)));
  if (at >= 0 && c.InputValue(at) == nullptr) return Shape::Unknown();
  LS_ASSIGN_OR_RETURN(
      PartState s, MakePart(x, at < 0 ? nullptr : c.InputValue(at), c.attrs()));
  if (s.band.count() > 1) y.AddDim(s.band.count());
  y.AddDim(s.rows < 0 || s.cols < 0 ? kUnknownDim
                                    : s.band.LongestIn(s.rows, s.cols));
  return y;
}

Status MatrixDiagPartShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape y, BandShape(c));
  return c.SetOutput(0, y);
}
Status MatrixSetDiagShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape band, BandShape(c));
  if (!band.IsCompatibleWith(c.Input(1))) {
    return InvalidArgument("diagonal must have shape ", band, " for input ",
                           c.Input(0), ", has ", c.Input(1));
  }
  return c.SetOutput(0, c.Input(0));
}

Status PreparePart(PrepareContext& c) {
  const int at = KInput(c.def().name);
  LS_ASSIGN_OR_RETURN(
      PartState s, MakePart(c.input_shape(0),
                            at < 0 ? nullptr : c.input_value(at), c.attrs()));
  c.MakeState<PartState>(s);
  return Ok();
}

// Calls f(matrix number) for all matrices, on several threads.
template <class F>
void ForMatrices(const PartState& s, int64_t elements, const F& f) {
  const int64_t size = s.rows * s.cols;
  if (size == 0) return;
  ParallelFor(elements / size, std::max<int64_t>(1, 16384 / size),
              [&](int64_t begin, int64_t end) {
                for (int64_t m = begin; m < end; ++m) f(m);
              });
}

template <class U>
Status MatrixDiagPartCpu(KernelContext& k) {
  const PartState& s = k.state<PartState>();
  const U* x = k.in<U>(0);
  U* y = k.out<U>(0);
  const U padding = k.num_inputs() > 2 ? k.in<U>(2)[0] : U{};
  ForMatrices(s, k.input(0).NumElements(), [&](int64_t m) {
    ForDiagonals(s.band, s.rows, s.cols, [&](int64_t slot, int64_t at) {
      y[m * s.band_size + slot] =
          at < 0 ? padding : x[m * s.rows * s.cols + at];
    });
  });
  return Ok();
}

template <class U>
Status MatrixSetDiagCpu(KernelContext& k) {
  const PartState& s = k.state<PartState>();
  const U* x = k.in<U>(0);
  const U* diagonals = k.in<U>(1);
  U* y = k.out<U>(0);
  const int64_t size = s.rows * s.cols;
  ForMatrices(s, k.input(0).NumElements(), [&](int64_t m) {
    if (x != y) std::copy_n(x + m * size, size, y + m * size);
    ForDiagonals(s.band, s.rows, s.cols, [&](int64_t slot, int64_t at) {
      if (at >= 0) y[m * size + at] = diagonals[m * s.band_size + slot];
    });
  });
  return Ok();
}

// The version of another op that has the same k and align as this node.
Output SameBand(GradContext& g, std::string op, Output x, Output diagonal) {
  const Scope& s = g.scope();
  const std::string& own = g.node()->op();
  const int at = KInput(own);
  if (at >= 0) op += own.substr(own.size() - 2);
  NodeBuilder b = s.Op(op);
  b.In(x);
  if (diagonal.defined()) b.In(diagonal);
  if (at >= 0) b.In(g.x(at));
  if (at >= 0 && !diagonal.defined()) {
    b.In(Input(0).Resolve(s, x.dtype()));
  }
  if (const auto* align = GetIf<std::string>(g.node()->attrs(), "align")) {
    b.Attr("align", *align);
  }
  return b.Out();
}

Status MatrixDiagPartGradient(GradContext& g) {
  const Output zeros = ops::ZerosLike(g.scope(), g.x(0));
  return g.SetDx(0, SameBand(g, "MatrixSetDiag", zeros, g.dy(0)));
}
Status MatrixSetDiagGradient(GradContext& g) {
  const Output zeros = ops::ZerosLike(g.scope(), g.x(1));
  LS_RETURN_IF_ERROR(g.SetDx(0, SameBand(g, "MatrixSetDiag", g.dy(0), zeros)));
  return g.SetDx(1, SameBand(g, "MatrixDiagPart", g.dy(0), {}));
}

constexpr const char* kAlign =
    "align: {'LEFT_RIGHT', 'RIGHT_LEFT', 'LEFT_LEFT', 'RIGHT_RIGHT'} "
    "= 'RIGHT_LEFT'";

OpBuilder PartOp(const char* name, int version) {
  OpBuilder b(name);
  b.Input("input: T");
  if (version > 1) {
    b.Input("k: int32").Input("padding_value: T").NeedsValue({1});
  }
  b.Output("diagonal: T").Attr("T: type");
  if (version > 2) b.Attr(kAlign);
  b.Shape(MatrixDiagPartShape).Gradient(MatrixDiagPartGradient);
  b.Kernels<LS_ANY_TYPES>(kCpu, [version]<class T>() {
    KernelDef def{MatrixDiagPartCpu<ElementUnit<T>>, PreparePart};
    if (version > 1) def.host_memory = {"k"};
    return def;
  });
  return b;
}

OpBuilder SetOp(const char* name, int version) {
  OpBuilder b(name);
  b.Input("input: T").Input("diagonal: T");
  if (version > 1) b.Input("k: int32").NeedsValue({2});
  b.Output("output: T").Attr("T: type");
  if (version > 2) b.Attr(kAlign);
  b.Shape(MatrixSetDiagShape).Gradient(MatrixSetDiagGradient).InPlace(0, 0);
  b.Kernels<LS_ANY_TYPES>(kCpu, [version]<class T>() {
    KernelDef def{MatrixSetDiagCpu<ElementUnit<T>>, PreparePart};
    if (version > 1) def.host_memory = {"k"};
    return def;
  });
  return b;
}

const OpRegistrar kPart = PartOp("MatrixDiagPart", 1);
const OpRegistrar kPartV2 = PartOp("MatrixDiagPartV2", 2);
const OpRegistrar kPartV3 = PartOp("MatrixDiagPartV3", 3);
const OpRegistrar kSet = SetOp("MatrixSetDiag", 1);
const OpRegistrar kSetV2 = SetOp("MatrixSetDiagV2", 2);
const OpRegistrar kSetV3 = SetOp("MatrixSetDiagV3", 3);

}  // namespace

namespace ops {

Output MatrixDiagPart(const Scope& scope, const Input& input, const Input& k,
                      const Input& padding_value, const std::string& align) {
  return scope.Op("MatrixDiagPartV3")
      .In(input)
      .In(k)
      .In(padding_value.Resolve(scope, input.dtype()))
      .Attr("align", align)
      .Out();
}
Output MatrixSetDiag(const Scope& scope, const Input& input,
                     const Input& diagonal, const Input& k,
                     const std::string& align) {
  return scope.Op("MatrixSetDiagV3")
      .In(input)
      .In(diagonal)
      .In(k)
      .Attr("align", align)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
