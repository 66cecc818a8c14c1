// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/batch_pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/core/simd.h"
#include "runtime/core/threads.h"
#include "runtime/io/batch_data.h"
#include "runtime/io/permutation.h"

namespace lockstep {
namespace {

// Filling one batch takes well under a second; a wait this long is a fault.
constexpr std::chrono::seconds kFillDeadline{60};
constexpr int64_t kRowsPerChunk = 32;
// Shuffled rows lie anywhere in memory: so many are asked for ahead.
constexpr int64_t kRowsAhead = 4;
constexpr size_t kCacheLine = 64;
constexpr size_t kLargestAhead = 4096;  // bytes of a row

LS_SIMD_CLONES
void ScaleBytes(const uint8_t* in, float scale, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(static_cast<int32_t>(in[i])) * scale;
  }
}

// Where in the data a batch is.
struct Cursor {
  int64_t epoch = 0;
  int64_t index = 0;
};

// Counts the time of its life as waited.
class Wait {
 public:
  explicit Wait(InputWaits* waits) : waits_(waits) { ++waits_->stalls; }
  ~Wait() {
    waits_->nanos += std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::steady_clock::now() - begin_)
                         .count();
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

 private:
  InputWaits* waits_;
  const std::chrono::steady_clock::time_point begin_ =
      std::chrono::steady_clock::now();
};

// Memory for the largest part, and the batch that views its front.
struct Slot {
  Tensor features;
  Tensor labels;
  Batch batch;
};

}  // namespace

RowsOfRank RankPart(int64_t count, int rank, int ranks, int replicas) {
  if (replicas > ranks) {
    const int each = replicas / ranks;
    const RowsOfRank first = RankPart(count, rank * each, replicas);
    const RowsOfRank last = RankPart(count, rank * each + each - 1, replicas);
    return {first.offset, last.offset + last.count - first.offset};
  }
  const int64_t each = count / ranks;
  const int64_t more = count % ranks;
  const int64_t r = rank;
  return {each * r + std::min(r, more), each + (r < more ? 1 : 0)};
}

struct BatchPipeline::State {
  BatchPipelineOptions options;
  Tensor features;
  std::vector<int64_t> labels;
  int64_t row = 0;  // elements of one example
  int64_t batches = 0;
  std::vector<Slot> slots;

  // The ring: slot i % slots.size() holds batch number i of this seek;
  // [taken, filled) are ready, and the batch before `taken` is borrowed.
  std::mutex mu;
  std::condition_variable changed;
  Cursor next;  // what number `filled` will be
  uint64_t filled = 0;
  uint64_t taken = 0;
  bool lent = false;
  bool filling = false;
  bool stop = false;
  InputWaits waits;  // the caller's alone
  // The epoch's order; used by whoever fills, one at a time.
  std::optional<KeyedPermutation> order;
  int64_t order_epoch = -1;
  std::thread thread;

  int64_t size() const { return features.shape().dim(0); }
  bool scales() const {
    return features.dtype() == kUint8 && options.scale != 0;
  }
  DType batch_type() const { return scales() ? kFloat : features.dtype(); }
  Status Allocate();
  void Fill(Slot& slot, Cursor at, bool parallel);
  // The example at a position of the order, on its way into the cache.
  int64_t ExampleAhead(int64_t position) const;
  void FillRow(Batch& batch, int64_t i, int64_t example);
  void FillRows(Batch& batch, int64_t position, int64_t begin, int64_t end);
  void Advance() {
    if (++next.index == batches) next = {next.epoch + 1, 0};
  }
  // Batches that hold a slot: ready ones and the borrowed one.
  uint64_t held() const { return filled - taken + (lent ? 1 : 0); }
  void ThreadMain();
};

