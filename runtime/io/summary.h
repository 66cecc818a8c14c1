// SPDX-License-Identifier: Apache-2.0
#pragma once

// Summary: values under tags, as TensorBoard shows them for one step. Built by
// the summary ops and by programs that log without a graph.
//
// Thread-compatible. Error: INVALID_ARGUMENT, with the tag, for values that do
// not make such a summary; the summary is then unchanged.
//
//   Summary s;
//   s.AddScalar("loss", 0.25f);
//   LS_RETURN_IF_ERROR(s.AddHistogram("weights", w));
//   LS_RETURN_IF_ERROR(s.AddImages("input", x, {.max_images = 4}));
//   LS_RETURN_IF_ERROR(events->AddSummary(s, step));

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/tensor.h"

namespace lockstep {

namespace proto {
class Summary;
}  // namespace proto

struct ImageOptions {
  // With more than one the tags end in "/image/0", "/image/1" ..., with one in
  // "/image".
  int64_t max_images = 3;
  // Of a pixel that has a value which is not finite; as many as channels.
  std::vector<uint8_t> bad_color = {255, 0, 0, 255};
};

// The metadata of a text summary, for AddTensor: serialized.
std::string TextSummaryMetadata();

class Summary {
 public:
  Summary();
  ~Summary();
  Summary(Summary&&) noexcept;
  Summary& operator=(Summary&&) noexcept;

  void AddScalar(std::string_view tag, float value);
  // All elements of any integer or floating type; none may be NaN or infinite.
  Status AddHistogram(std::string_view tag, const Tensor& values);
  // [n,height,width,channels] with 1, 3 or 4 channels. uint8 as it is; of a
  // floating type scaled, image by image, so that the largest value is 255, or
  // with negative values so that zero is 128 and the largest magnitude 127.
  Status AddImages(std::string_view tag, const Tensor& images,
                   const ImageOptions& options = {});
  // float [n,frames,channels] or [n,frames]; tags end in "/audio/0" ..., or in
  // "/audio" when at most one is wanted.
  Status AddAudio(std::string_view tag, const Tensor& sounds, float sample_rate,
                  int64_t max_outputs = 3);
  // One string, or a table of them, in Markdown.
  Status AddText(std::string_view tag, const Tensor& strings);
  // For a plugin of TensorBoard; `metadata` is a serialized SummaryMetadata.
  // One that cannot be read counts as empty.
  Status AddTensor(std::string_view tag, const Tensor& value,
                   std::string_view metadata = {});
  // The same without a tag, by the name of the node that made it.
  Status AddNodeTensor(std::string_view node, const Tensor& value);
  // All values of a serialized Summary. INVALID_ARGUMENT when it is none, or
  // has a tag that is here already.
  Status Merge(std::string_view serialized);

  std::string Serialize() const;

 private:
  std::unique_ptr<proto::Summary> proto_;
};

}  // namespace lockstep
