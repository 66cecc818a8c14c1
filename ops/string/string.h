// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text: builder functions with TensorFlow's names and meanings. Elements are
// bytes; where "UTF8_CHAR" is given for `unit`, code points are counted.
// Patterns are RE2's.
//
//   Output path = ops::StringJoin(s, {dir, name}, "/");
//   Output line = ops::StringFormat(s, {step, loss}, "step {} loss {}");

#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// Element by element; scalars go to every element.
Output StringJoin(const Scope& scope, const std::vector<Output>& inputs,
                  const std::string& separator = "");
// Joins along the axes, in the order they are given.
Output ReduceJoin(const Scope& scope, const Input& inputs, const Input& axes,
                  bool keep_dims = false, const std::string& separator = "");
// Row i joins the strings whose id is i.
Output UnsortedSegmentJoin(const Scope& scope, const Input& inputs,
                           const Input& segment_ids, const Input& num_segments,
                           const std::string& separator = "");
// Numbers, bools and strings as text; printf's meaning of the attributes.
struct AsStringAttrs {
  int64_t precision = -1;
  bool scientific = false, shortest = false;
  int64_t width = -1;
  std::string fill;
};
Output AsString(const Scope& scope, const Input& input,
                const AsStringAttrs& attrs = {});
// The template with each placeholder replaced by a tensor's text.
Output StringFormat(const Scope& scope, const std::vector<Output>& inputs,
                    const std::string& text,
                    const std::string& placeholder = "{}", int summarize = 3);
Output StringToNumber(const Scope& scope, const Input& strings,
                      DType out_type = kFloat);

Output StringLength(const Scope& scope, const Input& input,
                    const std::string& unit = "BYTE");
Output Substr(const Scope& scope, const Input& input, const Input& pos,
              const Input& len, const std::string& unit = "BYTE");
// encoding: "" (ASCII) or "utf-8".
Output StringUpper(const Scope& scope, const Input& input,
                   const std::string& encoding = "");
Output StringLower(const Scope& scope, const Input& input,
                   const std::string& encoding = "");
// Without blanks at both ends.
Output StringStrip(const Scope& scope, const Input& input);
// {indices [n, 2], values [n], shape [2]}: the parts of each element between
// separators; "" separates at runs of blanks.
std::vector<Output> StringSplitV2(const Scope& scope, const Input& input,
                                  const Input& separator, int maxsplit = -1);

Output RegexFullMatch(const Scope& scope, const Input& input,
                      const Input& pattern);
Output RegexReplace(const Scope& scope, const Input& input,
                    const Input& pattern, const Input& rewrite,
                    bool replace_global = true);

// Web-safe base64, without or with '='.
Output EncodeBase64(const Scope& scope, const Input& input, bool pad = false);
Output DecodeBase64(const Scope& scope, const Input& input);
// The bytes as elements of out_type, along a new last axis.
Output DecodeRaw(const Scope& scope, const Input& bytes, DType out_type,
                 bool little_endian = true);
Output StringToHashBucketFast(const Scope& scope, const Input& input,
                              int64_t num_buckets);

}  // namespace lockstep::ops
