// SPDX-License-Identifier: Apache-2.0
// Bad input ends with one clear line on standard error and status 2, and
// leaves nothing half-written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "examples/mnist/data.h"
#include "runtime/core/env.h"
#include "runtime/io/idx.h"
#include "tests/examples/run_mnist.h"

namespace lockstep {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Args = std::vector<std::string>;
namespace fs = std::filesystem;

// Status 2, no output beyond where the data is, and one line that says `what`.
void ExpectRefused(const Args& args, const std::string& what) {
  const Finished run = RunMnist(args);
  EXPECT_EQ(run.status, 2) << run.out << run.err;
  EXPECT_EQ(std::ranges::count(run.err, '\n'), 1) << run.err;
  EXPECT_TRUE(run.err.starts_with("mnist: ")) << run.err;
  EXPECT_THAT(run.err, HasSubstr(what));
  EXPECT_THAT(run.out, Not(HasSubstr("epoch")));
  EXPECT_THAT(run.out, Not(HasSubstr("accuracy")));
}

TEST(MnistBadInput, Options) {
  ExpectRefused({"--unknown"}, "unknown option --unknown");
  ExpectRefused({"--batch", "many"}, "--batch");
  ExpectRefused({"--batch", "0"}, "--batch must be at least 1, got 0");
  ExpectRefused({"--model", "rnn"}, "linear, mlp, cnn; got 'rnn'");
  ExpectRefused({"--resume"}, "--resume needs --checkpoint-dir");
  ExpectRefused({"--data", "digits", "--batch", "2000"},
                "--batch 2000 is larger than the 1375 training images");
  ExpectRefused({"--data", "digits", "--validation", "1500"},
                "--validation 1500 leaves nothing");
}

class MnistBadData : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = folder_ / "data";
    fs::create_directory(dir_);
    for (int part = 0; part < 2; ++part) {
      Tensor images(kUint8, Shape{60, 28, 28});
      std::ranges::fill(images.flat<uint8_t>(), 100);
      Tensor labels(kUint8, Shape{60});
      for (size_t i = 0; i < 60; ++i) {
        labels.flat<uint8_t>()[i] = static_cast<uint8_t>(i % 10);
      }
      Write(mnist::kFileNames[2 * part], images);
      Write(mnist::kFileNames[2 * part + 1], labels);
    }
  }
  std::string Path(const char* name) { return JoinPath(dir_, name); }
  void Write(const char* name, const Tensor& t) {
    WriteBytes(name, EncodeIdx(t).value());
  }
  void WriteBytes(const char* name, const std::string& bytes) {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  std::string Bytes(const char* name) {
    return Env::Default()->ReadFile(Path(name)).value();
  }
  void Refused(const std::string& what) {
    ExpectRefused({"--data", dir_, "--batch", "10"}, what);
  }

  ScratchFolder folder_;
  std::string dir_;
};

TEST_F(MnistBadData, GoodFilesAreTaken) {
  const Finished run =
      RunMnist({"--data", dir_, "--batch", "10", "--epochs", "1"});
  EXPECT_EQ(run.status, 0) << run.err;
}

TEST_F(MnistBadData, NoSuchFolder) {
  dir_ = folder_ / "nowhere";
  Refused(dir_);
}

TEST_F(MnistBadData, FileMissing) {
  fs::remove(Path("t10k-labels-idx1-ubyte"));
  Refused("no file t10k-labels-idx1-ubyte");
}

TEST_F(MnistBadData, WrongMagic) {
  WriteBytes("train-images-idx3-ubyte", "PNG, it says here, for a while");
  Refused("train-images-idx3-ubyte: not an IDX file");
}

TEST_F(MnistBadData, PlainFileCutShort) {
  const std::string bytes = Bytes("train-images-idx3-ubyte");
  WriteBytes("train-images-idx3-ubyte", bytes.substr(0, bytes.size() / 2));
  Refused("train-images-idx3-ubyte");
}

TEST_F(MnistBadData, GzipFileCutShort) {
  const std::string good = Bytes("t10k-images-idx3-ubyte");
  WriteBytes("plain", good);
  ASSERT_EQ(std::system(("gzip -9 " + Path("plain")).c_str()), 0);
  const std::string gz = Bytes("plain.gz");
  fs::remove(Path("t10k-images-idx3-ubyte"));
  WriteBytes("t10k-images-idx3-ubyte.gz", gz.substr(0, gz.size() - 9));
  Refused("t10k-images-idx3-ubyte.gz");
}

