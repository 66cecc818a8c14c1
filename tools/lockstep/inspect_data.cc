// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/event_reader.h"
#include "runtime/io/idx.h"
#include "runtime/io/npy.h"
#include "tools/lockstep/inspect.h"

namespace lockstep {
namespace {

struct Stats {
  double least = std::numeric_limits<double>::infinity();
  double greatest = -std::numeric_limits<double>::infinity();
  double mean = 0, squares = 0;  // Welford's
  int64_t finite = 0, zeros = 0, nans = 0, infinities = 0;

  void Add(double v) {
    if (std::isnan(v)) {
      ++nans;
    } else if (std::isinf(v)) {
      ++infinities;
    } else {
      ++finite;
      zeros += v == 0;
      least = std::min(least, v);
      greatest = std::max(greatest, v);
      const double step = v - mean;
      mean += step / static_cast<double>(finite);
      squares += step * (v - mean);
    }
  }
};

Json StatsOf(const Tensor& t) {
  Stats s;
  const Status visited =
      VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
        for (const T& v : t.flat<T>()) s.Add(static_cast<double>(v));
        return Ok();
      });
  if (!visited.ok()) return nullptr;  // strings, complex
  Json json = {{"zeros", s.zeros}, {"nans", s.nans}, {"infs", s.infinities}};
  if (s.finite > 0) {
    json["min"] = s.least;
    json["max"] = s.greatest;
    json["mean"] = s.mean;
    json["std"] = std::sqrt(s.squares / static_cast<double>(s.finite));
  }
  return json;
}

// The double that prints with as few digits as the float.
double Shortest(float v) {
  const std::string text = StrCat(v);
  double out = static_cast<double>(v);
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

// The first `count` elements.
Json ValuesOf(const Tensor& t, int count) {
  Json values = Json::array();
  const auto n = static_cast<size_t>(std::min<int64_t>(count, t.NumElements()));
  if (t.dtype() == kString) {
    for (const auto& s : t.flat<std::string>().first(n)) {
      values.push_back(BytesToJson(s));
    }
    return values;
  }
  const Status visited =
      VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
        for (const T& v : t.flat<T>().first(n)) {
          if constexpr (sizeof(T) <= sizeof(float) && !std::is_integral_v<T>) {
            values.push_back(Shortest(static_cast<float>(v)));
          } else {
            values.push_back(v);
          }
        }
        return Ok();
      });
  return visited.ok() ? values : Json(t.ToString(count));
}

void AddContents(const Tensor& t, const InspectOptions& o, Json* json) {
  if (o.stats) (*json)["stats"] = StatsOf(t);
  if (o.values > 0) (*json)["values"] = ValuesOf(t, o.values);
}

void PrintContents(const Json& t) {
  if (t.contains("stats") && t["stats"].is_object()) {
    const Json& s = t["stats"];
    std::printf("      ");
    if (s.contains("min")) {
      std::printf("%g to %g, mean %g, std %g, ", s["min"].get<double>(),
                  s["max"].get<double>(), s["mean"].get<double>(),
                  s["std"].get<double>());
    }
    std::printf("%lld zeros, %lld NaN, %lld inf\n", s["zeros"].get<long long>(),
                s["nans"].get<long long>(), s["infs"].get<long long>());
  }
  if (t.contains("values")) {
    std::printf("      %s\n", DumpJson(t["values"]).c_str());
  }
}

