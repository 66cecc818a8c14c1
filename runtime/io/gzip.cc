// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/gzip.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lockstep {
namespace {

constexpr size_t kPiece = size_t{1} << 30;  // the library counts in uint32_t

const char* CauseOf(int code) {
  switch (code) {
    case ISAL_INVALID_BLOCK: return "invalid block";
    case ISAL_INVALID_SYMBOL: return "invalid symbol";
    case ISAL_INVALID_LOOKBACK: return "invalid distance";
    case ISAL_INVALID_WRAPPER: return "invalid header";
    case ISAL_UNSUPPORTED_METHOD: return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM: return "incorrect data check";
    default: return "unknown cause";
  }
}

}  // namespace

struct GunzipStream::State {
  std::string_view rest;  // not yet given to the library
  std::string name;
  inflate_state z;
  bool member_ended = false;

  Status Damaged(std::string_view what) const {
    return DataLoss(name, ": ", what);
  }
  bool InputLeft() const { return z.avail_in > 0 || !rest.empty(); }
  void Refill() {
    if (z.avail_in > 0 || rest.empty()) return;
    const size_t n = std::min(rest.size(), kPiece);
    // It only reads from next_in.
    z.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(rest.data()));
    z.avail_in = static_cast<uint32_t>(n);
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

GunzipStream::~GunzipStream() = default;

Result<std::unique_ptr<GunzipStream>> GunzipStream::Open(std::string_view bytes,
                                                         std::string name) {
  auto state = std::make_unique<State>();
  state->rest = bytes;
  state->name = std::move(name);
  if (!IsGzip(bytes)) return state->Damaged("not a gzip file");
  isal_inflate_init(&state->z);
  state->z.crc_flag = ISAL_GZIP;
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
      isal_inflate_reset(&s.z);
      s.member_ended = false;
    }
    const size_t want = std::min(n - done, kPiece);
    s.z.next_out = reinterpret_cast<uint8_t*>(out + done);
    s.z.avail_out = static_cast<uint32_t>(want);
    const int rc = isal_inflate(&s.z);
    done += want - s.z.avail_out;
    if (rc < 0 || rc == ISAL_NEED_DICT) {
      return s.Damaged(StrCat("damaged gzip data: ", CauseOf(rc)));
    }
    if (s.z.block_state == ISAL_BLOCK_FINISH) {
      s.member_ended = true;
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
