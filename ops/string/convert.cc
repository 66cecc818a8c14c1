// SPDX-License-Identifier: Apache-2.0

// AsString: numbers, bools ("true", "false") and strings as text, by printf's
// rules; attributes precision, scientific (%e), shortest (%g), width, fill.
// StringToNumber: the other way; blanks around are fine, anything else is
// INVALID_ARGUMENT.
// StringFormat: the template with its placeholders replaced, in order, by the
// inputs' text (see SummarizeNested).

#include <cstdio>

#include "ops/check/summarize.h"
#include "ops/math/elementwise.h"
#include "ops/string/parse_number.h"
#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

struct AsStringState {
  std::string flags;  // "%" with fill, width and precision
  char conversion = 'f';
};

Status PrepareAsString(PrepareContext& c) {
  AsStringState& s = c.MakeState<AsStringState>();
  const int64_t precision = c.Attr<int64_t>("precision"),
                width = c.Attr<int64_t>("width");
  const bool scientific = c.Attr<bool>("scientific"),
             shortest = c.Attr<bool>("shortest");
  const std::string& fill = c.Attr<std::string>("fill");
  const DType t = c.input_dtype(0);
  const bool fraction = IsFloating(t) || IsComplex(t);
  if (scientific && shortest) {
    return InvalidArgument("Cannot select both scientific and shortest");
  }
  if (!fraction && (scientific || shortest || precision >= 0)) {
    return InvalidArgument("scientific, shortest and precision are for ",
                           "floating-point numbers, not ", DTypeName(t));
  }
  if (fill.size() > 1 ||
      (fill.size() == 1 && std::string("+- 0#").find(fill) == fill.npos)) {
    return InvalidArgument("Fill argument not supported: \"", fill, "\"");
  }
  if (width > 4096 || precision > 4096) {
    return InvalidArgument("width ", width, " or precision ", precision,
                           " is above 4096");
  }
  s.flags = "%" + fill;
  if (width >= 0) s.flags += StrCat(width);
  if (precision >= 0) s.flags += StrCat(".", precision);
  s.conversion = scientific ? 'e' : shortest ? 'g' : 'f';
  return Ok();
}

template <class V>
std::string Printed(const std::string& format, V v) {
  const int n = std::snprintf(nullptr, 0, format.c_str(), v);
  std::string text(static_cast<size_t>(std::max(n, 0)) + 1, '\0');
  std::snprintf(text.data(), text.size(), format.c_str(), v);
  text.pop_back();
  return text;
}

template <class T>
std::string TextOf(const AsStringState& s, const T& v) {
  if constexpr (std::is_same_v<T, std::string>) {
    const std::string width = s.flags.substr(1);
    return width.empty() ? v : Printed(s.flags + "s", v.c_str());
  } else if constexpr (std::is_same_v<T, bool>) {
    return Printed(s.flags + "s", v ? "true" : "false");
  } else if constexpr (kIsFloat<T>) {
    return Printed(s.flags + s.conversion,
                   static_cast<double>(static_cast<ValueType<T>>(v)));
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    return Printed(s.flags + "lld", static_cast<long long>(v));
  } else if constexpr (std::is_integral_v<T>) {
    return Printed(s.flags + "llu", static_cast<unsigned long long>(v));
  } else {
    const std::string part = s.flags + s.conversion;
    return StrCat("(", Printed(part, static_cast<double>(v.real())), ",",
                  Printed(part, static_cast<double>(v.imag())), ")");
  }
}

template <class T>
Status AsStringCpu(KernelContext& k) {
  const AsStringState& s = k.state<AsStringState>();
  const T* x = k.in<T>(0);
  std::string* y = k.out<std::string>(0);
  for (int64_t i = 0; i < k.input(0).NumElements(); ++i) {
    y[i] = TextOf(s, x[i]);
  }
  return Ok();
}

LOCKSTEP_OP("AsString")
    .Input("input: T")
    .Output("output: string")
    .Attr(
        "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, "
        "uint16, half, uint32, uint64, complex64, complex128, bool, string}")
    .Attr("precision: int = -1")
    .Attr("scientific: bool = false")
    .Attr("shortest: bool = false")
    .Attr("width: int = -1")
    .Attr("fill: string = ''")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernels<LS_REAL_TYPES, bool, std::string, std::complex<float>,
             std::complex<double>>(kCpu, []<class T>() {
      return KernelDef{AsStringCpu<T>, PrepareAsString};
    });

template <class T>
Status ToNumberCpu(KernelContext& k) {
  const auto x = k.input(0).flat<std::string>();
  for (size_t i = 0; i < x.size(); ++i) {
    if (!ParseNumber(x[i], &k.out<T>(0)[i])) {
      return InvalidArgument("StringToNumberOp could not correctly convert ",
                             "string: ", x[i]);
    }
  }
  return Ok();
}

LOCKSTEP_OP("StringToNumber")
    .Input("string_tensor: string")
    .Output("output: out_type")
    .Attr("out_type: {float, double, int32, int64, uint32, uint64} = DT_FLOAT")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernels<float, double, int32_t, int64_t, uint32_t, uint64_t>(
        kCpu, []<class T>() { return KernelDef{ToNumberCpu<T>}; }, "out_type");

Status PrepareFormat(PrepareContext& c) {
  const std::string& text = c.Attr<std::string>("template");
  const std::string& mark = c.Attr<std::string>("placeholder");
  int count = 0;
  for (size_t at = mark.empty() ? text.npos : text.find(mark); at != text.npos;
       at = text.find(mark, at + mark.size())) {
    ++count;
  }
  if (count == c.num_inputs()) return Ok();
  return InvalidArgument("num placeholders in template and num inputs must ",
                         "match: ", count, " vs. ", c.num_inputs());
}

Status FormatCpu(KernelContext& k) {
  const std::string text = GetOr<std::string>(k.attrs(), "template", "");
  const std::string mark = GetOr<std::string>(k.attrs(), "placeholder", "");
  const int64_t ends = GetOr<int64_t>(k.attrs(), "summarize", 3);
  std::string out;
  size_t from = 0;
  for (int i = 0; i < k.num_inputs(); ++i) {
    const size_t at = text.find(mark, from);
    out += text.substr(from, at - from);
    out += SummarizeNested(k.input(i), ends);
    from = at + mark.size();
  }
  k.out<std::string>(0)[0] = out + text.substr(from);
  return Ok();
}

LOCKSTEP_OP("StringFormat")
    .Input("inputs: T")
    .Output("output: string")
    .Attr("T: list(type) >= 0")
    .Attr("template: string = '%s'")
    .Attr("placeholder: string = '%s'")
    .Attr("summarize: int = 3")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {FormatCpu, PrepareFormat});

}  // namespace

namespace ops {

Output AsString(const Scope& scope, const Input& input,
                const AsStringAttrs& attrs) {
  return scope.Op("AsString")
      .In(input)
      .Attr("precision", attrs.precision)
      .Attr("scientific", attrs.scientific)
      .Attr("shortest", attrs.shortest)
      .Attr("width", attrs.width)
      .Attr("fill", attrs.fill)
      .Out();
}
Output StringToNumber(const Scope& scope, const Input& strings,
                      DType out_type) {
  return scope.Op("StringToNumber")
      .In(strings)
      .Attr("out_type", out_type)
      .Out();
}
Output StringFormat(const Scope& scope, const std::vector<Output>& inputs,
                    const std::string& text, const std::string& placeholder,
                    int summarize) {
  return scope.Op("StringFormat")
      .In(inputs)
      .Attr("template", text)
      .Attr("placeholder", placeholder)
      .Attr("summarize", summarize)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
