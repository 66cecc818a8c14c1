// SPDX-License-Identifier: Apache-2.0

// CropAndResize: boxes of images, each at one size.
//   image: numbers [N,H,W,C]   boxes: float [n,4], rows of y1, x1, y2, x2 where
//   1 is the last pixel   box_ind: int32 [n], of the image   crop_size: int32
//   [2]   crops: float [n,height,width,C]
// Pixels outside of the image are `extrapolation_value`.
// CropAndResizeGradImage: grads, boxes, box_ind, image_size: int32 [4] -> of
// the image;   CropAndResizeGradBoxes: grads, image, boxes, box_ind -> [n,4]

#include <algorithm>
#include <cmath>

#include "ops/array/array.h"
#include "ops/image/image.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// Where one line of a crop is taken from, along one axis.
struct Line {
  bool inside = false;
  int64_t low = 0, high = 0;
  float weight = 0;  // of high
};

// Along one axis of `in` pixels, from `first` to `last` in `out` steps.
struct Axis {
  float first = 0, last = 0;
  int64_t in = 0, out = 0;

  float ratio() const {
    return out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                   : 0.0f;
  }
  float At(int64_t i) const {
    const auto end = static_cast<float>(in - 1);
    if (out <= 1) return 0.5f * (first + last) * end;
    return first * end + static_cast<float>(i) * (last - first) * ratio();
  }
  Line LineAt(int64_t i, bool nearest) const {
    const float at = At(i);
    if (!(at >= 0 && at <= static_cast<float>(in - 1))) return {};
    if (nearest) {
      const auto pixel = static_cast<int64_t>(std::round(at));
      return {true, pixel, pixel, 0};
    }
    const float low = std::floor(at);
    return {true, static_cast<int64_t>(low),
            static_cast<int64_t>(std::ceil(at)), at - low};
  }
};

// Sizes of images and crops.
struct CropDims {
  int64_t boxes, height, width, in_height, in_width, depth;
  bool nearest;

  CropDims(const AttrMap& attrs, const Shape& image, const Shape& crops)
      : boxes(crops.dim(0)),
        height(crops.dim(1)),
        width(crops.dim(2)),
        in_height(image.dim(1)),
        in_width(image.dim(2)),
        depth(crops.dim(3)),
        nearest(*GetIf<std::string>(attrs, "method") == "nearest") {}
  int64_t image_size() const { return in_height * in_width * depth; }
};

// One box: its image, its axes.
struct Box {
  int64_t image;
  Axis y, x;
};

Box BoxAt(const CropDims& d, const float* boxes, const int32_t* images,
          int64_t i) {
  const float* box = boxes + 4 * i;
  return {images[i],
          {box[0], box[2], d.in_height, d.height},
          {box[1], box[3], d.in_width, d.width}};
}

Status CheckBoxes(const Tensor& images, int64_t batch) {
  for (const int32_t i : images.flat<int32_t>()) {
    if (i < 0 || i >= batch) {
      return OutOfRange("box_index has values outside [0, batch_size): ", i,
                        " of ", batch);
    }
  }
  return Ok();
}

// f(row, column, the lines that both are taken from).
template <class F>
void ForCrop(const CropDims& d, const Box& box, const F& f) {
  for (int64_t i = 0; i < d.height; ++i) {
    const Line y = box.y.LineAt(i, d.nearest);
    for (int64_t j = 0; j < d.width; ++j) {
      f(i, j, y, box.x.LineAt(j, d.nearest));
    }
  }
}

// The elements of channel 0 around a position.
template <class P>
struct Corners {
  P top_left, top_right, bottom_left, bottom_right;
  Corners(const CropDims& d, P image, const Line& y, const Line& x)
      : top_left(image + (y.low * d.in_width + x.low) * d.depth),
        top_right(image + (y.low * d.in_width + x.high) * d.depth),
        bottom_left(image + (y.high * d.in_width + x.low) * d.depth),
        bottom_right(image + (y.high * d.in_width + x.high) * d.depth) {}
};

template <class T>
Status CropCpu(KernelContext& k) {
  const CropDims d(k.attrs(), k.input(0).shape(), k.output(0).shape());
  LS_RETURN_IF_ERROR(CheckBoxes(k.input(2), k.input(0).shape().dim(0)));
  const float outside = GetOr<float>(k.attrs(), "extrapolation_value", 0);
  ParallelFor(d.boxes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const Box box = BoxAt(d, k.in<float>(1), k.in<int32_t>(2), b);
      const T* image = k.in<T>(0) + box.image * d.image_size();
      float* to = k.out<float>(0) + b * d.height * d.width * d.depth;
      ForCrop(d, box, [&](int64_t, int64_t, const Line& y, const Line& x) {
        if (!y.inside || !x.inside) {
          to = std::fill_n(to, d.depth, outside);
          return;
        }
        const Corners<const T*> at(d, image, y, x);
        for (int64_t c = 0; c < d.depth; ++c) {
          const auto mix = [](float a, float b, float w) {
            return a + (b - a) * w;
          };
          const auto value = [c](const T* p) {
            return static_cast<float>(p[c]);
          };
          *to++ =
              mix(mix(value(at.top_left), value(at.top_right), x.weight),
                  mix(value(at.bottom_left), value(at.bottom_right), x.weight),
                  y.weight);
        }
      });
    }
  });
  return Ok();
}

