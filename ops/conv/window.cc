// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/window.h"

#include <algorithm>

namespace lockstep {

Result<std::array<int64_t, 2>> WindowAttrs::Spatial(
    const AttrMap& attrs, std::string_view name) const {
  const auto* list = GetIf<std::vector<int64_t>>(attrs, name);
  if (!list || list->empty()) return std::array<int64_t, 2>{1, 1};
  if (list->size() != 4) {
    return InvalidArgument(name, " must have 4 numbers, has ", list->size());
  }
  const auto at = [&](int i) { return (*list)[static_cast<size_t>(i)]; };
  if (at(0) != 1 || at(channel_dim()) != 1) {
    return InvalidArgument(name,
                           " must be 1 in the batch and depth dimensions,"
                           " is [",
                           Join(*list, ","), "]");
  }
  const std::array<int64_t, 2> both{at(spatial_dim(0)), at(spatial_dim(1))};
  if (both[0] < 1 || both[1] < 1) {
    return InvalidArgument(name, " must be positive, is [", Join(*list, ","),
                           "]");
  }
  return both;
}

Result<WindowAttrs> WindowAttrs::From(const AttrMap& attrs) {
  WindowAttrs a;
  a.nchw = GetOr<std::string>(attrs, "data_format", "NHWC") == "NCHW";
  LS_ASSIGN_OR_RETURN(a.strides, a.Spatial(attrs, "strides"));
  LS_ASSIGN_OR_RETURN(a.dilations, a.Spatial(attrs, "dilations"));
  const auto padding = GetOr<std::string>(attrs, "padding", "VALID");
  a.padding = padding == "SAME"    ? Padding::kSame
              : padding == "VALID" ? Padding::kValid
                                   : Padding::kExplicit;
  const auto pads = GetOr<std::vector<int64_t>>(attrs, "explicit_paddings", {});
  if (a.padding != Padding::kExplicit) {
    if (!pads.empty()) {
      return InvalidArgument("explicit_paddings must be empty for padding ",
                             padding);
    }
    return a;
  }
  if (pads.size() != 8 ||
      std::ranges::any_of(pads, [](int64_t p) { return p < 0; })) {
    return InvalidArgument("explicit_paddings must be 8 numbers >= 0, is [",
                           Join(pads, ","), "]");
  }
  const auto at = [&](int i) { return pads[static_cast<size_t>(i)]; };
  const int c = a.channel_dim();
  if (at(0) || at(1) || at(2 * c) || at(2 * c + 1)) {
    return InvalidArgument(
        "explicit_paddings must be 0 in the batch and depth "
        "dimensions, is [",
        Join(pads, ","), "]");
  }
  const int h = 2 * a.spatial_dim(0);
  a.pads = {at(h), at(h + 1), at(h + 2), at(h + 3)};
  return a;
}

Status NoFilterElements() {
  return InvalidArgument("filter must not have zero elements (i.e. all ",
                         "dimensions must be non-zero)");
}

Result<Window> WindowAttrs::Along(int i, int64_t in, int64_t size) const {
  const size_t u = static_cast<size_t>(i);
  Window w{
      .in = in, .size = size, .stride = strides[u], .dilation = dilations[u]};
  const bool same = padding == Padding::kSame;
  w.out = same && in >= 0 ? (in + w.stride - 1) / w.stride : kUnknownDim;
  if (in < 0 || size < 0) return w;
  if (size < 1) return NoFilterElements();
  const int64_t span = (size - 1) * w.dilation + 1;
  if (same) {
    const int64_t total =
        std::max<int64_t>(0, (w.out - 1) * w.stride + span - in);
    w.pad_before = total / 2;
    w.pad_after = total - w.pad_before;
    return w;
  }
  if (padding == Padding::kExplicit) {
    w.pad_before = pads[2 * u];
    w.pad_after = pads[2 * u + 1];
  }
  const int64_t room = in + w.pad_before + w.pad_after - span;
  w.out = (room + w.stride) / w.stride;
  if (w.out < 0) {
    return InvalidArgument(
        "Computed output size would be negative: ", i == 0 ? "height" : "width",
        " ", in, " with padding ", w.pad_before + w.pad_after,
        " is smaller than a window that spans ", span);
  }
  return w;
}

bool VolumeChannelsFirst(const AttrMap& attrs) {
  return GetOr<std::string>(attrs, "data_format", "NDHWC") == "NCDHW";
}

Result<std::array<int64_t, 3>> SpatialOfVolume(const AttrMap& attrs,
                                               const char* name) {
  const auto list = GetOr<std::vector<int64_t>>(attrs, name, {1, 1, 1, 1, 1});
  const bool channels_first = VolumeChannelsFirst(attrs);
  const size_t channel = channels_first ? 1 : 4;
  if (list.size() != 5 || list[0] != 1 || list[channel] != 1 ||
      std::ranges::any_of(list, [](int64_t n) { return n < 1; })) {
    return InvalidArgument(name, " must be 5 positive numbers, 1 for batch ",
                           "and channels, are [", Join(list, ","), "]");
  }
  const size_t first = channels_first ? 2 : 1;
  return std::array{list[first], list[first + 1], list[first + 2]};
}

Result<std::array<Window, 3>> WindowsOfVolume(
    const AttrMap& attrs, const Shape& volume,
    const std::array<int64_t, 3>& sizes) {
  LS_ASSIGN_OR_RETURN(const auto strides, SpatialOfVolume(attrs, "strides"));
  LS_ASSIGN_OR_RETURN(const auto dilations,
                      SpatialOfVolume(attrs, "dilations"));
  WindowAttrs along;
  along.padding = GetOr<std::string>(attrs, "padding", "VALID") == "SAME"
                      ? Padding::kSame
                      : Padding::kValid;
  const int first = VolumeChannelsFirst(attrs) ? 2 : 1;
  std::array<Window, 3> windows;
  for (int i = 0; i < 3; ++i) {
    const auto at = static_cast<size_t>(i);
    along.strides[0] = strides[at];
    along.dilations[0] = dilations[at];
    LS_ASSIGN_OR_RETURN(windows[at],
                        along.Along(0, volume.dim(first + i), sizes[at]));
  }
  return windows;
}

}  // namespace lockstep
