// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of neural-network ops: bias, activations, softmax and its
// losses, dropout. Convolution and pooling are in ops/conv.
//
//   Output xw = ops::MatMul(s, x, w);
//   Output h = ops::Relu(s, ops::BiasAdd(s, xw, b));
//   Output loss = ops::SoftmaxCrossEntropyWithLogits(s, logits, labels);

#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// Adds bias [channels] to the channels of value: its last dimension, or
// dimension 1 for data_format "NCHW".
Output BiasAdd(const Scope& scope, const Input& value, const Input& bias,
               const char* data_format = "NHWC");

struct FusedBatchNormOptions {
  float epsilon = 1e-4f;
  // What is new of the moments handed on, in training.
  float exponential_avg_factor = 1.0f;
  std::string data_format = "NHWC";  // or NCHW, NDHWC, NCDHW
  bool is_training = true;
};
struct FusedBatchNormOutputs {
  Output y;
  Output batch_mean, batch_variance;  // [channels]
};
// (x - mean) / sqrt(variance + epsilon) * scale + offset for each channel, the
// moments being x's own in training (`mean` and `variance` may then be empty,
// unless they move with a factor), else the given ones.
FusedBatchNormOutputs FusedBatchNorm(const Scope& scope, const Input& x,
                                     const Input& scale, const Input& offset,
                                     const Input& mean, const Input& variance,
                                     const FusedBatchNormOptions& options = {});

Output Relu(const Scope& scope, const Input& features);
Output Relu6(const Scope& scope, const Input& features);
Output Elu(const Scope& scope, const Input& features);
Output Selu(const Scope& scope, const Input& features);
Output LeakyRelu(const Scope& scope, const Input& features, float alpha = 0.2f);
Output Softplus(const Scope& scope, const Input& features);
Output Softsign(const Scope& scope, const Input& features);

// Over the last dimension.
Output Softmax(const Scope& scope, const Input& logits);
Output LogSoftmax(const Scope& scope, const Input& logits);

// The loss of each row: -sum(labels * log(softmax(logits))). logits, labels:
// [batch, classes] -> [batch]. `backprop`, if given, is set to the loss's
// gradient by the logits, softmax(logits) - labels.
Output SoftmaxCrossEntropyWithLogits(const Scope& scope, const Input& logits,
                                     const Input& labels,
                                     Output* backprop = nullptr);
// Labels are class numbers: int32 or int64 [batch].
Output SparseSoftmaxCrossEntropyWithLogits(const Scope& scope,
                                           const Input& logits,
                                           const Input& labels,
                                           Output* backprop = nullptr);

// Whether targets[i] is among the k largest of predictions[i] (ties count).
Output InTopK(const Scope& scope, const Input& predictions,
              const Input& targets, const Input& k);

// Local response normalisation of [N,H,W,C] across channels: input / (bias +
// alpha * sum of squares of depth_radius channels to each side) ^ beta.
Output LRN(const Scope& scope, const Input& input, int64_t depth_radius = 5,
           float bias = 1.0f, float alpha = 1.0f, float beta = 0.5f);

// Compositions of simpler ops, as in TensorFlow. Axes may be negative.
// x / sqrt(max(sum of squares over axes, epsilon))
Output L2Normalize(const Scope& scope, const Input& x,
                   const std::vector<int32_t>& axes, float epsilon = 1e-12f);
struct MomentsOutputs {
  Output mean, variance;  // variance is the biased one
};
MomentsOutputs Moments(const Scope& scope, const Input& x,
                       const std::vector<int32_t>& axes,
                       bool keep_dims = false);
// (x - mean) / sqrt(variance + epsilon) * scale + offset; all are broadcast,
// undefined scale and offset are left out.
Output BatchNormalization(const Scope& scope, const Input& x, const Input& mean,
                          const Input& variance, const Output& offset,
                          const Output& scale, float epsilon);
// The same with the moments of each row along the last axis.
Output LayerNorm(const Scope& scope, const Input& x, const Output& scale,
                 const Output& offset, float epsilon = 1e-3f);
// x times the normal distribution's function of x, or an approximation by tanh.
Output Gelu(const Scope& scope, const Input& x, bool approximate = false);
// Element by element; labels are probabilities, logits any numbers.
Output SigmoidCrossEntropyWithLogits(const Scope& scope, const Input& labels,
                                     const Input& logits);
// With positive labels counting pos_weight times.
Output WeightedCrossEntropyWithLogits(const Scope& scope, const Input& labels,
                                      const Input& logits,
                                      const Input& pos_weight);
// -labels log(p + epsilon) - (1 - labels) log(1 - p + epsilon)
Output LogLoss(const Scope& scope, const Input& labels,
               const Input& predictions, float epsilon = 1e-7f);

// x with each element dropped with probability `rate` and the others scaled
// by 1 / (1 - rate).
Output Dropout(const Scope& scope, const Output& x, const Input& rate);

}  // namespace lockstep::ops
