// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/session_config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <set>

#include "proto/config.pb.h"
#include "runtime/core/strings.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What a ConfigProto can say that has a meaning here.
constexpr std::array<std::string_view, 12> kUsed = {
    "allow_soft_placement",
    "device_count",
    "gpu_options.allow_growth",
    "gpu_options.experimental.virtual_devices.memory_limit_mb",
    "gpu_options.per_process_gpu_memory_fraction",
    "gpu_options.visible_device_list",
    "graph_options.optimizer_options.opt_level",
    "graph_options.rewrite_options.auto_mixed_precision_mkl",
    "graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16",
    "inter_op_parallelism_threads",
    "intra_op_parallelism_threads",
    "log_device_placement"};

constexpr int kMaxThreads = 1024;

// Names of the fields that are set, as paths, but for those that are used.
void CollectIgnored(const Message& message, const std::string& prefix,
                    std::set<std::string>* ignored) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* f : fields) {
    const std::string path = prefix + std::string(f->name());
    if (std::ranges::find(kUsed, path) != kUsed.end()) continue;
    const bool nested =
        f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !f->is_map();
    if (!nested) {
      ignored->insert(path);
    } else if (f->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, f); ++i) {
        CollectIgnored(reflection.GetRepeatedMessage(message, f, i), path + ".",
                       ignored);
      }
    } else {
      CollectIgnored(reflection.GetMessage(message, f), path + ".", ignored);
    }
  }
}

// protobuf's 'Message type "a.b" has no field named "c".' with the field of
// that message that is meant.
Status NameNearest(const Status& status) {
  const std::vector<std::string> parts = Split(status.message(), '"');
  if (parts.size() < 4) return status;
  const Descriptor* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
          parts[1]);
  if (!type) return status;
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) {
    names.emplace_back(type->field(i)->name());
  }
  const std::string near = NearestName(parts[3], names);
  const size_t place = parts[0].find("Message type");
  return InvalidArgument(parts[0].substr(0, place), type->name(),
                         " has no field '", parts[3], "'",
                         near.empty() ? "" : StrCat(" (", near, "?)"));
}

Status ApplyThreads(const char* field, int value, int* option) {
  if (value < 0 || value > kMaxThreads) {
    return InvalidArgument(field, " must be 0 to ", kMaxThreads, ", is ",
                           value);
  }
  if (value > 0) *option = value;
  return Ok();
}

Status ApplyVirtualDevices(const proto::GPUOptions& config, GpuOptions* gpu) {
  if (config.experimental().virtual_devices_size() > 0) {
    gpu->virtual_devices.clear();
  }
  for (const auto& split : config.experimental().virtual_devices()) {
    std::vector<uint64_t> limits;
    for (const float mb : split.memory_limit_mb()) {
      // 2^40 MiB is more than 64 bits of bytes could hold in a float exactly.
      if (!(mb > 0) || mb > 0x1p40f) {
        return InvalidArgument(
            "gpu_options.experimental.virtual_devices: "
            "memory_limit_mb must be positive, is ",
            mb);
      }
      limits.push_back(static_cast<uint64_t>(static_cast<double>(mb) * 0x1p20));
    }
    gpu->virtual_devices.push_back(std::move(limits));
  }
  return Ok();
}

Status ApplyGpuOptions(const proto::GPUOptions& config, GpuOptions* gpu) {
  if (const double f = config.per_process_gpu_memory_fraction(); f != 0) {
    gpu->per_process_gpu_memory_fraction = f;
  }
  if (config.allow_growth()) gpu->allow_growth = true;
  if (!config.visible_device_list().empty()) {
    gpu->visible_device_list = config.visible_device_list();
  }
  return ApplyVirtualDevices(config, gpu);
}

// TensorFlow's two names of one thing, the older one first.
void ApplyMixedPrecision(const proto::RewriterConfig& config, DType* option) {
  for (const auto toggle : {config.auto_mixed_precision_mkl(),
                            config.auto_mixed_precision_onednn_bfloat16()}) {
    if (toggle == proto::RewriterConfig::DEFAULT) continue;
    *option = toggle == proto::RewriterConfig::OFF ? kFloat : kBfloat16;
  }
}

}  // namespace

Status ApplyConfigText(std::string_view text, SessionOptions* options,
                       std::vector<std::string>* ignored) {
  proto::ConfigProto config;
  if (Status s = ParseTextProto(text, config); !s.ok()) {
    return NameNearest(s).WithContext("ConfigProto");
  }
  for (const auto& [type, count] : config.device_count()) {
    if (count < 0) {
      return InvalidArgument("ConfigProto: device_count of '", type,
                             "' must not be negative, is ", count);
    }
    options->device_count[type] = count;
  }
  LS_RETURN_IF_ERROR(ApplyThreads("intra_op_parallelism_threads",
                                  config.intra_op_parallelism_threads(),
                                  &options->intra_op_threads));
  LS_RETURN_IF_ERROR(ApplyThreads("inter_op_parallelism_threads",
                                  config.inter_op_parallelism_threads(),
                                  &options->inter_op_threads));
  if (config.allow_soft_placement()) options->allow_soft_placement = true;
  if (config.log_device_placement()) options->log_device_placement = true;
  LS_RETURN_IF_ERROR(
      ApplyGpuOptions(config.gpu_options(), &options->gpu_options));
  if (config.graph_options().optimizer_options().opt_level() ==
      proto::OptimizerOptions::L0) {
    options->optimize = false;
  }
  ApplyMixedPrecision(config.graph_options().rewrite_options(),
                      &options->mixed_precision);
  if (ignored) {
    std::set<std::string> names;
    CollectIgnored(config, "", &names);
    ignored->assign(names.begin(), names.end());
  }
  return Ok();
}

Result<SessionOptions> SessionOptionsFromText(
    std::string_view text, std::vector<std::string>* ignored) {
  SessionOptions options;
  LS_RETURN_IF_ERROR(ApplyConfigText(text, &options, ignored));
  return options;
}

}  // namespace lockstep
