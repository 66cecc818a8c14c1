// SPDX-License-Identifier: Apache-2.0
#include "distributed/agreement.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "distributed/communicator.h"
#include "runtime/core/env.h"
#include "runtime/core/float_products.h"
#include "runtime/exec/value_hash.h"
#include "runtime/graph/function.h"

namespace lockstep {
namespace {

// The others may still load what they need.
constexpr uint64_t kPatienceMicros = 120'000'000;

CallOptions Call(std::string_view name) {
  return {.name = name,
          .deadline_micros = Env::Default()->SteadyMicros() + kPatienceMicros};
}

uint64_t DigestOf(const std::vector<Fact>& facts) {
  ValueHash hash;
  for (const Fact& f : facts) {
    hash.Add(f.subject);
    hash.Add(f.attribute);
    hash.Add(static_cast<int64_t>(f.digest));
  }
  return hash.value();
}

void AddNode(const std::string& subject, const Node& n,
             std::vector<Fact>* facts) {
  const auto add = [&](std::string attribute, std::string value) {
    facts->push_back(MakeFact(subject, std::move(attribute), std::move(value)));
  };
  add("op", n.op());
  for (int i = 0; i < n.num_inputs(); ++i) {
    add(StrCat("input ", i), StrCat("'", n.input(i).name(), "'"));
  }
  std::vector<std::string> controls;
  for (const Node* c : n.control_inputs()) controls.push_back(c->name());
  if (!controls.empty()) add("control inputs", Join(controls, ", "));
  if (!n.requested_device().empty()) add("device", n.requested_device());
  for (const auto& [name, value] : n.attrs()) {
    ValueHash hash;
    hash.Add(AttrMap{{name, value}});
    facts->push_back({subject, StrCat("attribute '", name, "'"),
                      value.ToString(), hash.value()});
  }
}

void Append(std::string* bytes, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  bytes->append(reinterpret_cast<const char*>(&size), sizeof(size));
  bytes->append(text);
}

std::string Pack(const std::vector<Fact>& facts) {
  std::string bytes;
  for (const Fact& f : facts) {
    Append(&bytes, f.subject);
    Append(&bytes, f.attribute);
    Append(&bytes, f.value.substr(0, 200));
    Append(&bytes,
           {reinterpret_cast<const char*>(&f.digest), sizeof(f.digest)});
  }
  return bytes;
}

std::vector<Fact> Unpack(std::string_view bytes) {
  const auto take = [&] {
    uint32_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof(size));
    std::string text(bytes.substr(sizeof(size), size));
    bytes.remove_prefix(sizeof(size) + size);
    return text;
  };
  std::vector<Fact> facts;
  while (!bytes.empty()) {
    Fact fact{take(), take(), take(), 0};
    std::memcpy(&fact.digest, take().data(), sizeof(fact.digest));
    facts.push_back(std::move(fact));
  }
  return facts;
}

// Rank `root`'s facts, on all ranks.
Result<std::vector<Fact>> Show(Communicator& ranks, int root,
                               const std::vector<Fact>& mine) {
  std::string bytes;
  if (ranks.rank() == root) bytes = Pack(mine);
  auto size = static_cast<int64_t>(bytes.size());
  LS_RETURN_IF_ERROR(
      ranks.Broadcast(&size, 1, kInt64, root, Call("size of what differs")));
  bytes.resize(static_cast<size_t>(size));
  LS_RETURN_IF_ERROR(
      ranks.Broadcast(bytes.data(), size, kUint8, root, Call("what differs")));
  return Unpack(bytes);
}

using Index =
    std::map<std::pair<std::string_view, std::string_view>, const Fact*>;

Index IndexOf(const std::vector<Fact>& facts) {
  Index index;
  for (const Fact& f : facts) index[{f.subject, f.attribute}] = &f;
  return index;
}

bool HasSubject(const Index& index, const std::string& subject) {
  const auto at = index.lower_bound({subject, ""});
  return at != index.end() && at->first.first == subject;
}

// Rank a has `fact`, rank b has not got the same.
std::string Describe(const Fact& fact, int a, int b, const Index& index_of_b) {
  if (!HasSubject(index_of_b, fact.subject)) {
    return StrCat("rank ", a, " has ", fact.subject, " (", fact.attribute, " ",
                  fact.value, "), rank ", b, " has not");
  }
  const auto found = index_of_b.find({fact.subject, fact.attribute});
  if (found == index_of_b.end()) {
    return StrCat(fact.subject, " has ", fact.attribute, " ", fact.value,
                  " on rank ", a, ", none on rank ", b);
  }
  const std::string& other = found->second->value;
  return StrCat(fact.subject, " has ", fact.attribute, " ", fact.value,
                " on rank ", a, ", ",
                other == fact.value ? "other values" : other, " on rank ", b);
}

std::string FirstDifference(int a, const std::vector<Fact>& facts_a, int b,
                            const std::vector<Fact>& facts_b) {
  const Index index_a = IndexOf(facts_a);
  const Index index_b = IndexOf(facts_b);
  // A subject that only one has explains those that refer to it.
  for (const Fact& f : facts_b) {
    if (!HasSubject(index_a, f.subject)) return Describe(f, b, a, index_a);
  }
  for (const Fact& f : facts_a) {
    if (!HasSubject(index_b, f.subject)) return Describe(f, a, b, index_b);
  }
  for (const Fact& f : facts_a) {
    const auto found = index_b.find({f.subject, f.attribute});
    if (found == index_b.end() || found->second->digest != f.digest) {
      return Describe(f, a, b, index_b);
    }
  }
  for (const Fact& f : facts_b) {
    if (!index_a.contains({f.subject, f.attribute})) {
      return Describe(f, b, a, index_a);
    }
  }
  return "the order of what they have differs";
}

}  // namespace

