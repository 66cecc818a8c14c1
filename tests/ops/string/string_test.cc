// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Op(const char* name, AttrMap attrs = {}) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op(name);
    for (const Output& x : in) b.In(x);
    for (const auto& [key, value] : attrs) b.Attr(key, value);
    return b.Out();
  });
}

TEST(StringJoinTest, JoinsElementsAndSpreadsScalars) {
  const auto join = [](const char* separator) {
    return OpCase([separator](const Scope& s, const Outputs& in) {
      return ops::StringJoin(s, in, separator);
    });
  };
  join("-")
      .In(S({}, {"a"}))
      .In(S({2}, {"b", "c"}))
      .In(S({}, {"d"}))
      .Want(S({2}, {"a-b-d", "a-c-d"}));
  join("").In(S({}, {"x"})).In(S({}, {"y"})).Want(S({}, {"xy"}));
  join("")
      .In(S({2}, {"a", "b"}))
      .In(S({1}, {"c"}))
      .WantError(Code::kInvalidArgument, "Input shapes do not match");
  join(",").In(S({0}, {})).In(S({}, {"c"})).Want(S({0}, {}));
}

TEST(ReduceJoinTest, JoinsAlongAxesInTheirOrder) {
  const Tensor x = S({2, 2}, {"a", "b", "c", "d"});
  const auto join = [](bool keep, const char* separator) {
    return OpCase([=](const Scope& s, const Outputs& in) {
      return ops::ReduceJoin(s, in[0], in[1], keep, separator);
    });
  };
  join(false, "").In(x).In(I({}, {0})).Want(S({2}, {"ac", "bd"}));
  join(false, ".").In(x).In(I({1}, {-1})).Want(S({2}, {"a.b", "c.d"}));
  join(true, "").In(x).In(I({1}, {1})).Want(S({2, 1}, {"ab", "cd"}));
  join(false, "").In(x).In(I({2}, {0, 1})).Want(S({}, {"acbd"}));
  join(false, "").In(x).In(I({2}, {1, 0})).Want(S({}, {"abcd"}));
  join(false, "").In(x).In(I({0}, {})).Want(x);
  join(false, "").In(x).In(I({}, {2})).WantError(Code::kInvalidArgument, "2");
  Op("UnsortedSegmentJoin", {{"separator", ":"}})
      .In(S({3}, {"a", "b", "c"}))
      .In(I({3}, {1, 0, 1}))
      .In(I({}, {3}))
      .Want(S({3}, {"b", "a:c", ""}));
}

TEST(RegexTest, MatchesWholeStringsAndReplaces) {
  const Tensor x = S({3}, {"model.ckpt", "s3://b/m", "s3"});
  Op("StaticRegexFullMatch", {{"pattern", "^s3://.*"}})
      .In(x)
      .Want(B({3}, {false, true, false}));
  Op("RegexFullMatch")
      .In(x)
      .In(S({}, {"s\\d"}))
      .Want(B({3}, {false, false, true}));
  Op("StaticRegexReplace", {{"pattern", "(\\w)(\\d)"}, {"rewrite", "\\2\\1"}})
      .In(S({}, {"a1b2"}))
      .Want(S({}, {"1a2b"}));
  Op("RegexReplace", {{"replace_global", false}})
      .In(S({1}, {"aaa"}))
      .In(S({}, {"a"}))
      .In(S({}, {"b"}))
      .Want(S({1}, {"baa"}));
  Op("StaticRegexFullMatch", {{"pattern", "("}})
      .In(x)
      .WantError(Code::kInvalidArgument, "Invalid pattern");
}

