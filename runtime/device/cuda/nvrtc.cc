// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda/nvrtc.h"

#include <dlfcn.h>

#include <algorithm>
#include <span>
#include <vector>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

// What is used of nvrtc.h, which machines without the toolkit lack.
using Program = void*;
constexpr int kSuccess = 0;

struct Nvrtc {
  const char* (*error_string)(int);
  int (*num_supported)(int*);
  int (*supported)(int*);
  int (*create)(Program*, const char* source, const char* name, int headers,
                const char* const* texts, const char* const* names);
  int (*destroy)(Program*);
  int (*compile)(Program, int options, const char* const*);
  int (*code_size)(Program, size_t*);
  int (*code)(Program, char*);
  int (*ptx_size)(Program, size_t*);
  int (*ptx)(Program, char*);
  int (*log_size)(Program, size_t*);
  int (*log)(Program, char*);
};

void* Open() {
  void* library = nullptr;
  // The newest that this was tried with, then whatever there is.
  for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  return library;
}

Result<Nvrtc> Load() {
  void* library = Open();
  if (library == nullptr) {
    const char* why = dlerror();
    return Unavailable("NVRTC is not there: ", why != nullptr ? why : "?");
  }
  Nvrtc n;
  Status missing;
  const auto find = [&](const char* name, auto* function) {
    void* const symbol = dlsym(library, name);
    if (symbol == nullptr) {
      missing.Update(Unavailable("NVRTC has no ", name));
    }
    *function =
        reinterpret_cast<std::remove_pointer_t<decltype(function)>>(symbol);
  };
  find("nvrtcGetErrorString", &n.error_string);
  find("nvrtcGetNumSupportedArchs", &n.num_supported);
  find("nvrtcGetSupportedArchs", &n.supported);
  find("nvrtcCreateProgram", &n.create);
  find("nvrtcDestroyProgram", &n.destroy);
  find("nvrtcCompileProgram", &n.compile);
  find("nvrtcGetCUBINSize", &n.code_size);
  find("nvrtcGetCUBIN", &n.code);
  find("nvrtcGetPTXSize", &n.ptx_size);
  find("nvrtcGetPTX", &n.ptx);
  find("nvrtcGetProgramLogSize", &n.log_size);
  find("nvrtcGetProgramLog", &n.log);
  LS_RETURN_IF_ERROR(missing);
  return n;
}

const Result<Nvrtc>& Library() {
  static const auto& nvrtc = *new Result<Nvrtc>(Load());
  return nvrtc;
}

// The newest capability that NVRTC compiles for.
Result<int> Newest(const Nvrtc& n) {
  int count = 0;
  if (n.num_supported(&count) != kSuccess || count <= 0) {
    return Internal("NVRTC supports no GPU");
  }
  std::vector<int> all(static_cast<size_t>(count));
  if (n.supported(all.data()) != kSuccess) {
    return Internal("NVRTC does not say which GPUs it supports");
  }
  return *std::ranges::max_element(all);
}

class Compilation {
 public:
  explicit Compilation(const Nvrtc& n) : n_(n) {}
  ~Compilation() {
    if (program_ != nullptr) (void)n_.destroy(&program_);
  }
  Compilation(const Compilation&) = delete;
  Compilation& operator=(const Compilation&) = delete;

  Status Run(const std::string& source, const std::string& target) {
    LS_RETURN_IF_ERROR(Check(n_.create(&program_, source.c_str(), "lockstep.cu",
                                       0, nullptr, nullptr),
                             "nvrtcCreateProgram"));
    const std::string architecture = "--gpu-architecture=" + target;
    const char* const options[] = {
        architecture.c_str(), "--std=c++20", "--fmad=false",
        "--device-as-default-execution-space", "--disable-warnings"};
    const int error = n_.compile(program_, std::size(options), options);
    if (error == kSuccess) return Ok();
    return Internal("NVRTC for ", target, ": ", n_.error_string(error), ": ",
                    Log());
  }
  Result<std::string> Code(bool ptx) const {
    return Text(ptx ? n_.ptx_size : n_.code_size, ptx ? n_.ptx : n_.code);
  }

 private:
  Status Check(int error, const char* call) const {
    if (error == kSuccess) return Ok();
    return Internal(call, ": ", n_.error_string(error));
  }
  Result<std::string> Text(int (*size)(Program, size_t*),
                           int (*get)(Program, char*)) const {
    size_t bytes = 0;
    LS_RETURN_IF_ERROR(Check(size(program_, &bytes), "NVRTC"));
    std::string text(bytes, '\0');
    LS_RETURN_IF_ERROR(Check(get(program_, text.data()), "NVRTC"));
    return text;
  }
  // The first messages.
  std::string Log() const {
    constexpr size_t kMost = 2000;
    const Result<std::string> log = Text(n_.log_size, n_.log);
    return log.ok() ? std::string(log->c_str()).substr(0, kMost) : "no log";
  }

  const Nvrtc& n_;
  Program program_ = nullptr;
};

}  // namespace

Status FindNvrtc() { return Library().status(); }

Result<std::string> CompileCuda(const std::string& source, int capability) {
  LS_RETURN_IF_ERROR(FindNvrtc());
  const Nvrtc& nvrtc = *Library();
  LS_ASSIGN_OR_RETURN(const int newest, Newest(nvrtc));
  const bool ptx = capability > newest;
  Compilation compilation(nvrtc);
  LS_RETURN_IF_ERROR(compilation.Run(
      source, ptx ? StrCat("compute_", newest) : StrCat("sm_", capability)));
  return compilation.Code(ptx);
}

}  // namespace lockstep
