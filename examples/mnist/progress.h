// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a run shows while it trains: a table with a line for each epoch, and on
// a terminal a bar for the epoch that is running. Silent on all ranks but 0.

#include <cstdint>
#include <cstdio>
#include <string>

namespace lockstep::mnist {

struct EpochResult {
  int64_t epoch = 0;  // from 1
  int64_t step = 0;   // steps in all
  double loss = 0, accuracy = 0;
  double validation_loss = 0, validation_accuracy = 0;
  double learning_rate = 0;
  double images_per_second = 0;
};

class Progress {
 public:
  // Prints to standard output unless `silent`; the bar only when that is a
  // terminal.
  explicit Progress(bool silent);

  void Line(const std::string& text);
  void Header();
  void Row(const EpochResult& result);
  // Shows or moves the bar, at most ten times a second.
  void Bar(int64_t epoch, int64_t done, int64_t total, double loss);

 private:
  void ClearBar();

  bool silent_;
  bool terminal_;
  bool bar_shown_ = false;
  uint64_t next_bar_micros_ = 0;
};

}  // namespace lockstep::mnist
