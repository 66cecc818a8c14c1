// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_allreduce.h"

// By CMake, when the build has MPI.
#ifdef LOCKSTEP_WITH_MPI

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>

#include "distributed/gpu_exchange.h"
#include "distributed/local_communicator.h"
#include "distributed/mpi_baseline.h"
#include "distributed/mpi_context.h"
#include "runtime/core/threads.h"
#include "runtime/device/hardware.h"
#include "runtime/exec/session_devices.h"

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSmallest = 4096;
constexpr double kMicrosTimed = 300'000;  // of one size and way, about
constexpr int64_t kFewest = 8;
constexpr int64_t kMost = 5000;

// One way to sum over the ranks.
struct Method {
  std::string name;
  int rank = 0, ranks = 1;
  std::function<Status(float* data, int64_t count)> sum;
  // The smallest of all ranks' values; they also meet.
  std::function<Result<int64_t>(int64_t)> least;
  std::shared_ptr<Hardware> memory;  // null: the heap
  float* array = nullptr;            // to use instead, for all sizes
};

class Buffer {
 public:
  Buffer(const Method& method, size_t bytes)
      : memory_(method.memory ? method.memory : HostHardware()),
        bytes_(bytes),
        owns_(method.array == nullptr),
        data_(method.array) {
    if (!owns_) return;
    if (auto data = memory_->Allocate(bytes); data.ok()) {
      data_ = static_cast<float*>(*data);
    }
  }
  ~Buffer() {
    if (owns_ && data_ != nullptr) memory_->Free(data_, bytes_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* data() const { return data_; }
  Status Write(const std::vector<float>& values) const {
    return memory_->Copy(data_, values.data(), bytes_);
  }
  Status Read(std::vector<float>* values) const {
    return memory_->Copy(values->data(), data_, bytes_);
  }

 private:
  std::shared_ptr<Hardware> memory_;
  size_t bytes_;
  bool owns_;
  float* data_;
};

// Small integers: sums are exact in every order.
float Element(int rank, int64_t i) {
  return static_cast<float>((i * 7 + rank * 5) % 61);
}

Status Verify(const Method& method, const Buffer& buffer, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = Element(method.rank, static_cast<int64_t>(i));
  }
  LS_RETURN_IF_ERROR(buffer.Write(values));
  LS_RETURN_IF_ERROR(method.sum(buffer.data(), count));
  LS_RETURN_IF_ERROR(buffer.Read(&values));
  for (size_t i = 0; i < values.size(); ++i) {
    float want = 0;
    for (int r = 0; r < method.ranks; ++r) {
      want += Element(r, static_cast<int64_t>(i));
    }
    if (values[i] == want) continue;
    return DataLoss(method.name, ": element ", i, " of ", count, " is ",
                    values[i], ", not ", want);
  }
  return Ok();
}

Result<BenchTimes> Time(const Method& method, const Buffer& buffer,
                        int64_t count) {
  // Sums that are added up again overflow; zeros cost the same.
  LS_RETURN_IF_ERROR(
      buffer.Write(std::vector<float>(static_cast<size_t>(count))));
  std::vector<double> us;
  const auto call = [&]() -> Status {
    LS_RETURN_IF_ERROR(method.least(0).status());
    const auto begin = Clock::now();
    LS_RETURN_IF_ERROR(method.sum(buffer.data(), count));
    us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin)
                     .count());
    return Ok();
  };
  const auto start = Clock::now();
  for (int64_t i = 0; i < kFewest; ++i) LS_RETURN_IF_ERROR(call());
  const double warm =
      std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  LS_ASSIGN_OR_RETURN(
      const int64_t calls,
      method.least(std::clamp(
          static_cast<int64_t>(kMicrosTimed * kFewest / std::max(warm, 1.0)),
          kFewest, kMost)));
  us.clear();
  for (int64_t i = 0; i < calls; ++i) LS_RETURN_IF_ERROR(call());
  return BenchTimes(std::move(us));
}

