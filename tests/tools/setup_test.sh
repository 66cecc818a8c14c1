#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/setup asks apt for what is missing, for nothing else, and for nothing at
# all when everything is there. The system's commands are stand-ins.
#   setup_test.sh SETUP SCRATCH_FOLDER
set -eu
setup=$1
root=$2
rm -rf "$root"
mkdir -p "$root/bin"
export ROOT="$root"

# command NAME: makes a stand-in from standard input.
command_named() {
  { echo '#!/bin/sh'; cat; } >"$root/bin/$1"
  chmod +x "$root/bin/$1"
}
command_named apt-get <<'END'
echo "apt-get $*" >>"$ROOT/calls"
END
command_named apt-cache <<'END'
grep -qx "$2" "$ROOT/available"
END
command_named dpkg-query <<'END'
for last; do :; done
if grep -qx "$last" "$ROOT/installed"; then printf installed; else exit 1; fi
END
command_named id <<'END'
echo 0
END
PATH=$root/bin:$PATH

fail() {
  echo "$1; apt was called so:"
  cat "$root/calls"
  exit 1
}
run() {
  : >"$root/calls"
  "$setup" >"$root/out"
}

"$setup" --list | tr ' ' '\n' >"$root/installed"
cp "$root/installed" "$root/available"
run
[ ! -s "$root/calls" ] || fail 'nothing was missing'
[ ! -s "$root/out" ] || fail 'nothing was to be said'

# One of several alternatives is enough.
grep -v -e '1\.81' -e gnutls "$root/available" >"$root/installed"
run
[ ! -s "$root/calls" ] || fail 'an alternative was there'

grep -v -e '^libgtest-dev$' -e '^cmake$' "$root/available" >"$root/installed"
run
grep -qx 'apt-get install -y -q --no-install-recommends cmake libgtest-dev' \
  "$root/calls" || fail 'cmake and libgtest-dev were missing'

# The alternative that the system's packages have.
grep -v '^libboost-program-options' "$root/available" >"$root/installed"
grep -v '1\.81' "$root/available" >"$root/available2"
mv "$root/available2" "$root/available"
run
grep -q 'recommends libboost-program-options1.83-dev$' "$root/calls" ||
  fail 'Boost 1.83 was to be had'
