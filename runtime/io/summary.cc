// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <unordered_set>
#include <utility>

#include "proto/summary.pb.h"
#include "runtime/io/histogram.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/png.h"
#include "runtime/io/tensor_proto.h"
#include "runtime/io/wav.h"

namespace lockstep {
namespace {

// "tag/image/2", or "tag/image" when only one can come.
std::string NumberedTag(std::string_view tag, std::string_view kind, int64_t i,
                        int64_t most) {
  return most > 1 ? StrCat(tag, "/", kind, "/", i) : StrCat(tag, "/", kind);
}

// One image's values to bytes: y = x * scale + offset.
struct Scaling {
  float scale = 0;
  float offset = 0;
};

template <class T>
bool IsFinite(std::span<const T> pixel) {
  return std::ranges::all_of(
      pixel, [](T v) { return std::isfinite(static_cast<float>(v)); });
}

template <class T>
Scaling ScalingOf(std::span<const T> values, size_t channels) {
  constexpr float kZero = 1e-6f;
  float low = std::numeric_limits<float>::infinity();
  float high = -low;
  for (size_t i = 0; i < values.size(); i += channels) {
    const auto pixel = values.subspan(i, channels);
    if (!IsFinite(pixel)) continue;
    for (const T v : pixel) {
      low = std::min(low, static_cast<float>(v));
      high = std::max(high, static_cast<float>(v));
    }
  }
  if (low < 0) {
    const float magnitude = std::max(-low, std::abs(high));
    return {magnitude < kZero ? 0 : 127.0f / magnitude, 128.0f};
  }
  return {high < kZero ? 0 : 255.0f / high, 0};
}

template <class T>
void ToBytes(std::span<const T> values, std::span<const uint8_t> bad_color,
             size_t channels, std::span<uint8_t> out) {
  const Scaling s = ScalingOf(values, channels);
  for (size_t i = 0; i < values.size(); i += channels) {
    const auto pixel = values.subspan(i, channels);
    const bool finite = IsFinite(pixel);
    for (size_t c = 0; c < channels; ++c) {
      const float y = static_cast<float>(pixel[c]) * s.scale + s.offset;
      out[i + c] = finite ? static_cast<uint8_t>(std::clamp(y, 0.0f, 255.0f))
                          : bad_color[c];
    }
  }
}

// Image `i` of the batch as bytes.
Status FillImage(const Tensor& images, int64_t i,
                 std::span<const uint8_t> bad_color, Tensor& out) {
  const size_t n = static_cast<size_t>(out.NumElements());
  const size_t from = static_cast<size_t>(i) * n;
  const auto channels = static_cast<size_t>(out.shape().dim(2));
  return VisitDType(images.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto values = images.flat<T>().subspan(from, n);
    if constexpr (std::is_same_v<T, uint8_t>) {
      std::ranges::copy(values, out.flat<uint8_t>().begin());
    } else {
      ToBytes<T>(values, bad_color, channels, out.flat<uint8_t>());
    }
    return Ok();
  });
}

Status CheckImages(std::string_view tag, const Tensor& images,
                   const ImageOptions& options) {
  const Shape& shape = images.shape();
  if (images.dtype() != kUint8 && !IsFloating(images.dtype())) {
    return InvalidArgument("image summary '", tag, "': wanted uint8 or a ",
                           "floating type, got ", DTypeName(images.dtype()));
  }
  const int64_t channels = shape.rank() == 4 ? shape.dim(3) : 0;
  if (channels != 1 && channels != 3 && channels != 4) {
    return InvalidArgument("image summary '", tag, "': Tensor must be 4-D ",
                           "with last dim 1, 3, or 4, not ", shape);
  }
  if (std::ssize(options.bad_color) < channels) {
    return InvalidArgument("image summary '", tag, "': bad_color has ",
                           options.bad_color.size(), " values, the images ",
                           channels, " channels");
  }
  return Ok();
}

// Sound `i` of the batch.
Tensor SoundAt(const Tensor& sounds, int64_t i) {
  const Shape& shape = sounds.shape();
  const Shape one{shape.dim(1), shape.rank() == 3 ? shape.dim(2) : 1};
  return Tensor::FromSpan<float>(
      one,
      sounds.flat<float>().subspan(static_cast<size_t>(i * one.NumElements()),
                                   static_cast<size_t>(one.NumElements())));
}

}  // namespace

std::string TextSummaryMetadata() {
  proto::SummaryMetadata metadata;
  metadata.mutable_plugin_data()->set_plugin_name("text");
  metadata.set_data_class(proto::DATA_CLASS_TENSOR);
  return metadata.SerializeAsString();
}

Summary::Summary() : proto_(std::make_unique<proto::Summary>()) {}
Summary::~Summary() = default;
Summary::Summary(Summary&&) noexcept = default;
Summary& Summary::operator=(Summary&&) noexcept = default;

std::string Summary::Serialize() const { return proto_->SerializeAsString(); }

void Summary::AddScalar(std::string_view tag, float value) {
  proto::Summary::Value* v = proto_->add_value();
  v->set_tag(std::string(tag));
  v->set_simple_value(value);
}

