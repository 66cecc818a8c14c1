// SPDX-License-Identifier: Apache-2.0

// Print: `input` itself; writes message and data to standard error.
//   input: any   data: any tensors, each shown as "[1 2 3...]"
// PrintV2: writes a string scalar and attribute "end" to output_stream.
// Gradient of Print: dy.

#include <cstdio>
#include <map>

#include "ops/check/check.h"
#include "ops/check/summarize.h"
#include "runtime/core/env.h"
#include "runtime/core/logging.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// How often each Print of the session has written.
struct PrintCounts {
  std::map<std::string, int64_t, std::less<>> by_node;
};

Status PreparePrint(PrepareContext& c) {
  if (c.resources().Service<PrintCounts>() == nullptr) {
    c.resources().SetService(std::make_shared<PrintCounts>());
  }
  return Ok();
}

bool MayPrint(KernelContext& k) {
  const int64_t first_n = GetOr<int64_t>(k.attrs(), "first_n", -1);
  PrintCounts* counts = k.resources().Service<PrintCounts>();
  if (first_n < 0 || counts == nullptr) return true;
  int64_t& count = counts->by_node[std::string(k.node_name())];
  return count < first_n && ++count > 0;
}

Status PrintCpu(KernelContext& k) {
  if (MayPrint(k)) {
    const int64_t limit = GetOr<int64_t>(k.attrs(), "summarize", 3);
    std::string text = GetOr<std::string>(k.attrs(), "message", "");
    for (int i = 1; i < k.num_inputs(); ++i) {
      text += StrCat("[", SummarizeFlat(k.input(i), limit), "]");
    }
    text += '\n';
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  if (k.output(0).data() != k.input(0).data()) {
    k.output(0).CopyFrom(k.input(0));
  }
  return Ok();
}

Status PrintGradient(GradContext& g) { return g.SetDx(0, g.dy(0)); }

LOCKSTEP_OP("Print")
    .Input("input: T")
    .Input("data: U")
    .Output("output: T")
    .Attr("T: type")
    .Attr("U: list(type) >= 0")
    .Attr("message: string = ''")
    .Attr("first_n: int = -1")
    .Attr("summarize: int = 3")
    .Shape(UnchangedShape)
    .Gradient(PrintGradient)
    .Stateful()
    .Kernel(kCpu, {PrintCpu, PreparePrint});

constexpr std::string_view kFile = "file://";

Status CheckStream(PrepareContext& c) {
  const std::string& stream = c.Attr<std::string>("output_stream");
  for (const char* known :
       {"stderr", "stdout", "log(info)", "log(warning)", "log(error)"}) {
    if (stream == known) return Ok();
  }
  if (stream.starts_with(kFile)) return Ok();
  return InvalidArgument(
      "Unknown output stream: ", stream,
      ", wanted stderr, stdout, log(info), log(warning), log(error) or "
      "file://<path>");
}

Status WriteTo(std::FILE* file, const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file) == text.size() &&
      std::fflush(file) == 0) {
    return Ok();
  }
  return Internal("cannot write to the output stream");
}

Status PrintV2Cpu(KernelContext& k) {
  if (k.input(0).NumElements() != 1) {
    return InvalidArgument("Input is expected to be scalar, but got ",
                           k.input(0).shape());
  }
  const std::string& text = k.in<std::string>(0)[0];
  const std::string line = text + GetOr<std::string>(k.attrs(), "end", "\n");
  const std::string stream =
      GetOr<std::string>(k.attrs(), "output_stream", "stderr");
  if (stream == "stderr") return WriteTo(stderr, line);
  if (stream == "stdout") return WriteTo(stdout, line);
  if (!stream.starts_with(kFile)) {
    LogLine(stream == "log(info)"      ? LogLevel::kInfo
            : stream == "log(warning)" ? LogLevel::kWarning
                                       : LogLevel::kError,
            text);
    return Ok();
  }
  const std::string path = stream.substr(kFile.size());
  LS_ASSIGN_OR_RETURN(auto file, Env::Default()->NewAppendableFile(path));
  LS_RETURN_IF_ERROR(file->Append(line));
  return file->Close();
}

LOCKSTEP_OP("PrintV2")
    .Input("input: string")
    .Attr("output_stream: string = 'stderr'")
    .Attr("end: string = '\n'")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {PrintV2Cpu, CheckStream});

}  // namespace

namespace ops {

Output Print(const Scope& scope, const Input& input,
             const std::vector<Output>& data, const std::string& message,
             int first_n, int summarize) {
  return scope.Op("Print")
      .In(input)
      .In(data)
      .Attr("message", message)
      .Attr("first_n", first_n)
      .Attr("summarize", summarize)
      .Out();
}
Node* PrintV2(const Scope& scope, const Input& input,
              const std::string& output_stream, const std::string& end) {
  return scope.Op("PrintV2")
      .In(input)
      .Attr("output_stream", output_stream)
      .Attr("end", end)
      .Build();
}

}  // namespace ops
}  // namespace lockstep
