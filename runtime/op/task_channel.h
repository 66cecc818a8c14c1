// SPDX-License-Identifier: Apache-2.0
#pragma once

// TaskChannel: carries tensors between the tasks of a job that run one graph
// together; a service of each task's session (see UseTasks in
// distributed/task_channel.h, runtime/exec/task_part.h).
//
// The messages from one task to another are taken in the order in which they
// were sent; both ends say the same about each. Every wait has a deadline. The
// first failure, on any task, ends the channel on all of them: later calls
// return it. Threading: one call at a time; Abort from any thread.
//
//   LS_RETURN_IF_ERROR(channel.Send({.peer = 1, .name = "h:0"}, value));
//   LS_RETURN_IF_ERROR(channel.Recv({.peer = 0, .name = "h:0"}, &value));

#include <cstdint>
#include <string_view>

#include "runtime/core/tensor.h"

namespace lockstep {

// What the tasks of a job must have in common to run a plan together; each
// number stands for one part of it.
struct PlanDigest {
  uint64_t signature = 0;  // what is fed, fetched, run
  uint64_t feeds = 0;      // dtypes and shapes of the feeds
  uint64_t graph = 0;      // nodes, edges, attributes, constants
  uint64_t placement = 0;

  bool operator==(const PlanDigest&) const = default;
};

struct TaskMessage {
  int peer = 0;                  // the other task
  std::string_view name = {};    // of the tensor
  int plan = 0;                  // the same number on both ends, >= 0
  uint64_t deadline_micros = 0;  // of Env::SteadyMicros; 0: the channel's own
};

class TaskChannel {
 public:
  virtual ~TaskChannel() = default;

  virtual int task() const = 0;
  virtual int tasks() const = 0;

  // Takes a copy of `value` (of a plain dtype) and returns; the other task gets
  // it when it asks.
  virtual Status Send(const TaskMessage& to, const Tensor& value) = 0;
  // Fills `value`, which has the dtype and shape that were sent.
  virtual Status Recv(const TaskMessage& from, Tensor* value) = 0;
  // The same where the receiver does not know the shape; strings as well.
  virtual Status SendAny(const TaskMessage& to, const Tensor& value) = 0;
  virtual Result<Tensor> RecvAny(const TaskMessage& from, DType dtype) = 0;

  // Waits until the others have taken what earlier runs sent, so that no more
  // than one run's messages are ever kept.
  virtual Status StartRun() = 0;
  // Called by all tasks before they first run a plan. `mine` is what came of
  // making it here. OK when all have made it and all digests are equal; else an
  // error on every task: its own, or one that names the task. The channel goes
  // on.
  virtual Status Agree(const PlanDigest& digest, const Status& mine) = 0;
  // Ends all tasks' pending and later calls with `why`, an error.
  virtual void Abort(const Status& why) = 0;
};

}  // namespace lockstep
