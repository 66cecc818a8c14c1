// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/placer_conflict.h"

#include <algorithm>

namespace lockstep {
namespace {

// Nodes that can be on the same devices, by Allowed().
using Patterns = std::map<std::string, std::vector<const Node*>>;

bool Meet(const std::vector<std::string>& patterns) {
  for (size_t device = 0; device < patterns[0].size(); ++device) {
    if (std::ranges::all_of(patterns, [&](const std::string& bits) {
          return bits[device] == '1';
        })) {
      return true;
    }
  }
  return false;
}

std::string NodeText(const Node* node) {
  return StrCat("'", node->name(), "' (", node->op(), ")");
}

const Node* FirstEnd(const ColocationLink& link,
                     const std::vector<const Node*>& of) {
  return std::ranges::find(of, link.node) != of.end() ? link.node : link.with;
}

struct Conflict {
  std::vector<const Node*> nodes;
  std::vector<ColocationLink> chain;
};

// Two kinds of needs that exclude each other, met by the nearest two nodes.
Conflict NearestPair(const ColocationGroups& groups, const Patterns& patterns) {
  Conflict best;
  for (auto a = patterns.begin(); a != patterns.end(); ++a) {
    for (auto b = std::next(a); b != patterns.end(); ++b) {
      if (Meet({a->first, b->first})) continue;
      std::vector<ColocationLink> chain = groups.Chain(a->second, b->second);
      if (chain.empty() ||
          (!best.chain.empty() && best.chain.size() <= chain.size())) {
        continue;
      }
      best.nodes = {FirstEnd(chain.front(), a->second),
                    FirstEnd(chain.back(), b->second)};
      best.chain = std::move(chain);
    }
  }
  return best;
}

// No two exclude each other: needs are dropped as long as the rest still does.
Conflict SmallestSet(const ColocationGroups& groups, const Patterns& patterns) {
  std::vector<std::string> kept;
  for (const auto& [bits, nodes] : patterns) kept.push_back(bits);
  for (size_t i = 0; i < kept.size() && kept.size() > 1;) {
    std::vector<std::string> fewer = kept;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (Meet(fewer)) {
      ++i;
    } else {
      kept = std::move(fewer);
    }
  }
  Conflict conflict;
  for (const std::string& bits : kept) {
    const Node* node = patterns.at(bits).front();
    if (!conflict.nodes.empty()) {
      for (ColocationLink& link : groups.Chain({conflict.nodes[0]}, {node})) {
        conflict.chain.push_back(link);
      }
    }
    conflict.nodes.push_back(node);
  }
  return conflict;
}

}  // namespace

Status ExplainConflict(const PlacerNeeds& needs, const ColocationGroups& groups,
                       const std::vector<const Node*>& members, bool soft) {
  Patterns patterns;
  for (const Node* n : members) patterns[needs.Allowed(n, soft)].push_back(n);
  const std::string end =
      StrCat("; the devices are ", needs.DevicesText(),
             soft ? "" : ". Soft placement would choose one that has a kernel");
  const auto none =
      patterns.find(std::string(needs.devices().all().size(), '0'));
  if (none != patterns.end()) {
    const Node* node = none->second.front();
    return InvalidArgument("Cannot assign a device for operation ",
                           NodeText(node), ": it ", needs.Text(node), end);
  }
  Conflict conflict = NearestPair(groups, patterns);
  if (conflict.nodes.empty()) conflict = SmallestSet(groups, patterns);
  std::vector<std::string> texts, links;
  for (const Node* n : conflict.nodes) {
    texts.push_back(StrCat(NodeText(n), " ", needs.Text(n)));
  }
  for (const ColocationLink& link : conflict.chain) {
    links.push_back(link.ToString());
  }
  return InvalidArgument("Cannot assign a device for operation '",
                         conflict.nodes.back()->name(),
                         "' and what it is colocated with: ", Join(texts, "; "),
                         ". ", Join(links, "; "), end);
}

}  // namespace lockstep
