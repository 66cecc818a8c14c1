// SPDX-License-Identifier: Apache-2.0

// Dilation2D: grey-scale dilation, y = max over the window of x + filter.
//   input: real numbers [N,H,W,C]   filter: [kh,kw,C]   output: [N,h,w,C]
// Pixels outside of the image take no part.
// Dilation2DBackpropInput, Dilation2DBackpropFilter: input, filter,
// out_backprop: dy goes to the first pixel of the window that is the largest.

#include <limits>

#include "ops/conv/conv.h"
#include "ops/conv/window.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct DilationDims {
  Window rows, columns;
  int64_t images = 0, depth = 0;
};

Result<DilationDims> DimsOf(const AttrMap& attrs, const Shape& x,
                            const Shape& filter) {
  AttrMap names = attrs;
  names["dilations"] = attrs.find("rates")->second;
  LS_ASSIGN_OR_RETURN(const WindowAttrs window, WindowAttrs::From(names));
  DilationDims d{{}, {}, x.dim(0), x.dim(3)};
  LS_ASSIGN_OR_RETURN(d.rows, window.Along(0, x.dim(1), filter.dim(0)));
  LS_ASSIGN_OR_RETURN(d.columns, window.Along(1, x.dim(2), filter.dim(1)));
  if (x.dim(3) != kUnknownDim && filter.dim(2) != kUnknownDim &&
      x.dim(3) != filter.dim(2)) {
    return InvalidArgument("input and filter must have the same depth: ",
                           x.dim(3), " vs ", filter.dim(2));
  }
  return d;
}

// Output 0: of y (kOut = -1), or as input kOut.
template <int kOut>
Status DilationShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape filter, c.WithRank(1, 3));
  LS_ASSIGN_OR_RETURN(const DilationDims d, DimsOf(c.attrs(), x, filter));
  const Shape y{d.images, d.rows.out, d.columns.out, d.depth};
  if constexpr (kOut < 0) {
    return c.SetOutput(0, y);
  } else {
    LS_ASSIGN_OR_RETURN(const Shape dy, c.WithRank(2, 4));
    if (dy.IsFullyKnown() && y.IsFullyKnown() && !(dy == y)) {
      return InvalidArgument("out_backprop has shape ", dy, ", the output ", y);
    }
    return c.SetOutput(0, kOut == 0 ? x : filter);
  }
}

Status PrepareDilation(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const DilationDims d,
                      DimsOf(p.attrs(), p.input_shape(0), p.input_shape(1)));
  p.MakeState<DilationDims>(d);
  return Ok();
}

// The largest sum of one window and where it is in x and in the filter, -1
// when the window has no pixel.
template <class T>
struct Largest {
  ValueType<T> value = std::numeric_limits<ValueType<T>>::lowest();
  int64_t x = -1, filter = -1;
};

template <class T>
Largest<T> LargestAt(const DilationDims& d, const T* x, const T* filter,
                     int64_t n, int64_t i, int64_t j, int64_t c) {
  using V = ValueType<T>;
  const auto& [rows, columns, images, depth] = d;
  Largest<T> best;
  for (int64_t u = 0; u < rows.size; ++u) {
    const int64_t h = i * rows.stride + u * rows.dilation - rows.pad_before;
    if (h < 0 || h >= rows.in) continue;
    for (int64_t v = 0; v < columns.size; ++v) {
      const int64_t w =
          j * columns.stride + v * columns.dilation - columns.pad_before;
      if (w < 0 || w >= columns.in) continue;
      const int64_t at = ((n * rows.in + h) * columns.in + w) * depth + c;
      const int64_t in_filter = (u * columns.size + v) * depth + c;
      const V sum = static_cast<V>(static_cast<V>(x[at]) +
                                   static_cast<V>(filter[in_filter]));
      if (best.x < 0 || sum > best.value) best = {sum, at, in_filter};
    }
  }
  return best;
}

