// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/strings.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

// Literals with zeros in them.
template <size_t N>
std::string Bytes(const char (&text)[N]) {
  return std::string(text, N - 1);
}
OpCase Serialize(const Tensor& x) {
  OpCase c([](const Scope& s, const Outputs& in) {
    return s.Op("SerializeTensor").In(in[0]).Out();
  });
  c.In(x);
  return c;
}
OpCase Parse(const Tensor& bytes, DType type) {
  OpCase c([=](const Scope& s, const Outputs& in) {
    return s.Op("ParseTensor").In(in[0]).Attr("out_type", type).Out();
  });
  c.In(bytes);
  return c;
}

const std::string kTwoFloats =
    Bytes("\x08\x01\x12\x04\x12\x02\x08\x02\"\x08\0\0\x80?\0\0\0@");
const std::string kTwoStrings = Bytes(
    "\x08\x07\x12\x04\x12\x02\x08\x02"
    "B\x01"
    "aB\x02"
    "bb");

TEST(SerializeTensorTest, TheBytesOfATensorProto) {
  const auto expect = [](const Tensor& x, const std::string& bytes) {
    Serialize(x).Want(Tensor(bytes));
    Parse(Tensor(bytes), x.dtype()).Want(x);
  };
  expect(F({2}, {1, 2}), kTwoFloats);
  expect(D({}, {3}), Bytes("\x08\x02\x12\0\"\x08\0\0\0\0\0\0\x08@"));
  expect(Tensor(kInt32, Shape{0, 2}),
         Bytes("\x08\x03\x12\x06\x12\0\x12\x02\x08\x02"));
  expect(Tensor::Of<bool>({2}, {true, false}),
         Bytes("\x08\n\x12\x04\x12\x02\x08\x02\"\x02\x01\0"));
  expect(Tensor::Of<std::string>({2}, {"a", "bb"}), kTwoStrings);
}

TEST(ParseTensorTest, RepeatedValuesAndBadUse) {
  Parse(Tensor(Bytes("\x08\x01\x12\x04\x12\x02\x08\x03*\x04\0\0\x80?")), kFloat)
      .Want(F({3}, {1, 1, 1}));
  const auto refused = [](const Tensor& bytes, DType type, const char* text) {
    Parse(bytes, type).WantError(Code::kInvalidArgument, text);
  };
  refused(Tensor(kTwoFloats), kInt32,
          "Type mismatch between parsed tensor (float) and dtype (int32)");
  refused(Tensor(Bytes("\xff\xff")), kFloat,
          "Could not parse `serialized` as TensorProto");
  refused(Tensor(kTwoFloats.substr(0, 14)), kFloat,
          "Could not parse `serialized` as TensorProto");
  refused(Tensor(Bytes("\x08\x01\x12\x04\x12\x02\x08\x02\"\x04\0\0\x80?")),
          kFloat, "Cannot parse tensor from proto");
  refused(Tensor::Of<std::string>({1}, {kTwoFloats}), kFloat,
          "Expected `serialized` to be a scalar, got shape: [1]");
}

}  // namespace
}  // namespace lockstep
