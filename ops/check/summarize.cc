// SPDX-License-Identifier: Apache-2.0
#include "ops/check/summarize.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "ops/math/elementwise.h"

namespace lockstep {
namespace {

// printf's %g with 6 (double: 15) digits when that reads back, else 9 (17).
template <class T>
std::string FloatText(T v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  constexpr int kShort = std::is_same_v<T, float> ? 6 : 15;
  constexpr int kLong = std::is_same_v<T, float> ? 9 : 17;
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", kShort, static_cast<double>(v));
  const double back = std::is_same_v<T, float>
                          ? static_cast<double>(std::strtof(text, nullptr))
                          : std::strtod(text, nullptr);
  if (back != static_cast<double>(v)) {
    std::snprintf(text, sizeof text, "%.*g", kLong, static_cast<double>(v));
  }
  return text;
}

// C's escapes, as in TensorFlow's messages.
std::string Escaped(const std::string& s) {
  std::string out;
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '"': out += "\\\""; break;
      case '\'': out += "\\'"; break;
      case '\\': out += "\\\\"; break;
      default:
        if (u < 32 || u >= 127) {
          char text[8];
          std::snprintf(text, sizeof text, "\\%03o", u);
          out += text;
        } else {
          out += c;
        }
    }
  }
  return out;
}

struct Flat {
  const Tensor& t;
  int64_t limit;
  int64_t at = 0;
  std::string out;

  void Dimension(int d) {
    const Shape& shape = t.shape();
    if (at >= limit) return;
    if (d == shape.rank() - 1) {
      for (int64_t i = 0; i < shape.dim(d); ++i) {
        if (at >= limit) {
          if (d != 0) out += "...";
          return;
        }
        if (i > 0) out += ' ';
        out += ElementText(t, at++);
      }
      return;
    }
    for (int64_t i = 0; i < shape.dim(d) && at < limit; ++i) {
      out += '[';
      Dimension(d + 1);
      out += ']';
    }
  }
};

struct Nested {
  const Tensor& t;
  int64_t ends;
  std::string out;

  void Space(int d) {
    const int rank = t.shape().rank();
    if (d == rank - 1) {
      out += ' ';
      return;
    }
    out.append(static_cast<size_t>(rank - d - 1), '\n');
    out.append(static_cast<size_t>(d + 1), ' ');
  }
  void Dimension(int d, int64_t at) {
    const Shape& shape = t.shape();
    if (d == shape.rank()) {
      out += t.dtype() == kString ? StrCat("\"", ElementText(t, at), "\"")
                                  : ElementText(t, at);
      return;
    }
    const int64_t n = shape.dim(d);
    int64_t stride = 1;
    for (int i = d + 1; i < shape.rank(); ++i) stride *= shape.dim(i);
    out += '[';
    for (int64_t i = 0; i < n; ++i) {
      if (i > 0) Space(d);
      if (i == ends && n > 2 * ends) {
        out += "...";
        i = n - ends - 1;
        continue;
      }
      Dimension(d + 1, at + i * stride);
    }
    out += ']';
  }
};

}  // namespace

std::string ElementText(const Tensor& t, int64_t i) {
  const size_t u = static_cast<size_t>(i);
  if (t.dtype() == kString) return Escaped(t.flat<std::string>()[u]);
  std::string text = "?";
  (void)VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
    const T v = t.flat<T>()[u];
    if constexpr (kIsFloat<T>) {
      text = FloatText(static_cast<ValueType<T>>(v));
    } else {
      text = StrCat(static_cast<std::conditional_t<std::is_same_v<T, uint64_t>,
                                                   uint64_t, int64_t>>(v));
    }
    return Ok();
  });
  return text;
}

std::string SummarizeFlat(const Tensor& t, int64_t limit) {
  const int64_t n = t.NumElements();
  if (limit < 0) limit = n;
  Flat flat{t, std::min(limit, n), 0, {}};
  if (n > 0 && t.shape().IsScalar()) {
    if (limit > 0) flat.out = ElementText(t, 0);
  } else if (n > 0) {
    flat.Dimension(0);
  }
  if (n > limit) flat.out += "...";
  return flat.out;
}

std::string SummarizeNested(const Tensor& t, int64_t ends) {
  if (t.NumElements() == 0) return "[]";
  Nested nested{t, ends < 0 ? std::numeric_limits<int32_t>::max() : ends, {}};
  nested.Dimension(0, 0);
  return nested.out;
}

}  // namespace lockstep
