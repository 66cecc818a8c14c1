// SPDX-License-Identifier: Apache-2.0
// OpBuilder: reads the specs of inputs, outputs and attributes.
#include <cctype>
#include <charconv>

#include "runtime/op/op_def.h"

namespace lockstep {
namespace {

// A cursor over a spec; tokens are separated by optional blanks.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) { Skip(); }
  bool Eat(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    Skip();
    return true;
  }
  std::string Word() {
    size_t n = 0;
    while (n < rest_.size() &&
           (std::isalnum(static_cast<unsigned char>(rest_[n])) ||
            rest_[n] == '_')) {
      ++n;
    }
    std::string word(rest_.substr(0, n));
    rest_.remove_prefix(n);
    Skip();
    return word;
  }
  std::string Quoted() {  // 'text'
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return "";
    const size_t end = rest_.find(rest_[0], 1);
    if (end == rest_.npos) return "";
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    Skip();
    return text;
  }
  std::string Number() {
    size_t n = 0;
    while (n < rest_.size() &&
           (std::isalnum(static_cast<unsigned char>(rest_[n])) ||
            rest_[n] == '-' || rest_[n] == '+' || rest_[n] == '.')) {
      ++n;
    }
    std::string word(rest_.substr(0, n));
    rest_.remove_prefix(n);
    Skip();
    return word;
  }
  char Peek() const { return rest_.empty() ? '\0' : rest_[0]; }
  bool done() const { return rest_.empty(); }

