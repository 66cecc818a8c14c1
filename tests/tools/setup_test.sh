#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/setup asks apt for what is missing, for nothing else, and for nothing at
# all when everything is there. The system's commands are stand-ins.
#   setup_test.sh SETUP SCRATCH_FOLDER
set -eu
setup=$1
ROOT=$2
# shellcheck source=tests/tools/stand_ins.sh
. "$(dirname "$0")/stand_ins.sh"
mkdir "$ROOT/bin"

stand_in "$ROOT/bin/apt-get" <<'END'
echo "apt-get $*" >>"$ROOT/calls"
END
# It shows what packages only mention, too, with nothing.
stand_in "$ROOT/bin/apt-cache" <<'END'
if grep -qx "$2" "$ROOT/available"; then echo "Package: $2"; fi
END
stand_in "$ROOT/bin/dpkg-query" <<'END'
for last; do :; done
if grep -qx "$last" "$ROOT/installed"; then printf installed; else exit 1; fi
END
stand_in "$ROOT/bin/id" <<'END'
echo 0
END
PATH=$ROOT/bin:$PATH

fail() {
  echo "$1; apt was called so:"
  cat "$ROOT/calls"
  exit 1
}
run() {
  : >"$ROOT/calls"
  "$setup" >"$ROOT/out"
}

"$setup" --list | tr ' ' '\n' >"$ROOT/installed"
cp "$ROOT/installed" "$ROOT/available"
run
[ ! -s "$ROOT/calls" ] || fail 'nothing was missing'
[ ! -s "$ROOT/out" ] || fail 'nothing was to be said'

# One of several alternatives is enough.
grep -v -e '1\.81' -e gnutls "$ROOT/available" >"$ROOT/installed"
run
[ ! -s "$ROOT/calls" ] || fail 'an alternative was there'

grep -v -e '^libgtest-dev$' -e '^cmake$' "$ROOT/available" >"$ROOT/installed"
run
grep -qx 'apt-get install -y -q --no-install-recommends cmake libgtest-dev' \
  "$ROOT/calls" || fail 'cmake and libgtest-dev were missing'

# The alternative that the system's packages have.
grep -v '^libboost-program-options' "$ROOT/available" >"$ROOT/installed"
grep -v '1\.81' "$ROOT/available" >"$ROOT/available2"
mv "$ROOT/available2" "$ROOT/available"
run
grep -q 'recommends libboost-program-options1.83-dev$' "$ROOT/calls" ||
  fail 'Boost 1.83 was to be had'
