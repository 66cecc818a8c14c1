// SPDX-License-Identifier: Apache-2.0
#pragma once

// SessionOptions: TensorFlow's ConfigProto in C++, plus what ranks need. From
// its text form: session_config.h. An option that has its default value takes
// that of its LOCKSTEP_... variable, if there is one (docs/devices.md), unless
// read_environment is off.
//
//   SessionOptions options;
//   options.intra_op_threads = 2;
//   options.allow_soft_placement = true;
//   options.passes.push_back(std::make_shared<DataParallel>(communicator));

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/core/status.h"
#include "runtime/device/virtual_gpu.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/passes/pass.h"
#include "runtime/op/resource.h"

namespace lockstep {

struct GpuOptions {
  // Share of each GPU's memory that this session may take; 0: all of it. With
  // a share (or memory_limit) the memory is promised to the session when it is
  // made, or as it grows with allow_growth.
  double per_process_gpu_memory_fraction = 0;
  uint64_t memory_limit = 0;  // bytes on each GPU; 0: no other limit
  bool allow_growth = false;
  // "1,0": the process's GPU 1 is the session's /gpu:0; empty: all, in order.
  std::string visible_device_list;
  // GPUs to use instead of those that the process finds.
  std::vector<std::shared_ptr<Hardware>> hardware;
  // GPUs to stand in where there are none.
  VirtualGpuOptions virtual_gpus;
  // For each visible GPU the bytes of the devices that it is split into; none:
  // it is one device. Where there is no GPU, virtual ones stand in.
  std::vector<std::vector<uint64_t>> virtual_devices;
};

struct SessionOptions {
  // Off: an option says what it says, its default value too.
  bool read_environment = true;
  std::string session_name;  // for messages; empty: a number
  // Threads of the session's runs; 0: the process's affinity mask.
  int intra_op_threads = 0;
  // 1: ops of the CPU run one after the other; else branches of small ops may
  // run beside each other, each on one of those threads.
  int inter_op_threads = 0;
  std::map<std::string, int> device_count;
  bool allow_soft_placement = false;
  // With soft placement: an op that is not placed where it asks is an error.
  bool strict_placement = false;
  bool log_device_placement = false;
  GpuOptions gpu_options;
  // Bytes that the session may use on /cpu:0; 0: no limit.
  uint64_t cpu_memory_limit = 0;
  // The memory of /cpu:0, such as one that other processes see too; null: the
  // process's own. Shared: several sessions may use it.
  std::shared_ptr<Hardware> host;
  // Bytes that this process keeps on /cpu:0 for talking to other ranks, by the
  // session's communicators: part of what the session uses there.
  uint64_t communication_bytes = 0;
  // This process's place in the job: the R of /task:R, and how many there are.
  int task = 0;
  int tasks = 1;
  // Reproducible mode: the virtual replicas of the job, a power of two that the
  // number of tasks divides; 0: off. What trains has equal bits then, whatever
  // the numbers of tasks and threads. docs/reproducible.md
  int reproducible = 0;
  // The tensor whose dimension 0 counts samples, "images:0"; reproducible mode
  // divides what is fed to it, and all else that has as many rows, among the
  // replicas.
  std::string batch;
  // Ops that talk to other ranks run on a thread of their own, beside the
  // steps that do not need what they give.
  bool communication_lane = false;
  // Folds constants, merges equal nodes, applies the ops' rewrite rules.
  bool optimize = true;
  // Convolutions by their definition only, not by Winograd's transforms, which
  // are faster and round a little more.
  bool direct_convolution = false;
  // kBfloat16: matrix products and convolutions of floats on the CPU, and what
  // is between them, are made of that type; variables, their slots and what is
  // fed and fetched stay floats; with a warning nothing does where the
  // processor has no such products. kFloat: types are as the graph says.
  DType mixed_precision = kFloat;
  // Folder for a trace of the session's runs (runtime/core/trace.h); empty:
  // none. A Trace among the services, as a job's, goes first.
  std::string trace_dir;
  // Rewrites of every plan, in order; shared: they may serve many sessions.
  std::vector<std::shared_ptr<const GraphPass>> passes;
  // Called once when the session is made, on its graph and with the options in
  // force; the first error is that of Session::Create.
  std::vector<std::function<Status(const Graph&, const SessionOptions&)>>
      checks;
  // Called once on the new session's resources, to hand services to kernels.
  std::vector<std::function<void(SessionResources&)>> services;
};

}  // namespace lockstep
