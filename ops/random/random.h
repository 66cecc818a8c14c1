// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random tensors. What is drawn is a function of the scope's seed
// (Scope::WithSeed), the node's name or `seed`, the session's count of random
// runs and the element's number, so the same program draws the same values on
// any number of threads.
//
//   Output w = ops::TruncatedNormal(s, {784, 300}, kFloat);   // within 2 sigma
//   Output u = ops::RandomUniform(s, ops::Shape(s, x), kFloat);   // [0, 1)

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// `seed` 0: derived from the node's name, which is unique in its graph.
Output RandomUniform(const Scope& scope, const Input& shape,
                     DType dtype = kFloat, int64_t seed = 0);
Output RandomStandardNormal(const Scope& scope, const Input& shape,
                            DType dtype = kFloat, int64_t seed = 0);
Output TruncatedNormal(const Scope& scope, const Input& shape,
                       DType dtype = kFloat, int64_t seed = 0);
// Integers in [minval, maxval), both int32 or both int64.
Output RandomUniformInt(const Scope& scope, const Input& shape,
                        const Input& minval, const Input& maxval,
                        int64_t seed = 0);

// The rows of value (its elements, if a vector) in a random order.
Output RandomShuffle(const Scope& scope, const Input& value, int64_t seed = 0);
// Classes below range_max for sampled losses, all alike or the lower the more
// often; with how often these and the true classes, int64 [n,num_true], are to
// be expected among num_sampled.
struct CandidateAttrs {
  int64_t num_true = 1, num_sampled = 1, range_max = 1;
  bool unique = true;
};
struct Candidates {
  Output sampled, true_expected_count, sampled_expected_count;
};
Candidates UniformCandidateSampler(const Scope& scope,
                                   const Input& true_classes,
                                   const CandidateAttrs& attrs,
                                   int64_t seed = 0);
Candidates LogUniformCandidateSampler(const Scope& scope,
                                      const Input& true_classes,
                                      const CandidateAttrs& attrs,
                                      int64_t seed = 0);

// num_samples class numbers for each row of logits [batch, classes], by their
// unnormalised log-probabilities.
Output Multinomial(const Scope& scope, const Input& logits,
                   const Input& num_samples, int64_t seed = 0,
                   DType output_dtype = kInt64);

// For each element of alpha or rate `shape` samples: [shape, alpha's shape].
Output RandomGamma(const Scope& scope, const Input& shape, const Input& alpha,
                   int64_t seed = 0);
Output RandomPoisson(const Scope& scope, const Input& shape, const Input& rate,
                     DType dtype = kInt64, int64_t seed = 0);
// Within [minvals, maxvals]; parameters are scalars or have a value for each of
// shape's first dimension.
Output ParameterizedTruncatedNormal(const Scope& scope, const Input& shape,
                                    const Input& means, const Input& stdevs,
                                    const Input& minvals, const Input& maxvals,
                                    int64_t seed = 0);

// Functions of their inputs alone, and equal to TensorFlow's. seed: two
// integers.
Output StatelessRandomUniform(const Scope& scope, const Input& shape,
                              const Input& seed, DType dtype = kFloat);
Output StatelessRandomNormal(const Scope& scope, const Input& shape,
                             const Input& seed, DType dtype = kFloat);
Output StatelessTruncatedNormal(const Scope& scope, const Input& shape,
                                const Input& seed, DType dtype = kFloat);
Output StatelessRandomUniformInt(const Scope& scope, const Input& shape,
                                 const Input& seed, const Input& minval,
                                 const Input& maxval);
// Every integer of int32, int64, uint32 or uint64.
Output StatelessRandomUniformFullInt(const Scope& scope, const Input& shape,
                                     const Input& seed, DType dtype = kUint64);
Output StatelessMultinomial(const Scope& scope, const Input& logits,
                            const Input& num_samples, const Input& seed,
                            DType output_dtype = kInt64);

}  // namespace lockstep::ops
