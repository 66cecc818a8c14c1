// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "runtime/core/env.h"
#include "runtime/core/strings.h"

namespace lockstep::mnist {
namespace {

constexpr uint64_t kBarMicros = 100'000;
constexpr int64_t kBarWidth = 30;

// Whether somebody watches standard output. mpirun gives its ranks a terminal
// of their own even when its output goes to a file: then its own counts.
bool OnTerminal() {
  if (isatty(STDOUT_FILENO) != 1) return false;
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return true;
  char target[64] = {};
  const std::string link = StrCat("/proc/", getppid(), "/fd/1");
  if (readlink(link.c_str(), target, sizeof(target) - 1) <= 0) return false;
  return std::string_view(target).starts_with("/dev/pts/") ||
         std::string_view(target).starts_with("/dev/tty");
}

}  // namespace

Progress::Progress(bool silent)
    : silent_(silent), terminal_(!silent && OnTerminal()) {}

void Progress::Line(const std::string& text) {
  if (silent_) return;
  ClearBar();
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void Progress::Header() {
  Line(
      "epoch     step      loss  accuracy  val loss  val acc.  learn. rate"
      "   images/s");
}

void Progress::Row(const EpochResult& r) {
  char text[160];
  std::snprintf(text, sizeof(text),
                "%5lld %8lld  %8.4f  %8.4f  %8.4f  %8.4f  %11.6g  %9.0f",
                static_cast<long long>(r.epoch), static_cast<long long>(r.step),
                r.loss, r.accuracy, r.validation_loss, r.validation_accuracy,
                r.learning_rate, r.images_per_second);
  Line(text);
}

void Progress::Bar(int64_t epoch, int64_t done, int64_t total, double loss) {
  if (!terminal_) return;
  const uint64_t now = Env::Default()->SteadyMicros();
  if (now < next_bar_micros_) return;
  next_bar_micros_ = now + kBarMicros;
  const int64_t full = done * kBarWidth / std::max<int64_t>(total, 1);
  std::string bar(static_cast<size_t>(full), '=');
  bar.resize(static_cast<size_t>(kBarWidth), ' ');
  std::printf("\repoch %lld [%s] %lld/%lld  loss %.4f\x1b[K",
              static_cast<long long>(epoch), bar.c_str(),
              static_cast<long long>(done), static_cast<long long>(total),
              loss);
  std::fflush(stdout);
  bar_shown_ = true;
}

void Progress::ClearBar() {
  if (!bar_shown_) return;
  std::printf("\r\x1b[K");
  bar_shown_ = false;
}

}  // namespace lockstep::mnist
