// SPDX-License-Identifier: Apache-2.0
#pragma once

// LastWords: memory of the ranks of one machine in which each notes that it has
// said why it ends, or has nothing to say any more. A rank that leaves before
// the others have may take the word from them: each end of a process cuts one
// of the pauses short (`sleep` is interrupted by SIGCHLD) that Open MPI's
// launcher makes between the first end, SIGTERM and SIGKILL.
//
// The memory is an open file of one rank without a name, which the others open
// through /proc: nothing is left behind however the ranks end.
//
//   LastWords words(size);                    // on one rank of the machine
//   words.Join(process, file);                // on the others
//   words.Note(rank);

#include <cstddef>
#include <cstdint>

namespace lockstep {

class LastWords {
 public:
  // For the job's ranks below `size`.
  explicit LastWords(int size);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  // The file that other processes may join while this object lives; -1 where
  // the system does not give one.
  int Open();
  // False when the file of `process` cannot be opened.
  bool Join(int32_t process, int file);

  bool shared() const { return noted_ != nullptr; }
  // Nothing, and false, unless it is shared.
  void Note(int rank);
  bool Noted(int rank) const;

 private:
  bool Map(int file);

  const size_t size_;
  int file_ = -1;
  uint8_t* noted_ = nullptr;  // [size], shared
};

}  // namespace lockstep