Status BatchPipeline::State::Allocate() {
  const int64_t largest = RankPart(std::min(options.batch, size()), 0,
                                   options.ranks, options.replicas)
                              .count;
  Shape features_shape = features.shape();
  features_shape.set_dim(0, largest);
  Shape labels_shape{largest};
  if (options.classes > 0) labels_shape.AddDim(options.classes);
  slots.resize(static_cast<size_t>(options.depth) + 1);
  for (Slot& slot : slots) {
    LS_ASSIGN_OR_RETURN(slot.features,
                        Tensor::Make(batch_type(), features_shape));
    LS_ASSIGN_OR_RETURN(
        slot.labels,
        Tensor::Make(options.classes > 0 ? kFloat : kInt64, labels_shape));
  }
  return Ok();
}

int64_t BatchPipeline::State::ExampleAhead(int64_t position) const {
  const int64_t example = options.shuffle ? (*order)(position) : position;
  const size_t bytes = static_cast<size_t>(row) * DTypeSize(features.dtype());
  const char* data = static_cast<const char*>(features.data()) +
                     static_cast<size_t>(example) * bytes;
  for (size_t i = 0; i < std::min(bytes, kLargestAhead); i += kCacheLine) {
    __builtin_prefetch(data + i);
  }
  return example;
}

void BatchPipeline::State::FillRow(Batch& batch, int64_t i, int64_t example) {
  const auto bytes = row * static_cast<int64_t>(DTypeSize(features.dtype()));
  const auto* from =
      static_cast<const uint8_t*>(features.data()) + example * bytes;
  if (scales()) {
    ScaleBytes(from, options.scale, row,
               static_cast<float*>(batch.features.data()) + i * row);
  } else {
    std::memcpy(static_cast<uint8_t*>(batch.features.data()) + i * bytes, from,
                static_cast<size_t>(bytes));
  }
  const int64_t label = labels[static_cast<size_t>(example)];
  if (options.classes == 0) {
    static_cast<int64_t*>(batch.labels.data())[i] = label;
  } else {
    float* one_hot =
        static_cast<float*>(batch.labels.data()) + i * options.classes;
    std::fill_n(one_hot, options.classes, 0.0f);
    one_hot[label] = 1.0f;
  }
}

void BatchPipeline::State::FillRows(Batch& batch, int64_t position,
                                    int64_t begin, int64_t end) {
  std::array<int64_t, kRowsAhead> ahead{};
  for (int64_t i = begin; i < end + kRowsAhead; ++i) {
    int64_t& slot = ahead[static_cast<size_t>(i % kRowsAhead)];
    if (i >= begin + kRowsAhead) FillRow(batch, i - kRowsAhead, slot);
    if (i < end) slot = ExampleAhead(position + i);
  }
}

void BatchPipeline::State::Fill(Slot& slot, Cursor at, bool parallel) {
  if (options.shuffle && order_epoch != at.epoch) {
    order.emplace(size(), options.seed, static_cast<uint64_t>(at.epoch));
    order_epoch = at.epoch;
  }
  const int64_t first = at.index * options.batch;
  Batch& batch = slot.batch;
  batch.epoch = at.epoch;
  batch.index = at.index;
  batch.global_count = std::min(options.batch, size() - first);
  const RowsOfRank part = RankPart(batch.global_count, options.rank,
                                   options.ranks, options.replicas);
  batch.offset = part.offset;
  if (!batch.features.defined() || batch.count != part.count) {
    batch.count = part.count;
    Shape shape = slot.features.shape();
    shape.set_dim(0, part.count);
    batch.features = Tensor::Borrow(batch_type(), shape, slot.features.data());
    shape = slot.labels.shape();
    shape.set_dim(0, part.count);
    batch.labels =
        Tensor::Borrow(slot.labels.dtype(), shape, slot.labels.data());
  }
  const auto rows = [&](int64_t begin, int64_t end) {
    FillRows(batch, first + part.offset, begin, end);
  };
  if (parallel) {
    ParallelFor(part.count, kRowsPerChunk, rows);
  } else {
    rows(0, part.count);
  }
}

