// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/model.h"

#include <cmath>
#include <memory>
#include <optional>

#include "examples/mnist/data.h"
#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/batch_parts.h"
#include "ops/training/optimizer.h"

namespace lockstep::mnist {
namespace {

constexpr float kMomentum = 0.9f;

// Where layer `i` of a pipeline is, with the loss behind the last: the first
// part of the layers on /task:0, and so on.
std::string StageDevice(const Options& options, int i) {
  const int layers = options.model == "linear" ? 1
                     : options.model == "mlp"  ? 2
                                               : 4;
  const int stage = i * options.pipeline / layers;
  return StrCat("/task:", std::min(stage, options.pipeline - 1),
                options.device);
}

// Makes one layer after the other. The weights are made by the first tower (or
// for the first micro-batch) and shared by the others, which have the same
// layers in the same order.
class Layers {
 public:
  // The stages of a pipeline take the place of the devices given. `root` names
  // the weights, which are called alike however many parts a batch has; null:
  // `scope` does.
  Layers(const Scope& scope, const Scope* root,
         const std::string& weights_device, const Options& options,
         std::vector<Output>* trained)
      : scope_(scope),
        root_(root),
        weights_device_(weights_device),
        options_(options),
        trained_(trained) {}

  // Where the layer is that is to come, behind the last the loss.
  Scope Next() const {
    if (options_.pipeline == 1) return scope_;
    return scope_.WithDevice(StageDevice(options_, layer_));
  }
  // x: [?,in] -> [?,out]
  Output Dense(const char* name, const Output& x, int in, int out) {
    const Scope s = Next().SubScope(name);
    ++layer_;
    const Scope home = Home(s, name);
    const Output weights = Weights(home, {in, out}, in);
    return ops::BiasAdd(s, ops::MatMul(s, x, weights), Bias(home, out));
  }
  // x: [?,h,w,in] -> [?,h,w,out]
  Output Conv3x3(const char* name, const Output& x, int in, int out) {
    const Scope s = Next().SubScope(name);
    ++layer_;
    const Scope home = Home(s, name);
    const Output filter = Weights(home, {3, 3, in, out}, 9 * in);
    return ops::Relu(
        s, ops::BiasAdd(s, ops::Conv2D(s, x, filter, {1, 1, 1, 1}, "SAME"),
                        Bias(home, out)));
  }
  // Halves height and width.
  Output MaxPool2(const char* name, const Output& x) {
    return ops::MaxPool(Last().WithName(name), x, {1, 2, 2, 1}, {1, 2, 2, 1},
                        "SAME");
  }
  // Where the last layer is.
  Scope Last() const {
    if (options_.pipeline == 1) return scope_;
    return scope_.WithDevice(StageDevice(options_, layer_ - 1));
  }

 private:
  // He's initial values: for layers of rectifiers.
  Output Weights(const Scope& s, std::initializer_list<int32_t> shape,
                 int fan_in) {
    if (made_ < trained_->size()) return (*trained_)[made_++];
    const float deviation = std::sqrt(2.0f / static_cast<float>(fan_in));
    return Trained(
        s.WithName("weights"),
        ops::Mul(s, ops::TruncatedNormal(s, shape, kFloat), deviation));
  }
  Output Bias(const Scope& s, int size) {
    if (made_ < trained_->size()) return (*trained_)[made_++];
    return Trained(s.WithName("bias"), ops::Fill(s, {size}, 0.0f));
  }
  // Where the layer's weights are made, if they are not there yet.
  Scope Home(const Scope& layer, const char* name) const {
    if (made_ < trained_->size()) return layer;
    const Scope home = root_ ? root_->SubScope(name) : layer;
    return home.WithDevice(options_.pipeline == 1 ? weights_device_
                                                  : layer.device());
  }
  Output Trained(const Scope& s, const Output& initial) {
    trained_->push_back(ops::InitializedVariable(s, initial));
    return (*trained_)[made_++];
  }

