// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/trace.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "runtime/core/env.h"

namespace lockstep {
namespace {

constexpr uint64_t kDefaultBytes = uint64_t{8} << 20;
constexpr uint64_t kLeastBytes = uint64_t{64} << 10;
constexpr uint64_t kMostBytes = uint64_t{16} << 30;
// How long the clocks are compared at the start: an error of 50 ns in reading
// them is one of 0.1 % until the next comparison, and none that counts later.
constexpr uint64_t kCalibrationNanos = 50'000;
constexpr uint64_t kLongestSyncNanos = 1'000'000'000;
constexpr size_t kLongestText = 1000;

Status SystemError(std::string_view call, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return Status(
      full ? Code::kResourceExhausted : Code::kUnknown,
      StrCat(call, " '", path, "': ", std::generic_category().message(error)));
}

uint64_t Nanos(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(t.tv_nsec);
}

// Whether the processor's counter runs at one rate, in sleep too.
bool HasSteadyCounter() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

// FNV-1a.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

// Processes with the same value share CLOCK_MONOTONIC: same boot of the same
// kernel, same time namespace.
uint64_t ClockIdentity() {
  std::ifstream boot("/proc/sys/kernel/random/boot_id");
  std::string text{std::istreambuf_iterator<char>(boot), {}};
  char link[64] = {};
  if (readlink("/proc/self/ns/time", link, sizeof(link) - 1) > 0) text += link;
  // Unknown: equal to nobody else's.
  if (text.empty()) text = StrCat(getpid(), Nanos(CLOCK_REALTIME));
  return Hash(text);
}

std::string HostName() {
  char name[64] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

Result<uint64_t> RecordBytes(uint64_t wanted) {
  if (wanted == 0) {
    const char* text = std::getenv("LOCKSTEP_TRACE_BYTES");
    if (text == nullptr || *text == '\0') return kDefaultBytes;
    const char* end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, wanted);
    if (error != std::errc() || rest != end || wanted < kLeastBytes ||
        wanted > kMostBytes) {
      return InvalidArgument("LOCKSTEP_TRACE_BYTES must be ", kLeastBytes,
                             " to ", kMostBytes, ", is '", text, "'");
    }
  }
  return std::clamp(wanted, uint64_t{sizeof(TraceRecord)}, kMostBytes);
}

// A file of that size, with its place on the disk taken, in memory.
Result<void*> MapNewFile(const std::string& path, size_t bytes) {
  const int fd =
      open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return SystemError("open", path, errno);
  // A hole on a full disk would be a SIGBUS later.
  const int allocated = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (allocated != 0) {
    close(fd);
    unlink(path.c_str());
    return SystemError("fallocate", path, allocated);
  }
  void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_POPULATE, fd, 0);
  const int error = errno;
  close(fd);
  if (mapping == MAP_FAILED) return SystemError("mmap", path, error);
  return mapping;
}

}  // namespace

uint64_t Trace::SteadyNanos() { return Nanos(CLOCK_MONOTONIC); }
uint64_t Trace::NewJob() { return Nanos(CLOCK_REALTIME); }

// The clocks are read within each other, the shortest of some tries counts.
TraceInstant Trace::Instant() const {
  TraceInstant best;
  uint64_t shortest = UINT64_MAX;
  for (int i = 0; i < 4; ++i) {
    const uint64_t before = Now();
    const uint64_t steady = SteadyNanos();
    const uint64_t after = Now();
    if (after - before >= shortest) continue;
    shortest = after - before;
    best.ticks = before + (after - before) / 2;
    best.steady_ns = steady;
  }
  best.wall_ns = Nanos(CLOCK_REALTIME) - (SteadyNanos() - best.steady_ns);
  return best;
}

