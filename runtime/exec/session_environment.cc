// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "runtime/core/float_products.h"
#include "runtime/core/strings.h"
#include "runtime/exec/session_config.h"

namespace lockstep {
namespace {

template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

// Each sets its option when that has its default value.

template <bool SessionOptions::*kOption>
Status SetFlag(std::string_view text, SessionOptions* options) {
  if (text != "0" && text != "1" && text != "true" && text != "false") {
    return InvalidArgument("must be 0, 1, true or false");
  }
  if (text == "1" || text == "true") options->*kOption = true;
  return Ok();
}

Status SetAllowGrowth(std::string_view text, SessionOptions* options) {
  SessionOptions flag;
  LS_RETURN_IF_ERROR(
      SetFlag<&SessionOptions::allow_soft_placement>(text, &flag));
  if (flag.allow_soft_placement) options->gpu_options.allow_growth = true;
  return Ok();
}

template <int SessionOptions::*kOption>
Status SetThreads(std::string_view text, SessionOptions* options) {
  const std::optional<int> threads = ParseNumber<int>(text);
  if (!threads || *threads < 0 || *threads > 1024) {
    return InvalidArgument("must be 0 to 1024");
  }
  if (options->*kOption == 0) options->*kOption = *threads;
  return Ok();
}

Status SetBytes(std::string_view text, uint64_t* option) {
  const std::optional<uint64_t> bytes = ParseBytes(text);
  if (!bytes) return InvalidArgument("must be bytes, as in 64MiB");
  if (*option == 0) *option = *bytes;
  return Ok();
}

Status SetCpuLimit(std::string_view text, SessionOptions* options) {
  return SetBytes(text, &options->cpu_memory_limit);
}

Status SetGpuLimit(std::string_view text, SessionOptions* options) {
  return SetBytes(text, &options->gpu_options.memory_limit);
}

Status SetFraction(std::string_view text, SessionOptions* options) {
  const std::optional<double> fraction = ParseNumber<double>(text);
  if (!fraction || !(*fraction >= 0 && *fraction <= 1)) {
    return InvalidArgument("must be between 0 and 1");
  }
  double& option = options->gpu_options.per_process_gpu_memory_fraction;
  if (option == 0) option = *fraction;
  return Ok();
}

Status SetVisibleDevices(std::string_view text, SessionOptions* options) {
  std::string& list = options->gpu_options.visible_device_list;
  if (list.empty()) list = text;
  return Ok();
}

Status SetTraceDir(std::string_view text, SessionOptions* options) {
  if (options->trace_dir.empty()) options->trace_dir = text;
  return Ok();
}

Status SetVirtualGpus(std::string_view text, SessionOptions* options) {
  LS_ASSIGN_OR_RETURN(const VirtualGpuOptions gpus, ParseVirtualGpus(text));
  VirtualGpuOptions& option = options->gpu_options.virtual_gpus;
  if (option.count == 0) option = gpus;
  return Ok();
}

Status SetDeviceCount(std::string_view text, SessionOptions* options) {
  LS_ASSIGN_OR_RETURN(const auto counts, ParseDeviceCount(text));
  options->device_count.insert(counts.begin(), counts.end());
  return Ok();
}

Status SetReproducible(std::string_view text, SessionOptions* options) {
  const std::optional<int> replicas = ParseNumber<int>(text);
  if (!replicas || *replicas < 0) {
    return InvalidArgument("must be a number of virtual replicas, 0 for none");
  }
  if (options->reproducible == 0) options->reproducible = *replicas;
  return Ok();
}

// Of the process, but said where the others are, so that a mistake is an error.
Status SetProducts(std::string_view text, SessionOptions*) {
  const std::optional<FloatProducts> products = ParseFloatProducts(text);
  if (!products) return InvalidArgument("must be float, tf32 or bfloat16");
  if (GetFloatProducts() == FloatProducts::kFloat) SetFloatProducts(*products);
  return Ok();
}

Status SetMixedPrecision(std::string_view text, SessionOptions* options) {
  if (text != "float" && text != "bfloat16") {
    return InvalidArgument("must be float or bfloat16");
  }
  if (text == "bfloat16") options->mixed_precision = kBfloat16;
  return Ok();
}

struct OptionVariable {
  const char* name;
  Status (*set)(std::string_view text, SessionOptions* options);
};

constexpr std::array<OptionVariable, 17> kVariables = {{
    {"LOCKSTEP_ALLOW_GROWTH", SetAllowGrowth},
    {"LOCKSTEP_ALLOW_SOFT_PLACEMENT",
     SetFlag<&SessionOptions::allow_soft_placement>},
    {"LOCKSTEP_CPU_MEMORY_LIMIT", SetCpuLimit},
    {"LOCKSTEP_DEVICE_COUNT", SetDeviceCount},
    {"LOCKSTEP_DIRECT_CONVOLUTION",
     SetFlag<&SessionOptions::direct_convolution>},
    {"LOCKSTEP_FLOAT_PRODUCTS", SetProducts},
    {"LOCKSTEP_GPU_MEMORY_LIMIT", SetGpuLimit},
    {"LOCKSTEP_INTER_OP_PARALLELISM_THREADS",
     SetThreads<&SessionOptions::inter_op_threads>},
    {"LOCKSTEP_INTRA_OP_PARALLELISM_THREADS",
     SetThreads<&SessionOptions::intra_op_threads>},
    {"LOCKSTEP_LOG_DEVICE_PLACEMENT",
     SetFlag<&SessionOptions::log_device_placement>},
    {"LOCKSTEP_MIXED_PRECISION", SetMixedPrecision},
    {"LOCKSTEP_PER_PROCESS_GPU_MEMORY_FRACTION", SetFraction},
    {"LOCKSTEP_REPRODUCIBLE", SetReproducible},
    {"LOCKSTEP_STRICT_PLACEMENT", SetFlag<&SessionOptions::strict_placement>},
    {"LOCKSTEP_TRACE", SetTraceDir},
    {"LOCKSTEP_VIRTUAL_GPUS", SetVirtualGpus},
    {"LOCKSTEP_VISIBLE_DEVICE_LIST", SetVisibleDevices},
}};

}  // namespace

Status ApplyEnvironment(SessionOptions* options) {
  if (!options->read_environment) return Ok();
  for (const OptionVariable& v : kVariables) {
    const char* text = std::getenv(v.name);
    if (!text || *text == '\0') continue;
    if (Status s = v.set(text, options); !s.ok()) {
      return s.WithContext(
          StrCat("environment variable ", v.name, "='", text, "'"));
    }
  }
  return Ok();
}

Result<VirtualGpuOptions> ParseVirtualGpus(std::string_view text) {
  const size_t x = text.find('x');
  VirtualGpuOptions gpus;
  const std::optional<int> count = ParseNumber<int>(text.substr(0, x));
  std::optional<uint64_t> bytes = gpus.bytes;
  if (x != text.npos) bytes = ParseBytes(text.substr(x + 1));
  if (!count || *count < 0 || *count > 64 || !bytes || *bytes == 0) {
    return InvalidArgument("'", text,
                           "' does not tell virtual GPUs: want at "
                           "most 64, as in 2 or 2x256MiB");
  }
  gpus.count = *count;
  gpus.bytes = *bytes;
  return gpus;
}

Result<std::map<std::string, int>> ParseDeviceCount(std::string_view text) {
  std::map<std::string, int> counts;
  for (const std::string& part : Split(text, ',')) {
    const size_t equals = part.find('=');
    const std::string type = part.substr(0, equals);
    std::optional<int> count;
    if (equals != part.npos) {
      count = ParseNumber<int>(std::string_view(part).substr(equals + 1));
    }
    if ((type != "CPU" && type != "GPU") || !count || *count < 0 ||
        !counts.emplace(type, *count).second) {
      return InvalidArgument("'", text,
                             "' does not tell numbers of devices: "
                             "want CPU=2,GPU=1");
    }
  }
  return counts;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] =
      std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || !(value >= 0)) return std::nullopt;
  if (rest != end && *rest == ' ') ++rest;
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  static constexpr std::array<std::string_view, 7> kUnits = {
      "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  const auto found = std::ranges::find(kUnits, unit.empty() ? "B" : unit);
  if (found == kUnits.end()) return std::nullopt;
  value = std::ldexp(value, static_cast<int>(10 * (found - kUnits.begin())));
  if (value >= 0x1p64) return std::nullopt;
  return static_cast<uint64_t>(value);
}

}  // namespace lockstep
