// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/op_test.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ops/ops.h"
#include "runtime/core/philox.h"
#include "runtime/exec/session_devices.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

double AsDouble(const Tensor& t, size_t i) {
  double value = 0;
  Status s = VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
    value = static_cast<double>(t.flat<T>()[i]);
    return Ok();
  });
  EXPECT_TRUE(s.ok()) << s.ToString();
  return value;
}

bool Close(double got, double want, double tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  if (got == want) return true;
  return std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want));
}

}  // namespace

testing::AssertionResult SameTensor(const Tensor& got, const Tensor& want,
                                    double tolerance) {
  const auto fail = [&]() {
    return testing::AssertionFailure()
           << "got " << got.ToString(24) << ", want " << want.ToString(24);
  };
  if (got.dtype() != want.dtype() || !(got.shape() == want.shape())) {
    return fail();
  }
  if (want.dtype() == kString) {
    return BitwiseEqual(got, want) ? testing::AssertionSuccess() : fail();
  }
  for (size_t i = 0; i < static_cast<size_t>(want.NumElements()); ++i) {
    const bool equal =
        IsFloating(want.dtype())
            ? Close(AsDouble(got, i), AsDouble(want, i), tolerance)
            : std::memcmp(static_cast<const char*>(got.data()) +
                              i * DTypeSize(want.dtype()),
                          static_cast<const char*>(want.data()) +
                              i * DTypeSize(want.dtype()),
                          DTypeSize(want.dtype())) == 0;
    if (!equal) return fail() << ", first difference at element " << i;
  }
  return testing::AssertionSuccess();
}

Tensor Doubles(const Shape& shape, double low, double high, uint64_t seed) {
  Tensor t(kDouble, shape);
  const Philox rng(seed, 0, 0);
  auto flat = t.flat<double>();
  for (size_t i = 0; i < flat.size(); ++i) {
    const auto words = rng.Block(i);
    flat[i] = low + (high - low) * UniformDouble(words[0], words[1]);
  }
  return t;
}

Tensor As(DType dtype, const Tensor& value) {
  Tensor out(dtype, value.shape());
  Status s = VisitDType(dtype, [&]<class T>(std::type_identity<T>) {
    for (size_t i = 0; i < out.flat<T>().size(); ++i) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        out.flat<T>()[i] = T(static_cast<float>(AsDouble(value, i)));
      } else {
        out.flat<T>()[i] = static_cast<T>(AsDouble(value, i));
      }
    }
    return Ok();
  });
  EXPECT_TRUE(s.ok()) << s.ToString();
  return out;
}

namespace {

// With LOCKSTEP_TEST_DEVICE=/gpu:0 every case is built for that device, a
// virtual GPU where the process finds no other; ops that GPUs have no kernel
// for stay on the CPU.
std::string TestDevice() {
  const char* device = std::getenv("LOCKSTEP_TEST_DEVICE");
  return device != nullptr ? device : "";
}

SessionOptions TestOptions() {
  SessionOptions options;
  if (TestDevice().empty()) return options;
  options.allow_soft_placement = true;
  const auto gpus = VisibleGpus(options);
  if (gpus.ok() && gpus->empty()) options.gpu_options.virtual_gpus.count = 1;
  return options;
}

// What a GPU's functions and orders of summation may differ by.
double Tolerance(DType type, double wanted) {
  if (TestDevice().empty()) return wanted;
  switch (type) {
    case kHalf: return std::max(wanted, 2e-3);
    case kBfloat16: return std::max(wanted, 2e-2);
    case kFloat: return std::max(wanted, 2e-5);
    case kDouble: return std::max(wanted, 1e-11);
    default: return wanted;
  }
}

}  // namespace

const char* OpCase::Name(Mode mode) {
  switch (mode) {
    case Mode::kShaped: return "fed, shapes known";
    case Mode::kUnshaped: return "fed, shapes unknown";
    case Mode::kConstant: return "constants";
    case Mode::kUnoptimized: return "constants, not optimised";
  }
  return "";
}

bool OpCase::IsConstant(size_t i) const {
  return std::ranges::find(constants_, i) != constants_.end();
}

Outputs OpCase::MakeInputs(const Scope& scope, Mode mode,
                           std::vector<Session::Feed>* feeds) const {
  Outputs in;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Tensor& value = inputs_[i];
    const bool fed =
        (mode == Mode::kShaped || mode == Mode::kUnshaped) && !IsConstant(i);
    if (!fed) {
      in.push_back(ops::Const(scope.WithName("in"), value));
      continue;
    }
    in.push_back(ops::Placeholder(
        scope.WithName("in"), value.dtype(),
        mode == Mode::kShaped ? value.shape() : Shape::Unknown()));
    if (in.back().defined()) feeds->emplace_back(in.back().name(), value);
  }
  return in;
}

