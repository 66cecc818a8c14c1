// SPDX-License-Identifier: Apache-2.0

// What stands before the functors' files in the source of a fused kernel
// (cuda_source.h) and in their place includes nothing: NVRTC has no headers,
// neither the standard library's nor ours.

#ifdef __CUDACC_RTC__
using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using int64_t = long long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned;
using uint64_t = unsigned long long;

namespace std {

template <class A, class B>
inline constexpr bool is_same_v = false;
template <class A>
inline constexpr bool is_same_v<A, A> = true;
template <class T>
inline constexpr bool is_floating_point_v =
    is_same_v<T, float> || is_same_v<T, double>;
template <class T, class... U>
inline constexpr bool is_one_of_v = (is_same_v<T, U> || ...);
template <class T>
inline constexpr bool is_signed_integer_v =
    is_one_of_v<T, int8_t, int16_t, int32_t, int64_t>;
template <class T>
inline constexpr bool is_integral_v =
    is_signed_integer_v<T> ||
    is_one_of_v<T, bool, uint8_t, uint16_t, uint32_t, uint64_t>;
template <class T>
inline constexpr bool is_signed_v =
    is_signed_integer_v<T> || is_floating_point_v<T>;

template <bool kCondition, class A, class B>
struct conditional {
  using type = A;
};
template <class A, class B>
struct conditional<false, A, B> {
  using type = B;
};
template <bool kCondition, class A, class B>
using conditional_t = typename conditional<kCondition, A, B>::type;
template <class T>
using make_unsigned_t = conditional_t<
    sizeof(T) == 1, uint8_t,
    conditional_t<sizeof(T) == 2, uint16_t,
                  conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;

template <class To, class From>
To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, from);
}

template <class T>
struct numeric_limits {  // of signed integers
  static constexpr T min() {
    return static_cast<T>(uint64_t{1} << (8 * sizeof(T) - 1));
  }
};
template <>
struct numeric_limits<float> {
  static constexpr float max() { return 0x1.fffffep+127f; }
  static constexpr float infinity() {
    return __builtin_bit_cast(float, 0x7f800000u);
  }
};
template <>
struct numeric_limits<double> {
  static constexpr double max() { return 0x1.fffffffffffffp+1023; }
  static constexpr double infinity() {
    return __builtin_bit_cast(double, 0x7ff0000000000000ull);
  }
};

// Functors speak of complex numbers; kernels have none.
template <class T>
class complex;
template <class T>
complex<T> conj(complex<T>);

using ::abs;
using ::atan2;
using ::ceil;
using ::exp;
using ::floor;
using ::fmod;
using ::log;
using ::log1p;
using ::pow;
using ::rint;
using ::sqrt;
using ::trunc;

}  // namespace std
#endif

namespace lockstep {

struct Half;  // the host's: see ops/math/gpu_half.h
struct BFloat16;

// Which operands a functor refuses is found on the host.
struct Status {};
inline Status Ok() { return {}; }
template <class... A>
Status InvalidArgument(const A&...) {
  return {};
}
template <class... A>
Status Internal(const A&...) {
  return {};
}

namespace gpu {

// Neighbouring elements, read and written at once.
template <class T, int kWidth>
struct alignas(kWidth * sizeof(T)) Pack {
  T at[kWidth];
};

}  // namespace gpu
}  // namespace lockstep
