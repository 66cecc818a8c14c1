// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/io/coding.h"

namespace lockstep {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct TypeName {
  DType type;
  std::string_view name;  // without the byte order
};
constexpr TypeName kTypes[] = {
    {kFloat, "f4"},     {kDouble, "f8"},      {kHalf, "f2"},   {kInt8, "i1"},
    {kInt16, "i2"},     {kInt32, "i4"},       {kInt64, "i8"},  {kUint8, "u1"},
    {kUint16, "u2"},    {kUint32, "u4"},      {kUint64, "u8"}, {kBool, "b1"},
    {kComplex64, "c8"}, {kComplex128, "c16"},
};

struct Header {
  DType type = kInvalidType;
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
};

// Reads the header's Python dict literal: three known keys, no nesting but the
// tuple. Every method returns false on text that it does not expect.
class DictParser {
 public:
  explicit DictParser(std::string_view text) : text_(text) {}

  bool Skip(char c) {
    SkipSpace();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool String(std::string_view& out) {
    SkipSpace();
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) return false;
    const size_t end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) return false;
    out = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return true;
  }

  bool Bool(bool& out) {
    SkipSpace();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.starts_with(word)) continue;
      text_.remove_prefix(word.size());
      out = value;
      return true;
    }
    return false;
  }

  bool Tuple(std::vector<int64_t>& out) {
    if (!Skip('(')) return false;
    while (!Skip(')')) {
      SkipSpace();
      int64_t value = 0;
      const auto [end, error] =
          std::from_chars(text_.data(), text_.data() + text_.size(), value);
      if (error != std::errc() || value < 0) return false;
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      if (text_.starts_with('L')) text_.remove_prefix(1);  // Python 2
      out.push_back(value);
      if (!Skip(',')) return Skip(')');
    }
    return true;
  }

 private:
  void SkipSpace() {
    const size_t n = text_.find_first_not_of(" \t\n\r");
    text_.remove_prefix(std::min(n, text_.size()));
  }

  std::string_view text_;
};

bool ParseDict(std::string_view text, std::string_view& descr,
               bool& fortran_order, std::vector<int64_t>& dims) {
  DictParser in(text);
  bool seen[3] = {};
  if (!in.Skip('{')) return false;
  while (!in.Skip('}')) {
    std::string_view key;
    if (!in.String(key) || !in.Skip(':')) return false;
    if (key == "descr") {
      if (!in.String(descr)) return false;
      seen[0] = true;
    } else if (key == "fortran_order") {
      if (!in.Bool(fortran_order)) return false;
      seen[1] = true;
    } else if (key == "shape") {
      dims.clear();
      if (!in.Tuple(dims)) return false;
      seen[2] = true;
    } else {
      return false;
    }
    if (!in.Skip(',')) {
      if (!in.Skip('}')) return false;
      break;
    }
  }
  return seen[0] && seen[1] && seen[2];
}

// "<f4" and so on; kInvalidType when no DType is meant.
DType TypeOfDescr(std::string_view descr, bool& big_endian) {
  if (descr.empty() ||
      std::string_view("<>|=").find(descr[0]) == std::string_view::npos) {
    return kInvalidType;
  }
  big_endian = descr[0] == '>';
  for (const TypeName& t : kTypes) {
    if (t.name == descr.substr(1)) return t.type;
  }
  return kInvalidType;
}

Result<Header> ParseHeader(std::string_view text, const std::string& name) {
  std::string_view descr;
  std::vector<int64_t> dims;
  Header header;
  if (!ParseDict(text, descr, header.fortran_order, dims)) {
    return InvalidArgument(name, ": .npy header is malformed or of a ",
                           "structured type");
  }
  header.type = TypeOfDescr(descr, header.big_endian);
  if (header.type == kInvalidType) {
    return Unimplemented(name, ": .npy element type '", descr,
                         "' has no equivalent");
  }
  auto shape = Shape::Make(dims);
  if (!shape.ok()) return shape.status().WithContext(name);
  header.shape = *shape;
  return header;
}

// Takes magic, version and header from the front of `bytes`.
Result<Header> TakeHeader(std::string_view& bytes, const std::string& name) {
  if (!bytes.starts_with(kMagic)) {
    return InvalidArgument(name, ": not a .npy file");
  }
  if (bytes.size() < 12) return DataLoss(name, ": .npy header is cut short");
  const auto major = static_cast<uint8_t>(bytes[6]);
  if (major < 1 || major > 3) {
    return Unimplemented(name, ": .npy format version ", int{major});
  }
  const size_t start = major == 1 ? 10 : 12;
  const size_t length = major == 1 ? LoadLittle<uint16_t>(bytes.data() + 8)
                                   : LoadLittle<uint32_t>(bytes.data() + 8);
  if (length > bytes.size() - start) {
    return DataLoss(name, ": .npy header is cut short");
  }
  auto header = ParseHeader(bytes.substr(start, length), name);
  bytes.remove_prefix(start + length);
  return header;
}

