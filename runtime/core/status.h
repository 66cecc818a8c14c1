// SPDX-License-Identifier: Apache-2.0
#pragma once

// Status and Result<T>: how every fallible call reports.
//
// A Status is OK or carries one of TensorFlow's canonical codes and a message
// that says where, what was wanted and what came. An OK Status is one null
// pointer, so returning it costs nothing. Thread-compatible.
//
//   Result<Tensor> r = session.Run(feed, "loss:0");
//   if (!r.ok()) return r.status();
//   Tensor loss = *r;
//   LS_ASSIGN_OR_RETURN(Tensor acc, session.Run(feed, "accuracy:0"));
//   float x = session.Run(feed, "loss:0").value().scalar<float>();  // throws

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/core/strings.h"

namespace lockstep {

// Canonical codes; the numbers are TensorFlow's.
enum class Code : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on; "OK" for kOk.
std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message);
  Status(const Status& other)
      : rep_(other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr) {}
  Status& operator=(const Status& other) {
    rep_ = other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr;
    return *this;
  }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const { return rep_ == nullptr; }
  Code code() const { return rep_ ? rep_->code : Code::kOk; }
  const std::string& message() const;
  // "INVALID_ARGUMENT: node 'x': ..." or "OK".
  std::string ToString() const;
  // The same code with `where` put before the message; OK stays OK.
  Status WithContext(std::string_view where) const;
  // Keeps the first error of several: a no-op when this is already an error.
  void Update(Status other) {
    if (ok()) *this = std::move(other);
  }

 private:
  struct Rep {
    Code code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

inline Status Ok() { return Status(); }

// Thrown by Result::value() and Status checks in user-facing code only; no
// exception crosses library code.
class Error : public std::runtime_error {
 public:
  explicit Error(const Status& status)
      : std::runtime_error(status.ToString()), code_(status.code()) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

// For programs, not for the library: throws Error unless `status` is OK.
inline void ThrowIfError(const Status& status) {
  if (!status.ok()) throw Error(status);
}

// A T or the error that kept it from being made. Never holds an OK Status.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }
  Code code() const { return status_.code(); }

  // Requires ok().
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

  // Throws Error when there is no value.
  T& value() & {
    if (!ok()) throw Error(status_);
    return *value_;
  }
  const T& value() const& {
    if (!ok()) throw Error(status_);
    return *value_;
  }
  T value() && {
    if (!ok()) throw Error(status_);
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
  Status status_;
};

// Builders: InvalidArgument("node '", name, "': want ", a, ", got ", b).
#define LS_DEFINE_ERROR(Name)                       \
  template <class... A>                             \
  Status Name(const A&... parts) {                  \
    return Status(Code::k##Name, StrCat(parts...)); \
  }
LS_DEFINE_ERROR(Cancelled)
LS_DEFINE_ERROR(Unknown)
LS_DEFINE_ERROR(InvalidArgument)
LS_DEFINE_ERROR(DeadlineExceeded)
LS_DEFINE_ERROR(NotFound)
LS_DEFINE_ERROR(AlreadyExists)
LS_DEFINE_ERROR(PermissionDenied)
LS_DEFINE_ERROR(ResourceExhausted)
LS_DEFINE_ERROR(FailedPrecondition)
LS_DEFINE_ERROR(Aborted)
LS_DEFINE_ERROR(OutOfRange)
LS_DEFINE_ERROR(Unimplemented)
LS_DEFINE_ERROR(Internal)
LS_DEFINE_ERROR(Unavailable)
LS_DEFINE_ERROR(DataLoss)
#undef LS_DEFINE_ERROR

}  // namespace lockstep

#define LS_CONCAT_INNER(a, b) a##b
#define LS_CONCAT(a, b) LS_CONCAT_INNER(a, b)

#define LS_RETURN_IF_ERROR(expr)           \
  do {                                     \
    ::lockstep::Status ls_status = (expr); \
    if (!ls_status.ok()) [[unlikely]]      \
      return ls_status;                    \
  } while (0)

#define LS_ASSIGN_OR_RETURN(lhs, expr) \
  LS_ASSIGN_OR_RETURN_IMPL(LS_CONCAT(ls_result_, __LINE__), lhs, expr)
#define LS_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) [[unlikely]]                    \
    return std::move(tmp).status();              \
  lhs = *std::move(tmp)
