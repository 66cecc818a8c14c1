// SPDX-License-Identifier: Apache-2.0
// Runs targets on seeds and on random changes of them, the same ones each time.
// For compilers without libFuzzer, for sanitizer builds of the whole library,
// and for making the seeds' files.
//   fuzz_replay [--changes N] [--files FOLDER] [--write FOLDER] [TARGET …]
// Before each input is run it is kept in a file of the folder for temporary
// files, fuzz_<target>.<process>.input, so that what ends the program can be
// looked at. The file goes when the target's inputs have all been run.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "runtime/core/strings.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/seeds.h"

namespace lockstep::fuzz {
namespace {

using Random = std::mt19937;

size_t Below(Random& random, size_t n) {
  return n == 0 ? 0 : static_cast<size_t>(random()) % n;
}

// A few changes: bits, bytes that are often special, pieces that are cut out,
// doubled, or come from another seed.
std::string Changed(std::string text, const std::vector<std::string>& seeds,
                    Random& random) {
  static constexpr unsigned char kSpecial[] = {0, 1, 0x7f, 0x80, 0xff};
  for (size_t n = 1 + Below(random, 5); n > 0; --n) {
    const size_t at = Below(random, text.size());
    const size_t length = Below(random, std::min<size_t>(text.size() - at, 16));
    switch (Below(random, 6)) {
      case 0:
        if (!text.empty()) text[at] ^= static_cast<char>(1 << Below(random, 8));
        break;
      case 1:
        if (!text.empty()) {
          text[at] = static_cast<char>(kSpecial[Below(random, 5)]);
        }
        break;
      case 2: text.erase(at, length); break;
      case 3: text.insert(at, text.substr(at, length)); break;
      case 4: text.resize(at); break;
      case 5: {
        const std::string& other = seeds[Below(random, seeds.size())];
        text.insert(at, other.substr(Below(random, other.size()), length + 1));
        break;
      }
    }
  }
  return text;
}

// The input under way, in one open file.
class Keeper {
 public:
  explicit Keeper(const Target& target)
      : path_(std::filesystem::temp_directory_path() /
              StrCat("fuzz_", target.name, ".", getpid(), ".input")),
        file_(std::fopen(path_.c_str(), "wb")) {
    std::printf("%-18s the input under way is in %s\n", target.name,
                path_.c_str());
    std::fflush(stdout);
  }
  ~Keeper() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  void Keep(const std::string& input) {
    if (file_ == nullptr) return;
    const int fd = fileno(file_);
    const bool kept =
        ftruncate(fd, 0) == 0 &&
        pwrite(fd, input.data(), input.size(), 0) == std::ssize(input);
    if (!kept) std::fprintf(stderr, "an input could not be kept\n");
  }

 private:
  std::filesystem::path path_;
  std::FILE* file_;
};

void Replay(const Target& target, const std::vector<std::string>& seeds,
            int changes) {
  Random random(1);
  Keeper keeper(target);
  const auto run = [&](const std::string& input) {
    keeper.Keep(input);
    target.run(input);
  };
  for (const std::string& seed : seeds) run(seed);
  for (int i = 0; i < changes && !seeds.empty(); ++i) {
    run(Changed(seeds[Below(random, seeds.size())], seeds, random));
  }
  std::printf("%-18s %4zu seeds, %d changes\n", target.name, seeds.size(),
              changes);
}

int Write(const Seeds& seeds, const std::string& folder) {
  for (const auto& [target, inputs] : seeds) {
    const std::filesystem::path dir = std::filesystem::path(folder) / target;
    std::filesystem::create_directories(dir);
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::ofstream out(dir / std::to_string(i), std::ios::binary);
      out << inputs[i];
      if (!out.flush()) return 1;
    }
  }
  return 0;
}

int Main(int argc, char** argv) {
  int changes = 2000;
  std::string folder;
  std::vector<std::string> names;
  Seeds seeds = MakeSeeds();
  if (seeds.empty()) return 1;
  for (int i = 1; i < argc; ++i) {
    const bool more = i + 1 < argc;
    if (more && std::strcmp(argv[i], "--changes") == 0) {
      changes = std::atoi(argv[++i]);
    } else if (more && std::strcmp(argv[i], "--files") == 0) {
      AddFiles(argv[++i], seeds);
    } else if (more && std::strcmp(argv[i], "--write") == 0) {
      folder = argv[++i];
    } else {
      names.push_back(argv[i]);
    }
  }
  if (!folder.empty()) return Write(seeds, folder);
  for (const std::string& name : names) {
    if (FindTarget(name) != nullptr) continue;
    std::fprintf(stderr, "fuzz_replay: no target '%s'\n", name.c_str());
    return 2;
  }
  for (const Target& target : Targets()) {
    const bool asked = names.empty() || std::find(names.begin(), names.end(),
                                                  target.name) != names.end();
    if (asked) Replay(target, seeds[target.name], changes);
  }
  return 0;
}

}  // namespace
}  // namespace lockstep::fuzz

int main(int argc, char** argv) { return lockstep::fuzz::Main(argc, argv); }
