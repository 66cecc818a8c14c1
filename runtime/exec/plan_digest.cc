// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_digest.h"

namespace lockstep {
namespace {

// FNV-1a over everything that is added.
class Hash {
 public:
  void Bytes(const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) {
      value_ = (value_ ^ bytes[i]) * 0x100000001b3ull;
    }
  }
  void Add(int64_t v) { Bytes(&v, sizeof(v)); }
  void Add(float v) { Bytes(&v, sizeof(v)); }
  void Add(bool v) { Add(int64_t{v}); }
  void Add(DType v) { Add(static_cast<int64_t>(v)); }
  void Add(const std::string& v) {
    Add(static_cast<int64_t>(v.size()));
    Bytes(v.data(), v.size());
  }
  void Add(const Shape& v) {
    Add(int64_t{v.rank()});
    for (const int64_t d : v.dims()) Add(d);
  }
  void Add(const Tensor& v) {
    Add(v.dtype());
    Add(v.shape());
    if (v.dtype() == kString) {
      for (const std::string& s : v.flat<std::string>()) Add(s);
    } else if (IsPod(v.dtype())) {
      Bytes(v.data(), v.bytes());
    }
  }
  void Add(const FunctionRef& v) {
    Add(v.name);
    if (v.attrs) Add(*v.attrs);
  }
  void Add(std::monostate) {}
  template <class T>
  void Add(const SharedValue<T>& v) {
    Add(*v);
  }
  template <class T>
  void Add(const std::vector<T>& list) {
    Add(static_cast<int64_t>(list.size()));
    for (size_t i = 0; i < list.size(); ++i)
      Add(static_cast<const T&>(list[i]));
  }
  void Add(const AttrMap& attrs) {
    for (const auto& [name, value] : attrs) {
      Add(name);
      std::visit([&](const auto& v) { Add(v); },
                 static_cast<const AttrValue::variant&>(value));
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325ull;
};

// A feed is read on every task: its own device does not matter.
bool IsPlaced(const Node& n) { return n.op() != "_Feed"; }

void AddNode(const Graph& original, const Node& n, Hash* hash) {
  hash->Add(n.name());
  hash->Add(n.op());
  const Node* written = original.Find(n.name());
  if (n.traits().constant && !(written && written->traits().constant)) {
    hash->Add(n.output_type(0));
    hash->Add(n.output_shape(0));
  } else {
    hash->Add(n.attrs());
  }
  for (const Output& in : n.inputs()) hash->Add(in.name());
  for (const Node* c : n.control_inputs()) hash->Add(c->name());
}

}  // namespace

PlanDigest DigestOf(const PlanRequest& request, const PlanGraph& plan) {
  Hash signature, feeds, graph, placement;
  for (const Output& o : request.signature.feeds) signature.Add(o.name());
  for (const Output& o : request.signature.fetches) {
    signature.Add("->" + o.name());
  }
  for (const Node* n : request.signature.targets) {
    signature.Add("^" + n->name());
  }
  for (const FeedSpec& f : request.feeds) {
    feeds.Add(f.dtype);
    feeds.Add(f.shape);
  }
  for (const Node* n : plan.graph.nodes()) {
    AddNode(request.graph, *n, &graph);
    if (IsPlaced(*n)) placement.Add(n->assigned_device());
  }
  return {signature.value(), feeds.value(), graph.value(), placement.value()};
}

}  // namespace lockstep