  Scope scope_;
  const Scope* root_;
  std::string weights_device_;
  const Options& options_;
  std::vector<Output>* trained_;
  size_t made_ = 0;  // variables that this tower has
  int layer_ = 0;    // layers that it has
};

Output MlpLogits(const Output& images, Layers& layers) {
  const Output dense = layers.Dense("dense1", images, 784, 300);
  const Output hidden = ops::Relu(layers.Last().WithName("hidden"), dense);
  return layers.Dense("dense2", hidden, 300, 10);
}

Output CnnLogits(const Model& m, const Output& images, Layers& layers) {
  const Output image =
      ops::Reshape(layers.Next().WithName("image"), images, {-1, 28, 28, 1});
  const Output conv1 = layers.Conv3x3("conv1", image, 1, 32);
  const Output first = layers.MaxPool2("pool1", conv1);
  const Output conv2 = layers.Conv3x3("conv2", first, 32, 64);
  const Output second = layers.MaxPool2("pool2", conv2);
  const Output flat =
      ops::Reshape(layers.Next().WithName("flat"), second, {-1, 7 * 7 * 64});
  const Output dense = layers.Dense("dense1", flat, 7 * 7 * 64, 512);
  const Scope scope = layers.Last();
  const Output hidden = ops::Relu(scope.WithName("hidden"), dense);
  // Nothing is dropped outside training, whatever keep_prob is fed.
  const Output rate = ops::Sub(
      scope.WithName("drop_rate"), 1.0f,
      ops::Select(scope.WithName("kept"), m.is_training, m.keep_prob, 1.0f));
  const Output kept = ops::Dropout(scope.WithName("dropout"), hidden, rate);
  return layers.Dense("dense2", kept, 512, 10);
}

// 0 to 1, in the pass that makes numbers of bytes.
Output Normalized(const Scope& scope, const Output& images) {
  return ops::Mul(scope.WithName("pixels"), ops::Cast(scope, images, kFloat),
                  1.0f / 255.0f);
}

Output Logits(const Options& options, const Model& m, const Output& bytes,
              Layers& layers) {
  const Output images = Normalized(layers.Next(), bytes);
  if (options.model == "linear") {
    return layers.Dense("dense1", images, 784, 10);
  }
  return options.model == "mlp" ? MlpLogits(images, layers)
                                : CnnLogits(m, images, layers);
}

std::unique_ptr<ops::Optimizer> MakeOptimizer(const std::string& name,
                                              const Output& learning_rate) {
  if (name == "sgd") {
    return std::make_unique<ops::GradientDescentOptimizer>(learning_rate);
  }
  if (name == "momentum") {
    return std::make_unique<ops::MomentumOptimizer>(learning_rate, kMomentum);
  }
  return std::make_unique<ops::AdamOptimizer>(learning_rate);
}

}  // namespace

Model BuildModel(const Scope& scope, const Options& options) {
  Model m;
  m.images = ops::Placeholder(scope.WithName("images"), kUint8, {-1, kPixels});
  m.labels = ops::Placeholder(scope.WithName("labels"), kFloat, {-1, kClasses});
  m.keep_prob = ops::Placeholder(scope.WithName("keep_prob"), kFloat, Shape{});
  m.learning_rate =
      ops::Placeholder(scope.WithName("learning_rate"), kFloat, Shape{});
  m.is_training =
      ops::Placeholder(scope.WithName("is_training"), kBool, Shape{});

  // Towers work on their parts of a batch at the same time, micro-batches go
  // through one model after the other.
  std::vector<Output> trained, logits_of;
  const bool towers = options.towers > 0;
  const int parts = towers ? options.towers : options.micro_batches;
  std::optional<ops::BatchParts> rows;
  if (towers || parts > 1) rows.emplace(scope, m.images, parts);
  Scope end = scope;
  for (int t = 0; t < parts; ++t) {
    const std::string device = towers ? StrCat("/gpu:", t) : options.device;
    const Scope in = towers      ? scope.SubScope("tower")
                     : parts > 1 ? scope.SubScope("part")
                                 : scope;
    const Scope at = in.WithDevice(device);
    Layers layers(at, rows ? &scope : nullptr,
                  towers ? "/cpu:0" : options.device, options, &trained);
    const Output images =
        rows ? rows->Part(layers.Next(), m.images, t) : m.images;
    logits_of.push_back(Logits(options, m, images, layers));
    if (options.pipeline > 1) end = scope.WithDevice(layers.Next().device());
  }
  const Output logits = logits_of.size() == 1
                            ? logits_of[0]
                            : ops::Concat(end.WithName("logits"), logits_of, 0);
  const Output losses = ops::SoftmaxCrossEntropyWithLogits(
      end.WithName("cross_entropy"), logits, m.labels);
  m.losses = losses;
  m.loss = ops::Mean(end.WithName("loss"), losses, {0});
  const Output right = ops::Equal(
      end.WithName("right"), ops::ArgMax(end.WithName("predicted"), logits, 1),
      ops::ArgMax(end.WithName("actual"), m.labels, 1));
  m.accuracy =
      ops::Mean(end.WithName("accuracy"), ops::Cast(end, right, kFloat), {0});
  for (const Output& v : trained) {
    if (v.defined()) m.parameters += v.shape().NumElements();
  }

  const auto optimizer = MakeOptimizer(options.optimizer, m.learning_rate);
  m.train = optimizer->Minimize(scope.WithName("train"), m.loss, trained);
  m.init = ops::VariablesInitializer(scope);
  m.variables = trained;
  for (const Output& v : optimizer->variables()) m.variables.push_back(v);
  return m;
}

}  // namespace lockstep::mnist
