// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/parse_proto.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace lockstep {
namespace {

constexpr int kMaxDepth = 100;  // protobuf's own for binary files

// Until version 22, protobuf prints some of its errors.
class Quiet {
#if GOOGLE_PROTOBUF_VERSION < 4022000
  google::protobuf::LogSilencer silencer_;
#endif
};

// Keeps the first message.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text.empty()) return;
    text = StrCat("line ", line + 1, ", column ", column + 1, ": ", message);
  }

  std::string text;
};

// The parser's own limit does not cover fields that it skips.
Status CheckDepth(std::string_view text) {
  int depth = 0;
  int line = 1;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      quote = 0;  // strings do not span lines
    } else if (quote != 0) {
      if (c == '\\') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '{' || c == '<' || c == '[') {
      if (++depth > kMaxDepth) {
        return InvalidArgument("line ", line, ": more than ", kMaxDepth,
                               " messages within each other");
      }
    } else if (c == '}' || c == '>' || c == ']') {
      --depth;
    }
  }
  return Ok();
}

}  // namespace

Status ParseProto(std::string_view bytes,
                  google::protobuf::MessageLite& message) {
  const Quiet quiet;
  if (bytes.size() > std::numeric_limits<int>::max()) {
    return InvalidArgument(bytes.size(), " bytes, more than a ",
                           message.GetTypeName(), " can have");
  }
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Ok();
  }
  return InvalidArgument("not a ", message.GetTypeName(),
                         ", or cut or damaged");
}

namespace {

// The text form lets names be any bytes, which the binary form then refuses.
Status CheckUtf8(std::string_view text,
                 const google::protobuf::Message& message) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x80 && c != '\\';
  });
  if (plain) return Ok();
  LS_ASSIGN_OR_RETURN(const std::string bytes, SerializeProto(message));
  const std::unique_ptr<google::protobuf::Message> copy(message.New());
  if (copy->ParseFromString(bytes)) return Ok();
  return InvalidArgument("a name in the ", message.GetTypeName(),
                         " is not UTF-8");
}

}  // namespace

Status ParseTextProto(std::string_view text, google::protobuf::Message& message,
                      UnknownFields unknown) {
  const Quiet quiet;
  if (text.size() > std::numeric_limits<int>::max()) {
    return InvalidArgument(text.size(), " bytes, more than a ",
                           message.GetTypeName(), " can have");
  }
  LS_RETURN_IF_ERROR(CheckDepth(text));
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(kMaxDepth);
  parser.AllowUnknownField(unknown == UnknownFields::kSkip);
  google::protobuf::io::ArrayInputStream stream(text.data(),
                                                static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &message)) return InvalidArgument(error.text);
  return CheckUtf8(text, message);
}

Result<std::string> SerializeProto(
    const google::protobuf::MessageLite& message) {
  const Quiet quiet;
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  if (!message.SerializeToCodedStream(&coded)) {
    return ResourceExhausted("the ", message.GetTypeName(),
                             " is larger than a message can be");
  }
  coded.Trim();
  return bytes;
}

}  // namespace lockstep
