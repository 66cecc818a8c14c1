// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/status.h"

namespace lockstep {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kCancelled: return "CANCELLED";
    case Code::kUnknown: return "UNKNOWN";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kAlreadyExists: return "ALREADY_EXISTS";
    case Code::kPermissionDenied: return "PERMISSION_DENIED";
    case Code::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case Code::kFailedPrecondition: return "FAILED_PRECONDITION";
    case Code::kAborted: return "ABORTED";
    case Code::kOutOfRange: return "OUT_OF_RANGE";
    case Code::kUnimplemented: return "UNIMPLEMENTED";
    case Code::kInternal: return "INTERNAL";
    case Code::kUnavailable: return "UNAVAILABLE";
    case Code::kDataLoss: return "DATA_LOSS";
    case Code::kUnauthenticated: return "UNAUTHENTICATED";
  }
  return "UNKNOWN";
}

// kOk with a message is still OK.
Status::Status(Code code, std::string message)
    : rep_(code == Code::kOk
               ? nullptr
               : std::make_unique<Rep>(Rep{code, std::move(message)})) {}

const std::string& Status::message() const {
  static const std::string& empty = *new std::string;
  return rep_ ? rep_->message : empty;
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return StrCat(CodeName(rep_->code), ": ", rep_->message);
}

Status Status::WithContext(std::string_view where) const {
  if (ok()) return Status();
  return Status(rep_->code, StrCat(where, ": ", rep_->message));
}

}  // namespace lockstep
