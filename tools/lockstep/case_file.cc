// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/case_file.h"

#include <map>
#include <optional>

#include "runtime/io/npy.h"
#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

Status WrongKind(const char* field, const char* wanted, const Json& got) {
  return InvalidArgument("\"", field, "\" has to be ", wanted, ", got ",
                         DumpJson(got).substr(0, 80));
}

// The field, or null when it is absent.
Result<const Json*> Field(const Json& object, const char* name,
                          nlohmann::json::value_t kind, const char* wanted) {
  const auto it = object.find(name);
  if (it == object.end() || it->is_null()) return nullptr;
  if (it->type() != kind) return WrongKind(name, wanted, *it);
  return &*it;
}

Result<std::vector<std::string>> Names(const Json& step, const char* field) {
  LS_ASSIGN_OR_RETURN(
      const Json* list,
      Field(step, field, nlohmann::json::value_t::array, "a list of names"));
  std::vector<std::string> names;
  if (list == nullptr) return names;
  for (const Json& name : *list) {
    if (!name.is_string()) return WrongKind(field, "a list of names", *list);
    names.push_back(name.get<std::string>());
  }
  return names;
}

class CaseParser {
 public:
  CaseParser(Env& env, std::string dir, std::string out_dir)
      : env_(env), dir_(std::move(dir)), out_dir_(std::move(out_dir)) {}

  Result<Case> Parse(std::string_view text) {
    LS_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
    if (!json.is_object()) return InvalidArgument("a case has to be an object");
    Case out;
    LS_RETURN_IF_ERROR(ReadConfig(json, &out.options));
    LS_ASSIGN_OR_RETURN(const Json* steps,
                        Field(json, "steps", nlohmann::json::value_t::array,
                              "a list of steps"));
    if (steps == nullptr) return InvalidArgument("\"steps\" is missing");
    for (const Json& step : *steps) {
      Result<CaseStep> parsed = ReadStep(step);
      if (!parsed.ok()) {
        return parsed.status().WithContext(StrCat("step ", out.steps.size()));
      }
      out.steps.push_back(*std::move(parsed));
    }
    return out;
  }

 private:
  static Status ReadConfig(const Json& json, SessionOptions* options) {
    using Kind = nlohmann::json::value_t;
    LS_ASSIGN_OR_RETURN(const Json* config,
                        Field(json, "config", Kind::object, "an object"));
    if (config == nullptr) return Ok();
    for (auto [name, flag] :
         {std::pair{"allow_soft_placement", &options->allow_soft_placement},
          std::pair{"log_device_placement", &options->log_device_placement}}) {
      LS_ASSIGN_OR_RETURN(const Json* value,
                          Field(*config, name, Kind::boolean, "true or false"));
      if (value != nullptr) *flag = value->get<bool>();
    }
    for (auto [name, count] :
         {std::pair{"intra_op_parallelism_threads", &options->intra_op_threads},
          std::pair{"inter_op_parallelism_threads",
                    &options->inter_op_threads}}) {
      LS_ASSIGN_OR_RETURN(const Json* value,
                          Field(*config, name, Kind::number_unsigned,
                                "a number that is not negative"));
      if (value != nullptr) {
        *count =
            static_cast<int>(std::min<uint64_t>(value->get<uint64_t>(), 1024));
      }
    }
    return Ok();
  }

  Result<CaseStep> ReadStep(const Json& json) {
    if (!json.is_object()) return InvalidArgument("a step has to be an object");
    CaseStep step;
    LS_ASSIGN_OR_RETURN(const Json* feeds,
                        Field(json, "feed", nlohmann::json::value_t::object,
                              "an object of values by tensor name"));
    if (feeds != nullptr) {
      for (const auto& [name, value] : feeds->items()) {
        Result<Tensor> tensor = ReadValue(value);
        if (!tensor.ok()) {
          return tensor.status().WithContext(StrCat("feed of '", name, "'"));
        }
        step.feeds.emplace_back(name, *std::move(tensor));
      }
    }
    LS_ASSIGN_OR_RETURN(step.fetches, Names(json, "fetch"));
    LS_ASSIGN_OR_RETURN(step.targets, Names(json, "targets"));
    return step;
  }

  Result<Tensor> ReadValue(const Json& value) {
    if (value.is_string()) return ReadFile(value.get<std::string>());
    if (value.is_object()) {
      if (value.contains("strings")) return ReadStrings(value);
      for (const auto& [field, dir] :
           {std::pair{"path", &dir_}, std::pair{"out", &out_dir_}}) {
        const auto it = value.find(field);
        if (it == value.end()) continue;
        if (!it->is_string()) return WrongKind(field, "a path", *it);
        return Tensor(JoinPath(*dir, it->get<std::string>()));
      }
    }
    return InvalidArgument(
        "want the name of an .npy file, or an object with \"strings\", "
        "\"path\" or \"out\", got ",
        DumpJson(value).substr(0, 80));
  }

  Result<Tensor> ReadFile(const std::string& name) {
    const auto known = files_.find(name);
    if (known != files_.end()) return known->second;
    LS_ASSIGN_OR_RETURN(Tensor tensor, ReadNpy(env_, JoinPath(dir_, name)));
    return files_[name] = std::move(tensor);
  }

  static Result<Tensor> ReadStrings(const Json& value) {
    LS_ASSIGN_OR_RETURN(
        const Json* list,
        Field(value, "strings", nlohmann::json::value_t::array, "a list"));
    if (list == nullptr) return InvalidArgument("\"strings\" is null");
    const auto count = static_cast<int64_t>(list->size());
    Shape shape{count};
    LS_ASSIGN_OR_RETURN(const Json* dims,
                        Field(value, "shape", nlohmann::json::value_t::array,
                              "a list of sizes"));
    if (dims != nullptr) {
      std::vector<int64_t> sizes;
      for (const Json& dim : *dims) {
        if (!dim.is_number_unsigned()) {
          return WrongKind("shape", "a list of sizes", *dims);
        }
        sizes.push_back(dim.get<int64_t>());
      }
      LS_ASSIGN_OR_RETURN(shape, Shape::Make(sizes));
    }
    Tensor flat(kString, Shape{count});
    for (size_t i = 0; i < list->size(); ++i) {
      LS_ASSIGN_OR_RETURN(flat.flat<std::string>()[i],
                          BytesFromJson((*list)[i]));
    }
    return flat.Reshaped(shape);
  }

  Env& env_;
  const std::string dir_;
  const std::string out_dir_;
  std::map<std::string, Tensor> files_;
};

}  // namespace

Result<Case> ParseCase(Env& env, std::string_view text, const std::string& dir,
                       const std::string& out_dir) {
  return CaseParser(env, dir, out_dir).Parse(text);
}

Result<Case> ReadCase(Env& env, const std::string& path,
                      const std::string& out_dir) {
  LS_ASSIGN_OR_RETURN(const std::string text, env.ReadFile(path));
  Result<Case> out = ParseCase(env, text, DirName(path), out_dir);
  if (!out.ok()) return out.status().WithContext(path);
  return out;
}

}  // namespace lockstep
