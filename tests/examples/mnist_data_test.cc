// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "examples/mnist/data.h"
#include "examples/mnist/download.h"
#include "examples/mnist/source.h"
#include "runtime/io/idx.h"

namespace lockstep::mnist {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// A folder of its own for each test, with MNIST of 6 and 4 images in it.
class MnistData : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = testing::TempDir() + "mnist_data_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    dir_ = path;
    WriteImages(kFileNames[0], 6, 28);
    WriteLabels(kFileNames[1], {0, 1, 2, 3, 4, 9});
    WriteImages(kFileNames[2], 4, 28);
    WriteLabels(kFileNames[3], {5, 6, 7, 8});
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string Path(const std::string& name) { return JoinPath(dir_, name); }
  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(env_.WriteFileAtomically(Path(name), bytes).ok());
  }
  void WriteImages(const std::string& name, int64_t n, int64_t side) {
    Tensor images(kUint8, Shape{n, side, side});
    for (size_t i = 0; i < images.bytes(); ++i) {
      images.flat<uint8_t>()[i] = static_cast<uint8_t>(i % 251);
    }
    Write(name, EncodeIdx(images).value());
  }
  void WriteLabels(const std::string& name, const std::vector<uint8_t>& v) {
    Write(name, EncodeIdx(Tensor::Vector<uint8_t>(v)).value());
  }
  std::string LoadError() {
    const Result<Data> data = LoadMnist(env_, dir_);
    EXPECT_FALSE(data.ok());
    return data.status().ToString();
  }

  Env& env_ = *Env::Default();
  std::string dir_;
};

TEST_F(MnistData, FourFilesBecomeTwoSets) {
  const Data data = LoadMnist(env_, dir_).value();
  EXPECT_EQ(data.train.size(), 6);
  EXPECT_EQ(data.train.images.shape(), (Shape{6, 784}));
  EXPECT_EQ(data.train.images.flat<uint8_t>()[785], 785 % 251);
  EXPECT_EQ(data.train.labels.flat<uint8_t>()[5], 9);
  EXPECT_EQ(data.test.size(), 4);
  EXPECT_EQ(data.test.labels.flat<uint8_t>()[3], 8);
}

TEST_F(MnistData, NamesWithADotAreFoundToo) {
  fs::rename(Path(kFileNames[0]), Path("train-images.idx3-ubyte"));
  EXPECT_TRUE(LoadMnist(env_, dir_).ok());
  EXPECT_TRUE(HasMnist(env_, dir_));
}

TEST_F(MnistData, ErrorsNameTheFileAndTheFault) {
  fs::remove(Path(kFileNames[3]));
  EXPECT_FALSE(HasMnist(env_, dir_));
  EXPECT_THAT(LoadError(), HasSubstr("no file t10k-labels-idx1-ubyte"));
  WriteLabels(kFileNames[3], {5, 6, 7});
  EXPECT_THAT(LoadError(), HasSubstr("t10k-labels-idx1-ubyte: 3 labels, but"));
  WriteLabels(kFileNames[3], {5, 10, 7, 8});
  EXPECT_THAT(LoadError(),
              HasSubstr("t10k-labels-idx1-ubyte: label 10 of image 1 is above "
                        "9"));
  WriteLabels(kFileNames[3], {5, 6, 7, 8});
  WriteImages(kFileNames[2], 4, 27);
  EXPECT_THAT(LoadError(), HasSubstr("want images of 28x28 pixels, got 27x27"));
  WriteImages(kFileNames[2], 0, 28);
  EXPECT_THAT(LoadError(), HasSubstr("no images"));
  WriteLabels(kFileNames[2], {1, 2, 3, 4});
  EXPECT_THAT(LoadError(), HasSubstr("want images, uint8 [n,28,28], got"));
  Write(kFileNames[2], "not an IDX file at all");
  EXPECT_THAT(LoadError(), HasSubstr("magic"));
  dir_ += "/gone";
  EXPECT_THAT(LoadError(), HasSubstr("NOT_FOUND"));
  dir_ = DirName(dir_);
}

TEST_F(MnistData, SliceKeepsItsDataAlive) {
  Examples part;
  {
    const Data data = LoadMnist(env_, dir_).value();
    part = Slice(data.train, 4, 6);
  }
  EXPECT_EQ(part.size(), 2);
  EXPECT_EQ(part.labels.flat<uint8_t>()[0], 4);
  EXPECT_EQ(part.images.flat<uint8_t>()[0], 4 * 784 % 251);
}

