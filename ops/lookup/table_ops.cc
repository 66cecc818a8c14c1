// SPDX-License-Identifier: Apache-2.0

// HashTableV2, MutableHashTableV2, MutableHashTableOfTensorsV2,
// MutableDenseHashTableV2 and their anonymous forms: a handle of the session's
// table called `shared_name`, else by the node; made when first asked for.
//   table_handle: resource []
// InitializeTableV2, LookupTableImportV2, LookupTableInsertV2: keys: Tin
// [n...],
//   values: Tout [n..., value shape]
// LookupTableFindV2: keys, default_value: Tout [value shape] or of values
//   -> values;   LookupTableRemoveV2: keys
// LookupTableSizeV2 -> int64 [];   LookupTableExportV2 -> keys [n], values
// No gradients.

#include "ops/control/object.h"
#include "ops/lookup/lookup_table.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

LookupTables& TablesOf(SessionResources& resources) {
  if (resources.Service<LookupTables>() == nullptr) {
    resources.SetService(std::make_shared<LookupTables>());
  }
  return *resources.Service<LookupTables>();
}

Status SetTable(KernelContext& k, LookupTable::Spec spec) {
  const auto* shared = GetIf<std::string>(k.attrs(), "shared_name");
  const std::string name(shared == nullptr || shared->empty() ? k.node_name()
                                                              : *shared);
  auto& table = TablesOf(k.resources()).by_name[name];
  if (!table) table = std::make_shared<LookupTable>(name, spec);
  const LookupTable::Spec& is = table->spec();
  if (is.key != spec.key || is.value != spec.value ||
      !(is.value_shape == spec.value_shape)) {
    return InvalidArgument("Conflicting key/value dtypes ", DTypeName(spec.key),
                           "->", DTypeName(spec.value), " with ",
                           DTypeName(is.key), "-", DTypeName(is.value),
                           " for table ", name);
  }
  SetObject(k, 0, kResource, table);
  return Ok();
}

LookupTable::Spec SpecOf(const AttrMap& attrs) {
  LookupTable::Spec spec{*GetIf<DType>(attrs, "key_dtype"),
                         *GetIf<DType>(attrs, "value_dtype")};
  if (const auto* shape = GetIf<Shape>(attrs, "value_shape")) {
    spec.value_shape = *shape;
  }
  return spec;
}

Status FixedTable(KernelContext& k) { return SetTable(k, SpecOf(k.attrs())); }

Status MutableTable(KernelContext& k) {
  LookupTable::Spec spec = SpecOf(k.attrs());
  spec.fixed = false;
  if (!spec.value_shape.IsFullyKnown()) {
    return InvalidArgument("value_shape ", spec.value_shape,
                           " is not fully known");
  }
  if (k.num_inputs() == 2) {
    for (int i : {0, 1}) {
      if (k.input(i).NumElements() != 1) {
        return Unimplemented("keys of several elements are not supported, ",
                             i == 0 ? "empty_key" : "deleted_key",
                             " has shape ", k.input(i).shape());
      }
    }
    spec.empty_key = k.input(0).Clone();
    spec.deleted_key = k.input(1).Clone();
  }
  return SetTable(k, std::move(spec));
}

Result<LookupTable*> TableOf(KernelContext& k) {
  return ObjectOf<LookupTable>(k, 0, "table");
}

template <Status (LookupTable::*kCall)(const Tensor&, const Tensor&)>
Status WithEntries(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(LookupTable * table, TableOf(k));
  return (table->*kCall)(k.input(1), k.input(2));
}

Status Remove(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(LookupTable * table, TableOf(k));
  return table->Remove(k.input(1));
}

Status Find(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(LookupTable * table, TableOf(k));
  LS_ASSIGN_OR_RETURN(const Shape shape,
                      table->ValuesShape(k.input(1).shape()));
  if (k.input(2).dtype() == table->spec().value) {
    LS_RETURN_IF_ERROR(k.AllocateOutput(0, shape));
  }
  return table->Find(k.input(1), k.input(2), &k.output(0));
}

Status Size(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(LookupTable * table, TableOf(k));
  k.out<int64_t>(0)[0] = table->size();
  return Ok();
}