template <class T>
Status ImageGradCpu(KernelContext& k) {
  const CropDims d(k.attrs(), k.output(0).shape(), k.input(0).shape());
  LS_RETURN_IF_ERROR(CheckBoxes(k.input(2), k.output(0).shape().dim(0)));
  using V = ValueType<T>;
  std::fill_n(k.out<T>(0), k.output(0).NumElements(), T(0));
  const float* dy = k.in<float>(0);
  for (int64_t b = 0; b < d.boxes; ++b) {
    const Box box = BoxAt(d, k.in<float>(1), k.in<int32_t>(2), b);
    T* image = k.out<T>(0) + box.image * d.image_size();
    ForCrop(d, box, [&](int64_t, int64_t, const Line& y, const Line& x) {
      const float* from = dy;
      dy += d.depth;
      if (!y.inside || !x.inside) return;
      const auto add = [&](T* pixel, float weight) {
        for (int64_t c = 0; c < d.depth; ++c) {
          pixel[c] =
              T(static_cast<V>(pixel[c]) + static_cast<V>(from[c] * weight));
        }
      };
      const Corners<T*> at(d, image, y, x);
      add(at.top_left, (1 - x.weight) * (1 - y.weight));
      if (d.nearest) return;
      add(at.top_right, x.weight * (1 - y.weight));
      add(at.bottom_left, (1 - x.weight) * y.weight);
      add(at.bottom_right, x.weight * y.weight);
    });
  }
  return Ok();
}

// d(crops) / d(first, last) along one axis at step i.
std::pair<float, float> Slopes(const Axis& axis, int64_t i) {
  const auto end = static_cast<float>(axis.in - 1);
  if (axis.out <= 1) return {0.5f * end, 0.5f * end};
  const float to_last = static_cast<float>(i) * axis.ratio();
  return {end - to_last, to_last};
}

template <class T>
Status BoxesGradCpu(KernelContext& k) {
  const CropDims d(k.attrs(), k.input(1).shape(), k.input(0).shape());
  LS_RETURN_IF_ERROR(CheckBoxes(k.input(3), k.input(1).shape().dim(0)));
  const float* dy = k.in<float>(0);
  std::fill_n(k.out<float>(0), k.output(0).NumElements(), 0.0f);
  for (int64_t b = 0; b < d.boxes; ++b) {
    const Box box = BoxAt(d, k.in<float>(2), k.in<int32_t>(3), b);
    const T* image = k.in<T>(1) + box.image * d.image_size();
    float* dbox = k.out<float>(0) + 4 * b;
    ForCrop(d, box, [&](int64_t i, int64_t j, const Line& y, const Line& x) {
      const float* from = dy;
      dy += d.depth;
      if (!y.inside || !x.inside) return;
      const Corners<const T*> at(d, image, y, x);
      float down = 0, right = 0;
      for (int64_t c = 0; c < d.depth; ++c) {
        const float tl = static_cast<float>(at.top_left[c]),
                    tr = static_cast<float>(at.top_right[c]),
                    bl = static_cast<float>(at.bottom_left[c]),
                    br = static_cast<float>(at.bottom_right[c]);
        down += from[c] * ((1 - x.weight) * (bl - tl) + x.weight * (br - tr));
        right += from[c] * ((1 - y.weight) * (tr - tl) + y.weight * (br - bl));
      }
      const auto [y1, y2] = Slopes(box.y, i);
      const auto [x1, x2] = Slopes(box.x, j);
      dbox[0] += down * y1;
      dbox[1] += right * x1;
      dbox[2] += down * y2;
      dbox[3] += right * x2;
    });
  }
  return Ok();
}

// Inputs `boxes` and `boxes` + 1 as rows and their images, n of them.
Result<int64_t> BoxCount(const ShapeContext& c, int boxes) {
  LS_ASSIGN_OR_RETURN(const Shape box, c.WithRank(boxes, 2));
  LS_ASSIGN_OR_RETURN(const Shape images, c.WithRank(boxes + 1, 1));
  if (box.dim(1) != kUnknownDim && box.dim(1) != 4) {
    return InvalidArgument("boxes must have 4 columns, has shape ", box);
  }
  if (box.dim(0) == kUnknownDim) return images.dim(0);
  if (images.dim(0) != kUnknownDim && images.dim(0) != box.dim(0)) {
    return InvalidArgument("box_index has incompatible shape ", images,
                           " for boxes ", box);
  }
  return box.dim(0);
}

