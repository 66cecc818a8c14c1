// SPDX-License-Identifier: Apache-2.0
#pragma once

// Histogram: counts values in TensorBoard's buckets, which grow by a tenth
// from 1e-12 to 1e20 on both sides of zero.
//
// Thread-compatible. A count is of values in [limit of the bucket before,
// limit).
//
//   Histogram h;
//   for (float v : values) h.Add(v);
//   h.Compacted();   // what is stored: neighbouring empty buckets as one

#include <limits>
#include <vector>

namespace lockstep {

class Histogram {
 public:
  struct Bucket {
    double limit = 0;  // values below
    double count = 0;
  };

  Histogram();
  void Add(double value);
  // At least one bucket; the last limit is the largest double only when
  // values, or nothing, reach there.
  std::vector<Bucket> Compacted() const;

  double min() const { return min_; }  // the largest double when empty
  double max() const { return max_; }  // the lowest double when empty
  double num() const { return num_; }
  double sum() const { return sum_; }
  double sum_squares() const { return sum_squares_; }

 private:
  double min_ = std::numeric_limits<double>::max();
  double max_ = std::numeric_limits<double>::lowest();
  double num_ = 0;
  double sum_ = 0;
  double sum_squares_ = 0;
  std::vector<double> counts_;
};

}  // namespace lockstep