TEST(AsStringTest, FollowsPrintf) {
  Op("AsString").In(F({2}, {1.5f, NAN})).Want(S({2}, {"1.500000", "nan"}));
  Op("AsString", {{"precision", 2}}).In(D({}, {-0.126})).Want(S({}, {"-0.13"}));
  Op("AsString", {{"scientific", true}})
      .In(F({}, {1234567}))
      .Want(S({}, {"1.234567e+06"}));
  Op("AsString", {{"shortest", true}})
      .In(F({}, {1e-10f}))
      .Want(S({}, {"1e-10"}));
  Op("AsString", {{"width", 5}, {"fill", "0"}})
      .In(I({}, {-42}))
      .Want(S({}, {"-0042"}));
  Op("AsString").In(B({2}, {true, false})).Want(S({2}, {"true", "false"}));
  Op("AsString").In(S({}, {"x"})).Want(S({}, {"x"}));
  Op("AsString", {{"precision", 2}})
      .In(I({}, {1}))
      .WantError(Code::kInvalidArgument, "precision");
}

TEST(StringToNumberTest, ReadsNumbersAndRefusesTheRest) {
  Op("StringToNumber")
      .In(S({3}, {"1.5", " -2e3 ", "inf"}))
      .Want(F({3}, {1.5f, -2000, INFINITY}));
  Op("StringToNumber", {{"out_type", kInt32}})
      .In(S({}, {"-7"}))
      .Want(I({}, {-7}));
  for (const char* bad : {"", "x", "1.5 2", "2147483648", "0x10"}) {
    Op("StringToNumber", {{"out_type", kInt32}})
        .In(S({}, {bad}))
        .WantError(Code::kInvalidArgument, "could not correctly convert");
  }
}

TEST(StringFormatTest, FillsTheTemplateIn) {
  const auto format = [](const char* text) {
    return OpCase([text](const Scope& s, const Outputs& in) {
      return ops::StringFormat(s, in, text);
    });
  };
  format("a {} b {}")
      .In(F({2, 2}, {1, 2, 3, 0.1f}))
      .In(S({}, {"x"}))
      .Want(S({}, {"a [[1 2]\n [3 0.1]] b \"x\""}));
  format("{}")
      .In(I({8}, {0, 1, 2, 3, 4, 5, 6, 7}))
      .Want(S({}, {"[0 1 2 ... 5 6 7]"}));
  format("{}").In(F({0, 2}, {})).Want(S({}, {"[]"}));
  format("none")
      .In(F({}, {1}))
      .WantError(Code::kInvalidArgument, "num placeholders");
}

TEST(SubstrTest, CountsBytesOrCharacters) {
  const Tensor x = S({2}, {"Hello", "World"});
  Op("Substr").In(x).In(I({}, {1})).In(I({}, {3})).Want(S({2}, {"ell", "orl"}));
  Op("Substr")
      .In(x)
      .In(I({2}, {-2, 5}))
      .In(I({2}, {9, 1}))
      .Want(S({2}, {"lo", ""}));
  Op("Substr", {{"unit", "UTF8_CHAR"}})
      .In(S({}, {"a\xc3\xa4\xe2\x82\xac"
                 "b"}))
      .In(I({}, {1}))
      .In(I({}, {2}))
      .Want(S({}, {"\xc3\xa4\xe2\x82\xac"}));
  Op("Substr")
      .In(x)
      .In(I({}, {6}))
      .In(I({}, {1}))
      .WantError(Code::kInvalidArgument, "pos 6 out of range");
  Op("StringLength").In(S({2}, {"abc", "\xc3\xa4"})).Want(I({2}, {3, 2}));
  Op("StringLength", {{"unit", "UTF8_CHAR"}})
      .In(S({2}, {"abc", "\xc3\xa4"}))
      .Want(I({2}, {3, 1}));
}

TEST(StringCaseTest, ChangesCaseAndStrips) {
  Op("StringUpper").In(S({}, {"aZ1\xc3\xa4"})).Want(S({}, {"AZ1\xc3\xa4"}));
  Op("StringUpper", {{"encoding", "utf-8"}})
      .In(S({}, {"a\xc3\xa4"}))
      .Want(S({}, {"A\xc3\x84"}));
  Op("StringLower").In(S({}, {"aZ1"})).Want(S({}, {"az1"}));
  Op("StringStrip")
      .In(S({3}, {" a b\n", "", "\t"}))
      .Want(S({3}, {"a b", "", ""}));
}