Result<BenchTimes> VerifyAndTime(const Method& method, int64_t bytes) {
  const int64_t count = bytes / static_cast<int64_t>(sizeof(float));
  const Buffer buffer(method, static_cast<size_t>(bytes));
  if (buffer.data() == nullptr) {
    return ResourceExhausted("no memory of ", bytes, " bytes");
  }
  LS_RETURN_IF_ERROR(Verify(method, buffer, count));
  LS_ASSIGN_OR_RETURN(BenchTimes times, Time(method, buffer, count));
  // Nobody frees what others may still write.
  LS_RETURN_IF_ERROR(method.least(0).status());
  return times;
}

void Print(const std::string& name, int64_t bytes, int ranks,
           const BenchTimes& times, bool json) {
  const double algorithm = static_cast<double>(bytes) / times.min() * 1e-3;
  const double bus = algorithm * 2 * (ranks - 1) / ranks;
  if (json) {
    PrintJson(RowJson({.name = "allreduce", .ranks = ranks}, times,
                      {{"backend", name},
                       {"bytes", bytes},
                       {"algorithm_gb_s", Rounded(algorithm, 3)},
                       {"bus_gb_s", Rounded(bus, 3)}}));
    return;
  }
  std::printf("%12lld  %-14s %10.2f %10.2f %10.3f %10.3f\n",
              static_cast<long long>(bytes), name.c_str(), times.min(),
              times.median(), algorithm, bus);
  std::fflush(stdout);
}

Method Through(std::string name, std::shared_ptr<Communicator> ranks,
               std::shared_ptr<Hardware> memory) {
  return {std::move(name),
          ranks->rank(),
          ranks->size(),
          [ranks](float* data, int64_t count) {
            return ranks->AllReduce(data, data, count, kFloat);
          },
          [ranks](int64_t value) -> Result<int64_t> {
            LS_RETURN_IF_ERROR(
                ranks->AllReduce(&value, &value, 1, kInt64, ReduceOp::kMin));
            return value;
          },
          std::move(memory)};
}

// Loops by hand, where the ranks share memory.
Status AddPlain(const BenchOptions& options, std::vector<Method>* methods) {
  LS_ASSIGN_OR_RETURN(
      std::shared_ptr<PlainAllReduce> plain,
      PlainAllReduce::Create(options.max_bytes /
                             static_cast<int64_t>(sizeof(float))));
  float* array = plain->data();
  methods->push_back({"by hand", methods->back().rank, methods->back().ranks,
                      [plain](float*, int64_t count) {
                        plain->Sum(count);
                        return Ok();
                      },
                      methods->back().least, nullptr, array});
  return Ok();
}

// Where mpirun has bound this process to a part of the machine.
void UseAllProcessors() {
  cpu_set_t all;
  std::memset(&all, 0xff, sizeof(all));
  (void)sched_setaffinity(0, sizeof(all), &all);
}

