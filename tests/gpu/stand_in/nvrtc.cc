// SPDX-License-Identifier: Apache-2.0
// Stands in for NVRTC: kernels are compiled by the host's compiler, once for
// each source in all processes, with loops over blocks and threads.
#include <nvrtc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <string>
#include <utility>

#include "tests/gpu/stand_in/compiled.h"
#include "tests/gpu/stand_in/host_cuda.h"

using lockstep::stand_in::kCompiledPrefix;

struct _nvrtcProgram {
  std::string source, code, log;
};

namespace {

constexpr int kArchitectures[] = {80, 90};

// Of no linkage: all objects have a kernel of one name, and the loader would
// make one of what their templates' variables are named alike.
constexpr char kLauncher[] = R"(
namespace {
using namespace lockstep::gpu;
struct CompiledKernel {
  unsigned long parameters;
  const unsigned long* sizes;
  void (*run)(unsigned, unsigned, void**);
};
template <auto kKernel, class F>
struct Launcher;
template <auto kKernel, class... P>
struct Launcher<kKernel, void(P...)> {
  static constexpr unsigned long kSizes[] = {sizeof(P)...};
  template <unsigned long... kAt>
  static void Call(void** arguments, std::index_sequence<kAt...>) {
    kKernel(*static_cast<P*>(arguments[kAt])...);
  }
  static void Run(unsigned blocks, unsigned threads, void** arguments) {
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
      for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) {
        Call(arguments, std::index_sequence_for<P...>());
      }
    }
  }
};
}  // namespace
)";

// The name of the one kernel.
std::string KernelOf(const std::string& source) {
  const size_t begin = source.rfind("extern \"C\" __global__");
  if (begin == source.npos) return {};
  static const std::regex head(
      R"(^extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\()");
  std::smatch found;
  const std::string line = source.substr(begin, 200);
  return std::regex_search(line, found, head) ? found[1].str() : std::string();
}

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The shared object's path; empty when the compiler refuses.
std::string Compile(const std::string& source) {
  const std::string kernel = KernelOf(source);
  const std::string whole =
      std::string(lockstep::stand_in::kHostCuda) + "#include <utility>\n" +
      source + kLauncher + "extern \"C\" const CompiledKernel " +
      kCompiledPrefix + kernel + " = {std::size(Launcher<&" + kernel +
      ", decltype(" + kernel + ")>::kSizes), Launcher<&" + kernel +
      ", decltype(" + kernel + ")>::kSizes, &Launcher<&" + kernel +
      ", decltype(" + kernel + ")>::Run};\n";
  (void)mkdir(LOCKSTEP_STAND_IN_CACHE, 0777);
  const std::string stem = LOCKSTEP_STAND_IN_CACHE "/" +
                           std::to_string(std::hash<std::string>()(whole));
  const std::string made = stem + ".so";
  if (access(made.c_str(), R_OK) == 0) return made;
  const std::string own = stem + "." + std::to_string(getpid());
  std::ofstream(own + ".cc") << whole;
  std::string command = LOCKSTEP_CXX;
  for (const char* option : lockstep::stand_in::kHostCudaOptions) {
    command += std::string(" ") + option;
  }
  command += " -o " + own + ".so " + own + ".cc";
  const bool compiled = std::system(command.c_str()) == 0;
  // In one piece, whoever else compiles the same.
  if (compiled) (void)rename((own + ".so").c_str(), made.c_str());
  (void)unlink((own + ".cc").c_str());
  return compiled ? made : std::string();
}

// A text and its end, as NVRTC hands texts out.
nvrtcResult Copy(const std::string& text, char* to) {
  std::memcpy(to, text.c_str(), text.size() + 1);
  return NVRTC_SUCCESS;
}

}  // namespace

extern "C" {

const char* nvrtcGetErrorString(nvrtcResult result) {
  return result == NVRTC_ERROR_COMPILATION ? "NVRTC_ERROR_COMPILATION"
                                           : "another error";
}
nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  *count = static_cast<int>(std::size(kArchitectures));
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetSupportedArchs(int* architectures) {
  std::copy(std::begin(kArchitectures), std::end(kArchitectures),
            architectures);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source,
                               const char*, int, const char* const*,
                               const char* const*) {
  *program = new _nvrtcProgram{source, {}, {}};
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  delete std::exchange(*program, nullptr);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count,
                                const char* const* options) {
  const std::string target = "--gpu-architecture=sm_90";
  if (std::find(options, options + count, target) == options + count) {
    program->log = "not for " + target;
    return NVRTC_ERROR_INVALID_OPTION;
  }
  const std::string object = Compile(program->source);
  if (object.empty()) {
    program->log = "the host's compiler refuses it, see standard error";
    return NVRTC_ERROR_COMPILATION;
  }
  const std::string code = Read(object);
  const size_t bytes = code.size();
  program->code.assign(reinterpret_cast<const char*>(&bytes), sizeof(bytes));
  program->code += code;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* bytes) {
  *bytes = program->code.size();
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* code) {
  std::memcpy(code, program->code.data(), program->code.size());
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetPTXSize(nvrtcProgram, size_t*) {
  return NVRTC_ERROR_INVALID_INPUT;
}
nvrtcResult nvrtcGetPTX(nvrtcProgram, char*) {
  return NVRTC_ERROR_INVALID_INPUT;
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* bytes) {
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) {
  return Copy(program->log, log);
}

}  // extern "C"