OpCase Split(const char* separator, int maxsplit, size_t which) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const Outputs out = ops::StringSplitV2(s, in[0], separator, maxsplit);
    return out.empty() ? Output() : out[which];
  });
}

TEST(StringSplitTest, SplitsAtSeparatorsOrBlanks) {
  const Tensor x = S({2}, {"a,b,,c", ""});
  Split(",", -1, 0).In(x).Want(L({5, 2}, {0, 0, 0, 1, 0, 2, 0, 3, 1, 0}));
  Split(",", -1, 1).In(x).Want(S({5}, {"a", "b", "", "c", ""}));
  Split(",", -1, 2).In(x).Want(L({2}, {2, 4}));
  Split(",", 1, 1).In(x).Want(S({3}, {"a", "b,,c", ""}));
  Split("", -1, 1).In(S({2}, {" a  b ", ""})).Want(S({2}, {"a", "b"}));
  Split("", 1, 1)
      .In(S({2}, {" a  b c", "d"}))
      .Want(S({4}, {"a", "b c", "d", ""}));
  Split("", -1, 2).In(S({2}, {" a  b ", ""})).Want(L({2}, {2, 2}));
}

TEST(BytesTest, EncodesAndDecodes) {
  Op("EncodeBase64")
      .In(S({3}, {"a", "ab", "\xff\xff\xff"}))
      .Want(S({3}, {"YQ", "YWI", "____"}));
  Op("EncodeBase64", {{"pad", true}}).In(S({}, {"a"})).Want(S({}, {"YQ=="}));
  Op("DecodeBase64").In(S({2}, {"YQ==", "YWI"})).Want(S({2}, {"a", "ab"}));
  Op("DecodeBase64")
      .In(S({}, {"Y!"}))
      .WantError(Code::kInvalidArgument, "base64");
  Op("DecodeRaw", {{"out_type", kInt16}})
      .In(S({2}, {std::string("\1\0\2\0", 4), std::string("\0\1\3\0", 4)}))
      .Want(As(kInt16, I({2, 2}, {1, 2, 256, 3})));
  Op("DecodeRaw", {{"out_type", kInt16}, {"little_endian", false}})
      .In(S({1}, {std::string("\1\0", 2)}))
      .Want(As(kInt16, I({1, 1}, {256})));
  Op("DecodeRaw", {{"out_type", kInt32}})
      .In(S({1}, {"abc"}))
      .WantError(Code::kInvalidArgument, "not a multiple of 4");
}

// Recorded from TensorFlow.
TEST(HashTest, BucketsAreTensorFlows) {
  Op("StringToHashBucketFast", {{"num_buckets", 1000}})
      .In(S({4}, {"", "a", "Hello", "a longer string of more than 32 bytes"}))
      .Want(L({4}, {263, 939, 151, 90}));
  const Tensor words =
      S({5}, {"a", "hello world", "", "12345678", "123456789abcdefgh"});
  Op("StringToHashBucketStrong",
     {{"num_buckets", 1000}, {"key", std::vector<int64_t>{98765, 132}}})
      .In(words)
      .Want(L({5}, {784, 705, 526, 992, 175}));
  Op("StringToHashBucketStrong",
     {{"num_buckets", int64_t{1} << 62}, {"key", std::vector<int64_t>{0, 0}}})
      .In(S({1, 3}, {"a", "hello world", ""}))
      .Want(L({1, 3},
              {1639882426175169097, 1655259004133935882, 2202906307356721367}));
  Op("StringToHashBucketStrong",
     {{"num_buckets", 10}, {"key", std::vector<int64_t>{1}}})
      .In(words)
      .WantError(Code::kInvalidArgument, "Key must have 2 elements");
  Op("StringToHashBucket", {{"num_buckets", int64_t{1} << 62}})
      .In(words)
      .Want(L({5}, {2996632905371535868, 936430787915428847, 105434511174508091,
                    421129128932463287, 3528730858989792003}));
}

}  // namespace
}  // namespace lockstep
