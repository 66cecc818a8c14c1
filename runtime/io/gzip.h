// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gzip: decompression of bytes in memory, into a buffer of a size that the
// caller sets, so that a hostile file cannot make it allocate.
//
// Thread-compatible.
//
//   if (IsGzip(bytes)) {
//     LS_ASSIGN_OR_RETURN(auto in, GunzipStream::Open(bytes, path));
//     LS_RETURN_IF_ERROR(in->ReadExactly(head, 16));
//     LS_RETURN_IF_ERROR(in->ExpectEnd());
//   }

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/core/status.h"

namespace lockstep {

// Begins with gzip's magic number.
bool IsGzip(std::string_view bytes);

// Reads what is compressed in `bytes`, which must outlive it; members that
// follow each other read as one stream. Errors are DATA_LOSS and start with
// `name`.
class GunzipStream {
 public:
  static Result<std::unique_ptr<GunzipStream>> Open(std::string_view bytes,
                                                    std::string name);
  ~GunzipStream();
  GunzipStream(const GunzipStream&) = delete;
  GunzipStream& operator=(const GunzipStream&) = delete;

  // At most `n` bytes; fewer only at the end of the stream.
  Result<size_t> Read(char* out, size_t n);
  // DATA_LOSS when the stream ends before.
  Status ReadExactly(char* out, size_t n);
  // OK when no byte is left, neither inside nor after the compressed stream,
  // and its checksum is right.
  Status ExpectEnd();
  // An upper bound of what is compressed in the bytes, by the format's limit.
  static size_t MaxUncompressed(size_t compressed);

 private:
  struct State;
  explicit GunzipStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lockstep
