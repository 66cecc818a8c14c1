// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "ops/ops.h"
#include "runtime/core/threads.h"
#include "runtime/exec/saver.h"
#include "runtime/io/batch_pipeline.h"
#include "tools/lockstep/bench_models.h"

namespace lockstep {
namespace {

constexpr int kRounds = 10;
constexpr int kVariables = 8;
constexpr size_t kPiece = size_t{1} << 20;
constexpr int64_t kImages = 60'000;
constexpr int64_t kPixels = 784;

// A folder that goes with all it holds.
class Folder {
 public:
  explicit Folder(const std::string& parent)
      : path_(JoinPath(parent, "lockstep_bench_XXXXXX")) {
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  ~Folder() {
    std::error_code ignored;
    if (made_) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  Status status() const {
    if (made_) return Ok();
    return PermissionDenied("--dir: no folder '", path_, "' can be made");
  }
  std::string operator/(const char* name) const {
    return JoinPath(path_, name);
  }

 private:
  std::string path_;
  bool made_ = false;
};

// Neither checksums nor names nor anything but the bytes.
Status PlainWrite(const std::string& path, const std::vector<char>& bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  bool ok = fd >= 0;
  for (size_t at = 0; ok && at < bytes.size();) {
    const ssize_t n =
        write(fd, bytes.data() + at, std::min(kPiece, bytes.size() - at));
    ok = n > 0;
    at += ok ? static_cast<size_t>(n) : 0;
  }
  ok = ok && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return ok ? Ok() : Internal("write '", path, "': ", strerror(error));
}

Status PlainRead(const std::string& path, std::vector<char>* bytes) {
  const int fd = open(path.c_str(), O_RDONLY);
  bool ok = fd >= 0;
  for (size_t at = 0; ok && at < bytes->size();) {
    const ssize_t n =
        read(fd, bytes->data() + at, std::min(kPiece, bytes->size() - at));
    ok = n > 0;
    at += ok ? static_cast<size_t>(n) : 0;
  }
  const int error = errno;
  if (fd >= 0) close(fd);
  return ok ? Ok() : Internal("read '", path, "': ", strerror(error));
}

// Nothing of the file stays in memory: what is read comes from the disk.
void ForgetFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0) return;
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

struct Saved {
  Graph graph;
  SessionOptions options;
  std::unique_ptr<Session> session;
  std::unique_ptr<Saver> saver;
  int64_t bytes = 0;
};

Result<Saved> MakeVariables(const BenchOptions& o, int threads) {
  Saved saved;
  const Scope root(&saved.graph);
  std::vector<Output> variables;
  const int64_t each = std::max<int64_t>(o.max_bytes / kVariables / 4, 1);
  for (int i = 0; i < kVariables; ++i) {
    const Output random = ops::RandomUniform(
        root, Tensor::Vector<int32_t>({static_cast<int32_t>(each)}), kFloat);
    variables.push_back(
        ops::InitializedVariable(root.WithName(StrCat("v", i)), random));
  }
  Node* init = ops::VariablesInitializer(root.WithName("init"));
  LS_RETURN_IF_ERROR(saved.graph.status());
  LS_ASSIGN_OR_RETURN(Saver saver,
                      Saver::Create(root, variables, {.max_to_keep = 1}));
  saved.options.intra_op_threads = threads;
  saved.bytes = each * 4 * kVariables;
  saved.saver = std::make_unique<Saver>(std::move(saver));
  LS_ASSIGN_OR_RETURN(saved.session,
                      Session::Create(saved.graph, saved.options));
  LS_RETURN_IF_ERROR(saved.session->RunTargets({init->name()}));
  return saved;
}

template <class F>
Status Timed(std::vector<double>* us, const F& call) {
  const Stopwatch one;
  LS_RETURN_IF_ERROR(call());
  us->push_back(one.Micros());
  return Ok();
}

// Microseconds of each round: save, plain write, restore and plain read from
// the disk, the same from memory.
using CheckpointTimes = std::array<std::vector<double>, 6>;

Status RunCheckpoints(const Saved& saved, const Folder& folder, int rounds,
                      CheckpointTimes* times) {
  CheckpointTimes& us = *times;
  std::vector<char> bytes(static_cast<size_t>(saved.bytes), 'x');
  const std::string plain = folder / "plain";
  for (int i = 0; i < rounds; ++i) {
    // Files that replace nothing, both of them.
    (void)Env::Default()->DeleteFile(plain);
    std::string prefix;
    LS_RETURN_IF_ERROR(Timed(&us[0], [&]() -> Status {
      LS_ASSIGN_OR_RETURN(
          prefix, saved.saver->Save(*saved.session, folder / "model", i));
      return Ok();
    }));
    LS_RETURN_IF_ERROR(Timed(&us[1], [&] { return PlainWrite(plain, bytes); }));
    const std::string data = prefix + ".data-00000-of-00001";
    for (const size_t again : {0, 2}) {  // from the disk, then from memory
      if (again == 0) ForgetFile(data);
      // Into variables without values, as those of a job that resumes.
      LS_ASSIGN_OR_RETURN(const auto resumed,
                          Session::Create(saved.graph, saved.options));
      LS_RETURN_IF_ERROR(Timed(&us[2 + again], [&] {
        return saved.saver->Restore(*resumed, prefix);
      }));
      if (again == 0) ForgetFile(plain);
      LS_RETURN_IF_ERROR(
          Timed(&us[3 + again], [&] { return PlainRead(plain, &bytes); }));
    }
  }
  return Ok();
}

void PrintCheckpoints(const BenchOptions& o, int threads, int64_t bytes,
                      const CheckpointTimes& us) {
  constexpr const char* kWays[] = {"save",
                                   "plain write and fsync",
                                   "restore from the disk",
                                   "plain read from the disk",
                                   "restore from memory",
                                   "plain read from memory"};
  constexpr const char* kKeys[] = {
      "us", "plain", "read", "plain_read", "read_again", "plain_read_again"};
  Json more = {{"bytes", bytes}};
  if (!o.json) {
    std::printf("%lld bytes, %zu rounds, milliseconds\n%-28s %9s %9s\n",
                static_cast<long long>(bytes), us[0].size(), "", "min",
                "median");
  }
  for (size_t i = 0; i < us.size(); ++i) {
    const BenchTimes times(us[i]);
    if (i > 0) {
      more[StrCat(kKeys[i], "_us_min")] = Rounded(times.min());
      more[StrCat(kKeys[i], "_us_med")] = Rounded(times.median());
    }
    if (o.json) continue;
    std::printf("%-28s %9.2f %9.2f", kWays[i], times.min() * 1e-3,
                times.median() * 1e-3);
    if (i % 2 == 1) {
      const BenchTimes ours(us[i - 1]);
      std::printf("   %.2f x, %.2f x", ours.min() / times.min(),
                  ours.median() / times.median());
    }
    std::printf("\n");
  }
  if (o.json)
    PrintJson(RowJson({o.name, threads, 1, 0}, BenchTimes(us[0]), more));
}

}  // namespace

Status BenchCheckpoint(const BenchOptions& o, int threads) {
  const Folder folder(o.dir);
  LS_RETURN_IF_ERROR(folder.status());
  LS_ASSIGN_OR_RETURN(const Saved saved, MakeVariables(o, threads));
  CheckpointTimes times;
  LS_RETURN_IF_ERROR(
      RunCheckpoints(saved, folder, o.steps > 0 ? o.steps : kRounds, &times));
  PrintCheckpoints(o, threads, saved.bytes, times);
  return Ok();
}

Status BenchInput(const BenchOptions& o, int threads) {
  SetThreads(threads);
  Tensor images(kUint8, Shape{kImages, kPixels});
  Tensor labels(kUint8, Shape{kImages});
  auto* pixels = static_cast<uint8_t*>(images.data());
  for (int64_t i = 0; i < kImages * kPixels; ++i) {
    pixels[i] = static_cast<uint8_t>(i * 7);
  }
  for (int64_t i = 0; i < kImages; ++i) {
    static_cast<uint8_t*>(labels.data())[i] = static_cast<uint8_t>(i % 10);
  }
  const int64_t batch = o.batch > 0 ? o.batch : 100;
  for (const int depth : {0, 2}) {
    LS_ASSIGN_OR_RETURN(
        const auto batches,
        BatchPipeline::Create(
            images, labels,
            {.batch = batch, .seed = 1, .depth = depth, .classes = 10}));
    std::vector<double> us;
    for (int i = 0; i < (o.steps > 0 ? o.steps : 2000) + o.warmup; ++i) {
      const Stopwatch one;
      LS_RETURN_IF_ERROR(batches->Next().status());
      if (i >= o.warmup) us.push_back(one.Micros());
    }
    double all = 0;
    for (const double t : us) all += t;
    const double rate =
        static_cast<double>(batch) * static_cast<double>(us.size()) / all * 1e6;
    const BenchTimes times(us);
    if (o.json) {
      PrintJson(RowJson({o.name, threads, 1, static_cast<int>(batch)}, times,
                        {{"ahead", depth}, {"images_s", Rounded(rate, 0)}}));
      continue;
    }
    std::printf(
        "%-28s batch %lld: min %.2f us, median %.2f, 95 %% %.2f; %.0f "
        "images/s\n",
        depth == 0 ? "filled when asked for" : "filled ahead by a thread",
        static_cast<long long>(batch), times.min(), times.median(),
        times.At(0.95), rate);
  }
  return Ok();
}

}  // namespace lockstep
