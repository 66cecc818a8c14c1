// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/train_data.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/core/threads.h"
#include "runtime/io/batch_pipeline.h"
#include "runtime/io/idx.h"
#include "runtime/io/npy.h"
#include "runtime/io/permutation.h"

namespace lockstep {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

Result<Tensor> ReadArray(Env& env, const std::string& path) {
  return path.ends_with(".npy") ? ReadNpy(env, path) : ReadIdx(env, path);
}

template <class To>
void CastElements(const Tensor& from, double scale, Tensor* to) {
  (void)VisitDType(from.dtype(), [&]<class From>(std::type_identity<From>) {
    const From* in = from.flat<From>().data();
    To* out = to->flat<To>().data();
    ParallelFor(from.NumElements(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if constexpr (std::is_integral_v<To> && std::is_integral_v<From>) {
          out[i] = static_cast<To>(in[i]);
        } else {
          out[i] = static_cast<To>(
              static_cast<float>(static_cast<double>(in[i]) * scale));
        }
      }
    });
    return Ok();
  });
}

// Scaled, in the dtype `to`.
Result<Tensor> Converted(const Tensor& from, DType to, double scale) {
  if (from.dtype() == to && scale == 1) return from;
  if (!VisitDType(from.dtype(), [](auto) { return Ok(); }).ok()) {
    return InvalidArgument("data of type ", DTypeName(from.dtype()),
                           " cannot be made ", DTypeName(to));
  }
  if (IsFloating(from.dtype()) && !IsFloating(to)) {
    return InvalidArgument("data of floating point cannot be made ",
                           DTypeName(to));
  }
  LS_ASSIGN_OR_RETURN(Tensor out, Tensor::Make(to, from.shape()));
  LS_RETURN_IF_ERROR(VisitDType(to, [&]<class To>(std::type_identity<To>) {
    if (scale != 1 && !IsFloating(to)) {
      return InvalidArgument(
          "--scale is for tensors of floating point, this "
          "one is ",
          DTypeName(to));
    }
    CastElements<To>(from, scale, &out);
    return Ok();
  }));
  return out;
}

// Labels [n] as rows [n, classes].
Result<Tensor> OneHot(const Tensor& labels, DType to, int64_t classes) {
  LS_ASSIGN_OR_RETURN(const Tensor numbers, Converted(labels, kInt64, 1));
  LS_ASSIGN_OR_RETURN(
      Tensor rows, Tensor::Make(kFloat, Shape{labels.NumElements(), classes}));
  std::ranges::fill(rows.flat<float>(), 0.0f);
  for (int64_t i = 0; i < labels.NumElements(); ++i) {
    const int64_t label = IntAt(numbers, i);
    if (label < 0 || label >= classes) {
      return InvalidArgument("label ", label, " of row ", i, " is not below ",
                             classes);
    }
    rows.flat<float>()[static_cast<size_t>(i * classes + label)] = 1;
  }
  return Converted(rows, to, 1);
}

// The array in rows of the placeholder's shape, which may know no sizes.
Result<Tensor> InRows(const Tensor& array, const Shape& wanted) {
  if (!wanted.HasRank() || wanted.rank() == 0) return array;
  Shape shape{array.shape().dim(0)};
  int64_t row = 1;
  for (int i = 1; i < wanted.rank(); ++i) {
    if (wanted.dim(i) < 0) return array;  // checked by the session
    row *= wanted.dim(i);
    shape.AddDim(wanted.dim(i));
  }
  const int64_t rows = array.shape().dim(0);
  if (row * rows != array.NumElements()) {
    return InvalidArgument("rows of shape ", array.shape(),
                           " do not fit the "
                           "placeholder's ",
                           wanted);
  }
  return array.Reshaped(shape);
}

