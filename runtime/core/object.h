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

#include "runtime/core/status.h"

namespace lockstep {

class Object;
// Empty: no object yet.
using ObjectRef = std::shared_ptr<Object>;

class Object {
 public:
  virtual ~Object() = default;
  // For messages: "tensor array 'a' of 3 floats".
  virtual std::string DebugString() const = 0;
  // Gradients of objects: one like it with zeros for its values, and the sum
  // with another of its kind. UNIMPLEMENTED for objects without values.
  virtual Result<ObjectRef> Zeros() const {
    return Unimplemented("there are no zeros like a ", DebugString());
  }
  virtual Result<ObjectRef> Plus(const Object& other) const {
    return Unimplemented("cannot add a ", other.DebugString(), " to a ",
                         DebugString());
  }
};

}  // namespace lockstep
