#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/growth times each value of each sweep, keeps minima, marks knees, and
# puts the table between its marks and the plot beside it. Lockstep is a
# stand-in with known times.
#   growth_test.sh GROWTH SCRATCH_FOLDER
set -eu
growth=$1
ROOT=$2
# shellcheck source=tests/tools/stand_ins.sh
. "$(dirname "$0")/stand_ins.sh"
need_python3
mkdir "$ROOT/docs"

# In proportion to the batch, but for 64, which takes four times as much; the
# first time is a slow one.
stand_in "$ROOT/lockstep" <<'END'
while [ $# -gt 0 ]; do
  case $1 in
  --batch) batch=$2 ;;
  --depth) depth=$2 ;;
  --ranks) ranks=$2 ;;
  --threads) threads=$2 ;;
  esac
  shift
done
us=$((batch * 10))
[ "$batch" = 64 ] && us=$((us * 4))
[ -n "${depth:-}" ] && us=$((209 + depth * 270))
if [ -n "${ranks:-}" ]; then
  [ "$batch" = $((ranks * 100)) ] && [ "$threads" = 1 ] || exit 3
  us=700
fi
[ -e "$ROOT/again" ] || us=$((us * 50))
: >"$ROOT/again"
echo "{\"us_min\": $us}"
END
printf 'before\n<!-- growth begins -->\nold\n<!-- growth ends -->\nafter\n' \
  >"$ROOT/docs/performance.md"

"$growth" --lockstep "$ROOT/lockstep" --rounds 2 --only batch,depth,ranks \
  --largest 64 --docs "$ROOT/docs" >"$ROOT/out" 2>"$ROOT/err"
page=$ROOT/docs/performance.md
has "$page" '| 1 | 10 us |'
has "$page" '| 32 | 320 us | 96 | 1.00 |'
has "$page" '| 64 | 2,560 us | 24 | **3.00** |'
has "$page" '| 50 | 13.71 ms |'
has "$page" '| 4 | 700 us |'
has "$page" 'before'
has "$page" 'after'
if grep -q old "$page"; then
  echo 'the old table is still there'
  exit 1
fi
python3 - "$ROOT/docs/growth.svg" <<'END_OF_CHECK'
import sys
import xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
circles = [e for e in root.iter() if e.tag.endswith("circle")]
knees = [c for c in circles if c.get("fill") == "#c02020"]
assert len(circles) == 7 + 8 + 4, len(circles)
assert len(knees) == 1, len(knees)
END_OF_CHECK

if "$growth" --lockstep "$ROOT/nobody" --only depth --docs '' 2>"$ROOT/err"; then
  echo 'no program is a failure'
  exit 1
fi