Result<Tensor> FitToPlaceholder(const Tensor& array, const Output& placeholder,
                                const std::string& tensor,
                                const TrainOptions& options) {
  if (array.shape().rank() == 0) {
    return InvalidArgument("a scalar has no rows");
  }
  const DType type = BaseOf(placeholder.dtype());
  const Shape& wanted = placeholder.shape();
  if (std::ranges::find(options.one_hot, tensor) != options.one_hot.end()) {
    if (!wanted.HasRank() || wanted.rank() != 2 || wanted.dim(1) < 1) {
      return InvalidArgument(
          "--one-hot is for placeholders [?,n], this one "
          "is ",
          wanted);
    }
    if (array.shape().rank() != 1 || !IsInteger(array.dtype())) {
      return InvalidArgument("--one-hot wants integer labels [n], got ",
                             DTypeName(array.dtype()), " ", array.shape());
    }
    return OneHot(array, type, wanted.dim(1));
  }
  const auto scale = options.scales.find(tensor);
  LS_ASSIGN_OR_RETURN(
      const Tensor converted,
      Converted(array, type,
                scale == options.scales.end() ? 1 : scale->second));
  return InRows(converted, wanted);
}

}  // namespace

Result<TrainData> TrainData::Load(Env& env, const Graph& graph,
                                  const std::vector<NamedFeed>& feeds,
                                  const TrainOptions& options) {
  TrainData data;
  for (const NamedFeed& feed : feeds) {
    LS_ASSIGN_OR_RETURN(const Output placeholder,
                        graph.FindOutput(feed.tensor));
    LS_ASSIGN_OR_RETURN(const Tensor array, ReadArray(env, feed.value));
    Result<Tensor> fitted =
        FitToPlaceholder(array, placeholder, feed.tensor, options);
    if (!fitted.ok()) {
      return fitted.status().WithContext(
          StrCat("'", feed.tensor, "' = ", feed.value));
    }
    const int64_t rows = fitted->shape().dim(0);
    if (!data.arrays_.empty() && rows != data.rows_) {
      return InvalidArgument("'", feed.tensor, "' = ", feed.value, " has ",
                             rows, " rows, '", feeds[0].tensor, "' has ",
                             data.rows_);
    }
    data.rows_ = rows;
    data.arrays_.push_back(*std::move(fitted));
  }
  if (data.rows_ == 0) {
    return InvalidArgument("'", feeds[0].tensor, "' = ", feeds[0].value,
                           " has no rows");
  }
  data.batch_ = std::min(options.batch, data.rows_);
  data.seed_ = static_cast<uint64_t>(options.seed);
  data.shuffle_ = options.shuffle;
  return data;
}

Result<int64_t> TrainData::Fill(int64_t epoch, int64_t index, int rank,
                                int ranks, int replicas,
                                std::vector<Tensor>* tensors) const {
  const RowsOfRank part = RankPart(BatchSize(index), rank, ranks, replicas);
  const KeyedPermutation order(rows_, seed_, static_cast<uint64_t>(epoch));
  const int64_t first = index * batch_ + part.offset;
  tensors->resize(arrays_.size());
  for (size_t a = 0; a < arrays_.size(); ++a) {
    const Tensor& from = arrays_[a];
    Shape shape = from.shape();
    shape.set_dim(0, part.count);
    Tensor& to = (*tensors)[a];
    if (!to.unique() || !(to.shape() == shape)) {
      LS_ASSIGN_OR_RETURN(to, Tensor::Make(from.dtype(), shape));
    }
    const size_t row = from.bytes() / static_cast<size_t>(rows_);
    const auto* in = static_cast<const char*>(from.data());
    auto* out = static_cast<char*>(to.data());
    for (int64_t i = 0; i < part.count; ++i) {
      const int64_t at = shuffle_ ? order(first + i) : first + i;
      std::memcpy(out + static_cast<size_t>(i) * row,
                  in + static_cast<size_t>(at) * row, row);
    }
  }
  return part.count;
}

Result<Tensor> ScalarFeed(const Graph& graph, const NamedFeed& feed) {
  LS_ASSIGN_OR_RETURN(const Output output, graph.FindOutput(feed.tensor));
  const DType type = BaseOf(output.dtype());
  if (type == kString) return Tensor(feed.value);
  if (type == kBool && (feed.value == "true" || feed.value == "false")) {
    return Tensor(feed.value == "true");
  }
  double value = 0;
  const char* end = feed.value.data() + feed.value.size();
  const auto [at, error] = std::from_chars(feed.value.data(), end, value);
  if (error != std::errc() || at != end || type == kBool) {
    return InvalidArgument("'", feed.tensor, "' is ", DTypeName(type),
                           ", which '", feed.value, "' is not");
  }
  if (IsFloating(type)) return Converted(Tensor(value), type, 1);
  return Converted(Tensor(static_cast<int64_t>(value)), type, 1);
}

}  // namespace lockstep
