// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/projector.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>

#include "proto/projector.pb.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/png.h"

namespace lockstep {
namespace {

constexpr const char* kConfigName = "projector_config.pbtxt";

// A name as part of a file's name.
std::string Plain(std::string name) {
  std::ranges::replace_if(
      name, [](char c) { return !std::isalnum(static_cast<uint8_t>(c)); }, '_');
  return name;
}

std::string LabelLines(const std::vector<std::string>& labels) {
  std::string text;
  for (const std::string& label : labels) {
    std::string line = label;
    std::ranges::replace_if(
        line, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    text += line;
    text += '\n';
  }
  return text;
}

std::string ValueLines(const Tensor& values) {
  const auto flat = values.flat<float>();
  const auto columns = static_cast<size_t>(values.shape().dim(1));
  std::string text;
  for (size_t i = 0; i < flat.size(); ++i) {
    text += StrCat(flat[i], (i + 1) % columns == 0 ? '\n' : '\t');
  }
  return text;
}

// All pictures in one, row by row, in as square a grid as they make.
Result<Tensor> Sheet(const Tensor& pictures) {
  const Shape& shape = pictures.shape();
  const int64_t n = shape.dim(0);
  const auto side = static_cast<int64_t>(std::ceil(std::sqrt(n)));
  const int64_t height = shape.dim(1);
  const int64_t row_bytes = shape.dim(2) * shape.dim(3);
  LS_ASSIGN_OR_RETURN(
      Tensor sheet,
      Tensor::Make(kUint8,
                   Shape{side * height, side * shape.dim(2), shape.dim(3)}));
  auto to = sheet.flat<uint8_t>();
  std::ranges::fill(to, uint8_t{0});
  const auto from = pictures.flat<uint8_t>();
  for (int64_t i = 0; i < n * height; ++i) {
    const int64_t picture = i / height;
    const int64_t row = (picture / side) * height + i % height;
    const int64_t at = (row * side + picture % side) * row_bytes;
    std::memcpy(to.data() + at, from.data() + i * row_bytes,
                static_cast<size_t>(row_bytes));
  }
  return sheet;
}

Status Check(const ProjectorEmbedding& e) {
  const auto bad = [&](const auto&... what) {
    return InvalidArgument("embedding '", e.name, "': ", what...);
  };
  int64_t rows = -1;
  if (e.name.empty()) return bad("it needs a name");
  if (e.values.defined()) {
    const Shape& shape = e.values.shape();
    if (e.values.dtype() != kFloat || shape.rank() != 2 || shape.dim(1) < 1) {
      return bad("values are float [n,d], got ", DTypeName(e.values.dtype()),
                 " ", shape);
    }
    rows = shape.dim(0);
  }
  if (e.pictures.defined()) {
    const Shape& shape = e.pictures.shape();
    if (e.pictures.dtype() != kUint8 || shape.rank() != 4) {
      return bad("pictures are uint8 [n,height,width,channels], got ",
                 DTypeName(e.pictures.dtype()), " ", shape);
    }
    if (rows >= 0 && shape.dim(0) != rows) {
      return bad(rows, " rows, but ", shape.dim(0), " pictures");
    }
  }
  if (rows >= 0 && !e.labels.empty() && std::ssize(e.labels) != rows) {
    return bad(rows, " rows, but ", e.labels.size(), " labels");
  }
  return Ok();
}

// Writes the embedding's files and says in `info` where they are.
Status WriteFiles(Env& env, const std::string& dir, const std::string& base,
                  const ProjectorEmbedding& e, proto::EmbeddingInfo& info) {
  info.set_tensor_name(e.name);
  if (e.values.defined()) {
    info.set_tensor_path(base + "_values.tsv");
    for (const int64_t dim : e.values.shape().dims()) {
      info.add_tensor_shape(static_cast<uint32_t>(dim));
    }
    LS_RETURN_IF_ERROR(env.WriteFileAtomically(
        JoinPath(dir, info.tensor_path()), ValueLines(e.values)));
  }
  if (!e.labels.empty()) {
    info.set_metadata_path(base + "_labels.tsv");
    LS_RETURN_IF_ERROR(env.WriteFileAtomically(
        JoinPath(dir, info.metadata_path()), LabelLines(e.labels)));
  }
  if (e.pictures.defined()) {
    proto::SpriteMetadata& sprite = *info.mutable_sprite();
    sprite.set_image_path(base + "_pictures.png");
    sprite.add_single_image_dim(
        static_cast<uint32_t>(e.pictures.shape().dim(2)));
    sprite.add_single_image_dim(
        static_cast<uint32_t>(e.pictures.shape().dim(1)));
    LS_ASSIGN_OR_RETURN(const Tensor sheet, Sheet(e.pictures));
    LS_ASSIGN_OR_RETURN(const std::string png, EncodePng(sheet));
    LS_RETURN_IF_ERROR(
        env.WriteFileAtomically(JoinPath(dir, sprite.image_path()), png));
  }
  return Ok();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines = Split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

Result<Tensor> ParseValues(const std::string& text, const std::string& path) {
  const std::vector<std::string> lines = Lines(text);
  std::vector<float> values;
  size_t columns = 0;
  for (const std::string& line : lines) {
    const std::vector<std::string> fields = Split(line, '\t');
    if (columns == 0) columns = fields.size();
    if (fields.size() != columns) {
      return DataLoss("'", path, "': rows of ", columns, " and of ",
                      fields.size(), " numbers");
    }
    for (const std::string& field : fields) {
      float v = 0;
      const char* end = field.data() + field.size();
      if (std::from_chars(field.data(), end, v).ptr != end || field.empty()) {
        return DataLoss("'", path, "': '", field, "' is no number");
      }
      values.push_back(v);
    }
  }
  return Tensor::FromSpan<float>(
      Shape{std::ssize(lines), static_cast<int64_t>(columns)}, values);
}

}  // namespace

Status WriteProjector(Env& env, const std::string& dir,
                      std::span<const ProjectorEmbedding> embeddings) {
  for (const ProjectorEmbedding& e : embeddings) LS_RETURN_IF_ERROR(Check(e));
  LS_RETURN_IF_ERROR(env.CreateDirs(dir));
  proto::ProjectorConfig config;
  for (size_t i = 0; i < embeddings.size(); ++i) {
    // The number keeps "a/b" and "a_b" apart.
    const std::string base = StrCat(Plain(embeddings[i].name), "_", i);
    LS_RETURN_IF_ERROR(
        WriteFiles(env, dir, base, embeddings[i], *config.add_embeddings()));
  }
  std::string text;
  if (!google::protobuf::TextFormat::PrintToString(config, &text)) {
    return Internal("cannot print the projector's configuration");
  }
  return env.WriteFileAtomically(JoinPath(dir, kConfigName), text);
}

Result<std::vector<ProjectorEmbedding>> ReadProjector(Env& env,
                                                      const std::string& dir) {
  const std::string path = JoinPath(dir, kConfigName);
  LS_ASSIGN_OR_RETURN(const std::string text, env.ReadFile(path));
  proto::ProjectorConfig config;
  const Status parsed = ParseTextProto(text, config, UnknownFields::kSkip);
  if (!parsed.ok()) {
    return DataLoss("'", path,
                    "': not a projector's configuration: ", parsed.message());
  }
  std::vector<ProjectorEmbedding> embeddings;
  for (const proto::EmbeddingInfo& info : config.embeddings()) {
    ProjectorEmbedding e{.name = info.tensor_name()};
    if (!info.tensor_path().empty()) {
      const std::string file = JoinPath(dir, info.tensor_path());
      LS_ASSIGN_OR_RETURN(const std::string values, env.ReadFile(file));
      LS_ASSIGN_OR_RETURN(e.values, ParseValues(values, file));
    }
    if (!info.metadata_path().empty()) {
      LS_ASSIGN_OR_RETURN(const std::string labels,
                          env.ReadFile(JoinPath(dir, info.metadata_path())));
      e.labels = Lines(labels);
    }
    embeddings.push_back(std::move(e));
  }
  return embeddings;
}

}  // namespace lockstep
