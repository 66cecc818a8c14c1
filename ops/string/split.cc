// SPDX-License-Identifier: Apache-2.0

// StringSplit: the parts of each element between any of the delimiter's
// characters ("": single bytes), empty ones left out with skip_empty.
// StringSplitV2: the parts between whole separators, at most maxsplit + 1 of
// them when that is above 0; an empty separator splits at runs of blanks.
//   input: string [rows]   delimiter, sep: string []
//   indices: int64 [n, 2] (row, number)   values: string [n]
//   shape: int64 [2] = {rows, the most parts of a row}

#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

using Parts = std::vector<std::string_view>;

Status SplitShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 1).status());
  LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{kUnknownDim, 2}));
  LS_RETURN_IF_ERROR(c.SetOutput(1, Shape{kUnknownDim}));
  return c.SetOutput(2, Shape{2});
}

Parts SplitAtAny(std::string_view s, std::string_view chars, bool skip_empty) {
  Parts parts;
  if (chars.empty()) {
    for (size_t i = 0; i < s.size(); ++i) parts.push_back(s.substr(i, 1));
    return parts;
  }
  while (true) {
    const size_t end = s.find_first_of(chars);
    const std::string_view part = s.substr(0, end);
    if (!part.empty() || !skip_empty) parts.push_back(part);
    if (end == s.npos) return parts;
    s.remove_prefix(end + 1);
  }
}

Parts SplitAtBlanks(std::string_view s, int64_t maxsplit) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  Parts parts;
  while (true) {
    s.remove_prefix(std::min(s.find_first_not_of(kBlanks), s.size()));
    if (s.empty()) return parts;
    const size_t end = std::min(s.find_first_of(kBlanks), s.size());
    parts.push_back(s.substr(0, end));
    s.remove_prefix(end);
    if (maxsplit > 0 && static_cast<int64_t>(parts.size()) == maxsplit) {
      s.remove_prefix(std::min(s.find_first_not_of(kBlanks), s.size()));
      parts.push_back(s);  // what is left, be it nothing
      return parts;
    }
  }
}

Parts SplitAtText(std::string_view s, std::string_view separator,
                  int64_t maxsplit) {
  Parts parts;
  while (true) {
    const bool last =
        maxsplit > 0 && static_cast<int64_t>(parts.size()) == maxsplit;
    const size_t end = last ? s.npos : s.find(separator);
    parts.push_back(s.substr(0, end));
    if (end == s.npos) return parts;
    s.remove_prefix(end + separator.size());
  }
}

Status WriteParts(KernelContext& k, const std::vector<Parts>& rows) {
  int64_t n = 0, most = 0;
  for (const Parts& parts : rows) {
    n += static_cast<int64_t>(parts.size());
    most = std::max(most, static_cast<int64_t>(parts.size()));
  }
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{n, 2}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{n}));
  int64_t at = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t i = 0; i < rows[row].size(); ++i, ++at) {
      k.out<int64_t>(0)[2 * at] = static_cast<int64_t>(row);
      k.out<int64_t>(0)[2 * at + 1] = static_cast<int64_t>(i);
      k.out<std::string>(1)[at] = rows[row][i];
    }
  }
  k.out<int64_t>(2)[0] = static_cast<int64_t>(rows.size());
  k.out<int64_t>(2)[1] = most;
  return Ok();
}

Status SplitCpu(KernelContext& k) {
  const std::string& chars = k.in<std::string>(1)[0];
  const bool skip_empty = GetOr<bool>(k.attrs(), "skip_empty", true);
  std::vector<Parts> rows;
  for (const std::string& s : k.input(0).flat<std::string>()) {
    rows.push_back(SplitAtAny(s, chars, skip_empty));
  }
  return WriteParts(k, rows);
}

Status SplitV2Cpu(KernelContext& k) {
  const std::string& separator = k.in<std::string>(1)[0];
  const int64_t maxsplit = GetOr<int64_t>(k.attrs(), "maxsplit", -1);
  std::vector<Parts> rows;
  for (const std::string& s : k.input(0).flat<std::string>()) {
    rows.push_back(separator.empty() ? SplitAtBlanks(s, maxsplit)
                                     : SplitAtText(s, separator, maxsplit));
  }
  return WriteParts(k, rows);
}

LOCKSTEP_OP("StringSplit")
    .Input("input: string")
    .Input("delimiter: string")
    .Output("indices: int64")
    .Output("values: string")
    .Output("shape: int64")
    .Attr("skip_empty: bool = true")
    .Shape(SplitShape)
    .NoGradient()
    .Kernel(kCpu, {SplitCpu});
LOCKSTEP_OP("StringSplitV2")
    .Input("input: string")
    .Input("sep: string")
    .Output("indices: int64")
    .Output("values: string")
    .Output("shape: int64")
    .Attr("maxsplit: int = -1")
    .Shape(SplitShape)
    .NoGradient()
    .Kernel(kCpu, {SplitV2Cpu});

}  // namespace

std::vector<Output> ops::StringSplitV2(const Scope& scope, const Input& input,
                                       const Input& separator, int maxsplit) {
  return scope.Op("StringSplitV2")
      .In(input)
      .In(separator)
      .Attr("maxsplit", maxsplit)
      .Outs();
}

}  // namespace lockstep
