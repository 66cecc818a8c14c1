// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "runtime/graph/placer.h"
#include "runtime/op/op_def.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

const fs::path kOps = TestFile("../ops");

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// "family/file.cc" as they stand in the source list.
std::set<std::string> ListedSources() {
  const std::string text = ReadAll(kOps / "CMakeLists.txt");
  const std::regex file(R"((\w+/\w+\.cc))");
  std::set<std::string> files;
  for (std::sregex_iterator it(text.begin(), text.end(), file), end; it != end;
       ++it) {
    files.insert(it->str());
  }
  return files;
}

// Names in registrations: LOCKSTEP_OP("Add"), SomeOp<...>("ArgMax", ...).
std::set<std::string> NamesIn(const std::string& source) {
  const std::regex name(
      R"re((?:LOCKSTEP_OP|OpRegistrar \w+ =\s*\w+(?:<[^;]*?>)?)\("(\w+)")re");
  std::set<std::string> names;
  for (std::sregex_iterator it(source.begin(), source.end(), name), end;
       it != end; ++it) {
    names.insert((*it)[1]);
  }
  return names;
}

TEST(RegistryTest, HasNoMistakes) {
  EXPECT_THAT(OpRegistry::Global().errors(), testing::IsEmpty());
}

TEST(RegistryTest, EverySourceFileIsListed) {
  std::set<std::string> present;
  for (const auto& entry : fs::recursive_directory_iterator(kOps)) {
    if (entry.path().extension() == ".cc") {
      present.insert(fs::relative(entry.path(), kOps).string());
    }
  }
  EXPECT_EQ(present, ListedSources());
  EXPECT_FALSE(present.empty());
}

TEST(RegistryTest, EveryRegistrationInAListedFileIsLinkedIn) {
  int found = 0;
  for (const std::string& file : ListedSources()) {
    for (const std::string& name : NamesIn(ReadAll(kOps / file))) {
      EXPECT_NE(OpRegistry::Global().Find(name), nullptr)
          << name << " of ops/" << file;
      ++found;
    }
  }
  EXPECT_GT(found, 100);
}

// Whether some input may carry a gradient.
bool TakesFloats(const OpDef& def) {
  for (const ArgDef& arg : def.inputs) {
    if (IsFloating(arg.type)) return true;
    const AttrDef* attr = def.FindAttr(arg.type_attr);
    if (!arg.type_list_attr.empty()) return true;
    if (attr == nullptr || arg.is_ref) continue;
    if (attr->allowed_types.empty()) return true;
    for (DType t : attr->allowed_types) {
      if (IsFloating(t)) return true;
    }
  }
  return false;
}

TEST(RegistryTest, EveryOpOnFloatsHasAGradientOrSaysThatItHasNone) {
  // Ops whose gradient nobody can ask for, with the reason.
  const std::map<std::string, std::string> excused = {
      // {"Name", "why"}
  };
  for (const std::string& name : OpRegistry::Global().Names()) {
    const OpDef& def = *OpRegistry::Global().Find(name);
    if (name.starts_with("_") || !TakesFloats(def)) continue;
    if (def.outputs.empty() || excused.contains(name)) continue;
    EXPECT_TRUE(def.gradient != nullptr || def.no_gradient) << name;
  }
}

TEST(RegistryTest, EveryOpThatRunsHasAKernelForTheProcessor) {
  for (const std::string& name : OpRegistry::Global().Names()) {
    const OpDef& def = *OpRegistry::Global().Find(name);
    if (name.starts_with("_") || !NeedsKernel(def)) continue;
    bool found = false;
    for (const RegisteredKernel& k : def.kernels) {
      found = found || k.device == kCpu;
    }
    EXPECT_TRUE(found) << name;
  }
}

}  // namespace
}  // namespace lockstep
