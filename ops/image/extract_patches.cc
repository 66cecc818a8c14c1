// SPDX-License-Identifier: Apache-2.0

// ExtractImagePatches: each position of a window as one pixel.
//   images: [N,H,W,C]   patches: [N,h,w,kh*kw*C], of ksizes [1,kh,kw,1], the
//   window's rows, columns and channels in this order; zeros outside the image
// `rates` are the distances between the window's pixels.
// Gradient: patches are a convolution by a filter of ones and zeros; its own.

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "ops/conv/window.h"
#include "ops/image/image.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

struct PatchWindows {
  Window rows, columns;
};

Result<PatchWindows> WindowsOf(const AttrMap& attrs, const Shape& images) {
  AttrMap names = attrs;
  names["dilations"] = attrs.find("rates")->second;
  LS_ASSIGN_OR_RETURN(const WindowAttrs window, WindowAttrs::From(names));
  LS_ASSIGN_OR_RETURN(const auto size, window.Spatial(attrs, "ksizes"));
  PatchWindows w;
  LS_ASSIGN_OR_RETURN(w.rows, window.Along(0, images.dim(1), size[0]));
  LS_ASSIGN_OR_RETURN(w.columns, window.Along(1, images.dim(2), size[1]));
  return w;
}

Status PatchesShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const PatchWindows w, WindowsOf(c.attrs(), x));
  const int64_t depth = x.dim(3) == kUnknownDim
                            ? kUnknownDim
                            : w.rows.size * w.columns.size * x.dim(3);
  return c.SetOutput(0, Shape{x.dim(0), w.rows.out, w.columns.out, depth});
}

Status PreparePatches(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const PatchWindows w,
                      WindowsOf(p.attrs(), p.input_shape(0)));
  p.MakeState<PatchWindows>(w);
  return Ok();
}

Status PatchesCpu(KernelContext& k) {
  const auto& [rows, columns] = k.state<PatchWindows>();
  const Shape& x = k.input(0).shape();
  const Slices pixels(k.input(0).dtype(), x.dim(3));
  const int64_t per_line = columns.out * rows.size * columns.size;
  ParallelFor(x.dim(0) * rows.out, 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t n = line / rows.out, i = line % rows.out;
      int64_t to = line * per_line;
      for (int64_t j = 0; j < columns.out; ++j) {
        for (int64_t u = 0; u < rows.size; ++u) {
          const int64_t h =
              i * rows.stride + u * rows.dilation - rows.pad_before;
          for (int64_t v = 0; v < columns.size; ++v, ++to) {
            const int64_t w =
                j * columns.stride + v * columns.dilation - columns.pad_before;
            if (h < 0 || h >= rows.in || w < 0 || w >= columns.in) {
              pixels.Clear(k.output(0).data(), to, to + 1);
            } else {
              pixels.Copy(k.output(0).data(), to, k.input(0).data(),
                          (n * rows.in + h) * columns.in + w);
            }
          }
        }
      }
    }
  });
  return Ok();
}

Status PatchesGradient(GradContext& g) {
  const Scope& s = g.scope();
  const auto& ksizes = g.Attr<std::vector<int64_t>>("ksizes");
  const Shape& patches = g.y(0).shape();
  if (!patches.HasRank() || patches.dim(3) == kUnknownDim) {
    return Unimplemented("the gradient of ExtractImagePatches needs to know ",
                         "the number of channels, images are ", g.x(0).shape());
  }
  const auto size = static_cast<int32_t>(patches.dim(3));
  const int64_t channels = patches.dim(3) / (ksizes[1] * ksizes[2]);
  const Output ones = ops::Cast(
      s, ops::OneHot(s, ops::Range(s, 0, size, 1), size), g.x(0).dtype());
  const Output filter = ops::Reshape(
      s, ones, Tensor::Vector<int64_t>({ksizes[1], ksizes[2], channels, size}));
  return g.SetDx(0, s.Op("Conv2DBackpropInput")
                        .In(ops::Shape(s, g.x(0)))
                        .In(filter)
                        .In(g.dy(0))
                        .Attr("strides", g.node()->attrs().at("strides"))
                        .Attr("padding", g.node()->attrs().at("padding"))
                        .Attr("dilations", g.node()->attrs().at("rates"))
                        .Out());
}

LOCKSTEP_OP("ExtractImagePatches")
    .Input("images: T")
    .Output("patches: T")
    .Attr("ksizes: list(int) >= 4")
    .Attr("strides: list(int) >= 4")
    .Attr("rates: list(int) >= 4")
    .Attr(
        "T: {bfloat16, half, float, double, int8, int16, int32, int64, uint8, "
        "uint16, uint32, uint64, complex64, complex128, bool}")
    .Attr("padding: {'SAME', 'VALID'}")
    .Shape(PatchesShape)
    .Gradient(PatchesGradient)
    .Kernel(kCpu, {PatchesCpu, PreparePatches});

}  // namespace

Output ops::ExtractImagePatches(const Scope& scope, const Input& images,
                                const std::vector<int64_t>& ksizes,
                                const std::vector<int64_t>& strides,
                                const std::vector<int64_t>& rates,
                                const std::string& padding) {
  return scope.Op("ExtractImagePatches")
      .In(images)
      .Attr("ksizes", ksizes)
      .Attr("strides", strides)
      .Attr("rates", rates)
      .Attr("padding", padding)
      .Out();
}

}  // namespace lockstep
