// SPDX-License-Identifier: Apache-2.0
#pragma once

// Handles: the objects of one kind that a program has made and not destroyed.
// Not thread-safe.

#include <set>

namespace lockstep::stand_in {

// GPUs that CUDA_VISIBLE_DEVICES leaves, and the number that one has without.
int VisibleGpus();
int PhysicalGpu(int device);

inline constexpr int kGreatestPriority = -5;

template <class T>
class Handles {
 public:
  explicit Handles(const char* kind) : kind_(kind) {}
  const char* kind() const { return kind_; }
  // `for_ever`: does not count as left over.
  void Add(T handle, bool for_ever = false) {
    all_.insert(handle);
    if (for_ever) ++kept_;
  }
  bool Has(T handle) const { return all_.contains(handle); }
  bool Remove(T handle) { return all_.erase(handle) != 0; }
  const std::set<T>& all() const { return all_; }
  size_t left() const { return all_.size() - kept_; }

 private:
  const char* kind_;
  std::set<T> all_;
  size_t kept_ = 0;
};

}  // namespace lockstep::stand_in