 private:
  void Skip() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

const std::vector<DType> kFloatTypes = {kHalf, kBfloat16, kFloat, kDouble};
const std::vector<DType> kRealTypes = {kFloat,  kDouble, kInt32,  kUint8,
                                       kInt16,  kInt8,   kInt64,  kHalf,
                                       kUint16, kUint32, kUint64, kBfloat16};

std::vector<DType> NumberTypes() {
  std::vector<DType> types = kRealTypes;
  types.push_back(kComplex64);
  types.push_back(kComplex128);
  return types;
}

bool ParseArg(std::string_view spec, const OpDef& def, ArgDef* arg) {
  Cursor c(spec);
  arg->name = c.Word();
  if (arg->name.empty() || !c.Eat(":")) return false;
  if (c.Eat("Ref(")) arg->is_ref = true;
  std::string word = c.Word();
  if (c.Eat("*")) {
    arg->number_attr = word;
    word = c.Word();
  }
  if (arg->is_ref && !c.Eat(")")) return false;
  if (word.empty() || !c.done()) return false;
  arg->type = DTypeFromName(word);
  // Whether an attribute is a type or a list of types is settled when the
  // registration is complete (attributes come after inputs).
  if (arg->type == kInvalidType) arg->type_attr = word;
  (void)def;
  return true;
}

// Appends the type, or the types of the group, that `word` names.
bool AddTypes(const std::string& word, std::vector<DType>* types) {
  std::vector<DType> more = {DTypeFromName(word)};
  if (word == "numbertype") more = NumberTypes();
  if (word == "realnumbertype") more = kRealTypes;
  if (word == "floattype") more = kFloatTypes;
  types->insert(types->end(), more.begin(), more.end());
  return more[0] != kInvalidType;
}

bool ParseKind(Cursor& c, AttrDef* attr) {
  static constexpr std::pair<std::string_view, AttrKind> kKinds[] = {
      {"int", AttrKind::kInt},       {"float", AttrKind::kFloat},
      {"bool", AttrKind::kBool},     {"string", AttrKind::kString},
      {"type", AttrKind::kType},     {"shape", AttrKind::kShape},
      {"tensor", AttrKind::kTensor}, {"func", AttrKind::kFunction}};
  const bool list = c.Eat("list(");
  if (c.Peek() == '{') {
    c.Eat("{");
    attr->kind = c.Peek() == '\'' ? AttrKind::kString : AttrKind::kType;
    while (!c.Eat("}")) {
      if (attr->kind == AttrKind::kString) {
        attr->allowed_strings.push_back(c.Quoted());
      } else if (!AddTypes(c.Word(), &attr->allowed_types)) {
        return false;
      }
      if (!c.Eat(",") && c.Peek() != '}') return false;
    }
  } else {
    const std::string word = c.Word();
    bool found = false;
    for (const auto& [name, kind] : kKinds) {
      if (word == name) {
        attr->kind = kind;
        found = true;
      }
    }
    if (word == "numbertype" || word == "realnumbertype" ||
        word == "floattype") {
      attr->kind = AttrKind::kType;
      found = AddTypes(word, &attr->allowed_types);
    }
    if (!found) return false;
  }
  if (list) {
    if (!c.Eat(")")) return false;
    attr->kind = static_cast<AttrKind>(static_cast<int>(attr->kind) +
                                       static_cast<int>(AttrKind::kIntList));
  }
  return true;
}

bool ParseInt(const std::string& text, int64_t* value) {
  const char* end = text.data() + text.size();
  return std::from_chars(text.data(), end, *value).ptr == end && !text.empty();
}

bool ParseScalar(Cursor& c, AttrKind kind, AttrValue* value) {
  switch (kind) {
    case AttrKind::kInt: {
      int64_t n = 0;
      if (!ParseInt(c.Number(), &n)) return false;
      *value = n;
      return true;
    }
    case AttrKind::kFloat: {
      const std::string text = c.Number();
      float v = 0;
      const char* end = text.data() + text.size();
      if (text.empty() || std::from_chars(text.data(), end, v).ptr != end) {
        return false;
      }
      *value = v;
      return true;
    }
    case AttrKind::kBool: {
      const std::string word = c.Word();
      *value = word == "true";
      return word == "true" || word == "false";
    }
    case AttrKind::kString: *value = c.Quoted(); return true;
    case AttrKind::kType: {
      const DType t = DTypeFromName(c.Word());
      *value = t;
      return t != kInvalidType;
    }
    case AttrKind::kShape:
      // "shape = unknown" or "shape = []".
      if (c.Eat("[]")) {
        *value = Shape{};
        return true;
      }
      *value = Shape::Unknown();
      return c.Word() == "unknown";
    case AttrKind::kTensor: {
      // A vector of bytes: "tensor = uint8[1, 2]".
      if (c.Word() != "uint8" || !c.Eat("[")) return false;
      std::vector<uint8_t> bytes;
      while (!c.Eat("]")) {
        int64_t n = 0;
        if (!ParseInt(c.Number(), &n)) return false;
        bytes.push_back(static_cast<uint8_t>(n));
        if (!c.Eat(",") && c.Peek() != ']') return false;
      }
      *value = Tensor::Vector(bytes);
      return true;
    }
    default: return false;
  }
}

bool ParseDefault(Cursor& c, AttrKind kind, AttrValue* value) {
  if (kind < AttrKind::kIntList) return ParseScalar(c, kind, value);
  if (!c.Eat("[")) return false;
  const AttrKind element = static_cast<AttrKind>(
      static_cast<int>(kind) - static_cast<int>(AttrKind::kIntList));
  std::vector<int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
  std::vector<DType> types;
  while (!c.Eat("]")) {
    AttrValue v;
    if (!ParseScalar(c, element, &v)) return false;
    if (auto* i = std::get_if<int64_t>(&v)) ints.push_back(*i);
    if (auto* f = std::get_if<float>(&v)) floats.push_back(*f);
    if (auto* s = std::get_if<std::string>(&v)) strings.push_back(*s);
    if (auto* t = std::get_if<DType>(&v)) types.push_back(*t);
    if (!c.Eat(",") && c.Peek() != ']') return false;
  }
  switch (element) {
    case AttrKind::kInt: *value = ints; return true;
    case AttrKind::kFloat: *value = floats; return true;
    case AttrKind::kString: *value = strings; return true;
    case AttrKind::kType: *value = types; return true;
    case AttrKind::kShape: *value = std::vector<Shape>{}; return true;
    default: return false;
  }
}

bool ParseAttr(std::string_view spec, AttrDef* attr) {
  Cursor c(spec);
  attr->name = c.Word();
  if (attr->name.empty() || !c.Eat(":") || !ParseKind(c, attr)) return false;
  if (c.Eat(">=")) {
    attr->has_minimum = true;
    if (!ParseInt(c.Number(), &attr->minimum)) return false;
  }
  if (c.Eat("=") && !ParseDefault(c, attr->kind, &attr->default_value)) {
    return false;
  }
  return c.done();
}

}  // namespace

OpBuilder& OpBuilder::Input(std::string_view spec) {
  ArgDef arg;
  if (!ParseArg(spec, def_, &arg)) {
    errors_.push_back(StrCat("bad input spec '", spec, "'"));
  }
  def_.inputs.push_back(std::move(arg));
  return *this;
}

OpBuilder& OpBuilder::Output(std::string_view spec) {
  ArgDef arg;
  if (!ParseArg(spec, def_, &arg)) {
    errors_.push_back(StrCat("bad output spec '", spec, "'"));
  }
  def_.outputs.push_back(std::move(arg));
  return *this;
}

OpBuilder& OpBuilder::Attr(std::string_view spec) {
  AttrDef attr;
  if (!ParseAttr(spec, &attr)) {
    errors_.push_back(StrCat("bad attribute spec '", spec, "'"));
  }
  def_.attrs.push_back(std::move(attr));
  return *this;
}

OpBuilder& OpBuilder::Kernel(DeviceKind device,
                             std::vector<TypeConstraint> constraints,
                             KernelDef kernel) {
  def_.kernels.push_back({device, std::move(constraints), std::move(kernel)});
  return *this;
}

OpRegistrar::OpRegistrar(OpBuilder& builder) {
  OpDef def = std::move(builder.def_);
  std::vector<std::string> errors = std::move(builder.errors_);
  for (std::vector<ArgDef>* args : {&def.inputs, &def.outputs}) {
    for (ArgDef& arg : *args) {
      if (arg.type_attr.empty()) continue;
      const AttrDef* attr = def.FindAttr(arg.type_attr);
      if (attr && attr->kind == AttrKind::kTypeList) {
        arg.type_list_attr = std::move(arg.type_attr);
        arg.type_attr.clear();
      } else if (!attr || attr->kind != AttrKind::kType) {
        errors.push_back(StrCat("argument '", arg.name, "' has no type '",
                                arg.type_attr, "'"));
      }
      if (!arg.number_attr.empty() && !def.FindAttr(arg.number_attr)) {
        errors.push_back(StrCat("argument '", arg.name, "' has no count '",
                                arg.number_attr, "'"));
      }
    }
  }
  if (!def.shape) errors.push_back("no shape rule");
  OpRegistry& registry = OpRegistry::Global();
  for (const std::string& e : errors) {
    registry.AddError(StrCat("op '", def.name, "': ", e));
  }
  registry.Register(std::move(def));
}

}  // namespace lockstep
