// SPDX-License-Identifier: Apache-2.0
#pragma once

// Object: an element of a tensor that is no number and no string - a stack, a
// tensor array, a list of tensors. Tensors of kResource and kVariant hold
// ObjectRefs; copies of a tensor refer to the same objects, and an object goes
// when the last tensor that refers to it does.
//
//   Tensor handle(kResource, Shape{});
//   handle.flat<ObjectRef>()[0] = std::make_shared<Stack>(kFloat);
//   auto* stack = dynamic_cast<Stack*>(handle.scalar<ObjectRef>().get());
//
// Threading is each object's own matter; kernels of one run take turns.

#include <memory>
#include <string>

namespace lockstep {

class Object {
 public:
  virtual ~Object() = default;
  // For messages: "tensor array 'a' of 3 floats".
  virtual std::string DebugString() const = 0;
};

// Empty: no object yet.
using ObjectRef = std::shared_ptr<Object>;

}  // namespace lockstep