void BatchPipeline::State::ThreadMain() {
  std::unique_lock lock(mu);
  for (;;) {
    // Sleeps: a spinning thread would take a processor from the training step.
    changed.wait(lock, [this] { return stop || held() < slots.size(); });
    if (stop) return;
    Slot& slot = slots[filled % slots.size()];
    const Cursor at = next;
    filling = true;
    lock.unlock();
    Fill(slot, at, /*parallel=*/false);
    lock.lock();
    filling = false;
    ++filled;
    Advance();
    changed.notify_all();
  }
}

BatchPipeline::BatchPipeline(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

Result<std::unique_ptr<BatchPipeline>> BatchPipeline::Create(
    Tensor features, Tensor labels, const BatchPipelineOptions& options) {
  LS_RETURN_IF_ERROR(CheckBatchOptions(options));
  LS_RETURN_IF_ERROR(CheckBatchData(features, labels));
  auto state = std::make_unique<State>();
  LS_ASSIGN_OR_RETURN(state->labels, LabelsAsInt64(labels, options.classes));
  state->options = options;
  state->row = features.NumElements() / features.shape().dim(0);
  state->features = std::move(features);
  state->batches = (state->size() - 1) / options.batch + 1;
  LS_RETURN_IF_ERROR(state->Allocate());
  std::unique_ptr<BatchPipeline> pipeline(new BatchPipeline(std::move(state)));
  if (options.depth > 0) {
    State* s = pipeline->state_.get();
    try {
      s->thread = std::thread(&State::ThreadMain, s);
    } catch (const std::system_error& e) {
      return ResourceExhausted("no thread for the data pipeline: ", e.what());
    }
  }
  return pipeline;
}

BatchPipeline::~BatchPipeline() {
  if (!state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mu);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

Result<const Batch*> BatchPipeline::Next() {
  State& s = *state_;
  ++s.waits.batches;
  if (s.options.depth == 0) {
    const Wait wait(&s.waits);
    s.Fill(s.slots[0], s.next, /*parallel=*/true);
    s.Advance();
    return &s.slots[0].batch;
  }
  std::unique_lock lock(s.mu);
  s.lent = false;  // the batch before goes back
  if (s.taken == s.filled) {
    const Wait wait(&s.waits);
    s.changed.notify_all();
    if (!s.changed.wait_for(lock, kFillDeadline,
                            [&s] { return s.taken < s.filled; })) {
      return DeadlineExceeded("data pipeline: batch ", s.next.index,
                              " of epoch ", s.next.epoch, " not filled in ",
                              kFillDeadline.count(), " s");
    }
  }
  Slot& slot = s.slots[s.taken++ % s.slots.size()];
  s.lent = true;
  lock.unlock();
  s.changed.notify_all();
  return &slot.batch;
}

Status BatchPipeline::SeekTo(int64_t epoch, int64_t index) {
  State& s = *state_;
  if (epoch < 0 || index < 0 || index >= s.batches) {
    return InvalidArgument("no batch ", index, " in epoch ", epoch,
                           ": an epoch has ", s.batches, " batches");
  }
  {
    std::unique_lock lock(s.mu);
    // A batch being filled is counted when done: wait, then drop it.
    if (!s.changed.wait_for(lock, kFillDeadline, [&s] { return !s.filling; })) {
      return DeadlineExceeded("data pipeline: the filling thread hangs");
    }
    s.lent = false;
    s.taken = s.filled;
    s.next = {epoch, index};
  }
  s.changed.notify_all();
  return Ok();
}

int64_t BatchPipeline::size() const { return state_->size(); }
int64_t BatchPipeline::batches_per_epoch() const { return state_->batches; }
InputWaits BatchPipeline::waits() const { return state_->waits; }

std::string InputWaits::ToString(double seconds) const {
  const double waited = static_cast<double>(nanos) * 1e-9;
  char text[160];
  std::snprintf(text, sizeof(text),
                "%lld batches, waited for %lld of them, %.1f ms, %.1f %% of "
                "%.2f s",
                static_cast<long long>(batches), static_cast<long long>(stalls),
                waited * 1e3, seconds > 0 ? 100 * waited / seconds : 0.0,
                seconds);
  return text;
}

}  // namespace lockstep
