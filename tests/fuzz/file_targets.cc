// SPDX-License-Identifier: Apache-2.0
// Data files. Checkpoints and records have checksums that a fuzzer does not
// find; beside the raw bytes there is a target that puts them right.
#include <map>

#include "runtime/io/checkpoint_index.h"
#include "runtime/io/checkpoint_objects.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/crc32c.h"
#include "runtime/io/event_reader.h"
#include "runtime/io/idx.h"
#include "runtime/io/npy.h"
#include "runtime/io/png.h"
#include "runtime/io/record_file.h"
#include "runtime/io/table_file.h"
#include "runtime/io/trace_reader.h"
#include "runtime/io/wav.h"
#include "tests/fuzz/chunks.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/fault_env.h"

namespace lockstep::fuzz {
namespace {

constexpr size_t kDataBytes = 4096;
constexpr const char* kData = "m.data-00000-of-00001";

void ReadAll(Env& env) {
  const auto reader = CheckpointReader::Open(env, "m");
  if (!reader.ok()) return;
  for (const CheckpointEntry& e : (*reader)->entries()) {
    (void)(*reader)->Read(e.name);
    (void)(*reader)->ReadSlice(e.name, e.shape,
                               TensorSlice::Whole(e.shape.rank()));
  }
  (void)(*reader)->Verify();
}

FUZZ_TARGET(checkpoint_index, MiB(16)) {
  MemEnv env;
  env.Overwrite("m.index", std::string(input));
  env.Overwrite(kData, std::string(kDataBytes, '\1'));
  ReadAll(env);
}

// Keys and values by turns, in a table that is whole.
FUZZ_TARGET(checkpoint_entries, MiB(16)) {
  std::map<std::string, std::string> rows;
  while (!input.empty()) {
    const std::string key(NextChunk(input));
    rows[key] = NextChunk(input);
  }
  const auto table = BuildTable(rows);
  if (!table.ok()) return;
  MemEnv env;
  env.Overwrite("m.index", *table);
  env.Overwrite(kData, std::string(kDataBytes, '\1'));
  ReadAll(env);
}

// The elements, under entries of several types.
FUZZ_TARGET(checkpoint_data, MiB(16)) {
  std::map<std::string, StoredTensor, std::less<>> stored;
  const auto add = [&](const char* name, DType dtype, const Shape& shape) {
    stored[name] = {.dtype = dtype,
                    .shape = shape,
                    .size = input.size(),
                    .crc = MaskCrc(ExtendCrc32c(0, input))};
  };
  const auto n = static_cast<int64_t>(input.size());
  add("bytes", kUint8, Shape{n});
  add("flags", kBool, Shape{n});
  add("strings", kString, Shape{n / 4});
  add(kObjectGraphKey, kString, Shape{});
  const auto index = EncodeIndex(stored, 1);
  if (!index.ok()) return;
  MemEnv env;
  env.Overwrite("m.index", *index);
  env.Overwrite(kData, std::string(input));
  ReadAll(env);
  (void)VariableKeys(input);
}

FUZZ_TARGET(records, MiB(16)) {
  MemEnv env;
  env.Overwrite("f", std::string(input));
  const auto reader = RecordReader::Open(env, "f");
  if (!reader.ok()) return;
  std::string record;
  for (;;) {
    const auto more = (*reader)->Next(record);
    if (!more.ok() || !*more) return;
  }
}

// Each chunk is a record with right checksums.
FUZZ_TARGET(events, MiB(80)) {
  MemEnv env;
  {
    auto file = env.NewWritableFile("f");
    if (!file.ok()) return;
    RecordWriter out(*std::move(file));
    while (!input.empty()) (void)out.Write(NextChunk(input));
    (void)out.Close();
  }
  const auto log = ReadEventLog(env, "f");
  if (!log.ok()) return;
  for (const auto& [tag, points] : log->values) {
    for (const EventLog::Point& p : points) {
      for (const LoggedSound& s : p.value.sounds) (void)DecodeWav(s.wav);
    }
  }
}

FUZZ_TARGET(idx, MiB(16)) {
  const auto tensor = DecodeIdx(input, "f");
  if (tensor.ok()) (void)EncodeIdx(*tensor);
}

// Header and names, each moved to its place, then records.
FUZZ_TARGET(trace, MiB(16)) {
  std::string file(kTraceNames + kTraceNamesBytes, '\0');
  NextChunk(input)
      .substr(0, sizeof(TraceHeader))
      .copy(file.data(), kTraceNames);
  NextChunk(input).copy(file.data() + kTraceNames, kTraceNamesBytes);
  file += input;
  const auto log = DecodeTrace(file, "f");
  if (!log.ok()) return;
  for (const TraceEvent& e : log->events) (void)log->NameOf(e.name);
}

FUZZ_TARGET(npy, MiB(16)) {
  const auto tensor = DecodeNpy(input, "f.npy");
  if (!tensor.ok()) return;
  const auto bytes = EncodeNpy(*tensor);
  if (!bytes.ok() || !DecodeNpy(*bytes, "f.npy").ok()) __builtin_trap();
}

// 64 M pixels of four bytes are the limit of images.
FUZZ_TARGET(media, MiB(300)) {
  (void)DecodePng(input);
  (void)DecodePng(input, 2, kUint16);
  (void)DecodeWav(input);
}

}  // namespace
}  // namespace lockstep::fuzz