Status CropShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const int64_t boxes, BoxCount(c, 1));
  LS_ASSIGN_OR_RETURN(const Shape size, c.WithRank(3, 1));
  if (size.dim(0) != kUnknownDim && size.dim(0) != 2) {
    return InvalidArgument("crop_size must have two elements, has shape ",
                           size);
  }
  LS_ASSIGN_OR_RETURN(const auto crop, c.InputInts(3));
  if (!crop) {
    return c.SetOutput(0, Shape{boxes, kUnknownDim, kUnknownDim, image.dim(3)});
  }
  if ((*crop)[0] <= 0 || (*crop)[1] <= 0) {
    return InvalidArgument("crop dimensions must be positive, are [",
                           Join(*crop, ","), "]");
  }
  if (image.dim(1) == 0 || image.dim(2) == 0) {
    return InvalidArgument("image dimensions must be positive, are ", image);
  }
  return c.SetOutput(0, Shape{boxes, (*crop)[0], (*crop)[1], image.dim(3)});
}

Status ImageGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape grads, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const int64_t boxes, BoxCount(c, 1));
  LS_ASSIGN_OR_RETURN(const Shape image, c.InputAsShape(3));
  if (image.HasRank() && image.rank() != 4) {
    return InvalidArgument("image_size must have 4 elements, is ", image);
  }
  if (image.IsFullyKnown() && grads.IsFullyKnown() &&
      (image.dim(3) != grads.dim(3) || boxes != grads.dim(0) ||
       image.dim(1) <= 0 || image.dim(2) <= 0)) {
    return InvalidArgument("grads ", grads, " are none of ", boxes,
                           " boxes of images ", image);
  }
  return c.SetOutput(0, image);
}

Status BoxesGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape grads, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(1, 4));
  LS_ASSIGN_OR_RETURN(const int64_t boxes, BoxCount(c, 2));
  if (image.IsFullyKnown() && grads.IsFullyKnown() &&
      (image.dim(3) != grads.dim(3) || boxes != grads.dim(0) ||
       image.dim(1) <= 0 || image.dim(2) <= 0)) {
    return InvalidArgument("grads ", grads, " are none of ", boxes,
                           " boxes of images ", image);
  }
  return c.SetOutput(0, Shape{boxes, 4});
}

// Of images of floats only; boxes bilinearly, as in TensorFlow.
Status CropGradient(GradContext& g) {
  const Scope& s = g.scope();
  const auto& method = g.Attr<std::string>("method");
  if (g.x(0).dtype() == kFloat || g.x(0).dtype() == kHalf ||
      g.x(0).dtype() == kDouble) {
    LS_RETURN_IF_ERROR(g.SetDx(0, s.Op("CropAndResizeGradImage")
                                      .In(g.dy(0))
                                      .In(g.x(1))
                                      .In(g.x(2))
                                      .In(ops::Shape(s, g.x(0)))
                                      .Attr("T", g.x(0).dtype())
                                      .Attr("method", method)
                                      .Out()));
  }
  return g.SetDx(1, s.Op("CropAndResizeGradBoxes")
                        .In(g.dy(0))
                        .In(g.x(0))
                        .In(g.x(1))
                        .In(g.x(2))
                        .Out());
}

LOCKSTEP_OP("CropAndResize")
    .Input("image: T")
    .Input("boxes: float")
    .Input("box_ind: int32")
    .Input("crop_size: int32")
    .Output("crops: float")
    .Attr("T: {uint8, uint16, int8, int16, int32, int64, half, float, double}")
    .Attr("method: {'bilinear', 'nearest'} = 'bilinear'")
    .Attr("extrapolation_value: float = 0")
    .Shape(CropShape)
    .Gradient(CropGradient)
    .NeedsValue({3})
    .Kernels<uint8_t, uint16_t, LS_SIGNED_TYPES, Half, float, double>(
        kCpu, []<class T>() { return KernelDef{CropCpu<T>}; });

LOCKSTEP_OP("CropAndResizeGradImage")
    .Input("grads: float")
    .Input("boxes: float")
    .Input("box_ind: int32")
    .Input("image_size: int32")
    .Output("output: T")
    .Attr("T: {float, half, double}")
    .Attr("method: {'bilinear', 'nearest'} = 'bilinear'")
    .Shape(ImageGradShape)
    .NoGradient()
    .NeedsValue({3})
    .Kernels<Half, float, double>(kCpu, []<class T>() {
      return KernelDef{ImageGradCpu<T>};
    });

LOCKSTEP_OP("CropAndResizeGradBoxes")
    .Input("grads: float")
    .Input("image: T")
    .Input("boxes: float")
    .Input("box_ind: int32")
    .Output("output: float")
    .Attr("T: {uint8, uint16, int8, int16, int32, int64, half, float, double}")
    .Attr("method: {'bilinear'} = 'bilinear'")
    .Shape(BoxesGradShape)
    .NoGradient()
    .Kernels<uint8_t, uint16_t, LS_SIGNED_TYPES, Half, float, double>(
        kCpu, []<class T>() { return KernelDef{BoxesGradCpu<T>}; });

}  // namespace

Output ops::CropAndResize(const Scope& scope, const Input& image,
                          const Input& boxes, const Input& box_ind,
                          const Input& crop_size, const std::string& method,
                          float extrapolation_value) {
  return scope.Op("CropAndResize")
      .In(image)
      .In(boxes)
      .In(box_ind)
      .In(crop_size)
      .Attr("method", method)
      .Attr("extrapolation_value", extrapolation_value)
      .Out();
}

}  // namespace lockstep
