# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# To be sourced by tests of tools/ that run them with stand-ins for programs:
# makes the folder $ROOT anew, which stand-ins see.
rm -rf "$ROOT"
mkdir -p "$ROOT"
export ROOT

need_python3() {
  command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
}

# stand_in FILE: makes a program of the shell's lines on standard input.
stand_in() {
  { echo '#!/bin/sh'; cat; } >"$1"
  chmod +x "$1"
}

# has FILE TEXT: ends the test where the file lacks the text.
has() {
  grep -qF -- "$2" "$1" || {
    echo "expected: $2; $(basename "$1") is:"
    cat "$1"
    exit 1
  }
}
