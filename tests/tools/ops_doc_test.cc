// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "runtime/core/env.h"
#include "tests/testing/test_files.h"
#include "tools/lockstep/ops.h"

namespace lockstep {
namespace {

TEST(OpsDocTest, DocsListWhatTheRegistryHas) {
  const auto text = Env::Default()->ReadFile(TestFile("../docs/ops.md"));
  ASSERT_TRUE(text.ok()) << text.status().ToString();
  EXPECT_TRUE(*text == OpsMarkdown())
      << "docs/ops.md is out of date; make it anew:\n"
         "  build/release/tools/lockstep/lockstep ops --markdown >docs/ops.md";
}

}  // namespace
}  // namespace lockstep
