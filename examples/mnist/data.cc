// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "runtime/core/threads.h"
#include "runtime/io/idx.h"

namespace lockstep {
// By lockstep_embed, from digits/.
extern const unsigned int mnist_digit_images_size;
extern const unsigned char mnist_digit_images[];
extern const unsigned int mnist_digit_labels_size;
extern const unsigned char mnist_digit_labels[];

namespace mnist {
namespace {

constexpr int64_t kDigitsTraining = 1500;  // of 1,797; the rest is for testing
constexpr float kDigitsScale = 255.0f / 16.0f;

Status CheckLabels(const Tensor& labels, const std::string& name) {
  if (labels.dtype() != kUint8 || labels.shape().rank() != 1) {
    return InvalidArgument(name, ": want labels, uint8 [n], got ",
                           DTypeName(labels.dtype()), " ", labels.shape());
  }
  const auto values = labels.flat<uint8_t>();
  const auto bad = std::ranges::find_if(
      values, [](uint8_t label) { return label >= kClasses; });
  if (bad != values.end()) {
    return InvalidArgument(name, ": label ", static_cast<int>(*bad),
                           " of image ", bad - values.begin(), " is above 9");
  }
  return Ok();
}

Status CheckImages(const Tensor& images, int64_t side,
                   const std::string& name) {
  const Shape& shape = images.shape();
  if (images.dtype() != kUint8 || shape.rank() != 3) {
    return InvalidArgument(name, ": want images, uint8 [n,", side, ",", side,
                           "], got ", DTypeName(images.dtype()), " ", shape);
  }
  if (shape.dim(1) != side || shape.dim(2) != side) {
    return InvalidArgument(name, ": want images of ", side, "x", side,
                           " pixels, got ", shape.dim(1), "x", shape.dim(2));
  }
  if (shape.dim(0) == 0) return InvalidArgument(name, ": no images");
  return Ok();
}

Status CheckLengths(const Tensor& images, const std::string& image_name,
                    const Tensor& labels, const std::string& label_name) {
  if (images.shape().dim(0) == labels.shape().dim(0)) return Ok();
  return InvalidArgument(label_name, ": ", labels.shape().dim(0),
                         " labels, but ", image_name, " has ",
                         images.shape().dim(0), " images");
}

Result<Tensor> Flattened(const Tensor& images) {
  return images.Reshaped(Shape{images.shape().dim(0), kPixels});
}

Result<Examples> LoadPart(Env& env, const std::string& dir,
                          const std::string& images_name,
                          const std::string& labels_name) {
  const std::string paths[2] = {FindFile(env, dir, images_name),
                                FindFile(env, dir, labels_name)};
  for (int i = 0; i < 2; ++i) {
    if (paths[i].empty()) {
      return NotFound(dir, ": no file ", i == 0 ? images_name : labels_name,
                      " or ", i == 0 ? images_name : labels_name, ".gz");
    }
  }
  Examples out;
  LS_ASSIGN_OR_RETURN(const Tensor images, ReadIdx(env, paths[0]));
  LS_RETURN_IF_ERROR(CheckImages(images, 28, paths[0]));
  LS_ASSIGN_OR_RETURN(out.labels, ReadIdx(env, paths[1]));
  LS_RETURN_IF_ERROR(CheckLabels(out.labels, paths[1]));
  LS_RETURN_IF_ERROR(CheckLengths(images, paths[0], out.labels, paths[1]));
  LS_ASSIGN_OR_RETURN(out.images, Flattened(images));
  return out;
}

std::string_view Bytes(const unsigned char* data, unsigned int size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Where target pixel `i` lies between two source pixels.
struct Tap {
  int64_t low, high;
  float weight;  // of `high`
};

std::vector<Tap> Taps(int64_t from, int64_t to) {
  std::vector<Tap> taps;
  const float ratio = static_cast<float>(from) / static_cast<float>(to);
  for (int64_t i = 0; i < to; ++i) {
    const float at = (static_cast<float>(i) + 0.5f) * ratio - 0.5f;
    const float floor = std::floor(at);
    const auto low = static_cast<int64_t>(floor);
    taps.push_back({std::clamp<int64_t>(low, 0, from - 1),
                    std::clamp<int64_t>(low + 1, 0, from - 1), at - floor});
  }
  return taps;
}

}  // namespace

std::string FindFile(Env& env, const std::string& dir,
                     const std::string& name) {
  std::string dotted = name;  // train-images.idx3-ubyte, as some unpack them
  dotted[dotted.find("-idx")] = '.';
  for (const std::string& stem : {name, dotted}) {
    for (const char* suffix : {"", ".gz"}) {
      std::string path = JoinPath(dir, stem + suffix);
      if (env.FileExists(path)) return path;
    }
  }
  return {};
}

bool HasMnist(Env& env, const std::string& dir) {
  return std::ranges::all_of(kFileNames, [&](const char* name) {
    return !FindFile(env, dir, name).empty();
  });
}

Result<Data> LoadMnist(Env& env, const std::string& dir) {
  const Result<std::vector<std::string>> listed = env.ListDir(dir);
  if (!listed.ok()) return listed.status();  // no such folder, in its words
  Data data;
  LS_ASSIGN_OR_RETURN(data.train,
                      LoadPart(env, dir, kFileNames[0], kFileNames[1]));
  LS_ASSIGN_OR_RETURN(data.test,
                      LoadPart(env, dir, kFileNames[2], kFileNames[3]));
  return data;
}

Result<Data> LoadDigits() {
  const std::string name = "the embedded digits";
  Examples all;
  LS_ASSIGN_OR_RETURN(
      const Tensor images,
      DecodeIdx(Bytes(mnist_digit_images, mnist_digit_images_size), name));
  LS_RETURN_IF_ERROR(CheckImages(images, 8, name));
  LS_ASSIGN_OR_RETURN(
      all.labels,
      DecodeIdx(Bytes(mnist_digit_labels, mnist_digit_labels_size), name));
  LS_RETURN_IF_ERROR(CheckLabels(all.labels, name));
  LS_RETURN_IF_ERROR(CheckLengths(images, name, all.labels, name));
  LS_ASSIGN_OR_RETURN(all.images,
                      Flattened(ResizeBilinear(images, 28, 28, kDigitsScale)));
  return Data{Slice(all, 0, kDigitsTraining),
              Slice(all, kDigitsTraining, all.size())};
}

Examples Slice(const Examples& all, int64_t begin, int64_t end) {
  // The slice keeps what it lies in alive.
  auto owner = std::make_shared<Examples>(all);
  auto* images = static_cast<uint8_t*>(owner->images.data());
  auto* labels = static_cast<uint8_t*>(owner->labels.data());
  const int64_t row = all.images.shape().dim(1);
  return {Tensor::Share(kUint8, Shape{end - begin, row}, images + begin * row,
                        owner),
          Tensor::Share(kUint8, Shape{end - begin}, labels + begin, owner)};
}

Tensor ResizeBilinear(const Tensor& images, int64_t height, int64_t width,
                      float scale) {
  const int64_t n = images.shape().dim(0);
  const int64_t h = images.shape().dim(1);
  const int64_t w = images.shape().dim(2);
  const std::vector<Tap> rows = Taps(h, height);
  const std::vector<Tap> columns = Taps(w, width);
  Tensor out(kUint8, Shape{n, height, width});
  auto* y = static_cast<uint8_t*>(out.data());
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t* x = static_cast<const uint8_t*>(images.data()) + i * h * w;
    for (const Tap& row : rows) {
      const uint8_t* top = x + row.low * w;
      const uint8_t* bottom = x + row.high * w;
      for (const Tap& col : columns) {
        const auto mix = [&](const uint8_t* line) {
          return static_cast<float>(line[col.low]) * (1 - col.weight) +
                 static_cast<float>(line[col.high]) * col.weight;
        };
        const float v = mix(top) * (1 - row.weight) + mix(bottom) * row.weight;
        *y++ = static_cast<uint8_t>(std::min(v * scale + 0.5f, 255.0f));
      }
    }
  }
  return out;
}

}  // namespace mnist
}  // namespace lockstep