Result<Tensor> OpCase::RunMode(Mode mode) const {
  Graph graph;
  const Scope scope(&graph);
  std::vector<Session::Feed> feeds;
  const Outputs in = MakeInputs(scope, mode, &feeds);
  LS_RETURN_IF_ERROR(scope.status());
  const Output out = build_(scope.WithDevice(TestDevice()), in);
  LS_RETURN_IF_ERROR(scope.status());
  if (!out.defined()) return Internal("the case built no output");
  SessionOptions options = TestOptions();
  options.optimize = mode != Mode::kUnoptimized;
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph, options));
  LS_ASSIGN_OR_RETURN(std::vector<Tensor> first,
                      session->Run(feeds, {out.name()}));
  LS_ASSIGN_OR_RETURN(std::vector<Tensor> second,
                      session->Run(feeds, {out.name()}));
  if (!out.node->traits().random && !BitwiseEqual(first[0], second[0])) {
    return Internal("a second run gave ", second[0].ToString(), ", the first ",
                    first[0].ToString());
  }
  return first[0];
}

Result<Tensor> OpCase::Run() { return RunMode(Mode::kShaped); }

OpCase& OpCase::Want(const Tensor& want) {
  for (Mode mode : kModes) {
    SCOPED_TRACE(Name(mode));
    Result<Tensor> got = RunMode(mode);
    if (!got.ok()) {
      ADD_FAILURE() << got.status().ToString();
    } else {
      EXPECT_TRUE(SameTensor(*got, want, Tolerance(want.dtype(), tolerance_)));
    }
  }
  return *this;
}

OpCase& OpCase::WantError(Code code, const std::string& text) {
  for (Mode mode : kModes) {
    SCOPED_TRACE(Name(mode));
    Result<Tensor> got = RunMode(mode);
    if (got.ok()) {
      ADD_FAILURE() << "no error; got " << got->ToString();
      continue;
    }
    EXPECT_EQ(got.code(), code) << got.status().ToString();
    EXPECT_THAT(got.status().message(), testing::HasSubstr(text));
  }
  return *this;
}

namespace {

// d(sum of y * weights) / d(input i), element e, by central differences.
Result<double> Difference(Session& session, std::vector<Session::Feed> feeds,
                          size_t feed, size_t e, const std::string& y,
                          const Tensor& weights) {
  Tensor& x = feeds[feed].second;
  x = x.Clone();
  const bool is_float = x.dtype() == kFloat;
  const double at = AsDouble(x, e);
  const double h = (is_float ? 1e-2 : 1e-5) * std::max(1.0, std::abs(at));
  double sums[2];
  for (int side : {0, 1}) {
    const double moved = side ? at + h : at - h;
    if (is_float) {
      x.flat<float>()[e] = static_cast<float>(moved);
    } else {
      x.flat<double>()[e] = moved;
    }
    LS_ASSIGN_OR_RETURN(std::vector<Tensor> out, session.Run(feeds, {y}));
    double sum = 0;
    for (size_t i = 0; i < static_cast<size_t>(out[0].NumElements()); ++i) {
      sum += AsDouble(out[0], i) * AsDouble(weights, i);
    }
    sums[side] = sum;
  }
  return (sums[1] - sums[0]) / (2 * h);
}

}  // namespace

OpCase& OpCase::Gradient(double tolerance) {
  for (Mode mode : {Mode::kShaped, Mode::kUnshaped}) {
    SCOPED_TRACE(Name(mode));
    Graph graph;
    const Scope scope(&graph);
    std::vector<Session::Feed> feeds;
    const Outputs in = MakeInputs(scope, mode, &feeds);
    const Output y = build_(scope, in);
    Result<Tensor> value = RunMode(mode);
    if (!y.defined() || !value.ok()) {
      ADD_FAILURE() << scope.status().ToString() << value.status().ToString();
      return *this;
    }
    const Tensor weights =
        As(value->dtype(), Doubles(value->shape(), 0.5, 1.5, 7));
    Outputs xs, dxs;
    std::vector<size_t> fed;  // the feed of each x
    for (size_t i = 0, f = 0; i < in.size(); ++i) {
      if (IsConstant(i)) continue;
      if (inputs_[i].dtype() == kFloat || inputs_[i].dtype() == kDouble) {
        xs.push_back(in[i]);
        fed.push_back(f);
      }
      ++f;
    }
    Status s = AddGradients(scope, {y}, xs, &dxs, {ops::Const(scope, weights)});
    auto session =
        s.ok() ? Session::Create(graph) : Result<std::unique_ptr<Session>>(s);
    if (!session.ok()) {
      ADD_FAILURE() << session.status().ToString();
      return *this;
    }
    for (size_t i = 0; i < xs.size(); ++i) {
      SCOPED_TRACE(StrCat("gradient of input ", xs[i].name()));
      const Tensor& x = feeds[fed[i]].second;
      if (!dxs[i].defined()) {
        ADD_FAILURE() << "there is none";
        continue;
      }
      Result<std::vector<Tensor>> dx = (*session)->Run(feeds, {dxs[i].name()});
      if (!dx.ok()) {
        ADD_FAILURE() << dx.status().ToString();
        continue;
      }
      EXPECT_EQ((*dx)[0].shape().ToString(), x.shape().ToString());
      for (size_t e = 0; e < static_cast<size_t>(x.NumElements()); ++e) {
        Result<double> want =
            Difference(**session, feeds, fed[i], e, y.name(), weights);
        if (!want.ok()) {
          ADD_FAILURE() << want.status().ToString();
          return *this;
        }
        EXPECT_TRUE(Close(AsDouble((*dx)[0], e), *want, tolerance))
            << "element " << e << ": got " << AsDouble((*dx)[0], e)
            << ", by differences " << *want;
      }
    }
  }
  return *this;
}

}  // namespace lockstep
