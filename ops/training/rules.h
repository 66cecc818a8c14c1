// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of each update op on one element, for kernels of the CPU (see
// apply.h) and of GPUs. Papers and formulas are in the ops' own files. `h` are
// the op's hyper-parameters in order, `v` the variable and its slots.

#include <algorithm>
#include <cmath>

#include "ops/math/scalar_math.h"
#include "ops/training/proximal.h"
#include "runtime/core/host_device.h"

namespace lockstep {

// The attributes of these names; false where an op lacks one.
struct ApplyFlags {
  bool use_nesterov = false;
  bool update_slots = false;
  bool multiply_linear_by_lr = false;
};

namespace {

template <class A>
struct Adam {
  static constexpr int kSlots = 2;
  A alpha, beta1, beta2, epsilon;
  bool nesterov;
  // h: beta1_power, beta2_power, lr, beta1, beta2, epsilon
  LS_HOST_DEVICE Adam(const A* h, const ApplyFlags& flags)
      : alpha(h[2] * std::sqrt(A(1) - h[1]) / (A(1) - h[0])),
        beta1(h[3]),
        beta2(h[4]),
        epsilon(h[5]),
        nesterov(flags.use_nesterov) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - beta1);
    v[2] += (g * g - v[2]) * (A(1) - beta2);
    const A direction = nesterov ? g * (A(1) - beta1) + beta1 * v[1] : v[1];
    v[0] -= direction * alpha / (std::sqrt(v[2]) + epsilon);
  }
};

template <class A>
struct AdamWithAmsgrad {
  static constexpr int kSlots = 3;
  Adam<A> adam;
  LS_HOST_DEVICE AdamWithAmsgrad(const A* h, const ApplyFlags& flags)
      : adam(h, flags) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - adam.beta1);
    v[2] += (g * g - v[2]) * (A(1) - adam.beta2);
    v[3] = std::max(v[3], v[2]);
    v[0] -= v[1] * adam.alpha / (std::sqrt(v[3]) + adam.epsilon);
  }
};

template <class A>
struct AdaMax {
  static constexpr int kSlots = 2;
  A rate, beta1, beta2, epsilon;
  // h: beta1_power, lr, beta1, beta2, epsilon
  LS_HOST_DEVICE AdaMax(const A* h, const ApplyFlags&)
      : rate(h[1] / (A(1) - h[0])), beta1(h[2]), beta2(h[3]), epsilon(h[4]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - beta1);
    v[2] = std::max(beta2 * v[2], std::abs(g));
    v[0] -= rate * (v[1] / (v[2] + epsilon));
  }
};

template <class A>
struct Momentum {
  static constexpr int kSlots = 1;
  A lr, momentum;
  bool nesterov;
  LS_HOST_DEVICE Momentum(const A* h, const ApplyFlags& flags)
      : lr(h[0]), momentum(h[1]), nesterov(flags.use_nesterov) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] = v[1] * momentum + g;
    v[0] -= nesterov ? g * lr + v[1] * momentum * lr : v[1] * lr;
  }
};

template <class A>
struct KerasMomentum {
  static constexpr int kSlots = 1;
  A lr, momentum;
  bool nesterov;
  LS_HOST_DEVICE KerasMomentum(const A* h, const ApplyFlags& flags)
      : lr(h[0]), momentum(h[1]), nesterov(flags.use_nesterov) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] = v[1] * momentum - g * lr;
    v[0] += nesterov ? v[1] * momentum - g * lr : v[1];
  }
};

template <class A>
struct RMSProp {
  static constexpr int kSlots = 2;
  A lr, rho, momentum, epsilon;
  LS_HOST_DEVICE RMSProp(const A* h, const ApplyFlags&)
      : lr(h[0]), rho(h[1]), momentum(h[2]), epsilon(h[3]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += (g * g - v[1]) * (A(1) - rho);
    v[2] = v[2] * momentum + g * lr / std::sqrt(v[1] + epsilon);
    v[0] -= v[2];
  }
};

template <class A>
struct CenteredRMSProp {
  static constexpr int kSlots = 3;
  A lr, rho, momentum, epsilon;
  LS_HOST_DEVICE CenteredRMSProp(const A* h, const ApplyFlags&)
      : lr(h[0]), rho(h[1]), momentum(h[2]), epsilon(h[3]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - rho);
    v[2] += (g * g - v[2]) * (A(1) - rho);
    v[3] = v[3] * momentum + g * lr / std::sqrt(v[2] - v[1] * v[1] + epsilon);
    v[0] -= v[3];
  }
};

template <class A>
struct GradientDescent {
  static constexpr int kSlots = 0;
  A alpha;
  LS_HOST_DEVICE GradientDescent(const A* h, const ApplyFlags&) : alpha(h[0]) {}
  LS_HOST_DEVICE void operator()(A delta, A* v) const { v[0] -= alpha * delta; }
};

template <class A>
struct ProximalGradientDescent {
  static constexpr int kSlots = 0;
  A alpha, l1, l2;
  LS_HOST_DEVICE ProximalGradientDescent(const A* h, const ApplyFlags&)
      : alpha(h[0]), l1(h[1]), l2(h[2]) {}
  LS_HOST_DEVICE void operator()(A delta, A* v) const {
    v[0] = detail::Proximal(v[0] - alpha * delta, alpha, l1, l2);
  }
};

