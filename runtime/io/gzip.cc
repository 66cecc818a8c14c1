// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lockstep {
namespace {

constexpr int kGzipOnly = 15 + 16;          // largest window, gzip's header
constexpr size_t kPiece = size_t{1} << 30;  // zlib counts in unsigned int

}  // namespace

struct GunzipStream::State {
  std::string_view rest;  // not yet given to zlib
  std::string name;
  z_stream z{};
  bool started = false;
  bool member_ended = false;

  Status Damaged(std::string_view what) const {
    return DataLoss(name, ": ", what);
  }
  bool InputLeft() const { return z.avail_in > 0 || !rest.empty(); }
  void Refill() {
    if (z.avail_in > 0 || rest.empty()) return;
    const size_t n = std::min(rest.size(), kPiece);
    // zlib only reads from next_in.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
    z.avail_in = static_cast<uInt>(n);
    rest.remove_prefix(n);
  }
};

bool IsGzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

size_t GunzipStream::MaxUncompressed(size_t compressed) {
  constexpr size_t kRatio = 1032;  // deflate's best
  constexpr size_t kMax = std::numeric_limits<size_t>::max();
  return compressed > kMax / kRatio ? kMax : compressed * kRatio;
}

GunzipStream::GunzipStream(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

GunzipStream::~GunzipStream() {
  if (state_ && state_->started) inflateEnd(&state_->z);
}

Result<std::unique_ptr<GunzipStream>> GunzipStream::Open(std::string_view bytes,
                                                         std::string name) {
  auto state = std::make_unique<State>();
  state->rest = bytes;
  state->name = std::move(name);
  if (!IsGzip(bytes)) return state->Damaged("not a gzip file");
  const int rc = inflateInit2(&state->z, kGzipOnly);
  if (rc != Z_OK) {
    return ResourceExhausted(state->name, ": zlib: inflateInit2 returned ", rc);
  }
  state->started = true;
  return std::unique_ptr<GunzipStream>(new GunzipStream(std::move(state)));
}

Result<size_t> GunzipStream::Read(char* out, size_t n) {
  State& s = *state_;
  size_t done = 0;
  while (done < n) {
    s.Refill();
    if (s.member_ended) {
      if (!s.InputLeft()) break;
      if (s.z.next_in[0] != 0x1f) {
        return s.Damaged("bytes that are not gzip follow the compressed data");
      }
      inflateReset(&s.z);
      s.member_ended = false;
    }
    const size_t want = std::min(n - done, kPiece);
    s.z.next_out = reinterpret_cast<Bytef*>(out + done);
    s.z.avail_out = static_cast<uInt>(want);
    const int rc = inflate(&s.z, Z_NO_FLUSH);
    done += want - s.z.avail_out;
    if (rc == Z_STREAM_END) {
      s.member_ended = true;
    } else if (rc == Z_MEM_ERROR) {
      return ResourceExhausted(s.name, ": zlib: out of memory");
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
      return s.Damaged(
          StrCat("damaged gzip data: ", s.z.msg ? s.z.msg : "unknown cause"));
    } else if (s.z.avail_out > 0 && !s.InputLeft()) {
      return s.Damaged("gzip data is cut short");
    }
  }
  return done;
}

Status GunzipStream::ReadExactly(char* out, size_t n) {
  LS_ASSIGN_OR_RETURN(const size_t got, Read(out, n));
  if (got == n) return Ok();
  return state_->Damaged(StrCat("compressed data ends early: wanted ", n,
                                " more bytes, got ", got));
}

Status GunzipStream::ExpectEnd() {
  char extra;
  LS_ASSIGN_OR_RETURN(const size_t got, Read(&extra, 1));
  if (got == 0) return Ok();
  return state_->Damaged("more data than its header declares");
}

}  // namespace lockstep