// f(place in y, largest) for every element of images [begin, end).
template <class T, class F>
void ForDilations(KernelContext& k, int64_t begin, int64_t end, const F& f) {
  const DilationDims& d = k.state<DilationDims>();
  int64_t at = begin * d.rows.out * d.columns.out * d.depth;
  for (int64_t n = begin; n < end; ++n) {
    for (int64_t i = 0; i < d.rows.out; ++i) {
      for (int64_t j = 0; j < d.columns.out; ++j) {
        for (int64_t c = 0; c < d.depth; ++c) {
          f(at++, LargestAt(d, k.in<T>(0), k.in<T>(1), n, i, j, c));
        }
      }
    }
  }
}

template <class T>
Status DilationCpu(KernelContext& k) {
  ParallelFor(k.state<DilationDims>().images, 1,
              [&](int64_t begin, int64_t end) {
                ForDilations<T>(k, begin, end,
                                [&](int64_t at, const Largest<T>& largest) {
                                  k.out<T>(0)[at] = T(largest.value);
                                });
              });
  return Ok();
}

template <class T, bool kFilter>
Status DilationGradCpu(KernelContext& k) {
  using A = ArithmeticType<T>;
  T* dx = k.out<T>(0);
  std::fill_n(dx, k.output(0).NumElements(), T(0));
  ForDilations<T>(k, 0, k.state<DilationDims>().images,
                  [&](int64_t at, const Largest<T>& largest) {
                    if (largest.x < 0) return;
                    T& to = dx[kFilter ? largest.filter : largest.x];
                    to = T(A(to) + A(k.in<T>(2)[at]));
                  });
  return Ok();
}

NodeBuilder WithAttrs(NodeBuilder node, const GradContext& g) {
  for (const char* name : {"strides", "rates", "padding"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node;
}

Status DilationGradient(GradContext& g) {
  for (int i : {0, 1}) {
    NodeBuilder node = g.scope().Op(i == 0 ? "Dilation2DBackpropInput"
                                           : "Dilation2DBackpropFilter");
    node.In(g.x(0)).In(g.x(1)).In(g.dy(0));
    LS_RETURN_IF_ERROR(g.SetDx(i, WithAttrs(node, g).Out()));
  }
  return Ok();
}

OpBuilder DilationOp(const char* name, ShapeFn shape) {
  OpBuilder b(name);
  b.Input("input: T").Input("filter: T");
  b.Attr("T: realnumbertype")
      .Attr("strides: list(int) >= 4")
      .Attr("rates: list(int) >= 4")
      .Attr("padding: {'SAME', 'VALID'}")
      .Shape(shape);
  return b;
}

const OpRegistrar kDilation =
    DilationOp("Dilation2D", DilationShape<-1>)
        .Output("output: T")
        .Gradient(DilationGradient)
        .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
          return KernelDef{DilationCpu<T>, PrepareDilation};
        });
const OpRegistrar kInputGrad =
    DilationOp("Dilation2DBackpropInput", DilationShape<0>)
        .Input("out_backprop: T")
        .Output("in_backprop: T")
        .NoGradient()
        .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
          return KernelDef{DilationGradCpu<T, false>, PrepareDilation};
        });
const OpRegistrar kFilterGrad =
    DilationOp("Dilation2DBackpropFilter", DilationShape<1>)
        .Input("out_backprop: T")
        .Output("filter_backprop: T")
        .NoGradient()
        .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
          return KernelDef{DilationGradCpu<T, true>, PrepareDilation};
        });

}  // namespace

Output ops::Dilation2D(const Scope& scope, const Input& input,
                       const Input& filter, const std::vector<int64_t>& strides,
                       const std::vector<int64_t>& rates,
                       const std::string& padding) {
  return scope.Op("Dilation2D")
      .In(input)
      .In(filter)
      .Attr("strides", strides)
      .Attr("rates", rates)
      .Attr("padding", padding)
      .Out();
}

}  // namespace lockstep