Result<std::shared_ptr<Trace>> Trace::Open(TraceOptions options) {
  LS_ASSIGN_OR_RETURN(const uint64_t bytes, RecordBytes(options.bytes));
  if (options.job == 0) options.job = NewJob();
  if (options.host.empty()) options.host = HostName();
  LS_RETURN_IF_ERROR(Env::Default()->CreateDirs(options.dir));
  std::shared_ptr<Trace> trace(new Trace);
  trace->path_ = JoinPath(
      options.dir, StrCat("rank", options.rank, ".", options.job, ".trace"));
  trace->capacity_ = bytes / sizeof(TraceRecord);
  const size_t records_at = kTraceNames + kTraceNamesBytes;
  trace->mapped_bytes_ = records_at + trace->capacity_ * sizeof(TraceRecord);
  LS_ASSIGN_OR_RETURN(trace->mapping_,
                      MapNewFile(trace->path_, trace->mapped_bytes_));
  char* base = static_cast<char*>(trace->mapping_);
  trace->records_ = reinterpret_cast<TraceRecord*>(base + records_at);
  trace->header_ =
      new (base) TraceHeader{.rank = options.rank,
                             .ranks = options.ranks,
                             .process = static_cast<int32_t>(getpid()),
                             .threads = options.threads,
                             .job = options.job,
                             .clock = ClockIdentity(),
                             .capacity = trace->capacity_,
                             .records_at = records_at};
  TraceHeader& header = *trace->header_;
  options.host.copy(header.host, sizeof(header.host) - 1);
  trace->counter_ = HasSteadyCounter();
  trace->Calibrate();
  std::memcpy(header.magic, kTraceMagic, sizeof(kTraceMagic));
  return trace;
}

void Trace::Calibrate() {
  TraceHeader& header = *header_;
  header.first = Instant();
  while (SteadyNanos() - header.first.steady_ns < kCalibrationNanos) {
  }
  header.last[0] = Instant();
  ticks_per_us_ =
      static_cast<double>(header.last[0].ticks - header.first.ticks) * 1e3 /
      static_cast<double>(header.last[0].steady_ns - header.first.steady_ns);
  sync_interval_ = header.last[0].ticks - header.first.ticks;
  sync_at_ = header.last[0].ticks + sync_interval_;
}

// Compares the clocks anew, each time after twice as long, then each second.
void Trace::Sync() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;  // another thread does it
  const TraceInstant now = Instant();
  if (now.ticks <= sync_at_.load(std::memory_order_relaxed)) return;
  const uint32_t other = 1 - header_->last_index;
  header_->last[other] = now;
  std::atomic_ref(header_->last_index).store(other, std::memory_order_release);
  const auto longest = static_cast<uint64_t>(
      ticks_per_us_ * 1e-3 * static_cast<double>(kLongestSyncNanos));
  sync_interval_ = std::min(2 * sync_interval_, longest);
  sync_at_.store(now.ticks + sync_interval_, std::memory_order_relaxed);
}

uint32_t Trace::Name(TraceKind kind, std::string_view op, std::string_view name,
                     uint8_t flags) {
  op = op.substr(0, kLongestText);
  name = name.substr(0, kLongestText);
  std::string key;
  key.reserve(op.size() + name.size() + 3);
  key += static_cast<char>(kind);
  key += static_cast<char>(flags);
  key += op;
  key += '\0';
  key += name;
  const std::lock_guard lock(mutex_);
  if (const auto found = names_.find(key); found != names_.end()) {
    return found->second;
  }
  const size_t used = header_->names_used;
  const size_t need = kTraceNameHead + op.size() + name.size();
  if (used + need > kTraceNamesBytes) return 0;
  char* to = static_cast<char*>(mapping_) + kTraceNames + used;
  const auto op_size = static_cast<uint16_t>(op.size());
  const auto name_size = static_cast<uint16_t>(name.size());
  std::memcpy(to, &op_size, 2);
  std::memcpy(to + 2, &name_size, 2);
  to[4] = static_cast<char>(kind);
  to[5] = static_cast<char>(flags);
  op.copy(to + kTraceNameHead, op.size());
  name.copy(to + kTraceNameHead + op.size(), name.size());
  std::atomic_ref(header_->names_used)
      .store(used + need, std::memory_order_release);
  const auto number = static_cast<uint32_t>(names_.size() + 1);
  names_.emplace(std::move(key), number);
  return number;
}

Trace::~Trace() {
  if (mapping_ == nullptr) return;
  if (header_ != nullptr) {
    sync_at_ = 0;
    Sync();
    std::ranges::fill(header_->current, 0u);
    std::atomic_ref(header_->closed).store(1, std::memory_order_release);
  }
  munmap(mapping_, mapped_bytes_);
}

}  // namespace lockstep
