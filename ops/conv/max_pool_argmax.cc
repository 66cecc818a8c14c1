// SPDX-License-Identifier: Apache-2.0

// MaxPoolWithArgmax: the largest value of each window and channel, and where it
// is: (y W + x) C + c or, with include_batch_in_index, ((n H + y) W + x) C + c.
//   input: [N,H,W,C]   output: T, argmax: int32|int64, both [N,H',W',C]
// MaxPoolGradWithArgmax: input, grad, argmax -> grad's elements added up there.
// MaxPoolGradGradWithArgmax: input, grad (as input), argmax -> grad's elements
// from there.   An argmax outside the image is INVALID_ARGUMENT.

#include "ops/conv/conv.h"
#include "ops/conv/max_pool_rows.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

struct ArgmaxState {
  PoolDims dims;
  bool batch = false;  // the index counts images too
};

Status ArgmaxShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(PoolShape(c));
  return c.SetOutput(1, c.outputs()[0]);
}

// The gradients' inputs: input, grad, argmax.
template <bool kGradGrad>
Status ArgmaxGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape grad, c.WithRank(1, 4));
  LS_ASSIGN_OR_RETURN(const Shape argmax, c.WithRank(2, 4));
  LS_RETURN_IF_ERROR(CheckPooled(c.attrs(), image, argmax));
  if (kGradGrad) {
    if (!image.IsCompatibleWith(grad)) {
      return InvalidArgument("grad has shape ", grad, ", the input ", image);
    }
    return c.SetOutput(0, argmax);
  }
  LS_RETURN_IF_ERROR(CheckPooled(c.attrs(), image, grad));
  return c.SetOutput(0, image);
}

Status ArgmaxPrepare(PrepareContext& p) {
  ArgmaxState& s = p.MakeState<ArgmaxState>();
  LS_ASSIGN_OR_RETURN(s.dims, PoolDims::From(p.attrs(), p.input_shape(0)));
  s.batch = p.Attr<bool>("include_batch_in_index");
  return Ok();
}

template <class T, class I>
void ArgmaxRow(const ArgmaxState& s, const T* x, int64_t n, int64_t oh, T* y,
               I* argmax) {
  const PoolDims& d = s.dims;
  const int64_t before = s.batch ? n * d.image_size() : 0;
  ValueType<T> best[kPoolBlock];
  int32_t index[kPoolBlock];
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    for (int64_t c = 0; c < d.channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, d.channels - c);
      ArgMax<T>(d, r, x + c, width, best, index);
      for (int64_t i = 0; i < width; ++i) {
        const int64_t h = r.top + index[i] / d.w.size;
        const int64_t w = r.left + index[i] % d.w.size;
        const int64_t at = ow * d.channels + c + i;
        y[at] = T(best[i]);
        argmax[at] =
            static_cast<I>(before + (h * d.w.in + w) * d.channels + c + i);
      }
    }
  }
}

template <class T, class I>
Status ArgmaxRun(KernelContext& k) {
  const ArgmaxState& s = k.state<ArgmaxState>();
  const PoolDims& d = s.dims;
  ForPoolRows(d, false, [&](int64_t n, int64_t oh) {
    const int64_t at = (n * d.h.out + oh) * d.w.out * d.channels;
    ArgmaxRow<T, I>(s, k.in<T>(0) + n * d.image_size(), n, oh, k.out<T>(0) + at,
                    k.out<I>(1) + at);
  });
  return Ok();
}

// Calls f(element of the pooled tensor, element of the image tensor).
template <class I, class F>
Status ForArgmax(KernelContext& k, const F& f) {
  const ArgmaxState& s = k.state<ArgmaxState>();
  const int64_t pooled = s.dims.pooled_size(), image = s.dims.image_size();
  const I* argmax = k.in<I>(2);
  for (int64_t n = 0; n < s.dims.images; ++n) {
    for (int64_t i = n * pooled; i < (n + 1) * pooled; ++i) {
      const int64_t at =
          static_cast<int64_t>(argmax[i]) + (s.batch ? 0 : n * image);
      if (at < 0 || at >= s.dims.images * image) {
        return InvalidArgument("argmax[", i, "] = ", argmax[i],
                               " is outside of an image of ", image,
                               " elements");
      }
      f(i, at);
    }
  }
  return Ok();
}

template <class T, class I>
Status ArgmaxGradRun(KernelContext& k) {
  const T* dy = k.in<T>(1);
  T* dx = k.out<T>(0);
  std::fill_n(dx, k.output(0).NumElements(), T(0));
  return ForArgmax<I>(k, [&](int64_t from, int64_t to) {
    using A = ArithmeticType<T>;
    dx[to] = static_cast<T>(static_cast<A>(dx[to]) + static_cast<A>(dy[from]));
  });
}

