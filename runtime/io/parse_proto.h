// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parses and writes protocol buffers of files: what is wrong is in the Status,
// not on standard error, and no input nests deep enough to use up the stack.
//
// Thread-safe. Error: INVALID_ARGUMENT, without the file's name, which the
// caller knows.
//
//   proto::GraphDef def;
//   LS_RETURN_IF_ERROR(ParseProto(bytes, def));
//   LS_RETURN_IF_ERROR(ParseTextProto(text, def));

#include <string>
#include <string_view>

#include "runtime/core/status.h"

namespace google::protobuf {
class Message;
class MessageLite;
}  // namespace google::protobuf

namespace lockstep {

Status ParseProto(std::string_view bytes,
                  google::protobuf::MessageLite& message);

enum class UnknownFields { kRefuse, kSkip };
// The error has line and column.
Status ParseTextProto(std::string_view text, google::protobuf::Message& message,
                      UnknownFields unknown = UnknownFields::kRefuse);

// Equal messages give equal bytes: maps are written in order.
// RESOURCE_EXHAUSTED above the 2 GiB that a message can have.
Result<std::string> SerializeProto(
    const google::protobuf::MessageLite& message);

}  // namespace lockstep
