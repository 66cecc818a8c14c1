// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/device_name.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

std::string Upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return static_cast<char>(std::toupper(c));
  });
  return out;
}

// A number, or "*" for any.
bool ParseNumber(std::string_view text, std::optional<int>* out) {
  if (text == "*") return true;
  int value = 0;
  auto [ptr, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || ptr != text.data() + text.size() || value < 0) {
    return false;
  }
  *out = value;
  return true;
}

// "GPU:1", "GPU:*" or "GPU".
bool ParseDevice(std::string_view text, DeviceName* name) {
  const size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  if (type.empty()) return false;
  if (type != "*") name->type = Upper(type);
  return colon == text.npos ||
         ParseNumber(text.substr(colon + 1), &name->index);
}

bool ParsePart(std::string_view part, DeviceName* name) {
  const size_t colon = part.find(':');
  if (colon == part.npos) return false;
  const std::string_view key = part.substr(0, colon);
  const std::string_view value = part.substr(colon + 1);
  if (value.empty()) return false;
  if (key == "job") {
    if (value != "*") name->job = std::string(value);
    return true;
  }
  if (key == "replica") return ParseNumber(value, &name->replica);
  if (key == "task") return ParseNumber(value, &name->task);
  if (key == "device") return ParseDevice(value, name);
  if (Upper(key) == "CPU" || Upper(key) == "GPU") {
    return ParseDevice(part, name);
  }
  return false;
}

template <class T>
bool Agrees(const std::optional<T>& want, const std::optional<T>& have) {
  return !want || (have && *want == *have);
}

}  // namespace

Result<DeviceName> DeviceName::Parse(std::string_view text) {
  DeviceName name;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('/', 1), rest.size());
    if (rest[0] != '/' || !ParsePart(rest.substr(1, end - 1), &name)) {
      return InvalidArgument("'", text,
                             "' is not a device name: want '/gpu:0' "
                             "or '/job:worker/task:0/device:GPU:0'");
    }
    rest.remove_prefix(end);
  }
  return name;
}

bool DeviceName::Covers(const DeviceName& other) const {
  return Agrees(job, other.job) && Agrees(replica, other.replica) &&
         Agrees(task, other.task) && Agrees(type, other.type) &&
         Agrees(index, other.index);
}

DeviceName DeviceName::Over(const DeviceName& outer) const {
  DeviceName out = outer;
  if (job) out.job = job;
  if (replica) out.replica = replica;
  if (task) out.task = task;
  if (type) {
    out.type = type;
    out.index = index;
  }
  return out;
}

std::string DeviceName::ToString() const {
  std::string out;
  if (job) out += StrCat("/job:", *job);
  if (replica) out += StrCat("/replica:", *replica);
  if (task) out += StrCat("/task:", *task);
  if (type || index) {
    out += StrCat("/device:", type ? *type : std::string("*"), ":");
    out += index ? StrCat(*index) : std::string("*");
  }
  return out;
}

std::string DeviceName::Short() const {
  std::string out = "/";
  for (char c : type ? *type : std::string("device")) {
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return StrCat(out, ":", index ? *index : 0);
}

}  // namespace lockstep
