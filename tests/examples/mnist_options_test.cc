// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/mnist/options.h"

namespace lockstep::mnist {
namespace {

using testing::HasSubstr;

std::string ErrorOf(const std::vector<std::string>& args) {
  const Result<Options> r = ParseOptions(args);
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_EQ(r.status().message().find('\n'), std::string::npos);
  return r.status().message();
}

TEST(MnistOptions, Defaults) {
  const Options o = ParseOptions({}).value();
  EXPECT_EQ(o.model, "mlp");
  EXPECT_EQ(o.optimizer, "adam");
  EXPECT_EQ(o.batch, 100);
  EXPECT_EQ(o.epochs, 10);
  EXPECT_EQ(o.lr, 0.001);
  EXPECT_EQ(o.steps, 0);
  EXPECT_FALSE(o.help);
  EXPECT_FALSE(o.resume);
}

TEST(MnistOptions, AllFixedNames) {
  const Options o =
      ParseOptions({"--model",     "cnn",         "--batch",
                    "128",         "--epochs=4",  "--lr",
                    "0.01",        "--keep-prob", "0.75",
                    "--optimizer", "momentum",    "--seed",
                    "7",           "--threads",   "2",
                    "--data",      "d",           "--checkpoint-dir",
                    "c",           "--resume",    "--log-dir",
                    "l",           "--steps",     "20"})
          .value();
  EXPECT_EQ(o.model, "cnn");
  EXPECT_EQ(o.batch, 128);
  EXPECT_EQ(o.epochs, 4);
  EXPECT_EQ(o.lr, 0.01);
  EXPECT_EQ(o.keep_prob, 0.75);
  EXPECT_EQ(o.optimizer, "momentum");
  EXPECT_EQ(o.seed, 7);
  EXPECT_EQ(o.threads, 2);
  EXPECT_EQ(o.data, "d");
  EXPECT_EQ(o.checkpoint_dir, "c");
  EXPECT_TRUE(o.resume);
  EXPECT_EQ(o.log_dir, "l");
  EXPECT_EQ(o.steps, 20);
}

TEST(MnistOptions, RateDependsOnTheOptimizerUnlessGiven) {
  EXPECT_EQ(ParseOptions({"--optimizer", "sgd"}).value().lr, 0.1);
  EXPECT_EQ(ParseOptions({"--optimizer", "momentum"}).value().lr, 0.05);
  EXPECT_EQ(ParseOptions({"--optimizer", "sgd", "--lr", "3"}).value().lr, 3);
}

TEST(MnistOptions, ErrorsNameTheOptionAndTheValue) {
  EXPECT_THAT(ErrorOf({"--epoch", "3"}),
              HasSubstr("unknown option --epoch (--epochs?)"));
  EXPECT_THAT(ErrorOf({"stray"}), HasSubstr("see --help"));
  EXPECT_THAT(ErrorOf({"--batch", "12x"}), HasSubstr("'12x'"));
  EXPECT_THAT(ErrorOf({"--batch"}), HasSubstr("--batch"));
  EXPECT_THAT(ErrorOf({"--batch", "1", "--batch", "2"}), HasSubstr("batch"));
  EXPECT_EQ(ErrorOf({"--batch", "0"}), "--batch must be at least 1, got 0");
  EXPECT_EQ(ErrorOf({"--batch", "-1"}), "--batch must be at least 1, got -1");
  EXPECT_EQ(ErrorOf({"--steps", "0"}), "--steps must be at least 1, got 0");
  EXPECT_EQ(ErrorOf({"--threads", "2000"}),
            "--threads must be 0 to 1024, got 2000");
  EXPECT_EQ(ErrorOf({"--lr", "nan"}),
            "--lr must be above 0 and finite, got nan");
  EXPECT_EQ(ErrorOf({"--lr", "0"}), "--lr must be above 0 and finite, got 0");
  EXPECT_EQ(ErrorOf({"--keep-prob", "1.5"}),
            "--keep-prob must be above 0 and at most 1, got 1.5");
  EXPECT_EQ(ErrorOf({"--model", "mlpp"}),
            "--model must be one of linear, mlp, cnn; got 'mlpp' (mlp?)");
  EXPECT_EQ(ErrorOf({"--resume"}), "--resume needs --checkpoint-dir");
  EXPECT_EQ(ErrorOf({"--data", ""}), "--data needs the name of a folder");
}

TEST(MnistOptions, HelpNamesEveryOption) {
  EXPECT_TRUE(ParseOptions({"--help"}).value().help);
  const std::string text = Usage();
  for (const char* name :
       {"--model", "--batch", "--epochs", "--lr", "--keep-prob", "--optimizer",
        "--seed", "--threads", "--data", "--checkpoint-dir", "--resume",
        "--log-dir", "--steps", "--log-every", "--validation"}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

}  // namespace
}  // namespace lockstep::mnist
