// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_models.h"

#include "ops/ops.h"
#include "runtime/core/philox.h"

namespace lockstep {
namespace {

constexpr int kSets = 4;  // batches in turn
constexpr int kChainOps = 1500;

Tensor OneHotLabels(int batch, uint64_t stream) {
  Tensor t(kFloat, Shape{batch, 10});
  std::ranges::fill(t.flat<float>(), 0.0f);
  const Tensor draw = UniformTensor(Shape{batch}, stream);
  for (int i = 0; i < batch; ++i) {
    const auto label =
        static_cast<size_t>(draw.flat<float>()[static_cast<size_t>(i)] * 10);
    t.flat<float>()[static_cast<size_t>(i) * 10 + label] = 1;
  }
  return t;
}

class Maker {
 public:
  explicit Maker(BenchModel* model)
      : m_(*model), root_(Scope(&model->graph).WithDevice(model->device)) {}

  Output Feed(const std::string& name, const Shape& shape) {
    Output o = ops::Placeholder(root_.WithName(name), kFloat, shape);
    m_.feeds.push_back(o);
    return o;
  }
  Output Weights(const std::string& name, const Shape& shape) {
    std::vector<int32_t> dims;
    for (int64_t d : shape.dims()) dims.push_back(static_cast<int32_t>(d));
    Output random =
        ops::RandomStandardNormal(root_, Tensor::Vector(dims), kFloat);
    return Keep(name, ops::Mul(root_, random, 0.05f));
  }
  Output Zeros(const std::string& name, int64_t n) {
    Tensor t(kFloat, Shape{n});
    std::ranges::fill(t.flat<float>(), 0.0f);
    return Keep(name, t);
  }
  Output Keep(const std::string& name, const Input& value) {
    Output v = ops::InitializedVariable(root_.WithName(name), value);
    variables_.push_back(v);
    return v;
  }
  void Train(ops::Optimizer& optimizer, Output loss) {
    m_.fetches = {loss};
    m_.targets = {optimizer.Minimize(root_, loss, variables_)};
    m_.init = ops::VariablesInitializer(root_.WithName("init"));
  }
  Output CrossEntropy(Output logits, Output labels) {
    return ops::Mean(
        root_, ops::SoftmaxCrossEntropyWithLogits(root_, logits, labels), {0});
  }
  Output Dense(Output x, const std::string& w, const std::string& b, int64_t in,
               int64_t out) {
    return ops::BiasAdd(root_, ops::MatMul(root_, x, Weights(w, {in, out})),
                        Zeros(b, out));
  }
  Output ConvBlock(Output x, const char* w, const char* b, int64_t in,
                   int64_t out) {
    Output conv = ops::Conv2D(root_, x, Weights(w, {3, 3, in, out}),
                              {1, 1, 1, 1}, "SAME");
    Output act = ops::Relu(root_, ops::BiasAdd(root_, conv, Zeros(b, out)));
    return ops::MaxPool(root_, act, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");
  }
  const Scope& root() const { return root_; }

 private:
  BenchModel& m_;
  Scope root_;
  std::vector<Output> variables_;
};

void Images(BenchModel* m) {
  for (int s = 0; s < kSets; ++s) {
    const auto stream = static_cast<uint64_t>(s) * 2;
    m->batches.push_back({UniformTensor(Shape{m->batch, 784}, stream),
                          OneHotLabels(m->batch, stream + 1)});
  }
}

void Mlp(BenchModel* m, const BenchModelOptions& o) {
  Maker k(m);
  Output x = k.Feed("x", {-1, 784}), y = k.Feed("y", {-1, 10});
  const int width = o.width > 0 ? o.width : 300;
  const int depth = o.depth > 0 ? o.depth : 1;
  Output h = x;
  for (int i = 1; i <= depth; ++i) {
    const std::string w = StrCat("w", i), b = StrCat("b", i);
    h = ops::Relu(k.root(), k.Dense(h, w, b, i == 1 ? 784 : width, width));
  }
  ops::AdamOptimizer adam(0.001f);
  k.Train(adam, k.CrossEntropy(k.Dense(h, StrCat("w", depth + 1),
                                       StrCat("b", depth + 1), width, 10),
                               y));
  Images(m);
}

void Cnn(BenchModel* m) {
  Maker k(m);
  const Scope& s = k.root();
  Output x = k.Feed("x", {-1, 784}), y = k.Feed("y", {-1, 10});
  Output h = ops::Reshape(s, x, {-1, 28, 28, 1});
  h = k.ConvBlock(h, "w1", "b1", 1, 32);
  h = k.ConvBlock(h, "w2", "b2", 32, 64);
  h = ops::Reshape(s, h, {-1, 3136});
  h = ops::Relu(s, k.Dense(h, "w3", "b3", 3136, 512));
  h = ops::Dropout(s, h, 0.5f);
  ops::AdamOptimizer adam(0.001f);
  k.Train(adam, k.CrossEntropy(k.Dense(h, "w4", "b4", 512, 10), y));
  Images(m);
}

void Xor(BenchModel* m) {
  Maker k(m);
  const Scope& s = k.root();
  Output x = k.Feed("x", {-1, 2}), y = k.Feed("y", {-1, 1});
  Output h =
      ops::Sigmoid(s, ops::Add(s, ops::MatMul(s, x, k.Weights("w1", {2, 2})),
                               k.Zeros("b1", 2)));
  Output o =
      ops::Sigmoid(s, ops::Add(s, ops::MatMul(s, h, k.Weights("w2", {2, 1})),
                               k.Zeros("b2", 1)));
  ops::GradientDescentOptimizer sgd(0.1f);
  k.Train(sgd, ops::Mean(s, ops::Square(s, ops::Sub(s, o, y)), {0, 1}));
  m->batch = 4;
  m->batches = {{Tensor::Of<float>({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1}),
                 Tensor::Of<float>({4, 1}, {0, 1, 1, 0})}};
}

void LinearRegression(BenchModel* m) {
  Maker k(m);
  const Scope& s = k.root();
  Output x = k.Feed("x", {-1, 1}), y = k.Feed("y", {-1, 1});
  Output prediction =
      ops::Add(s, ops::Mul(s, x, k.Weights("w", {1})), k.Weights("b", {1}));
  ops::GradientDescentOptimizer sgd(0.1f);
  k.Train(sgd,
          ops::Mean(s, ops::Square(s, ops::Sub(s, prediction, y)), {0, 1}));
  for (int i = 0; i < kSets; ++i) {
    const Tensor xs =
        UniformTensor(Shape{m->batch, 1}, static_cast<uint64_t>(i));
    Tensor ys = xs.Clone();
    for (float& v : ys.flat<float>()) v = 3 * v + 2;
    m->batches.push_back({xs, ys});
  }
}

// y = y * z + z and y - z in turn, as many scalar ops as kChainOps.
void Chain(BenchModel* m, int ops) {
  Maker k(m);
  const Scope& s = k.root();
  Output x = k.Feed("x", Shape{}), z = k.Feed("z", Shape{});
  Output y = x;
  for (int i = 0; i < ops; ++i) {
    y = i % 3 == 0   ? ops::Sub(s, y, z)
        : i % 3 == 1 ? ops::Mul(s, y, z)
                     : ops::Add(s, y, z);
  }
  m->fetches = {y};
  m->batches = {{Tensor(1.0f), Tensor(0.5f)}};
  m->batch = 1;
}

// Two rows of products and softmax of `batch` rows, which need each other only
// at the end: for lanes.
void Branches(BenchModel* m) {
  constexpr int kLength = 400;
  Maker k(m);
  const Scope& s = k.root();
  const int n = m->batch;
  Output x = k.Feed("x", {n, n});
  Output a = x, b = x;
  for (int i = 0; i < kLength; ++i) {
    a = ops::Softmax(s, ops::MatMul(s, a, x));
    b = ops::Softmax(s, ops::MatMul(s, x, b));
  }
  m->fetches = {ops::Sum(s, ops::Add(s, a, b), {0, 1})};
  m->batches = {{UniformTensor(Shape{n, n}, 1)}};
}

}  // namespace

std::vector<std::string> BenchNames() {
  return {"mlp", "cnn", "xor", "linreg", "chain", "branches", "empty"};
}

Tensor UniformTensor(const Shape& shape, uint64_t stream) {
  Tensor t(kFloat, shape);
  const Philox rng(1, stream, 0);
  auto v = t.flat<float>();
  for (size_t i = 0; i < v.size(); ++i) {
    v[i] = UniformFloat(rng.Block(i / 4)[i % 4]);
  }
  return t;
}

Result<BenchModel> MakeBenchModel(const std::string& name,
                                  const BenchModelOptions& options) {
  BenchModel m;
  m.device = options.device;
  m.batch = options.batch > 0 ? options.batch : name == "cnn" ? 128 : 100;
  if (name == "mlp") {
    Mlp(&m, options);
  } else if (name == "cnn") {
    Cnn(&m);
  } else if (name == "xor") {
    Xor(&m);
  } else if (name == "linreg") {
    LinearRegression(&m);
  } else if (name == "branches") {
    Branches(&m);
  } else if (name == "chain") {
    Chain(&m, kChainOps);
  } else if (name == "empty") {
    Chain(&m, 0);
  } else {
    return InvalidArgument("there is no model '", name, "'; there are ",
                           Join(BenchNames(), ", "));
  }
  LS_RETURN_IF_ERROR(m.graph.status());
  return m;
}

}  // namespace lockstep
