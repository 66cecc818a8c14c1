#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/compare keeps minima over its rounds, compares them with the best peer
# and the targets, and says what could not be measured. Lockstep and the peers
# are stand-ins with known times.
#   compare_test.sh COMPARE SCRATCH_FOLDER
set -eu
compare=$1
ROOT=$2
# shellcheck source=tests/tools/stand_ins.sh
. "$(dirname "$0")/stand_ins.sh"
need_python3
mkdir "$ROOT/peers"

stand_in "$ROOT/lockstep" <<'END'
case "$2 $*" in
mlp*--ranks*) us=300 ;;
mlp*200*) us=600 ;;
# The first round is the slow one.
mlp*) us=200; [ -e "$ROOT/again" ] || us=900; : >"$ROOT/again" ;;
chain*) us=150 ;;
checkpoint*)
  echo '{"us_min": 50, "plain_us_min": 40, "read_us_min": 30,'\
    '"plain_read_us_min": 27}'
  exit ;;
start*) us=90000 ;;
allreduce*)
  echo 'verified'
  echo '{"backend": "shm in place", "bytes": 1048576, "us_min": 11}'
  echo '{"backend": "shm", "bytes": 1048576, "us_min": 40}'
  echo '{"backend": "MPI_Allreduce", "bytes": 1048576, "us_min": 22}'
  echo '{"backend": "by hand", "bytes": 1048576, "us_min": 9}'
  exit ;;
*) echo 'no such model' >&2; exit 3 ;;
esac
echo "{\"us_min\": $us}"
END
echo "echo 'test accuracy 0.9812'" | stand_in "$ROOT/mnist"
cat >"$ROOT/peers/tf_step.py" <<'END'
import sys
us = {"v1": 800, "fn": 500}[sys.argv[3]]
print('{"peer": "tf-%s", "us_min": %d, "import_s": 1.5, "first_step_s": 0.5}'
      % (sys.argv[3], us))
END
cat >"$ROOT/peers/tf_overhead.py" <<'END'
print("tf v1 chain 1 us 40.0\ntf v1 chain 1000 us 340.0")
END

run() {
  "$compare" --lockstep "$ROOT/lockstep" --mnist "$ROOT/mnist" "$@" \
    >"$ROOT/out" 2>"$ROOT/err"
}

run --rounds 2 --only mlp,chain,mlp1,mlp2,allreduce1m \
  --peers "$ROOT/peers" --python python3
has "$ROOT/out" '2 threads | 200 us | 500 us (tf-fn) | 2.50 | 2.7 x the best peer | no |'
has "$ROOT/out" '1,500 | 0.1 us | 0.2 us (tf-v1) | 2.00 | at most 0.04 us | no |'
has "$ROOT/out" '| 300 us |  |  | 4 x the best peer; 1.9 x one rank | no peer, 2.00 x one rank |'
has "$ROOT/out" '2 ranks | 11 us | 9 us (by hand) | 0.82 | at most 1.3 x by hand | yes |'
has "$ROOT/out" 'not measured: tf_step.py mlp 100 xla: status 1: KeyError'
has "$ROOT/out" 'not measured: torch_step.py mlp 100 eager: not in'

# Rows that are no steps: the start, with the peers' own figures; a checkpoint
# beside plain files; the example, by the clock. Each framework by its Python.
# shellcheck disable=SC2016 # for the stand-in
echo 'exec python3 "$@"' | stand_in "$ROOT/python"
run --rounds 1 --steps 7 --only start,save,restore,mnist \
  --peers "$ROOT/peers" --python /nowhere --tf-python "$ROOT/python"
has "$ROOT/out" 'done | 90.0 ms | 2.00 s (tf-v1) | 22.22 | at most 0.1 s | yes |'
has "$ROOT/out" 'written | 50 us | 40 us (plain write) | 0.80 | 1.2 x a plain write'
has "$ROOT/out" 'fsync | no |'
has "$ROOT/out" 'disk | 30 us | 27 us (plain read) | 0.90 | 1.2 x a plain read | yes |'
grep -q 'whole program | .* | at most 2 s | yes |' "$ROOT/out"
has "$ROOT/out" 'not measured: tf_mnist10.py: not in'

# Without peers, and with a work that fails.
if run --rounds 1 --only mlp,cnn; then
  echo 'a work that was not measured is a failure'
  exit 1
fi
has "$ROOT/out" '2 threads | 200 us |  |  | 2.7 x the best peer | no peer |'
has "$ROOT/out" '| CNN, Adam, batch 128, 2 threads | failed'
has "$ROOT/out" 'not measured: cnn: status 3: no such model'
