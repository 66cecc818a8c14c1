// SPDX-License-Identifier: Apache-2.0

// InitializeTableFromTextFileV2: fills a table from the lines of a file.
//   table_handle: resource []   filename: string []
//   key_index, value_index: a column, -2 for the whole line, -1 for the line's
//   number; vocab_size: how many lines to read, -1 for all; offset: added to
//   line numbers
// No gradient.

#include "ops/control/object.h"
#include "ops/io/session_env.h"
#include "ops/lookup/lookup_table.h"
#include "ops/string/parse_number.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int64_t kLineNumber = -1, kWholeLine = -2;

struct FileFormat {
  std::string path;
  char delimiter = '\t';
  int64_t offset = 0;
};

// One line of the file.
struct Line {
  std::string_view text;
  int64_t number = 0;
  std::vector<std::string> columns;
};

template <class T>
Status SetNumber(const std::string& text, int64_t line, int64_t i, Tensor* t) {
  if (ParseNumber(text, &t->flat<T>()[static_cast<size_t>(i)])) return Ok();
  return InvalidArgument("Field ", text, " in line ", line, " is not a valid ",
                         DTypeName(t->dtype()), ".");
}

// Element i becomes what column `index` of the line says.
Status SetField(const FileFormat& f, const Line& line, int64_t index, int64_t i,
                Tensor* t) {
  if (index == kLineNumber) {
    t->flat<int64_t>()[static_cast<size_t>(i)] = line.number + f.offset;
    return Ok();
  }
  const std::string text = index == kWholeLine
                               ? std::string(line.text)
                               : line.columns[static_cast<size_t>(index)];
  switch (t->dtype()) {
    case kString:
      t->flat<std::string>()[static_cast<size_t>(i)] = text;
      return Ok();
    case kInt32: return SetNumber<int32_t>(text, line.number, i, t);
    case kInt64: return SetNumber<int64_t>(text, line.number, i, t);
    case kFloat: return SetNumber<float>(text, line.number, i, t);
    case kDouble: return SetNumber<double>(text, line.number, i, t);
    default:
      return InvalidArgument("Data type ", DTypeName(t->dtype()),
                             " not supported.");
  }
}

Result<std::vector<Line>> LinesOf(const FileFormat& f, std::string_view content,
                                  int64_t wanted, int64_t columns) {
  std::vector<Line> lines;
  size_t at = 0;
  while (at < content.size() &&
         (wanted < 0 || static_cast<int64_t>(lines.size()) < wanted)) {
    const size_t end = std::min(content.find('\n', at), content.size());
    Line line{
        content.substr(at, end - at), static_cast<int64_t>(lines.size()), {}};
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    at = end + 1;
    if (line.text.empty()) {
      return InvalidArgument("Invalid content in ", f.path,
                             ": empty line found at position ", at, ".");
    }
    if (columns > 0) line.columns = Split(line.text, f.delimiter);
    if (static_cast<int64_t>(line.columns.size()) < columns) {
      return InvalidArgument("Invalid number of columns in ", f.path, " line ",
                             line.number, " (", std::string(line.text),
                             ") : expected at least ", columns, " got ",
                             line.columns.size());
    }
    lines.push_back(std::move(line));
  }
  if (wanted >= 0 && static_cast<int64_t>(lines.size()) < wanted) {
    return InvalidArgument("Invalid vocab_size in ", f.path, ": expected ",
                           wanted, " but got ", lines.size());
  }
  if (lines.empty()) {
    return OutOfRange("no line is read from ", f.path);
  }
  return lines;
}

// What TensorFlow allows for columns that are not the file's.
Status CheckIndex(int64_t index, DType dtype, const char* what) {
  if (index == kLineNumber && dtype != kInt64) {
    return InvalidArgument(what, " index for line number requires table ", what,
                           " dtype of int64, got ", DTypeName(dtype));
  }
  return Ok();
}

Status FillFromFile(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(LookupTable * table,
                      ObjectOf<LookupTable>(k, 0, "table"));
  const int64_t key = *GetIf<int64_t>(k.attrs(), "key_index");
  const int64_t value = *GetIf<int64_t>(k.attrs(), "value_index");
  const auto& delimiter = *GetIf<std::string>(k.attrs(), "delimiter");
  if (delimiter.size() != 1) {
    return InvalidArgument("delimiter should be only 1 char");
  }
  LS_RETURN_IF_ERROR(CheckIndex(key, table->spec().key, "key"));
  LS_RETURN_IF_ERROR(CheckIndex(value, table->spec().value, "value"));
  const FileFormat format{k.input(1).scalar<std::string>(), delimiter[0],
                          GetOr<int64_t>(k.attrs(), "offset", 0)};
  LS_ASSIGN_OR_RETURN(const std::string content,
                      detail::EnvOf(k).ReadFile(format.path));
  LS_ASSIGN_OR_RETURN(
      const std::vector<Line> lines,
      LinesOf(format, content, *GetIf<int64_t>(k.attrs(), "vocab_size"),
              std::max<int64_t>({key + 1, value + 1, 0})));
  const Shape shape{static_cast<int64_t>(lines.size())};
  Tensor keys(table->spec().key, shape), values(table->spec().value, shape);
  for (const Line& line : lines) {
    LS_RETURN_IF_ERROR(SetField(format, line, key, line.number, &keys));
    LS_RETURN_IF_ERROR(SetField(format, line, value, line.number, &values));
  }
  return table->Initialize(keys, values);
}

Status FileShape(ShapeContext& c) { return c.WithRank(1, 0).status(); }

LOCKSTEP_OP("InitializeTableFromTextFileV2")
    .Input("table_handle: resource")
    .Input("filename: string")
    .Attr("key_index: int >= -2")
    .Attr("value_index: int >= -2")
    .Attr("vocab_size: int >= -1 = -1")
    .Attr("delimiter: string = '\t'")
    .Attr("offset: int = 0")
    .Shape(FileShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {FillFromFile});

}  // namespace
}  // namespace lockstep
