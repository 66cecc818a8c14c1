// SPDX-License-Identifier: Apache-2.0

// Bincount: how often each number below `size` occurs, or the sum of its
// weights; numbers at or above size are left out, negative ones
// INVALID_ARGUMENT.   arr: int32   size: int32 []   weights: T, arr's shape or
// empty   bins: T [size]
// DenseBincount: the same of a vector or, row by row, of a matrix;
// binary_output: 1 where a number occurs.
// HistogramFixedWidth: the number of values in each of nbins equal parts of
// value_range; what lies outside goes to the first or last.
// Bucketize: the number of boundaries that are not above each element.
// None has a gradient.

#include <algorithm>

#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/reduce/reduce.h"

namespace lockstep {
namespace {

Status CheckSize(std::optional<int64_t> size) {
  if (!size || *size >= 0) return Ok();
  return InvalidArgument("size (", *size, ") must be non-negative");
}

Status CheckWeights(const ShapeContext& c) {
  const Shape& arr = c.Input(0);
  const Shape& weights = c.Input(2);
  if (weights.NumElements() == 0 || arr.IsCompatibleWith(weights)) return Ok();
  return InvalidArgument("weights must have the shape of the numbers, ", arr,
                         ", or no elements, have shape ", weights);
}

Status BincountShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> size, InputInt(c, 1));
  LS_RETURN_IF_ERROR(CheckSize(size));
  LS_RETURN_IF_ERROR(CheckWeights(c));
  return c.SetOutput(0, Shape{size.value_or(kUnknownDim)});
}

Status DenseBincountShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> size, InputInt(c, 1));
  LS_RETURN_IF_ERROR(CheckSize(size));
  LS_RETURN_IF_ERROR(CheckWeights(c));
  const Shape& x = c.Input(0);
  if (!x.HasRank()) return Ok();
  if (x.rank() < 1 || x.rank() > 2) {
    return InvalidArgument("Shape must be at most rank 2 but is rank ",
                           x.rank());
  }
  Shape y{size.value_or(kUnknownDim)};
  if (x.rank() == 2) y.InsertDim(0, x.dim(0));
  return c.SetOutput(0, y);
}

// Rows of `width` numbers into rows of `size` bins.
template <class T>
Status CountRows(KernelContext& k, int64_t width, int64_t size, bool binary) {
  const Indices numbers(k.input(0));
  const T* weights = k.input(2).NumElements() > 0 ? k.in<T>(2) : nullptr;
  T* bins = k.out<T>(0);
  std::fill_n(bins, k.output(0).NumElements(), T{});
  for (int64_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 0) {
      return InvalidArgument("Input arr must be non-negative! It is ",
                             numbers[i], " at ", i);
    }
    if (numbers[i] >= size) continue;
    T& bin = bins[i / width * size + numbers[i]];
    bin = binary ? T{1} : static_cast<T>(bin + (weights ? weights[i] : T{1}));
  }
  return Ok();
}

template <class T>
Status BincountCpu(KernelContext& k) {
  return CountRows<T>(k, std::max<int64_t>(1, k.input(0).NumElements()),
                      k.output(0).NumElements(), false);
}

template <class T>
Status DenseBincountCpu(KernelContext& k) {
  const Shape& x = k.input(0).shape();
  const Shape& y = k.output(0).shape();
  return CountRows<T>(k, std::max<int64_t>(1, x.dim(x.rank() - 1)),
                      y.dim(y.rank() - 1),
                      GetOr<bool>(k.attrs(), "binary_output", false));
}

LOCKSTEP_OP("Bincount")
    .Input("arr: int32")
    .Input("size: int32")
    .Input("weights: T")
    .Output("bins: T")
    .Attr("T: {int32, int64, float, double}")
    .Shape(BincountShape)
    .NoGradient()
    .NeedsValue({1})
    .Kernels<int32_t, int64_t, float, double>(kCpu, []<class T>() {
      return KernelDef{BincountCpu<T>, nullptr, {"size"}};
    });
LOCKSTEP_OP("DenseBincount")
    .Input("input: Tidx")
    .Input("size: Tidx")
    .Input("weights: T")
    .Output("output: T")
    .Attr("Tidx: {int32, int64}")
    .Attr("T: {int32, int64, float, double}")
    .Attr("binary_output: bool = false")
    .Shape(DenseBincountShape)
    .NoGradient()
    .NeedsValue({1})
    .Kernels<int32_t, int64_t, float, double>(kCpu, []<class T>() {
      return KernelDef{DenseBincountCpu<T>, nullptr, {"size"}};
    });