Fact MakeFact(std::string subject, std::string attribute, std::string value) {
  ValueHash hash;
  hash.Add(value);
  return {std::move(subject), std::move(attribute), std::move(value),
          hash.value()};
}

std::vector<Fact> FactsOf(const Graph& graph) {
  std::vector<Fact> facts;
  for (const Node* n : graph.nodes()) {
    AddNode(StrCat("node '", n->name(), "'"), *n, &facts);
  }
  if (graph.functions() == nullptr) return facts;
  for (const std::string& name : graph.functions()->Names()) {
    const auto function = graph.functions()->Find(name);
    if (function == nullptr) continue;
    for (const Node* n : function->body.nodes()) {
      AddNode(StrCat("node '", n->name(), "' of function '", name, "'"), *n,
              &facts);
    }
  }
  return facts;
}

std::vector<Fact> FactsOf(const SessionOptions& options) {
  const auto fact = [](std::string name, bool value) {
    return MakeFact("the session", StrCat("option ", name),
                    value ? "true" : "false");
  };
  std::vector<Fact> facts = {
      fact("optimize", options.optimize),
      fact("allow_soft_placement", options.allow_soft_placement),
      fact("strict_placement", options.strict_placement),
      fact("direct_convolution", options.direct_convolution)};
  std::vector<std::string> passes;
  for (const auto& pass : options.passes) passes.push_back(pass->name());
  facts.push_back(MakeFact("the session", "passes", Join(passes, ", ")));
  facts.push_back(MakeFact("the session", "virtual replicas",
                           StrCat(options.reproducible)));
  facts.push_back(MakeFact("the session", "mixed precision",
                           DTypeName(options.mixed_precision)));
  facts.push_back(MakeFact("the session", "float products",
                           FloatProductsName(GetFloatProducts())));
  return facts;
}

Status Agree(Communicator& ranks, const std::vector<Fact>& facts) {
  if (ranks.size() == 1) return Ok();
  const auto mine = static_cast<int64_t>(DigestOf(facts));
  std::vector<int64_t> all(static_cast<size_t>(ranks.size()));
  LS_RETURN_IF_ERROR(ranks.AllGather(&mine, all.data(), 1, kInt64,
                                     Call("agreement before the first step")));
  if (std::ranges::count(all, mine) == ranks.size()) return Ok();
  // Most ranks are right; of equally many, those with rank 0.
  const auto usual = *std::ranges::max_element(all, {}, [&](int64_t d) {
    return 2 * std::ranges::count(all, d) + (d == all[0] ? 1 : 0);
  });
  const auto rank_of = [&](auto is) {
    return static_cast<int>(std::ranges::find_if(all, is) - all.begin());
  };
  const int right = rank_of([&](int64_t d) { return d == usual; });
  const int odd = rank_of([&](int64_t d) { return d != usual; });
  LS_ASSIGN_OR_RETURN(const std::vector<Fact> theirs,
                      Show(ranks, right, facts));
  LS_ASSIGN_OR_RETURN(const std::vector<Fact> odds, Show(ranks, odd, facts));
  std::vector<std::string> others;
  for (int r = 0; r < ranks.size(); ++r) {
    if (all[static_cast<size_t>(r)] != usual) others.push_back(StrCat(r));
  }
  return FailedPrecondition(
      "the ranks are not alike: ", FirstDifference(odd, odds, right, theirs),
      others.size() == 1 ? StrCat("; rank ", odd, " differs from all others")
                         : StrCat("; ranks ", Join(others, ", "),
                                  " differ from rank ", right));
}

void CheckAgreement(std::shared_ptr<Communicator> ranks,
                    std::vector<Fact> declared, SessionOptions* session) {
  if (ranks->size() == 1) return;
  session->checks.push_back(
      [ranks = std::move(ranks), declared = std::move(declared)](
          const Graph& graph, const SessionOptions& options) {
        std::vector<Fact> facts = FactsOfProgram();
        facts.insert(facts.end(), declared.begin(), declared.end());
        for (Fact& f : FactsOf(options)) facts.push_back(std::move(f));
        for (Fact& f : FactsOf(graph)) facts.push_back(std::move(f));
        return Agree(*ranks, facts);
      });
}

}  // namespace lockstep