TEST_F(MnistBadData, LabelFileOfAnotherLength) {
  Write("train-labels-idx1-ubyte", Tensor(Tensor::Vector<uint8_t>({1, 2, 3})));
  Refused("3 labels, but");
}

TEST_F(MnistBadData, LabelAboveNine) {
  std::string bytes = Bytes("t10k-labels-idx1-ubyte");
  bytes.back() = 10;
  WriteBytes("t10k-labels-idx1-ubyte", bytes);
  Refused("label 10 of image 59 is above 9");
}

TEST_F(MnistBadData, ImagesOfAnotherSize) {
  Tensor images(kUint8, Shape{60, 32, 32});
  std::ranges::fill(images.flat<uint8_t>(), 0);
  Write("train-images-idx3-ubyte", images);
  Refused("want images of 28x28 pixels, got 32x32");
}

TEST_F(MnistBadData, NoImages) {
  Write("t10k-images-idx3-ubyte", Tensor(kUint8, Shape{0, 28, 28}));
  Write("t10k-labels-idx1-ubyte", Tensor(kUint8, Shape{0}));
  Refused("no images");
}

class MnistBadCheckpoint : public testing::Test {
 protected:
  Args Base() {
    return {"--data",   "digits", "--model",          "linear",
            "--epochs", "2",      "--checkpoint-dir", folder_ / "c"};
  }
  Args With(const Args& more) {
    Args args = Base();
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  void Train() {
    const Finished run = RunMnist(With({"--steps", "3"}));
    ASSERT_EQ(run.status, 0) << run.err;
  }
  // The one file whose name ends like that.
  std::string File(const std::string& end) {
    for (const auto& e : fs::directory_iterator(folder_ / "c")) {
      if (e.path().string().ends_with(end)) return e.path().string();
    }
    ADD_FAILURE() << "no file *" << end;
    return "";
  }
  ScratchFolder folder_;
};

TEST_F(MnistBadCheckpoint, FolderThatCannotBeWritten) {
  std::ofstream(folder_ / "file") << "in the way";
  ExpectRefused({"--data", "digits", "--checkpoint-dir", folder_ / "file/c"},
                "--checkpoint-dir cannot be written");
  ExpectRefused({"--data", "digits", "--log-dir", folder_ / "file/c"},
                "--log-dir cannot be written");
  // Found before training, and nothing was made.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(MnistBadCheckpoint, NothingToResumeFrom) {
  ExpectRefused(With({"--resume"}), "no checkpoint in");
  EXPECT_FALSE(fs::exists(folder_ / "c"));
}

TEST_F(MnistBadCheckpoint, FlippedByteOfTheData) {
  Train();
  const std::string path = File(".data-00000-of-00001");
  std::string bytes = Env::Default()->ReadFile(path).value();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  std::ofstream(path, std::ios::binary) << bytes;
  ExpectRefused(With({"--resume"}), "--resume");
}

TEST_F(MnistBadCheckpoint, FlippedByteOfTheIndex) {
  Train();
  const std::string path = File(".index");
  std::string bytes = Env::Default()->ReadFile(path).value();
  bytes[20] = static_cast<char>(bytes[20] ^ 4);
  std::ofstream(path, std::ios::binary) << bytes;
  ExpectRefused(With({"--resume"}), "--resume");
}

TEST_F(MnistBadCheckpoint, CutFiles) {
  Train();
  fs::resize_file(File(".data-00000-of-00001"), 100);
  ExpectRefused(With({"--resume"}), "--resume");
  fs::resize_file(File(".index"), 30);
  ExpectRefused(With({"--resume"}), "--resume");
}

TEST_F(MnistBadCheckpoint, OfAnotherRun) {
  Train();
  ExpectRefused(With({"--resume", "--batch", "50"}),
                "made with --batch 100, this run has 50");
  ExpectRefused(With({"--resume", "--seed", "5"}),
                "made with --seed 1, this run has 5");
  Args other = With({"--resume"});
  other[3] = "mlp";
  ExpectRefused(other, "--resume");
  // The refusals changed nothing: the right run still goes on.
  const Finished run = RunMnist(With({"--resume"}));
  EXPECT_EQ(run.status, 0) << run.err;
}

}  // namespace
}  // namespace lockstep
