#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/check_layers finds every kind of breach, and none in a clean tree.
#   check_layers_test.sh CHECK_LAYERS SCRATCH_FOLDER
set -eu
check=$1
root=$2
rm -rf "$root"
mkdir -p "$root/runtime/core" "$root/runtime/graph" "$root/runtime/io" \
  "$root/ops/math" "$root/distributed"
spdx='// SPDX-License-Identifier: Apache-2.0'

# put FILE LINE…: a file of these lines
put() {
  file=$root/$1
  shift
  printf '%s\n' "$@" >"$file"
}
# expect TEXT: the tree has this breach
expect() {
  if "$check" "$root" >"$root/out" 2>&1; then
    echo "no breach found; want: $1"
    exit 1
  fi
  if ! grep -qF "$1" "$root/out"; then
    echo "want: $1; got:"
    cat "$root/out"
    exit 1
  fi
}
expect_clean() {
  if ! "$check" "$root" >"$root/out" 2>&1; then
    echo "unexpected breach:"
    cat "$root/out"
    exit 1
  fi
}

put runtime/CMakeLists.txt "#$spdx" 'target_sources(x PRIVATE' '  core/a.cc' '  graph/g.cc)'
put runtime/core/a.h "$spdx" '#pragma once'
put runtime/core/a.cc "$spdx" '#include "runtime/core/a.h"' '#include <vector>'
put runtime/graph/g.cc "$spdx" '#include "runtime/core/a.h"'
put ops/math/m.h "$spdx" '#pragma once' '#include "runtime/graph/g.h"'
put distributed/d.h "$spdx" '#pragma once' '#include <mpi.h>'
expect_clean

put runtime/core/a.cc "$spdx" '' '#include "runtime/graph/g.h"'
expect 'runtime/core/a.cc:3: runtime/core must not include runtime/graph'
put runtime/core/a.cc "$spdx" '#include "ops/math/m.h"'
expect 'runtime/core/a.cc:2: runtime/core must not include ops'
put runtime/core/a.cc "$spdx" '#include "a.h"'
expect 'runtime/core/a.cc:2: include "a.h" does not start at the root'
put runtime/core/a.cc "$spdx" '#include <mpi.h>'
expect 'runtime/core/a.cc:2: mpi.h and nccl.h'
put runtime/core/a.cc "$spdx" '#include "proto/graph.pb.h"'
expect 'runtime/core/a.cc:2: runtime/core must not include proto'
put runtime/core/a.cc 'no licence'
expect 'runtime/core/a.cc:1: no SPDX line'
put runtime/core/a.cc "$spdx"
expect_clean

put runtime/core/a.h "$spdx"
expect 'runtime/core/a.h:1: no #pragma once'
put runtime/core/a.h "$spdx" '#pragma once'

put runtime/io/f.h "$spdx" '#pragma once' '#include "runtime/graph/g.h"'
expect 'runtime/io/f.h:3: runtime/io must not include runtime/graph'
put runtime/io/f.h "$spdx" '#pragma once' '#include "proto/graph.pb.h"'
expect_clean

put ops/math/m.h "$spdx" '#pragma once' '#include "distributed/d.h"'
expect 'ops/math/m.h:3: ops must not include distributed'
put ops/math/m.h "$spdx" '#pragma once'
put distributed/d.h "$spdx" '#pragma once' '#include "ops/math/m.h"'
expect 'distributed/d.h:3: distributed must not include ops'
put distributed/d.h "$spdx" '#pragma once'

put ops/math/m.h "$spdx" '#pragma once' 'namespace a {' 'struct Twice {' '};' '}  // namespace a'
put distributed/d.h "$spdx" '#pragma once' 'namespace b {' 'struct Twice;' 'class Twice final : public X {' '};' '}  // namespace b'
expect_clean
put distributed/d.h "$spdx" '#pragma once' 'namespace a {' 'class Twice final : public X {' '};' '}  // namespace a'
expect 'ops/math/m.h:4: a::Twice is defined in distributed/d.h, too'
put ops/math/m.h "$spdx" '#pragma once'
put distributed/d.h "$spdx" '#pragma once'

put runtime/core/forgotten.cc "$spdx"
expect 'runtime/core/forgotten.cc:1: in no CMakeLists.txt'
rm "$root/runtime/core/forgotten.cc"

{ echo "$spdx"; yes '// x' | head -n 400; } >"$root/runtime/core/a.cc"
expect_clean
grep -qF 'runtime/core/a.cc:401: warning: more than 400 lines' "$root/out"
{ echo "$spdx"; yes '// x' | head -n 600; } >"$root/runtime/core/a.cc"
expect 'runtime/core/a.cc:601: more than 600 lines'

body=$(yes '  x();' | head -n 59)
put runtime/core/a.cc "$spdx" 'void Short() {' "$body" '}'
expect_clean
if grep -q warning "$root/out"; then cat "$root/out"; exit 1; fi
put runtime/core/a.cc "$spdx" 'int Long(int a,' '         int b) {' "$body" '}'
expect_clean
grep -qF 'runtime/core/a.cc:2: warning: a function of more than 60' "$root/out"
