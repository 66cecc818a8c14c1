#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/gpu-check refuses where CUDA finds no GPU, and says FAILED of tests of
# GPUs that are skipped, as programs go on without a GPU; PyTorch may be missing.
# The programs of a bundle, nvidia-smi, compute-sanitizer and PyTorch are
# stand-ins.
#   gpu_check_test.sh GPU_CHECK SCRATCH_FOLDER
set -eu
check=$1
ROOT=$2
# shellcheck source=tests/tools/stand_ins.sh
. "$(dirname "$0")/stand_ins.sh"
need_python3
mkdir -p "$ROOT/bundle/bin" "$ROOT/bundle/lib" "$ROOT/path"
cp "$check" "$ROOT/bundle/gpu-check"
cp "$(dirname "$check")/gpu-peers" "$ROOT/bundle"
echo 0123abc >"$ROOT/bundle/commit"
echo 'echo "NVIDIA H200, 580.1"' | stand_in "$ROOT/path/nvidia-smi"
# shellcheck disable=SC2016 # for the stand-in
echo 'shift $(($# - 2)); echo "Error: Device not supported"; exit 255' |
  stand_in "$ROOT/path/compute-sanitizer"
for program in ops_test ops_nn_test ops_fused_test fused_cuda_test \
  runtime_test mnist lockstep nccl_test; do
  echo 'echo fine' | stand_in "$ROOT/bundle/bin/$program"
done
stand_in "$ROOT/bundle/bin/gpu_test" <<'END'
case "$*:$(cat "$ROOT/skips")" in
*CopiesThereAndBack:none | *CopiesThereAndBack:one | :none) echo '[ OK ]' ;;
*) echo '[  SKIPPED ]' ;;
esac
END
export PYTHONPATH="$ROOT" PYTHONDONTWRITEBYTECODE=1
echo 'raise ImportError("no torch here")' >"$ROOT/torch.py"
# run SKIPS STATUS TEXT: gpu-check must end so and print the text.
run() {
  echo "$1" >"$ROOT/skips"
  status=0
  PATH=$ROOT/path:$PATH "$ROOT/bundle/gpu-check" "$ROOT/report.txt" \
    >"$ROOT/out" 2>&1 || status=$?
  if [ "$status" != "$2" ] || ! grep -q "$3" "$ROOT/out"; then
    cat "$ROOT/out"
    echo "where '$1' are skipped: status $status, wanted $2 and '$3'"
    exit 1
  fi
}
PYTHON=/nowhere/python3 run none 0 'python3 is not installed'
run all 2 'CUDA finds no GPU here'
run one 1 'GPU tests: FAILED (tests were skipped)'
run none 0 'All passed'
has "$ROOT/report.txt" 'memory checker was not run'
grep -q 'skipped: no torch here, for .*python' "$ROOT/report.txt"
has "$ROOT/report.txt" '-- beside PyTorch: not run'

cat >"$ROOT/torch.py" <<'END'
__version__ = "0.0"
class cuda:
    is_available = staticmethod(lambda: False)
END
run none 0 'All passed'
grep -q 'skipped: PyTorch 0.0 of .* finds no GPU' "$ROOT/report.txt"
# What goes wrong with PyTorch itself is a failure.
echo 'def __getattr__(name): raise RuntimeError("a broken driver")' \
  >>"$ROOT/torch.py"
sed -i 's/^class cuda/class hidden/' "$ROOT/torch.py"
run none 1 'gpu-peers: a broken driver'