template <class T, class I>
Status ArgmaxGradGradRun(KernelContext& k) {
  const T* from = k.in<T>(1);
  T* y = k.out<T>(0);
  return ForArgmax<I>(k, [&](int64_t to, int64_t at) { y[to] = from[at]; });
}

// A node of `op` on (x, third, argmax) with the attributes of this one.
Output ArgmaxNode(GradContext& g, const char* op, Output third, Output argmax) {
  NodeBuilder node = g.scope().Op(op);
  node.In(g.x(0)).In(third).In(argmax);
  for (const char* name :
       {"ksize", "strides", "padding", "include_batch_in_index"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node.Out();
}

Status ArgmaxGradient(GradContext& g) {
  return g.SetDx(0, ArgmaxNode(g, "MaxPoolGradWithArgmax", g.dy(0), g.y(1)));
}
Status ArgmaxGradGradient(GradContext& g) {
  return g.SetDx(1,
                 ArgmaxNode(g, "MaxPoolGradGradWithArgmax", g.dy(0), g.x(2)));
}
Status ArgmaxGradGradGradient(GradContext& g) {
  return g.SetDx(1, ArgmaxNode(g, "MaxPoolGradWithArgmax", g.dy(0), g.x(2)));
}

OpBuilder& ArgmaxAttrs(OpBuilder& b) {
  return b.Attr("ksize: list(int) >= 4")
      .Attr("strides: list(int) >= 4")
      .Attr("padding: {'SAME', 'VALID'}")
      .Attr("include_batch_in_index: bool = false")
      .Attr("T: realnumbertype");
}

template <template <class, class> class Run>
void AddArgmaxKernels(OpBuilder& b) {
  const auto add = [&b]<class T>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Targmax", kInt32}},
             {Run<T, int32_t>::Call, ArgmaxPrepare});
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Targmax", kInt64}},
             {Run<T, int64_t>::Call, ArgmaxPrepare});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_REAL_TYPES>>());
}
template <class T, class I>
struct Forward {
  static Status Call(KernelContext& k) { return ArgmaxRun<T, I>(k); }
};
template <class T, class I>
struct Backward {
  static Status Call(KernelContext& k) { return ArgmaxGradRun<T, I>(k); }
};
template <class T, class I>
struct BackwardTwice {
  static Status Call(KernelContext& k) { return ArgmaxGradGradRun<T, I>(k); }
};

OpBuilder ArgmaxOp(const char* name) {
  OpBuilder b(name);
  b.Input("input: T").Output("output: T").Output("argmax: Targmax");
  ArgmaxAttrs(b)
      .Attr("Targmax: {int32, int64} = DT_INT64")
      .Shape(ArgmaxShape)
      .Gradient(ArgmaxGradient);
  AddArgmaxKernels<Forward>(b);
  return b;
}
OpBuilder ArgmaxGradOp(const char* name, ShapeFn shape, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("input: T").Input("grad: T").Input("argmax: Targmax");
  b.Output("output: T");
  ArgmaxAttrs(b)
      .Attr("Targmax: {int32, int64}")
      .Shape(shape)
      .Gradient(gradient);
  return b;
}
OpBuilder BackwardOp(const char* name) {
  OpBuilder b = ArgmaxGradOp(name, ArgmaxGradShape<false>, ArgmaxGradGradient);
  AddArgmaxKernels<Backward>(b);
  return b;
}
OpBuilder BackwardTwiceOp(const char* name) {
  OpBuilder b =
      ArgmaxGradOp(name, ArgmaxGradShape<true>, ArgmaxGradGradGradient);
  AddArgmaxKernels<BackwardTwice>(b);
  return b;
}

const OpRegistrar kMaxPoolWithArgmax = ArgmaxOp("MaxPoolWithArgmax");
const OpRegistrar kMaxPoolGradWithArgmax = BackwardOp("MaxPoolGradWithArgmax");
const OpRegistrar kMaxPoolGradGradWithArgmax =
    BackwardTwiceOp("MaxPoolGradGradWithArgmax");

}  // namespace

ops::MaxPoolWithArgmaxOutputs ops::MaxPoolWithArgmax(
    const Scope& scope, const Input& input, const std::vector<int64_t>& ksize,
    const std::vector<int64_t>& strides, const std::string& padding,
    bool include_batch_in_index) {
  const std::vector<Output> y =
      scope.Op("MaxPoolWithArgmax")
          .In(input)
          .Attr("ksize", ksize)
          .Attr("strides", strides)
          .Attr("padding", padding)
          .Attr("include_batch_in_index", include_batch_in_index)
          .Outs();
  if (!scope.ok()) return {};
  return {y[0], y[1]};
}

}  // namespace lockstep
