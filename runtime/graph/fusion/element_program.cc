// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/fusion/element_program.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace lockstep {
namespace {

using Instruction = ElementProgram::Instruction;

Result<DType> ResultType(const OpDef& op, const AttrMap& attrs) {
  LS_ASSIGN_OR_RETURN(const std::vector<DType> types,
                      ArgTypes(op, op.outputs, attrs));
  if (types.size() != 1) {
    return InvalidArgument(op.name, " has ", types.size(), " outputs, not 1");
  }
  return types[0];
}

Result<int> ParseValue(const std::string& word, int known) {
  int value = -1;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || stop != end || value < 0 || value >= known) {
    return InvalidArgument("'", word, "' is not one of the ", known,
                           " values there are");
  }
  return value;
}

// "Mul T=float 0 1", with `known` values before it.
Result<Instruction> Parse(const std::string& line, int known) {
  const std::vector<std::string> words = Split(line, ' ');
  Instruction made;
  made.op = OpRegistry::Global().Find(words[0]);
  if (!made.op) return InvalidArgument("there is no op '", words[0], "'");
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (equals != std::string::npos) {
      const DType type = DTypeFromName(words[i].substr(equals + 1));
      made.attrs[words[i].substr(0, equals)] = type;
    } else {
      LS_ASSIGN_OR_RETURN(const int value, ParseValue(words[i], known));
      made.args.push_back(value);
    }
  }
  const ElementRule* rule = FindElementRule(*made.op, made.attrs);
  if (!rule || !rule->RunOf(made.attrs)) {
    return InvalidArgument("it has no rule for these types");
  }
  const size_t wanted = rule->folds ? 2 : made.op->inputs.size();
  if (made.args.size() < wanted ||
      (made.args.size() > wanted && !rule->folds)) {
    return InvalidArgument("it has ", made.args.size(), " operands, not ",
                           wanted);
  }
  LS_ASSIGN_OR_RETURN(made.dtype, ResultType(*made.op, made.attrs));
  return made;
}

}  // namespace

std::string Instruction::ToString() const {
  std::string text = op->name;
  for (const auto& [name, value] : attrs) {
    text += StrCat(" ", name, "=", DTypeName(*value.get_if<DType>()));
  }
  for (const int arg : args) text += StrCat(" ", arg);
  return text;
}

Instruction ElementProgram::Of(const OpDef& op, const AttrMap& node_attrs,
                               std::vector<int> args) {
  Instruction made{.op = &op, .args = std::move(args)};
  for (const AttrDef& attr : op.attrs) {
    const DType* type = GetIf<DType>(node_attrs, attr.name);
    if (type) made.attrs[attr.name] = *type;
  }
  const ElementRule* rule = FindElementRule(op, made.attrs);
  const Result<DType> result = ResultType(op, made.attrs);
  if (rule && rule->RunOf(made.attrs) && result.ok()) made.dtype = *result;
  return made;
}

DType ElementProgram::TypeOf(int value) const {
  const size_t v = static_cast<size_t>(value);
  return v < inputs.size() ? inputs[v].dtype : code[v - inputs.size()].dtype;
}

void ElementProgram::WriteTo(AttrMap* attrs) const {
  std::vector<Shape> over;
  for (const Input& in : inputs) over.push_back(in.over);
  std::vector<std::string> lines;
  for (const Instruction& i : code) lines.push_back(i.ToString());
  (*attrs)["size"] = size;
  (*attrs)["over"] = std::move(over);
  (*attrs)["program"] = std::move(lines);
  (*attrs)["results"] = std::vector<int64_t>(results.begin(), results.end());
}