Status HistogramShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape range, c.WithRank(1, 1));
  if (!range.IsCompatibleWith(Shape{2})) {
    return InvalidArgument("value_range should have 2 elements, has shape ",
                           range);
  }
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> bins, InputInt(c, 2));
  if (bins && *bins <= 0) {
    return InvalidArgument("nbins should be a positive number, but got ",
                           *bins);
  }
  return c.SetOutput(0, Shape{bins.value_or(kUnknownDim)});
}

template <class T>
Status HistogramCpu(KernelContext& k) {
  const double low = static_cast<double>(k.in<T>(1)[0]),
               high = static_cast<double>(k.in<T>(1)[1]);
  if (!(low < high)) {
    return InvalidArgument("value_range should satisfy value_range[0] < ",
                           "value_range[1], but got [", low, ", ", high, "]");
  }
  const int64_t bins = k.output(0).NumElements();
  const double step = (high - low) / static_cast<double>(bins);
  for (int64_t i = 0; i < bins; ++i) SetInt(k.output(0), i, 0);
  const Indices counts(k.output(0));
  for (int64_t i = 0; i < k.input(0).NumElements(); ++i) {
    const double v = static_cast<double>(k.in<T>(0)[i]);
    if (std::isnan(v)) {
      return InvalidArgument("values must not contain NaN");
    }
    const double at =
        std::clamp((v - low) / step, 0.0, static_cast<double>(bins - 1));
    const int64_t bin = static_cast<int64_t>(at);
    SetInt(k.output(0), bin, counts[bin] + 1);
  }
  return Ok();
}

LOCKSTEP_OP("HistogramFixedWidth")
    .Input("values: T")
    .Input("value_range: T")
    .Input("nbins: int32")
    .Output("out: dtype")
    .Attr("T: {int32, int64, float, double}")
    .Attr("dtype: {int32, int64} = DT_INT32")
    .Shape(HistogramShape)
    .NoGradient()
    .NeedsValue({2})
    .Kernels<int32_t, int64_t, float, double>(kCpu, []<class T>() {
      return KernelDef{HistogramCpu<T>, nullptr, {"nbins"}};
    });

Status PrepareBucketize(PrepareContext& c) {
  const auto& boundaries = c.Attr<std::vector<float>>("boundaries");
  if (!std::ranges::is_sorted(boundaries)) {
    return InvalidArgument("Expected sorted boundaries");
  }
  c.MakeState<std::vector<float>>(boundaries);
  return Ok();
}

template <class T>
Status BucketizeCpu(KernelContext& k) {
  const auto& boundaries = k.state<std::vector<float>>();
  for (int64_t i = 0; i < k.input(0).NumElements(); ++i) {
    k.out<int32_t>(0)[i] = static_cast<int32_t>(
        std::upper_bound(boundaries.begin(), boundaries.end(), k.in<T>(0)[i],
                         [](T v, float b) { return v < static_cast<T>(b); }) -
        boundaries.begin());
  }
  return Ok();
}

LOCKSTEP_OP("Bucketize")
    .Input("input: T")
    .Output("output: int32")
    .Attr("T: {int32, int64, float, double}")
    .Attr("boundaries: list(float)")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernels<int32_t, int64_t, float, double>(kCpu, []<class T>() {
      return KernelDef{BucketizeCpu<T>, PrepareBucketize};
    });

}  // namespace

namespace ops {

Output Bincount(const Scope& scope, const Input& numbers, const Input& size,
                const Input& weights) {
  return scope.Op("Bincount").In(numbers).In(size).In(weights).Out();
}
Output HistogramFixedWidth(const Scope& scope, const Input& values,
                           const Input& value_range, const Input& nbins,
                           DType dtype) {
  return scope.Op("HistogramFixedWidth")
      .InPair(values, value_range)
      .In(nbins)
      .Attr("dtype", dtype)
      .Out();
}
Output Bucketize(const Scope& scope, const Input& input,
                 const std::vector<float>& boundaries) {
  return scope.Op("Bucketize").In(input).Attr("boundaries", boundaries).Out();
}

}  // namespace ops
}  // namespace lockstep