// SHA-256 of the bytes added.
class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void Add(std::string_view bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  // A tensor with its name: where one ends and the next begins matters.
  void Add(const std::string& name, const Tensor& t) {
    Add(StrCat(name.size(), " ", name, " ", DTypeName(t.dtype()), " ",
               t.shape(), "\n"));
    if (t.dtype() != kString) {
      Add({static_cast<const char*>(t.data()), t.bytes()});
      return;
    }
    for (const std::string& s : t.flat<std::string>()) {
      Add(StrCat(s.size(), " ", s));
    }
  }
  std::string Hex() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int count = 0;
    EVP_DigestFinal_ex(context_.get(), bytes, &count);
    std::string hex;
    for (unsigned int i = 0; i < count; ++i) {
      char two[3];
      std::snprintf(two, sizeof two, "%02x", bytes[i]);
      hex += two;
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{
      EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

std::string Text(const Json& json) { return json.get<std::string>(); }

bool Wanted(const InspectOptions& o, const std::string& name) {
  return name.find(o.only) != std::string::npos;
}

}  // namespace

Result<Json> InspectCheckpoint(Env& env, const std::string& prefix,
                               const InspectOptions& options) {
  LS_ASSIGN_OR_RETURN(auto reader, CheckpointReader::Open(env, prefix));
  Json tensors = Json::array();
  uint64_t bytes = 0;
  Sha256 sha256;
  for (const CheckpointEntry& e : reader->entries()) {
    bytes += e.bytes;
    if (!Wanted(options, e.name)) continue;
    Json t = {{"name", e.name},
              {"dtype", DTypeName(e.dtype)},
              {"shape", e.shape.ToString()},
              {"bytes", e.bytes}};
    if (e.partitioned) t["partitioned"] = true;
    if (options.stats || options.values > 0 || options.sha256) {
      LS_ASSIGN_OR_RETURN(const Tensor value, reader->Read(e.name));
      AddContents(value, options, &t);
      sha256.Add(e.name, value);
    }
    tensors.push_back(std::move(t));
  }
  Json json{{"kind", "checkpoint"},
            {"prefix", prefix},
            {"count", reader->entries().size()},
            {"bytes", bytes},
            {"tensors", std::move(tensors)}};
  if (options.sha256) json["sha256"] = sha256.Hex();
  return json;
}

void PrintCheckpoint(const Json& json) {
  std::printf("%s: checkpoint of %zu tensors, %s\n",
              Text(json["prefix"]).c_str(), json["count"].get<size_t>(),
              HumanBytes(json["bytes"].get<uint64_t>()).c_str());
  for (const Json& t : json["tensors"]) {
    std::printf("  %-44s %-9s %-16s%s\n", Text(t["name"]).c_str(),
                Text(t["dtype"]).c_str(), Text(t["shape"]).c_str(),
                t.contains("partitioned") ? " partitioned" : "");
    PrintContents(t);
  }
  if (json.contains("sha256")) {
    std::printf("sha256 %s\n", Text(json["sha256"]).c_str());
  }
}

Result<Json> InspectEvents(Env& env, const std::string& path,
                           const InspectOptions& options) {
  LS_ASSIGN_OR_RETURN(const std::vector<LoggedEvent> events,
                      ReadEvents(env, path));
  struct Tag {
    std::string kind;
    int64_t count = 0, first_step = 0, last_step = 0;
    std::vector<std::pair<int64_t, float>> scalars;
  };
  std::map<std::string, Tag> tags;
  int64_t graphs = 0;
  for (const LoggedEvent& e : events) {
    graphs += !e.graph_def.empty() || !e.meta_graph_def.empty();
    for (const LoggedValue& v : e.values) {
      if (!Wanted(options, v.tag)) continue;
      Tag& tag = tags[v.tag];
      if (tag.count++ == 0) tag.first_step = e.step;
      tag.kind = v.kind;
      tag.last_step = e.step;
      if (v.scalar) tag.scalars.emplace_back(e.step, *v.scalar);
    }
  }
  Json list = Json::array();
  for (const auto& [name, tag] : tags) {
    Json t = {{"tag", name},
              {"kind", tag.kind},
              {"count", tag.count},
              {"first_step", tag.first_step},
              {"last_step", tag.last_step}};
    if (!tag.scalars.empty()) t["last"] = Shortest(tag.scalars.back().second);
    const size_t shown =
        std::min(static_cast<size_t>(options.values), tag.scalars.size());
    for (size_t i = tag.scalars.size() - shown; i < tag.scalars.size(); ++i) {
      const auto [step, value] = tag.scalars[i];
      t["values"].push_back(Json::array({step, Shortest(value)}));
    }
    list.push_back(std::move(t));
  }
  Json json = {{"kind", "events"},
               {"file", path},
               {"events", events.size()},
               {"graphs", graphs}};
  if (!events.empty()) {
    json["first_time"] = events.front().wall_time;
    json["last_time"] = events.back().wall_time;
  }
  json["tags"] = std::move(list);
  return json;
}

void PrintEvents(const Json& json) {
  std::printf("%s: %zu events", Text(json["file"]).c_str(),
              json["events"].get<size_t>());
  if (json.contains("first_time")) {
    std::printf(" in %.0f s", json["last_time"].get<double>() -
                                  json["first_time"].get<double>());
  }
  std::printf(", %lld graphs\n", json["graphs"].get<long long>());
  for (const Json& t : json["tags"]) {
    std::printf("  %-36s %-10s %6lld, steps %lld to %lld",
                Text(t["tag"]).c_str(), Text(t["kind"]).c_str(),
                t["count"].get<long long>(), t["first_step"].get<long long>(),
                t["last_step"].get<long long>());
    if (t.contains("last")) {
      std::printf(", last %s", DumpJson(t["last"]).c_str());
    }
    std::printf("\n");
    PrintContents(t);
  }
}

Result<Json> InspectArray(Env& env, const std::string& path,
                          const InspectOptions& options) {
  const bool npy = path.ends_with(".npy");
  LS_ASSIGN_OR_RETURN(const Tensor t,
                      npy ? ReadNpy(env, path) : ReadIdx(env, path));
  Json json = {{"kind", npy ? "npy" : "idx"},
               {"file", path},
               {"dtype", DTypeName(t.dtype())},
               {"shape", t.shape().ToString()}};
  AddContents(t, options, &json);
  return json;
}

void PrintArray(const Json& json) {
  std::printf("%s: %s %s\n", Text(json["file"]).c_str(),
              Text(json["dtype"]).c_str(), Text(json["shape"]).c_str());
  PrintContents(json);
}

}  // namespace lockstep
