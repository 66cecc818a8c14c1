// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/graph_feeds.h"

#include <algorithm>
#include <charconv>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

// "100,784"; "" is a scalar.
Result<Shape> ParseShape(const std::string& text) {
  std::vector<int64_t> sizes;
  for (const std::string& part : Split(text, ',')) {
    if (text.empty()) break;
    int64_t size = -1;
    const char* end = part.data() + part.size();
    const auto [rest, error] = std::from_chars(part.data(), end, size);
    if (error != std::errc() || rest != end || size < 0) {
      return InvalidArgument("'", text,
                             "' is no shape: want sizes, as in "
                             "100,784");
    }
    sizes.push_back(size);
  }
  return Shape::Make(sizes);
}

Result<Session::Feed> ParseFeed(const Graph& graph, const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos) {
    return InvalidArgument("want TENSOR=SIZES, got '", text, "'");
  }
  LS_ASSIGN_OR_RETURN(const Output tensor,
                      graph.FindOutput(text.substr(0, equals)));
  LS_ASSIGN_OR_RETURN(const Shape shape, ParseShape(text.substr(equals + 1)));
  LS_ASSIGN_OR_RETURN(Tensor value,
                      Tensor::Make(BaseOf(tensor.dtype()), shape));
  return Session::Feed{tensor.name(), std::move(value)};
}

}  // namespace

Result<std::vector<Session::Feed>> FeedsOf(
    const Graph& graph, const std::vector<std::string>& feed_shapes) {
  std::vector<Session::Feed> feeds;
  for (const std::string& text : feed_shapes) {
    Result<Session::Feed> feed = ParseFeed(graph, text);
    if (!feed.ok()) return feed.status().WithContext("--feed-shape");
    feeds.push_back(*std::move(feed));
  }
  for (Node* n : graph.nodes()) {
    if (!n->traits().placeholder || n->num_inputs() > 0) continue;
    const Output out = n->output(0);
    const auto same = [&](const Session::Feed& f) {
      return f.first == out.name();
    };
    if (!out.shape().IsFullyKnown() || std::ranges::any_of(feeds, same)) {
      continue;
    }
    LS_ASSIGN_OR_RETURN(Tensor value, Tensor::Make(out.dtype(), out.shape()));
    feeds.push_back({out.name(), std::move(value)});
  }
  return feeds;
}

}  // namespace lockstep
