// SPDX-License-Identifier: Apache-2.0
#pragma once

// The images that mnist trains on, in memory: MNIST's files or the digits that
// are part of this program.

#include <cstdint>
#include <string>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep::mnist {

inline constexpr int64_t kPixels = 28 * 28;
inline constexpr int64_t kClasses = 10;

struct Examples {
  Tensor images;  // uint8 [n,784]
  Tensor labels;  // uint8 [n], each below 10
  int64_t size() const { return labels.NumElements(); }
};

struct Data {
  Examples train;
  Examples test;
};

// The four files that make MNIST, in this order: training images and labels,
// test images and labels.
inline constexpr const char* kFileNames[4] = {
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// The path of one of them in `dir`: as it is, with ".gz", or with '.' for the
// '-' before "idx"; empty when there is none.
std::string FindFile(Env& env, const std::string& dir, const std::string& name);
// Whether all four are there.
bool HasMnist(Env& env, const std::string& dir);

// Errors name the file: NOT_FOUND, DATA_LOSS for a damaged one,
// INVALID_ARGUMENT for images that are not 28x28, none at all, a label above 9
// or another number of labels than images.
Result<Data> LoadMnist(Env& env, const std::string& dir);

// The embedded digits (see digits/README.md), resized from 8x8 to 28x28.
Result<Data> LoadDigits();

// Examples [begin, end), sharing memory. Requires 0 <= begin <= end <= size.
Examples Slice(const Examples& all, int64_t begin, int64_t end);

// Images [n,h,w] of uint8 made `height` x `width` by bilinear interpolation
// between pixel centres, times `scale`, rounded and clamped to 255.
Tensor ResizeBilinear(const Tensor& images, int64_t height, int64_t width,
                      float scale);

}  // namespace lockstep::mnist