Result<ElementProgram> ElementProgram::Read(
    const AttrMap& attrs, const std::vector<DType>& input_types,
    const std::vector<Shape>& input_shapes) {
  ElementProgram p;
  p.size = GetOr<int64_t>(attrs, "size", 0);
  const auto over = GetOr<std::vector<Shape>>(attrs, "over", {});
  if (p.size <= 0 || over.size() != input_types.size()) {
    return InvalidArgument("size is ", p.size, ", and there are ", over.size(),
                           " shapes for ", input_types.size(), " inputs");
  }
  for (size_t i = 0; i < over.size(); ++i) {
    const Result<Shape> both = Shape::Broadcast(input_shapes[i], over[i]);
    const int64_t count = input_shapes[i].NumElements();
    const bool any = count == p.size || count == 1;
    if (!IsPod(input_types[i]) || over[i].NumElements() != p.size ||
        (!any && (!both.ok() || *both != over[i]))) {
      return InvalidArgument("input ", i, ", ", DTypeName(input_types[i]), " ",
                             input_shapes[i], ", cannot be spread over ",
                             over[i]);
    }
    p.inputs.push_back({input_types[i], input_shapes[i], over[i]});
  }
  for (const std::string& line :
       GetOr<std::vector<std::string>>(attrs, "program", {})) {
    const int known = static_cast<int>(p.inputs.size() + p.code.size());
    Result<Instruction> made = Parse(line, known);
    if (!made.ok()) {
      return made.status().WithContext(StrCat("instruction '", line, "'"));
    }
    p.code.push_back(*std::move(made));
  }
  const int values = static_cast<int>(p.inputs.size() + p.code.size());
  for (const int64_t r : GetOr<std::vector<int64_t>>(attrs, "results", {})) {
    if (r < 0 || r >= values) {
      return InvalidArgument("result ", r, " is not one of ", values,
                             " values");
    }
    p.results.push_back(static_cast<int>(r));
  }
  return p;
}

std::vector<int> LastReads(const ElementProgram& program) {
  std::vector<int> last(program.inputs.size() + program.code.size(), -1);
  for (size_t i = 0; i < program.code.size(); ++i) {
    for (const int arg : program.code[i].args) {
      last[static_cast<size_t>(arg)] = static_cast<int>(i);
    }
  }
  for (const int r : program.results) {
    last[static_cast<size_t>(r)] = static_cast<int>(program.code.size());
  }
  return last;
}

namespace {

// The values that are kept at once, in bytes an element.
size_t LiveBytes(const ElementProgram& program) {
  std::vector<int> last = LastReads(program);
  // By element size, as a register is used again for its own size only.
  std::map<size_t, int> live, most;
  const auto add = [&](int value, int change) {
    const size_t size = DTypeSize(program.TypeOf(value));
    live[size] += change;
    most[size] = std::max(most[size], live[size]);
  };
  const int inputs = static_cast<int>(program.inputs.size());
  for (int i = 0; i < inputs; ++i) add(i, 1);
  for (int i = 0; i < static_cast<int>(program.code.size()); ++i) {
    add(inputs + i, 1);
    for (const int arg : program.code[static_cast<size_t>(i)].args) {
      int& read = last[static_cast<size_t>(arg)];
      if (read != i || arg < inputs) continue;
      add(arg, -1);
      read = -1;  // an operand twice dies once
    }
  }
  size_t bytes = 0;
  for (const auto& [size, count] : most) {
    bytes += size * static_cast<size_t>(count);
  }
  return bytes;
}

}  // namespace

bool FitsRegisters(const ElementProgram& program) {
  constexpr size_t kBlock = static_cast<size_t>(kElementBlock);
  // A partial sum; registers are counted, too.
  const size_t live = LiveBytes(program) + 16;
  size_t operands = 0;
  const auto add = [&](DType t) {
    operands += std::max<size_t>(64, kBlock * DTypeSize(t));
  };
  for (const auto& in : program.inputs) add(in.dtype);
  for (const int r : program.results) add(program.TypeOf(r));
  return live <= kFusedMemory / kBlock / 2 &&
         live * kBlock + operands <= kFusedMemory;
}

}  // namespace lockstep
