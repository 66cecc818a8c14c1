// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of neural-network ops: bias, activations, softmax and its
// losses, dropout. Convolution and pooling are in ops/conv.
//
//   Output h = ops::Relu(scope, ops::BiasAdd(scope, ops::MatMul(scope, x, w),
//   b)); Output loss = ops::SoftmaxCrossEntropyWithLogits(scope, logits,
//   labels);

#include <string>

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

// x with each element dropped with probability `rate` and the others scaled
// by 1 / (1 - rate).
Output Dropout(const Scope& scope, const Output& x, const Input& rate);

}  // namespace lockstep::ops
