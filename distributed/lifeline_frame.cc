// SPDX-License-Identifier: Apache-2.0
#include "distributed/lifeline_frame.h"

#include <cstring>
#include <type_traits>

namespace lockstep {
namespace {

constexpr uint32_t kMagic = 0x4c4b5354;
constexpr size_t kMaxText = 1500;
constexpr size_t kMaxPayload = 4 * kMaxText;

struct Header {
  uint32_t magic = kMagic;
  uint16_t type = 0;
  uint16_t size = 0;
};

class Writer {
 public:
  template <class T>
  requires std::is_arithmetic_v<T>
  void Add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void Add(const std::string& text) {
    const auto size = static_cast<uint16_t>(std::min(text.size(), kMaxText));
    Add(size);
    bytes_.append(text, 0, size);
  }
  void Add(const std::vector<ReplicaMark>& marks) {
    Add(static_cast<uint16_t>(marks.size()));
    for (const ReplicaMark& mark : marks) {
      Add(mark.count);
      Add(mark.chain);
    }
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  requires std::is_arithmetic_v<T>
  void Add(T& value) {
    if (bytes_.size() < sizeof(value)) {
      broken_ = true;
      return;
    }
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_.remove_prefix(sizeof(value));
  }
  // A byte of a stranger may be no bool.
  void Add(bool& value) {
    uint8_t byte = 0;
    Add(byte);
    value = byte != 0;
  }
  void Add(std::string& text) {
    uint16_t size = 0;
    Add(size);
    if (broken_ || bytes_.size() < size) {
      broken_ = true;
      return;
    }
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
  }
  void Add(std::vector<ReplicaMark>& marks) {
    uint16_t size = 0;
    Add(size);
    marks.clear();
    for (; size > 0 && !broken_; --size) {
      ReplicaMark& mark = marks.emplace_back();
      Add(mark.count);
      Add(mark.chain);
    }
  }
  bool whole() const { return !broken_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool broken_ = false;
};

// The one list of fields, for both directions.
template <class Archive, class F>
void Fields(Archive& archive, F& frame) {
  archive.Add(frame.rank);
  archive.Add(frame.kind);
  archive.Add(frame.number);
  archive.Add(frame.number2);
  archive.Add(frame.text);
  if (frame.type != FrameType::kBeat) return;
  auto& beat = frame.beat;
  archive.Add(beat.step);
  archive.Add(beat.runs);
  archive.Add(beat.word);
  archive.Add(beat.waits);
  archive.Add(beat.waited_micros);
  archive.Add(beat.patience_micros);
  archive.Add(beat.where);
  archive.Add(beat.waiting);
  archive.Add(beat.neighbour);
  archive.Add(beat.neighbour_state);
  archive.Add(beat.marks);
}

}  // namespace

std::string EncodeFrame(const LifelineFrame& frame) {
  Writer payload;
  Fields(payload, frame);
  const Header header{.type = static_cast<uint16_t>(frame.type),
                      .size = static_cast<uint16_t>(payload.bytes().size())};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  return bytes + payload.bytes();
}

Result<std::optional<LifelineFrame>> FrameReader::Next() {
  Header header;
  if (buffer_.size() < sizeof(header)) return std::optional<LifelineFrame>();
  std::memcpy(&header, buffer_.data(), sizeof(header));
  if (header.magic != kMagic || header.size > kMaxPayload ||
      header.type < static_cast<uint16_t>(FrameType::kHello) ||
      header.type > static_cast<uint16_t>(FrameType::kStopDecision)) {
    return DataLoss("these bytes are no frame of a lifeline");
  }
  if (buffer_.size() < sizeof(header) + header.size) {
    return std::optional<LifelineFrame>();
  }
  LifelineFrame frame{.type = static_cast<FrameType>(header.type)};
  Reader reader(std::string_view(buffer_).substr(sizeof(header), header.size));
  Fields(reader, frame);
  if (!reader.whole()) return DataLoss("a frame of a lifeline is damaged");
  buffer_.erase(0, sizeof(header) + header.size);
  return std::optional<LifelineFrame>(std::move(frame));
}

}  // namespace lockstep
