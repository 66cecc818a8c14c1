// SPDX-License-Identifier: Apache-2.0
#pragma once

// MetaGraph: a graph with what programs need to use it without knowing it -
// tags, the saver's nodes, collections, signatures - to and from TensorFlow's
// MetaGraphDef. For a graph alone, see graph_def.h; for SavedModel folders,
// saved_model.h.
//
//   LS_ASSIGN_OR_RETURN(MetaGraph m, ReadGraphFile(env, "model.meta"));
//   m.saver.restore_op;                       // "save/restore_all"
//   m.NodeCollection("train_op");             // {"Adam"}
//   LS_ASSIGN_OR_RETURN(std::string bytes, ToMetaGraphDef(m));

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/graph/graph.h"

namespace lockstep {

// The nodes through which a graph saves and restores its variables.
struct SaverNames {
  std::string filename_tensor;  // "save/Const:0"; all empty: there is no saver
  std::string save_tensor;      // "save/control_dependency:0"
  std::string restore_op;       // "save/restore_all"
  int max_to_keep = 5;
  bool sharded = false;
  float keep_checkpoint_every_n_hours = 10000;

  bool defined() const { return !restore_op.empty() || !save_tensor.empty(); }
};

// A variable as the collections list it.
struct VariableInfo {
  std::string variable;       // tensor "w:0"; of the handle for resources
  std::string initializer;    // node "w/Assign"
  std::string snapshot;       // tensor "w/read:0"
  std::string initial_value;  // tensor; empty in old files
  bool is_resource = false;
  bool trainable = true;
};

// One end of a signature. A sparse one has three tensors and no name.
struct TensorInfo {
  std::string name;  // "dense/Softmax:0"
  DType dtype = kInvalidType;
  Shape shape = Shape::Unknown();
  std::vector<std::string> sparse = {};  // values, indices, dense shape
};

struct Signature {
  std::map<std::string, TensorInfo> inputs;
  std::map<std::string, TensorInfo> outputs;
  std::string method;  // "tensorflow/serving/predict"
};

// Node names, serialized messages, or numbers.
struct Collection {
  enum class Kind { kNodes, kBytes, kInts, kFloats, kAny };
  Kind kind = Kind::kNodes;
  std::vector<std::string> texts;  // kNodes, kBytes, kAny (serialized Any)
  std::vector<int64_t> ints;
  std::vector<float> floats;
};

struct Asset {
  std::string tensor;    // fed with the file's path
  std::string filename;  // within assets/
};

struct MetaGraph {
  Graph graph;
  std::vector<std::string> tags;
  SaverNames saver;
  std::map<std::string, Collection> collections;
  std::map<std::string, Signature> signatures;
  std::vector<Asset> assets;
  // The serialized SavedObjectGraph of TensorFlow 2, carried along.
  std::string object_graph;

  // The names in a collection of nodes; empty when there is none.
  std::vector<std::string> NodeCollection(std::string_view name) const;
  // The variables in a collection of VariableDefs, such as "variables" and
  // "trainable_variables". INVALID_ARGUMENT when it holds something else.
  Result<std::vector<VariableInfo>> VariableCollection(
      std::string_view name) const;
  void SetVariableCollection(const std::string& name,
                             const std::vector<VariableInfo>& variables);
};

// A serialized MetaGraphDef. Errors as those of graph_def.h.
Result<std::string> ToMetaGraphDef(const MetaGraph& meta);
Result<MetaGraph> FromMetaGraphDef(std::string_view bytes);

// Reads a graph by what the path is: a folder with saved_model.pb (the meta
// graph tagged "serve", or the only one), `.meta` (MetaGraphDef, binary or
// text), `.pbtxt` (GraphDef or MetaGraphDef in text), any other file a
// GraphDef. Errors name the path.
Result<MetaGraph> ReadGraphFile(Env& env, const std::string& path);

}  // namespace lockstep