template <class A>
struct Adagrad {
  static constexpr int kSlots = 1;
  A lr;
  bool update_slots;
  LS_HOST_DEVICE Adagrad(const A* h, const ApplyFlags& flags)
      : lr(h[0]), update_slots(flags.update_slots) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += update_slots ? g * g : A(0);
    v[0] -= g * lr / std::sqrt(v[1]);
  }
};

template <class A>
struct AdagradV2 {
  static constexpr int kSlots = 1;
  A lr, epsilon;
  bool update_slots;
  LS_HOST_DEVICE AdagradV2(const A* h, const ApplyFlags& flags)
      : lr(h[0]), epsilon(h[1]), update_slots(flags.update_slots) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += update_slots ? g * g : A(0);
    v[0] -= g * lr / (std::sqrt(v[1]) + epsilon);
  }
};

template <class A>
struct ProximalAdagrad {
  static constexpr int kSlots = 1;
  A lr, l1, l2;
  LS_HOST_DEVICE ProximalAdagrad(const A* h, const ApplyFlags&)
      : lr(h[0]), l1(h[1]), l2(h[2]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += g * g;
    const A rate = lr / std::sqrt(v[1]);
    v[0] = detail::Proximal(v[0] - g * rate, rate, l1, l2);
  }
};

template <class A>
struct AdagradDA {
  static constexpr int kSlots = 2;
  A lr, l1, l2, step;
  LS_HOST_DEVICE AdagradDA(const A* h, const ApplyFlags&)
      : lr(h[0]), l1(h[1]), l2(h[2]), step(h[3]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] += g;
    v[2] += g * g;
    const A sum = l1 > 0 ? detail::Shrink(v[1], l1 * step) : v[1];
    v[0] = -lr * sum / (l2 * step * lr + std::sqrt(v[2]));
  }
};

template <class A>
struct Adadelta {
  static constexpr int kSlots = 2;
  A lr, rho, epsilon;
  LS_HOST_DEVICE Adadelta(const A* h, const ApplyFlags&)
      : lr(h[0]), rho(h[1]), epsilon(h[2]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] = v[1] * rho + g * g * (A(1) - rho);
    const A update = std::sqrt(v[2] + epsilon) / std::sqrt(v[1] + epsilon) * g;
    v[0] -= update * lr;
    v[2] = v[2] * rho + update * update * (A(1) - rho);
  }
};

template <class A>
struct FtrlV2 {
  static constexpr int kSlots = 2;
  A lr, l1, l2, l2_shrinkage, power;
  bool root, scaled;
  LS_HOST_DEVICE FtrlV2(A rate, A first, A second, A shrinkage, A lr_power,
                        const ApplyFlags& flags)
      : lr(rate),
        l1(first),
        l2(second),
        l2_shrinkage(shrinkage),
        power(-lr_power),
        root(lr_power == A(-0.5)),
        scaled(flags.multiply_linear_by_lr) {}
  LS_HOST_DEVICE FtrlV2(const A* h, const ApplyFlags& flags)
      : FtrlV2(h[0], h[1], h[2], h[3], h[4], flags) {}

  LS_HOST_DEVICE A Power(A accum) const {
    return root ? std::sqrt(accum) : vm::Pow(accum, power);
  }
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    const A shrunk = g + A(2) * l2_shrinkage * v[0];
    const A before = Power(v[1]);
    v[1] += g * g;
    const A after = Power(v[1]);
    const A unit = scaled ? lr : A(1);  // of linear
    v[2] += shrunk * unit - (after - before) / lr * unit * v[0];
    const A bound = l1 * unit;
    const A x = std::min(std::max(v[2], -bound), bound) - v[2];
    v[0] = x / ((after / lr + A(2) * l2) * unit);
  }
};

template <class A>
struct Ftrl : FtrlV2<A> {
  LS_HOST_DEVICE Ftrl(const A* h, const ApplyFlags& flags)
      : FtrlV2<A>(h[0], h[1], h[2], A(0), h[3], flags) {}
};

template <class A>
LS_HOST_DEVICE A SignOf(A x) {
  return A(x > 0) - A(x < 0);
}

template <class A, bool kPower>
struct Sign {
  static constexpr int kSlots = 1;
  A lr, scale, sign_decay, beta;
  LS_HOST_DEVICE Sign(const A* h, const ApplyFlags&)
      : lr(h[0]), scale(h[1]), sign_decay(h[2]), beta(h[3]) {}
  LS_HOST_DEVICE void operator()(A g, A* v) const {
    v[1] = v[1] * beta + g * (A(1) - beta);
    const A agree = sign_decay * SignOf(g) * SignOf(v[1]);
    if constexpr (kPower) {
      v[0] -= lr * vm::Exp(scale * agree) * g;
    } else {
      v[0] -= lr * (scale + agree) * g;
    }
  }
};
template <class A>
using AddSign = Sign<A, false>;
template <class A>
using PowerSign = Sign<A, true>;

}  // namespace
}  // namespace lockstep
