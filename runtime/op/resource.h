// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lives in a session beside its graph: variables, and services that the
// session's configuration hands to kernels (a communicator, a file system).
//
//   Variable& w = resources.variables().GetOrCreate("w", kFloat, shape);
//   auto* comm = resources.Service<Communicator>();   // null when none

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>

#include "runtime/core/tensor.h"

namespace lockstep {

// A value that survives from run to run. Its memory keeps its address as long
// as its shape does not change. Not thread-safe: runs of a session take turns.
class Variable {
 public:
  // Its memory comes from `allocator`, from the heap when that is null.
  Variable(std::string name, DType dtype, const Shape& declared,
           std::shared_ptr<Allocator> allocator)
      : name_(std::move(name)),
        dtype_(dtype),
        declared_(declared),
        allocator_(std::move(allocator)) {}
  const std::string& name() const { return name_; }
  DType dtype() const { return dtype_; }
  const Shape& declared_shape() const { return declared_; }
  bool initialized() const { return initialized_; }
  void set_initialized() { initialized_ = true; }
  // The value; undefined until Allocate.
  Tensor& value() { return value_; }
  const Tensor& value() const { return value_; }
  template <class T>
  T* data() {
    return static_cast<T*>(value_.data());
  }
  // Makes room for `shape`, keeping the memory when the size is unchanged.
  Status Allocate(const Shape& shape);
  Allocator* allocator() const { return allocator_.get(); }
  // Copies `value` in and marks the variable initialised. INVALID_ARGUMENT
  // when dtype or (declared) shape disagree. For variables in host memory.
  Status Assign(const Tensor& value);

 private:
  std::string name_;
  DType dtype_;
  Shape declared_;
  std::shared_ptr<Allocator> allocator_;
  Tensor value_;
  bool initialized_ = false;
};

class VariableStore {
 public:
  // Without memory when it is new. INVALID_ARGUMENT when it exists with another
  // dtype, declared shape or allocator (on another device).
  Result<Variable*> GetOrCreate(std::string_view name, DType dtype,
                                const Shape& declared,
                                std::shared_ptr<Allocator> allocator = nullptr);
  Variable* Find(std::string_view name);  // null when there is none
  const std::map<std::string, std::unique_ptr<Variable>, std::less<>>& all()
      const {
    return variables_;
  }

 private:
  std::map<std::string, std::unique_ptr<Variable>, std::less<>> variables_;
};

class SessionResources {
 public:
  VariableStore& variables() { return variables_; }
  // One service for each type; the caller keeps type and lifetime right by
  // using the same T.
  template <class T>
  void SetService(std::shared_ptr<T> service) {
    services_[std::type_index(typeid(T))] = std::move(service);
  }
  template <class T>
  T* Service() const {
    auto it = services_.find(std::type_index(typeid(T)));
    return it == services_.end() ? nullptr : static_cast<T*>(it->second.get());
  }
  // Next value of RunInfo::random_step.
  uint64_t random_step() const { return random_step_; }
  void set_random_step(uint64_t step) { random_step_ = step; }

 private:
  VariableStore variables_;
  // Shared: a communicator serves several sessions.
  std::map<std::type_index, std::shared_ptr<void>> services_;
  uint64_t random_step_ = 0;
};

}  // namespace lockstep
