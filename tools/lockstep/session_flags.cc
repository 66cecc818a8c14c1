// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/session_flags.h"

#include <cstdio>

#include "runtime/exec/session_config.h"

namespace lockstep {
namespace {

constexpr int kMostGpus = 64;

Status ApplyBytes(const char* flag, const std::string& text, uint64_t* bytes) {
  if (text.empty()) return Ok();
  const std::optional<uint64_t> parsed = ParseBytes(text);
  if (!parsed || *parsed == 0) {
    return InvalidArgument("--", flag, " must be bytes, as in 64MiB, got '",
                           text, "'");
  }
  *bytes = *parsed;
  return Ok();
}

Status ApplyConfig(const char* command, Env& env, const std::string& config,
                   SessionOptions* options) {
  if (config.empty()) return Ok();
  std::string text = config;
  if (env.FileExists(config)) {
    LS_ASSIGN_OR_RETURN(text, env.ReadFile(config));
  }
  std::vector<std::string> ignored;
  Status applied = ApplyConfigText(text, options, &ignored);
  if (!applied.ok()) return applied.WithContext("--config");
  if (!ignored.empty()) {
    std::fprintf(stderr, "lockstep %s: --config: ignored: %s\n", command,
                 Join(ignored, ", ").c_str());
  }
  return Ok();
}

}  // namespace

void SessionFlags::AddTo(po::options_description& options) {
  options.add_options()  //
      ("config", po::value(&config)->value_name("FILE|TEXT"),
       "the session's options, a ConfigProto in text form")            //
      ("gpus", po::value(&gpus)->value_name("N"), "virtual GPUs [0]")  //
      ("gpu-memory", po::value(&gpu_memory)->value_name("BYTES"),
       "what each GPU may use, as in 64MiB")  //
      ("cpu-memory", po::value(&cpu_memory)->value_name("BYTES"),
       "what the CPU may use")  //
      ("soft-placement", po::bool_switch(&soft_placement),
       "ops go elsewhere when they cannot be where they ask to be")  //
      ("strict-placement", po::bool_switch(&strict_placement),
       "an op that is not where it asks to be is an error")  //
      ("log-device-placement", po::bool_switch(&log_placement),
       "log the device of every op")  //
      ("trace", po::value(&trace)->value_name("DIR"),
       "record there what runs when; see lockstep report");
}

Status SessionFlags::Apply(const char* command, Env& env,
                           SessionOptions* options) const {
  LS_RETURN_IF_ERROR(ApplyConfig(command, env, config, options));
  if (gpus != kNotGiven && (gpus < 0 || gpus > kMostGpus)) {
    return InvalidArgument("--gpus must be 0 to ", kMostGpus, ", got ", gpus);
  }
  GpuOptions& gpu = options->gpu_options;
  if (gpus != kNotGiven) gpu.virtual_gpus.count = gpus;
  uint64_t bytes = 0;
  LS_RETURN_IF_ERROR(ApplyBytes("gpu-memory", gpu_memory, &bytes));
  if (bytes > 0 && gpus > 0) {
    gpu.virtual_gpus.bytes = bytes;
  } else if (bytes > 0) {
    gpu.memory_limit = bytes;
  }
  LS_RETURN_IF_ERROR(
      ApplyBytes("cpu-memory", cpu_memory, &options->cpu_memory_limit));
  if (soft_placement) options->allow_soft_placement = true;
  if (strict_placement) options->strict_placement = true;
  if (log_placement) options->log_device_placement = true;
  if (!trace.empty()) options->trace_dir = trace;
  return Ok();
}

}  // namespace lockstep