TEST(MnistDigits, AreTheUciSet) {
  const Data data = LoadDigits().value();
  EXPECT_EQ(data.train.size(), 1500);
  EXPECT_EQ(data.test.size(), 297);
  EXPECT_EQ(data.train.images.shape(), (Shape{1500, 784}));
  std::array<int, 10> count{};
  for (const Examples* part : {&data.train, &data.test}) {
    for (const uint8_t label : part->labels.flat<uint8_t>()) ++count[label];
  }
  // As published for the set of 1,797.
  EXPECT_EQ(count, (std::array<int, 10>{178, 182, 177, 183, 181, 182, 181, 179,
                                        174, 180}));
  // The first image is a zero: ink around a hollow middle.
  const auto zero = data.train.images.flat<uint8_t>().first(784);
  EXPECT_EQ(data.train.labels.flat<uint8_t>()[0], 0);
  EXPECT_LT(zero[14 * 28 + 14], 60);
  EXPECT_GT(zero[3 * 28 + 12], 150);
}

TEST(ResizeBilinear, DoublesByInterpolation) {
  const Tensor x = Tensor::Of<uint8_t>({1, 1, 2}, {0, 8});
  const Tensor y = ResizeBilinear(x, 1, 4, 2.0f);
  // Centres at -0.25, 0.25, 0.75, 1.25 of the source: 0, 2, 6, 8; doubled.
  EXPECT_TRUE(BitwiseEqual(y, Tensor::Of<uint8_t>({1, 1, 4}, {0, 4, 12, 16})));
  const Tensor same = Tensor::Of<uint8_t>({1, 2, 2}, {1, 200, 3, 4});
  EXPECT_TRUE(BitwiseEqual(ResizeBilinear(same, 2, 2, 1.0f), same));
  EXPECT_EQ(ResizeBilinear(same, 2, 2, 9.0f).flat<uint8_t>()[1], 255);
}

class MnistSource : public MnistData {
 protected:
  std::string Chosen(const SourceHints& hints) {
    const Result<Source> source = ChooseSource(env_, hints);
    return source.ok() ? source->folder : source.status().ToString();
  }
};

TEST_F(MnistSource, OptionThenEnvironmentThenFoldersThenCache) {
  const std::string none = Path("none");
  EXPECT_EQ(Chosen({.option = dir_, .environment = none}), dir_);
  EXPECT_EQ(Chosen({.environment = dir_, .folders = {none}}), dir_);
  EXPECT_EQ(Chosen({.folders = {none, dir_}, .cache = none}), dir_);
  EXPECT_EQ(Chosen({.folders = {none}, .cache = dir_}), dir_);
  EXPECT_EQ(Chosen({.folders = {none}}), "");
  EXPECT_EQ(Chosen({.option = "digits", .environment = dir_}), "");
  EXPECT_THAT(ChooseSource(env_, {}).value().description,
              HasSubstr("UCI handwritten digits"));
}

TEST_F(MnistSource, WhatWasAskedForByNameMustExist) {
  const std::string none = Path("none");
  EXPECT_THAT(Chosen({.option = none, .environment = dir_}),
              AllOf(HasSubstr("NOT_FOUND: --data"), HasSubstr(none)));
  EXPECT_THAT(Chosen({.environment = none, .folders = {dir_}}),
              HasSubstr("$LOCKSTEP_DATA"));
}

class MnistDownload : public MnistData {
 protected:
  // The files of dir_ with their checksums, as a mirror publishes them.
  std::vector<RemoteFile> Files() {
    std::vector<RemoteFile> files;
    for (const char* name : kFileNames) {
      files.push_back({name, Sha256(env_.ReadFile(Path(name)).value())});
    }
    return files;
  }
  std::string Url(const std::string& dir) { return "file://" + dir; }
};

TEST_F(MnistDownload, TakesTheNextMirrorWhenOneFails) {
  const std::string to = Path("cache/mnist");
  const Status s =
      DownloadMnist(env_, {Url(Path("gone")), Url(dir_)}, to, Files());
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_TRUE(LoadMnist(env_, to).ok());
}

TEST_F(MnistDownload, KeepsNothingWithAnotherChecksum) {
  std::vector<RemoteFile> files = Files();
  files[1].sha256[0] = files[1].sha256[0] == '0' ? '1' : '0';
  const std::string to = Path("cache");
  const Status s = DownloadMnist(env_, {Url(dir_)}, to, files);
  EXPECT_THAT(s.ToString(), HasSubstr("SHA-256"));
  EXPECT_TRUE(env_.FileExists(JoinPath(to, kFileNames[0])));
  EXPECT_FALSE(env_.FileExists(JoinPath(to, kFileNames[1])));
}

TEST_F(MnistDownload, WithoutAMirrorTheDigitsAreUsed) {
  const Source source =
      ChooseSource(env_, {.cache = Path("cache"),
                          .mirrors = {Url(Path("gone")), Url(Path("too"))}})
          .value();
  EXPECT_EQ(source.folder, "");
}

TEST(Sha256Test, KnownValues) {
  EXPECT_EQ(Sha256(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace lockstep::mnist