// `from` is column major, `to` becomes row major; both of `shape`.
void CopyFromColumnMajor(const Shape& shape, size_t width, const char* from,
                         char* to) {
  std::vector<int64_t> at(static_cast<size_t>(shape.rank()), 0);
  const int64_t n = shape.NumElements();
  for (int64_t i = 0; i < n; ++i) {
    int64_t target = 0;
    for (int d = 0; d < shape.rank(); ++d) {
      target = target * shape.dim(d) + at[static_cast<size_t>(d)];
    }
    std::memcpy(to + static_cast<size_t>(target) * width,
                from + static_cast<size_t>(i) * width, width);
    for (int d = 0; d < shape.rank(); ++d) {
      int64_t& digit = at[static_cast<size_t>(d)];
      if (++digit < shape.dim(d)) break;
      digit = 0;
    }
  }
}

void SwapBytes(Tensor& tensor) {
  size_t width = DTypeSize(tensor.dtype());
  if (IsComplex(tensor.dtype())) width /= 2;
  char* data = static_cast<char*>(tensor.data());
  for (size_t i = 0; i + width <= tensor.bytes(); i += width) {
    std::reverse(data + i, data + i + width);
  }
}

Result<Tensor> ToFloat(const Tensor& tensor) {
  LS_ASSIGN_OR_RETURN(Tensor out, Tensor::Make(kFloat, tensor.shape()));
  std::ranges::copy(tensor.flat<BFloat16>(), out.flat<float>().begin());
  return out;
}

}  // namespace

Result<std::string> EncodeNpy(const Tensor& tensor) {
  if (tensor.dtype() == kBfloat16) {
    LS_ASSIGN_OR_RETURN(const Tensor wide, ToFloat(tensor));
    return EncodeNpy(wide);
  }
  const auto* type = std::ranges::find(kTypes, tensor.dtype(), &TypeName::type);
  if (type == std::end(kTypes)) {
    return Unimplemented(".npy files hold no elements of type ",
                         DTypeName(tensor.dtype()));
  }
  const char order = DTypeSize(type->type) == 1 ? '|' : '<';
  std::string dict = StrCat("{'descr': '", order, type->name,
                            "', 'fortran_order': False, 'shape': (",
                            Join(tensor.shape().dims(), ", "),
                            tensor.shape().rank() == 1 ? ",), }" : "), }");
  // The data starts at a multiple of 64; a line end closes the header.
  constexpr size_t kBefore = 10;
  dict.append(63 - (kBefore + dict.size()) % 64, ' ');
  dict += '\n';
  std::string out(kMagic);
  out += {1, 0, static_cast<char>(dict.size() & 0xff),
          static_cast<char>(dict.size() >> 8)};
  out += dict;
  if (tensor.bytes() > 0) {
    out.append(static_cast<const char*>(tensor.data()), tensor.bytes());
  }
  return out;
}

Result<Tensor> DecodeNpy(std::string_view bytes, const std::string& name) {
  LS_ASSIGN_OR_RETURN(const Header header, TakeHeader(bytes, name));
  const size_t width = DTypeSize(header.type);
  const auto count = static_cast<size_t>(header.shape.NumElements());
  if (count > bytes.size() / width || count * width != bytes.size()) {
    return DataLoss(name, ": header declares ", DTypeName(header.type), " ",
                    header.shape, ", but ", bytes.size(), " bytes follow it");
  }
  LS_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Make(header.type, header.shape));
  if (count == 0) return tensor;
  char* data = static_cast<char*>(tensor.data());
  if (header.fortran_order) {
    CopyFromColumnMajor(header.shape, width, bytes.data(), data);
  } else {
    std::memcpy(data, bytes.data(), bytes.size());
  }
  if (header.big_endian) SwapBytes(tensor);
  // Any other value in a bool is undefined behaviour in C++.
  if (header.type == kBool) {
    for (size_t i = 0; i < count; ++i) data[i] = data[i] != 0;
  }
  return tensor;
}

Status WriteNpy(Env& env, const std::string& path, const Tensor& tensor) {
  LS_ASSIGN_OR_RETURN(const std::string bytes, EncodeNpy(tensor));
  LS_ASSIGN_OR_RETURN(auto file, env.NewWritableFile(path));
  LS_RETURN_IF_ERROR(file->Append(bytes));
  return file->Close();
}

Result<Tensor> ReadNpy(Env& env, const std::string& path) {
  LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(path));
  return DecodeNpy(bytes, path);
}

}  // namespace lockstep