// Of as many threads of this process.
Result<BenchTimes> TimeLocal(int ranks, int64_t bytes) {
  UseAllProcessors();
  SetThreads(1);  // of each of these
  std::vector<std::optional<Result<BenchTimes>>> times(
      static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (auto& rank : MakeLocalCommunicators(ranks)) {
    threads.emplace_back(
        [&times, bytes, shared = std::shared_ptr(std::move(rank))] {
          times[static_cast<size_t>(shared->rank())] =
              VerifyAndTime(Through("local", shared, nullptr), bytes);
        });
  }
  for (std::thread& thread : threads) thread.join();
  return *std::move(times[0]);
}

// On one machine each half of the ranks stands for one where they exchange
// hierarchically.
CommunicatorOptions OptionsOf(const MpiContext& mpi,
                              const std::string& backend) {
  const bool halves =
      backend == "hierarchical" && mpi.local_size() == mpi.size();
  return {.backend = backend,
          .ranks_per_machine = halves ? (mpi.size() + 1) / 2 : 0};
}

bool Lists(const BenchOptions& options, const char* backend) {
  return std::ranges::find(options.backends, backend) != options.backends.end();
}

// Ranks of a machine that see the same GPUs take one each.
Status AddNccl(MpiContext& mpi, const BenchOptions& options,
               std::vector<Method>* methods) {
  LS_ASSIGN_OR_RETURN(auto gpus, VisibleGpus({}));
  if (!gpus.empty()) {
    gpus = {gpus[static_cast<size_t>(mpi.local_rank()) % gpus.size()]};
  }
  LS_ASSIGN_OR_RETURN(std::shared_ptr<Communicator> ranks,
                      mpi.MakeCommunicator({}));
  const auto exchange = std::make_shared<GpuExchange>(ranks, NcclLinks());
  LS_RETURN_IF_ERROR(exchange->Open(gpus));
  if (exchange->communicator() != nullptr) {
    methods->push_back(
        Through("nccl", {exchange, exchange->communicator()}, gpus[0]));
  } else if (Lists(options, "nccl")) {
    return InvalidArgument(
        "backend nccl needs a build with CUDA and a GPU for each rank");
  }
  return Ok();
}

// Those that these ranks can have, but for threads.
Result<std::vector<std::string>> Backends(MpiContext& mpi) {
  if (mpi.local_size() == mpi.size()) {
    if (mpi.size() < 3) return std::vector<std::string>{"shm", "mpi"};
    return std::vector<std::string>{"shm", "hierarchical", "mpi"};
  }
  LS_ASSIGN_OR_RETURN(const auto ranks, mpi.MakeCommunicator({}));
  std::vector<std::string> backends = {"mpi"};
  if (ranks->backend() != "mpi") backends.emplace_back(ranks->backend());
  return backends;
}

Result<std::vector<Method>> Methods(MpiContext& mpi,
                                    const BenchOptions& options) {
  std::vector<std::string> backends = options.backends;
  std::erase_if(backends, [](const std::string& backend) {
    return backend == "local" || backend == "nccl";
  });
  if (backends.empty()) {
    LS_ASSIGN_OR_RETURN(backends, Backends(mpi));
  }
  std::vector<Method> methods;
  for (const std::string& backend : backends) {
    LS_ASSIGN_OR_RETURN(std::shared_ptr<Communicator> ranks,
                        mpi.MakeCommunicator(OptionsOf(mpi, backend)));
    if (ranks->host() != nullptr) {
      methods.push_back(Through(backend + " in place", ranks, ranks->host()));
    }
    methods.push_back(Through(backend, ranks, nullptr));
  }
  // Its ranks meet in whichever way is there.
  methods.push_back({"MPI_Allreduce", mpi.rank(), mpi.size(),
                     MpiAllReduceBaseline, methods.back().least, nullptr});
  if (mpi.local_size() == mpi.size()) {
    LS_RETURN_IF_ERROR(AddPlain(options, &methods));
  }
  if (options.backends.empty() || Lists(options, "nccl")) {
    LS_RETURN_IF_ERROR(AddNccl(mpi, options, &methods));
  }
  return methods;
}

}  // namespace

Status BenchAllReduce(const BenchOptions& options) {
  LS_ASSIGN_OR_RETURN(auto mpi, MpiContext::Init(nullptr, nullptr));
  if (mpi->size() < 2) {
    return InvalidArgument("allreduce is for several ranks: --ranks 2");
  }
  LS_ASSIGN_OR_RETURN(const std::vector<Method> methods,
                      Methods(*mpi, options));
  const bool local = mpi->local_size() == mpi->size() &&
                     (options.backends.empty() || Lists(options, "local"));
  if (mpi->rank() == 0 && !options.json) {
    std::printf(
        "%d ranks; every sum is verified\n%12s  %-14s %10s %10s %10s "
        "%10s\n",
        mpi->size(), "bytes", "way", "us min", "us median", "alg GB/s",
        "bus GB/s");
  }
  for (int64_t bytes = kSmallest; bytes <= options.max_bytes; bytes *= 2) {
    for (const Method& method : methods) {
      LS_ASSIGN_OR_RETURN(const BenchTimes times, VerifyAndTime(method, bytes));
      if (mpi->rank() == 0) {
        Print(method.name, bytes, mpi->size(), times, options.json);
      }
    }
    if (local && mpi->rank() == 0) {
      LS_ASSIGN_OR_RETURN(const BenchTimes times,
                          TimeLocal(mpi->size(), bytes));
      Print("local", bytes, mpi->size(), times, options.json);
    }
  }
  return Ok();
}

}  // namespace lockstep

#else

namespace lockstep {

Status BenchAllReduce(const BenchOptions&) {
  return Unimplemented("this build has no MPI");
}

}  // namespace lockstep

#endif
