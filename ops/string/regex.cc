// SPDX-License-Identifier: Apache-2.0

// RegexFullMatch, StaticRegexFullMatch: whether the whole string matches.
// RegexReplace, StaticRegexReplace: matches (the first one, or all with
// replace_global) replaced by `rewrite`, in which \1 .. \9 stand for groups.
//   input: string   pattern, rewrite: string [] (Static: attributes)
// A pattern that RE2 refuses is INVALID_ARGUMENT.

#include <re2/re2.h>

#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

// The attribute, or the value of input i, a scalar.
Result<std::string> TextArg(KernelContext& k, const char* attr, int i) {
  if (const std::string* text = GetIf<std::string>(k.attrs(), attr)) {
    return *text;
  }
  if (k.input(i).NumElements() != 1) {
    return InvalidArgument(attr, " must be scalar, but received ",
                           k.input(i).shape());
  }
  return k.in<std::string>(i)[0];
}

Status CheckPattern(const re2::RE2& pattern) {
  if (pattern.ok()) return Ok();
  return InvalidArgument("Invalid pattern: ", pattern.pattern(),
                         ", error: ", pattern.error());
}

Status FullMatchCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const std::string text, TextArg(k, "pattern", 1));
  const re2::RE2 pattern(text, re2::RE2::Quiet);
  LS_RETURN_IF_ERROR(CheckPattern(pattern));
  return MapStrings<bool>(
      k, [&](const std::string& s) { return re2::RE2::FullMatch(s, pattern); });
}

Status ReplaceCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const std::string text, TextArg(k, "pattern", 1));
  LS_ASSIGN_OR_RETURN(const std::string rewrite, TextArg(k, "rewrite", 2));
  const re2::RE2 pattern(text, re2::RE2::Quiet);
  LS_RETURN_IF_ERROR(CheckPattern(pattern));
  std::string error;
  if (!pattern.CheckRewriteString(rewrite, &error)) {
    return InvalidArgument("Invalid rewrite: ", rewrite, ", error: ", error);
  }
  const bool all = GetOr<bool>(k.attrs(), "replace_global", true);
  return MapStrings<std::string>(k, [&](std::string s) {
    if (all) {
      re2::RE2::GlobalReplace(&s, pattern, rewrite);
    } else {
      re2::RE2::Replace(&s, pattern, rewrite);
    }
    return s;
  });
}

LOCKSTEP_OP("RegexFullMatch")
    .Input("input: string")
    .Input("pattern: string")
    .Output("output: bool")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {FullMatchCpu});
LOCKSTEP_OP("StaticRegexFullMatch")
    .Input("input: string")
    .Output("output: bool")
    .Attr("pattern: string")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {FullMatchCpu});
LOCKSTEP_OP("RegexReplace")
    .Input("input: string")
    .Input("pattern: string")
    .Input("rewrite: string")
    .Output("output: string")
    .Attr("replace_global: bool = true")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {ReplaceCpu});
LOCKSTEP_OP("StaticRegexReplace")
    .Input("input: string")
    .Output("output: string")
    .Attr("pattern: string")
    .Attr("rewrite: string")
    .Attr("replace_global: bool = true")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {ReplaceCpu});

}  // namespace

namespace ops {

Output RegexFullMatch(const Scope& scope, const Input& input,
                      const Input& pattern) {
  return scope.Op("RegexFullMatch").In(input).In(pattern).Out();
}
Output RegexReplace(const Scope& scope, const Input& input,
                    const Input& pattern, const Input& rewrite,
                    bool replace_global) {
  return scope.Op("RegexReplace")
      .In(input)
      .In(pattern)
      .In(rewrite)
      .Attr("replace_global", replace_global)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
