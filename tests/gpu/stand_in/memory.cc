// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/stand_in/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "tests/gpu/stand_in/report.h"

namespace lockstep::stand_in {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kAlignment = 256;
// Freed ranges whose addresses are not used again yet.
constexpr size_t kQuarantine = 64;

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

size_t FromEnvironment(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Pages {
  char* begin;
  size_t bytes;
};

struct State {
  std::mutex mutex;
  std::map<const char*, Block> blocks;  // by their first byte
  std::map<const char*, Pages> pages;   // of those of TakeMemory
  std::map<int, size_t> used;
  std::deque<Pages> freed;
};
State& TheState() {
  static auto& state = *new State;
  return state;
}

// With the mutex held.
const Block* Containing(const State& s, const void* data) {
  auto after = s.blocks.upper_bound(static_cast<const char*>(data));
  if (after == s.blocks.begin()) return nullptr;
  const Block& block = std::prev(after)->second;
  const auto at =
      static_cast<size_t>(static_cast<const char*>(data) - block.data);
  return at < block.bytes ? &block : nullptr;
}

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kPinned: return "pinned memory";
    case Kind::kMalloc: return "memory of cudaMalloc";
    case Kind::kPool: return "memory of a pool";
    case Kind::kMapped: return "mapped memory";
    default: return "no memory that CUDA knows";
  }
}

}  // namespace

int PhysicalGpus() {
  return static_cast<int>(FromEnvironment("LOCKSTEP_STAND_IN_GPUS", 2));
}
size_t GpuBytes() {
  return FromEnvironment("LOCKSTEP_STAND_IN_MIB", 4096) << 20;
}

bool Hold(int device, size_t bytes) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  if (bytes > GpuBytes() - s.used[device]) return false;
  s.used[device] += bytes;
  return true;
}
void LetGo(int device, size_t bytes) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  s.used[device] -= bytes;
}
size_t BytesInUse(int device) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  return s.used[device];
}

void* TakeMemory(int device, size_t bytes, Kind kind) {
  if (kind != Kind::kPinned && !Hold(device, bytes)) return nullptr;
  const size_t used = RoundUp(std::max(bytes, size_t{1}), kAlignment);
  const size_t whole = RoundUp(used, kPage);
  void* const raw = mmap(nullptr, whole + kPage, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  if (mprotect(raw, whole, PROT_READ | PROT_WRITE) != 0) return nullptr;
  // It ends where the page behind it begins.
  char* const data = static_cast<char*>(raw) + (whole - used);
  std::memset(raw, 0xff, whole);
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  const uint32_t access = kind == Kind::kPinned ? ~0u : 1u << device;
  s.blocks[data] = {kind, data, bytes, device, access};
  s.pages[data] = {static_cast<char*>(raw), whole + kPage};
  return data;
}

bool GiveMemory(void* data, Kind kind) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  const auto block = s.blocks.find(static_cast<char*>(data));
  if (block == s.blocks.end() || block->second.kind != kind) return false;
  if (kind != Kind::kPinned) {
    s.used[block->second.device] -= block->second.bytes;
  }
  const auto pages = s.pages.find(static_cast<char*>(data));
  (void)mmap(pages->second.begin, pages->second.bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  s.freed.push_back(pages->second);
  s.pages.erase(pages);
  s.blocks.erase(block);
  if (s.freed.size() > kQuarantine) {
    (void)munmap(s.freed.front().begin, s.freed.front().bytes);
    s.freed.pop_front();
  }
  return true;
}

Block FindBlock(const void* data) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  const Block* const block = Containing(s, data);
  return block == nullptr ? Block{} : *block;
}

bool IsKnown(const void* data) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  return Containing(s, data) != nullptr;
}

bool Reaches(const void* data, size_t bytes, int device, std::string* why) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  const char* at = static_cast<const char*>(data);
  const char* const end = at + bytes;
  do {  // mapped memory may be in several parts
    const Block* const block = Containing(s, at);
    if (block == nullptr || (block->access & (1u << device)) == 0) {
      if (why != nullptr) {
        *why = StrCat(AddressText(at), " is ",
                      NameOf(block == nullptr ? Kind::kUnknown : block->kind),
                      block == nullptr ? std::string()
                                       : StrCat(" of GPU ", block->device),
                      at == data ? "" : ", behind the end of what is used",
                      "; of ", bytes, " bytes on GPU ", device);
      }
      return false;
    }
    at = block->data + block->bytes;
  } while (at < end);
  return true;
}

void AddMapped(char* data, size_t bytes, int device, uint32_t access) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  Block& block = s.blocks[data];
  block = {Kind::kMapped, data, bytes, device, block.access | access};
}
void RemoveMapped(char* data) {
  State& s = TheState();
  const std::lock_guard lock(s.mutex);
  s.blocks.erase(data);
}

}  // namespace lockstep::stand_in