Status Summary::AddHistogram(std::string_view tag, const Tensor& values) {
  Histogram histogram;
  LS_RETURN_IF_ERROR(
      VisitDType(values.dtype(), [&]<class T>(std::type_identity<T>) -> Status {
        for (const T x : values.flat<T>()) {
          const double v = static_cast<double>(x);
          if (std::isnan(v)) {
            return InvalidArgument("Nan in summary histogram for: ", tag);
          }
          if (std::isinf(v)) {
            return InvalidArgument("Infinity in Histogram for: ", tag);
          }
          histogram.Add(v);
        }
        return Ok();
      }));
  proto::Summary::Value* v = proto_->add_value();
  v->set_tag(std::string(tag));
  proto::HistogramProto* out = v->mutable_histo();
  out->set_min(histogram.min());
  out->set_max(histogram.max());
  out->set_num(histogram.num());
  out->set_sum(histogram.sum());
  out->set_sum_squares(histogram.sum_squares());
  for (const Histogram::Bucket& b : histogram.Compacted()) {
    out->add_bucket_limit(b.limit);
    out->add_bucket(b.count);
  }
  return Ok();
}

Status Summary::AddImages(std::string_view tag, const Tensor& images,
                          const ImageOptions& options) {
  LS_RETURN_IF_ERROR(CheckImages(tag, images, options));
  const Shape& shape = images.shape();
  const int64_t n = std::min(shape.dim(0), options.max_images);
  proto::Summary added;
  for (int64_t i = 0; i < n; ++i) {
    LS_ASSIGN_OR_RETURN(
        Tensor pixels,
        Tensor::Make(kUint8, Shape{shape.dim(1), shape.dim(2), shape.dim(3)}));
    LS_RETURN_IF_ERROR(FillImage(images, i, options.bad_color, pixels));
    auto png = EncodePng(pixels);
    if (!png.ok()) {
      return png.status().WithContext(StrCat("image summary '", tag, "'"));
    }
    proto::Summary::Value* v = added.add_value();
    v->set_tag(NumberedTag(tag, "image", i, options.max_images));
    proto::Summary::Image* image = v->mutable_image();
    image->set_height(static_cast<int32_t>(shape.dim(1)));
    image->set_width(static_cast<int32_t>(shape.dim(2)));
    image->set_colorspace(static_cast<int32_t>(shape.dim(3)));
    image->set_encoded_image_string(*std::move(png));
  }
  proto_->MergeFrom(added);
  return Ok();
}

Status Summary::AddAudio(std::string_view tag, const Tensor& sounds,
                         float sample_rate, int64_t max_outputs) {
  const Shape& shape = sounds.shape();
  if (sounds.dtype() != kFloat || (shape.rank() != 2 && shape.rank() != 3)) {
    return InvalidArgument("audio summary '", tag, "': Tensor must be 3-D or ",
                           "2-D and float, got ", DTypeName(sounds.dtype()),
                           " ", shape);
  }
  // Beyond 32 bits EncodeWav refuses it.
  if (!(sample_rate > 0)) {
    return InvalidArgument("audio summary '", tag,
                           "': sample_rate must be > 0, is ", sample_rate);
  }
  const auto rate = static_cast<int64_t>(std::min(sample_rate, 1e10f));
  const int64_t n = std::min(shape.dim(0), max_outputs);
  proto::Summary added;
  for (int64_t i = 0; i < n; ++i) {
    const Tensor sound = SoundAt(sounds, i);
    auto wav = EncodeWav(sound, rate);
    if (!wav.ok()) {
      return wav.status().WithContext(StrCat("audio summary '", tag, "'"));
    }
    proto::Summary::Value* v = added.add_value();
    v->set_tag(NumberedTag(tag, "audio", i, max_outputs));
    proto::Summary::Audio* audio = v->mutable_audio();
    audio->set_sample_rate(sample_rate);
    audio->set_num_channels(sound.shape().dim(1));
    audio->set_length_frames(sound.shape().dim(0));
    audio->set_content_type("audio/wav");
    audio->set_encoded_audio_string(*std::move(wav));
  }
  proto_->MergeFrom(added);
  return Ok();
}

Status Summary::AddText(std::string_view tag, const Tensor& strings) {
  if (strings.dtype() != kString) {
    return InvalidArgument("text summary '", tag, "': wanted strings, got ",
                           DTypeName(strings.dtype()));
  }
  return AddTensor(tag, strings, TextSummaryMetadata());
}

Status Summary::AddTensor(std::string_view tag, const Tensor& value,
                          std::string_view metadata) {
  proto::Summary::Value v;
  v.set_tag(std::string(tag));
  LS_RETURN_IF_ERROR(ToProto(value, v.mutable_tensor()));
  if (!ParseProto(metadata, *v.mutable_metadata()).ok()) {
    v.mutable_metadata()->Clear();
  }
  *proto_->add_value() = std::move(v);
  return Ok();
}

Status Summary::AddNodeTensor(std::string_view node, const Tensor& value) {
  proto::Summary::Value v;
  v.set_node_name(std::string(node));
  LS_RETURN_IF_ERROR(ToProto(value, v.mutable_tensor()));
  *proto_->add_value() = std::move(v);
  return Ok();
}

Status Summary::Merge(std::string_view serialized) {
  proto::Summary other;
  const Status parsed = ParseProto(serialized, other);
  if (!parsed.ok()) {
    return InvalidArgument("Could not parse one of the summary inputs: ",
                           parsed.message());
  }
  std::unordered_set<std::string_view> tags;
  for (const auto& v : proto_->value()) tags.insert(v.tag());
  for (const auto& v : other.value()) {
    if (!v.tag().empty() && !tags.insert(v.tag()).second) {
      return InvalidArgument("Duplicate tag ", v.tag(),
                             " found in summary inputs");
    }
  }
  proto_->MergeFrom(other);
  return Ok();
}

}  // namespace lockstep
