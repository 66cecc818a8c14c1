// SPDX-License-Identifier: Apache-2.0
// The build ids that the linker wrote into the program and Lockstep's
// libraries: the same for the same bytes of code.
#include <elf.h>
#include <link.h>

#include <cstring>

#include "distributed/agreement.h"
#include "runtime/core/env.h"

namespace lockstep {
namespace {

// In the notes of a segment; empty when there is none.
std::string IdInNotes(const char* notes, size_t size) {
  size_t at = 0;
  const auto round = [](size_t n) { return (n + 3) / 4 * 4; };
  while (at + sizeof(ElfW(Nhdr)) <= size) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof(note));
    const size_t name = at + sizeof(note);
    const size_t id = name + round(note.n_namesz);
    if (id + note.n_descsz > size) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        std::memcmp(notes + name, "GNU", 4) == 0) {
      std::string text;
      for (size_t i = 0; i < note.n_descsz; ++i) {
        constexpr char kDigits[] = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(notes[id + i]);
        text += {kDigits[byte / 16], kDigits[byte % 16]};
      }
      return text;
    }
    at = id + round(note.n_descsz);
  }
  return {};
}

int AddObject(dl_phdr_info* info, size_t, void* facts) {
  const std::string name = BaseName(info->dlpi_name);
  if (*info->dlpi_name != '\0' && !name.starts_with("liblockstep")) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const std::string id = IdInNotes(
        reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr),
        header.p_memsz);
    if (id.empty()) continue;
    static_cast<std::vector<Fact>*>(facts)->push_back(MakeFact(
        name.empty() || name == "." ? "the program" : StrCat("library ", name),
        "build id", id));
    break;
  }
  return 0;
}

}  // namespace

std::vector<Fact> FactsOfProgram() {
  std::vector<Fact> facts;
  dl_iterate_phdr(AddObject, &facts);
  return facts;
}

}  // namespace lockstep