Status Export(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(LookupTable * table, TableOf(k));
  if (table->spec().key != k.output(0).dtype() ||
      table->spec().value != k.output(1).dtype()) {
    return InvalidArgument("table ", table->name(), " has keys of ",
                           DTypeName(table->spec().key), " and values of ",
                           DTypeName(table->spec().value));
  }
  const Shape keys{table->size()};
  LS_ASSIGN_OR_RETURN(const Shape values, table->ValuesShape(keys));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, keys));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, values));
  return table->Export(&k.output(0), &k.output(1));
}

Status FindShape(ShapeContext& c) {
  // Rows of values are known to the table alone: with one default for all,
  // [keys, default]; else it has the values' shape.
  if (!c.Input(2).IsFullyKnown() || !c.Input(2).IsScalar()) {
    return c.SetOutput(0, Shape::Unknown());
  }
  return c.SetOutput(0, c.Input(1));
}

Status InitializeShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  return c.WithRank(2, 1).status();
}

enum class Form { kNamed, kAnonymous };

OpBuilder TableOp(const char* name, Form form, bool tensors, bool dense,
                  KernelDef kernel) {
  OpBuilder b(name);
  if (dense) b.Input("empty_key: key_dtype").Input("deleted_key: key_dtype");
  b.Output("table_handle: resource");
  if (form == Form::kNamed) {
    b.Attr("container: string = ''")
        .Attr("shared_name: string = ''")
        .Attr("use_node_name_sharing: bool = false");
  }
  b.Attr("key_dtype: type").Attr("value_dtype: type");
  if (tensors || dense) b.Attr("value_shape: shape = []");
  if (dense) {
    b.Attr("initial_num_buckets: int = 131072")
        .Attr("max_load_factor: float = 0.8");
  }
  b.Shape(ScalarShape).Stateful().NoGradient().Kernel(kCpu, std::move(kernel));
  return b;
}

#define LS_TABLE(Name, tensors, dense, kernel)                     \
  const OpRegistrar k##Name##V2 =                                  \
      TableOp(#Name "V2", Form::kNamed, tensors, dense, {kernel}); \
  const OpRegistrar kAnonymous##Name =                             \
      TableOp("Anonymous" #Name, Form::kAnonymous, tensors, dense, {kernel});
LS_TABLE(HashTable, false, false, FixedTable)
LS_TABLE(MutableHashTable, false, false, MutableTable)
LS_TABLE(MutableHashTableOfTensors, true, false, MutableTable)
LS_TABLE(MutableDenseHashTable, false, true, MutableTable)
#undef LS_TABLE

OpBuilder EntriesOp(const char* name, KernelDef kernel,
                    ShapeFn shape = NoOutputs, const char* key = "Tin",
                    const char* value = "Tout") {
  OpBuilder b(name);
  b.Input("table_handle: resource")
      .Input(StrCat("keys: ", key))
      .Input(StrCat("values: ", value))
      .Attr(StrCat(key, ": type"))
      .Attr(StrCat(value, ": type"))
      .Shape(shape)
      .Stateful()
      .NoGradient()
      .Kernel(kCpu, std::move(kernel));
  return b;
}

const OpRegistrar kInitialize =
    EntriesOp("InitializeTableV2", {WithEntries<&LookupTable::Initialize>},
              InitializeShape, "Tkey", "Tval");
const OpRegistrar kInsert =
    EntriesOp("LookupTableInsertV2", {WithEntries<&LookupTable::Insert>});
const OpRegistrar kImport =
    EntriesOp("LookupTableImportV2", {WithEntries<&LookupTable::Import>});

LOCKSTEP_OP("LookupTableFindV2")
    .Input("table_handle: resource")
    .Input("keys: Tin")
    .Input("default_value: Tout")
    .Output("values: Tout")
    .Attr("Tin: type")
    .Attr("Tout: type")
    .Shape(FindShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Find});

LOCKSTEP_OP("LookupTableRemoveV2")
    .Input("table_handle: resource")
    .Input("keys: Tin")
    .Attr("Tin: type")
    .Shape(NoOutputs)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Remove});

LOCKSTEP_OP("LookupTableSizeV2")
    .Input("table_handle: resource")
    .Output("size: int64")
    .Shape(ScalarShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Size});

LOCKSTEP_OP("LookupTableExportV2")
    .Input("table_handle: resource")
    .Output("keys: Tkeys")
    .Output("values: Tvalues")
    .Attr("Tkeys: type")
    .Attr("Tvalues: type")
    .Shape(UnknownShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Export});

}  // namespace
}  // namespace lockstep
