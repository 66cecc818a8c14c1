// SPDX-License-Identifier: Apache-2.0
#include "ops/fused/cuda_source.h"

#include <algorithm>

#include "ops/math/gpu_index.h"
#include "runtime/op/element_functor.h"

namespace lockstep {
namespace {

// Longer programs are compiled once instead of for packs and for elements.
constexpr size_t kMostPacked = 64;

const char* NameOf(DType type) {
  switch (type) {
    case kHalf: return "Half";
    case kBfloat16: return "BFloat16";
    case kFloat: return "float";
    case kDouble: return "double";
    case kInt8: return "int8_t";
    case kInt16: return "int16_t";
    case kInt32: return "int32_t";
    case kInt64: return "int64_t";
    case kUint8: return "uint8_t";
    case kUint16: return "uint16_t";
    case kUint32: return "uint32_t";
    case kUint64: return "uint64_t";
    case kBool: return "bool";
    default: return nullptr;
  }
}

class Writer {
 public:
  Writer(const ElementProgram& program, const std::string& name)
      : p_(program), name_(name) {}

  Result<CudaElements> Write() {
    LS_RETURN_IF_ERROR(CheckTypes());
    LS_RETURN_IF_ERROR(MakeBody());
    made_.width = Width();
    made_.wide = p_.size >= int64_t{1} << 31;
    Head();
    if (made_.width > 1) Packs();
    Elements();
    made_.source += "}\n}  // namespace lockstep::gpu\n";
    return std::move(made_);
  }

 private:
  int Inputs() const { return static_cast<int>(p_.inputs.size()); }
  int Results() const { return static_cast<int>(p_.results.size()); }
  std::string Type(int value) const { return NameOf(p_.TypeOf(value)); }
  bool IsFull(int input) const {
    return p_.inputs[static_cast<size_t>(input)].shape.NumElements() == p_.size;
  }
  bool IsScalar(int input) const {
    return !IsFull(input) &&
           p_.inputs[static_cast<size_t>(input)].shape.NumElements() == 1;
  }
  int ResultOf(int r) const { return p_.results[static_cast<size_t>(r)]; }

  template <class... A>
  void Line(const A&... parts) {
    made_.source += StrCat(parts..., "\n");
  }

  Status CheckTypes() const {
    const int values = Inputs() + static_cast<int>(p_.code.size());
    for (int v = 0; v < values; ++v) {
      if (NameOf(p_.TypeOf(v)) != nullptr) continue;
      return Unimplemented("a GPU does not compute with ",
                           DTypeName(p_.TypeOf(v)), " elements");
    }
    return Ok();
  }

  // What is the same for a pack's elements and for single ones.
  Status MakeBody() {
    for (size_t i = 0; i < p_.code.size(); ++i) {
      const ElementProgram::Instruction& code = p_.code[i];
      const std::string* functor = ElementFunctorOf(*code.op);
      if (functor == nullptr) {
        return Unimplemented("there is no element of ", code.op->name,
                             " for GPUs");
      }
      const int value = Inputs() + static_cast<int>(i);
      const std::string call = CallOf(*functor, code);
      const std::vector<int>& args = code.args;
      std::string list = StrCat("v", args[0]);
      const bool folds = args.size() > code.op->inputs.size();
      for (size_t a = 1; a < (folds ? 2 : args.size()); ++a) {
        list += StrCat(", v", args[a]);
      }
      body_ += StrCat("    ", folds ? "" : "const ", Type(value), " v", value,
                      " = ", call, "(", list, ");\n");
      for (size_t a = 2; folds && a < args.size(); ++a) {
        body_ += StrCat("    v", value, " = ", call, "(v", value, ", v",
                        args[a], ");\n");
      }
    }
    return Ok();
  }

  // "MulFn::Apply<float>": of the type of the last operand, as the condition
  // of a selection is the first.
  std::string CallOf(const std::string& functor,
                     const ElementProgram::Instruction& code) const {
    std::string name = functor;
    if (const size_t at = name.find('%'); at != name.npos) {
      name.replace(at, 1, NameOf(code.dtype));
    }
    return StrCat(name, "::Apply<", Type(code.args.back()), ">");
  }

  int Width() const {
    size_t bytes = 1;
    for (int i = 0; i < Inputs(); ++i) {
      if (IsFull(i)) bytes = std::max(bytes, DTypeSize(p_.TypeOf(i)));
    }
    for (int r = 0; r < Results(); ++r) {
      bytes = std::max(bytes, DTypeSize(p_.TypeOf(ResultOf(r))));
    }
    if (p_.code.size() > kMostPacked) return 1;
    return static_cast<int>(std::min<size_t>(4, kFusedAlignment / bytes));
  }

