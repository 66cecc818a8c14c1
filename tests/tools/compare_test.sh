#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/compare keeps minima over its rounds, compares them with the best peer
# and the targets, and says what could not be measured. Lockstep and the peers
# are stand-ins with known times.
#   compare_test.sh COMPARE SCRATCH_FOLDER
set -eu
compare=$1
root=$2
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
rm -rf "$root"
mkdir -p "$root/peers"
export ROOT="$root"

cat >"$root/lockstep" <<'END_OF_STAND_IN'
#!/bin/sh
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
END_OF_STAND_IN
chmod +x "$root/lockstep"
cat >"$root/mnist" <<'END_OF_STAND_IN'
#!/bin/sh
echo 'test accuracy 0.9812'
END_OF_STAND_IN
chmod +x "$root/mnist"
cat >"$root/peers/tf_step.py" <<'END_OF_STAND_IN'
import sys
us = {"v1": 800, "fn": 500}[sys.argv[3]]
print('{"peer": "tf-%s", "us_min": %d, "import_s": 1.5, "first_step_s": 0.5}'
      % (sys.argv[3], us))
END_OF_STAND_IN
cat >"$root/peers/tf_overhead.py" <<'END_OF_STAND_IN'
print("tf v1 chain 1 us 40.0\ntf v1 chain 1000 us 340.0")
END_OF_STAND_IN

has() {
  grep -qF "$1" "$root/out" || {
    echo "expected: $1; compare printed:"
    cat "$root/out"
    exit 1
  }
}
run() {
  "$compare" --lockstep "$root/lockstep" --mnist "$root/mnist" "$@" \
    >"$root/out" 2>"$root/err"
}

run --rounds 2 --only mlp,chain,mlp1,mlp2,allreduce1m \
  --peers "$root/peers" --python python3
has '2 threads | 200 us | 500 us (tf-fn) | 2.50 | 2.7 x the best peer | no |'
has '1,500 | 0.1 us | 0.2 us (tf-v1) | 2.00 | at most 0.04 us | no |'
has '| 300 us |  |  | 4 x the best peer; 1.9 x one rank | no peer, 2.00 x one rank |'
has '2 ranks | 11 us | 9 us (by hand) | 0.82 | at most 1.3 x by hand | yes |'
has 'not measured: tf_step.py mlp 100 xla: status 1: KeyError'
has 'not measured: torch_step.py mlp 100 eager: not in'

# Rows that are no steps: the start, with the peers' own figures; a checkpoint
# beside plain files; the example, by the clock. Each framework by its Python.
printf '#!/bin/sh\nexec python3 "$@"\n' >"$root/python"
chmod +x "$root/python"
run --rounds 1 --steps 7 --only start,save,restore,mnist \
  --peers "$root/peers" --python /nowhere --tf-python "$root/python"
has 'done | 90.0 ms | 2.00 s (tf-v1) | 22.22 | at most 0.1 s | yes |'
has 'written | 50 us | 40 us (plain write) | 0.80 | 1.2 x a plain write'
has 'fsync | no |'
has 'disk | 30 us | 27 us (plain read) | 0.90 | 1.2 x a plain read | yes |'
grep -q 'whole program | .* | at most 2 s | yes |' "$root/out"
has 'not measured: tf_mnist10.py: not in'

# Without peers, and with a work that fails.
if run --rounds 1 --only mlp,cnn; then
  echo 'a work that was not measured is a failure'
  exit 1
fi
has '2 threads | 200 us |  |  | 2.7 x the best peer | no peer |'
has '| CNN, Adam, batch 128, 2 threads | failed'
has 'not measured: cnn: status 3: no such model'