  void Head() {
    Line("namespace lockstep::gpu {");
    Line("struct ", name_, "Operands { void* at[", Inputs() + Results(),
         "]; };");
    Line("extern \"C\" __global__ void __launch_bounds__(256) ", name_, "(");
    const char* index = made_.wide ? "unsigned long long" : "unsigned";
    Line("    ", index, " packs, ", index, " n, ", name_, "Operands o) {");
    Line("  using Index = ", index, ";");
    Line("  const Index first = Index(blockIdx.x) * blockDim.x + threadIdx.x;");
    Line("  const Index step = Index(gridDim.x) * blockDim.x;");
    for (int i = 0; i < Inputs(); ++i) {
      if (IsScalar(i)) {
        Line("  const ", Type(i), " v", i, " = *static_cast<const ", Type(i),
             "*>(o.at[", i, "]);");
      } else {
        Line("  const auto* const a", i, " = static_cast<const ", Type(i),
             "*>(o.at[", i, "]);");
      }
    }
    for (int r = 0; r < Results(); ++r) {
      Line("  auto* const y", r, " = static_cast<", Type(ResultOf(r)),
           "*>(o.at[", Inputs() + r, "]);");
    }
  }

  std::string Pack(int value) const {
    return StrCat("Pack<", Type(value), ", ", made_.width, ">");
  }

  void Packs() {
    Line("  for (Index p = first; p < packs; p += step) {");
    for (int i = 0; i < Inputs(); ++i) {
      if (!IsFull(i)) continue;
      Line("    const auto p", i, " = reinterpret_cast<const ", Pack(i), "*>(a",
           i, ")[p];");
    }
    for (int r = 0; r < Results(); ++r) {
      Line("    ", Pack(ResultOf(r)), " q", r, ";");
    }
    Line("#pragma unroll");
    Line("    for (int j = 0; j < ", made_.width, "; ++j) {");
    for (int i = 0; i < Inputs(); ++i) {
      if (IsFull(i)) {
        Line("    const ", Type(i), " v", i, " = p", i, ".at[j];");
      }
    }
    Spread(StrCat("const Index i = p * ", made_.width, " + j;"));
    made_.source += body_;
    for (int r = 0; r < Results(); ++r) {
      Line("    q", r, ".at[j] = v", ResultOf(r), ";");
    }
    Line("    }");
    for (int r = 0; r < Results(); ++r) {
      Line("    reinterpret_cast<", Pack(ResultOf(r)), "*>(y", r, ")[p] = q", r,
           ";");
    }
    Line("  }");
  }

  void Elements() {
    Line("  for (Index e = packs * ", made_.width,
         " + first; e < n; e += step) {");
    for (int i = 0; i < Inputs(); ++i) {
      if (IsFull(i)) Line("    const ", Type(i), " v", i, " = a", i, "[e];");
    }
    Spread("const Index i = e;");
    made_.source += body_;
    for (int r = 0; r < Results(); ++r) {
      Line("    y", r, "[e] = v", ResultOf(r), ";");
    }
    Line("  }");
  }

  // The inputs that are repeated, by where they have element i.
  void Spread(const std::string& index) {
    bool any = false;
    for (int i = 0; i < Inputs(); ++i) {
      if (IsFull(i) || IsScalar(i)) continue;
      if (!any) Line("    ", index);
      any = true;
      Line("    const ", Type(i), " v", i, " = a", i, "[",
           PlaceOf(p_.inputs[static_cast<size_t>(i)]), "];");
    }
  }

  // Divisions are by constants, which compilers multiply instead.
  static std::string PlaceOf(const ElementProgram::Input& in) {
    const gpu::BroadcastIndex<1> at({&in.shape}, in.over);
    std::string place;
    int64_t before = 1;
    for (int d = 0; d < at.rank(); ++d) {
      const int64_t stride = at.stride(d, 0), dim = at.dim(d);
      if (stride != 0) {
        if (!place.empty()) place += " + ";
        place += "i";
        if (before > 1) place += StrCat(" / Index(", before, "u)");
        if (d + 1 < at.rank()) place += StrCat(" % Index(", dim, "u)");
        if (stride > 1) place += StrCat(" * Index(", stride, "u)");
      }
      before *= dim;
    }
    return place.empty() ? "0" : place;
  }

  const ElementProgram& p_;
  const std::string& name_;
  CudaElements made_;
  std::string body_;
};

}  // namespace

Result<CudaElements> CudaElementsOf(const ElementProgram& program,
                                    const std::string& name) {
  return Writer(program, name).Write();
}

}  // namespace lockstep
