#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/gpu-check refuses where CUDA finds no GPU, and says FAILED of tests of
# GPUs that are skipped, as programs go on without a GPU. The programs of a
# bundle, nvidia-smi and compute-sanitizer are stand-ins.
#   gpu_check_test.sh GPU_CHECK SCRATCH_FOLDER
set -eu
check=$1
root=$2
rm -rf "$root"
mkdir -p "$root/bundle/bin" "$root/bundle/lib" "$root/path"
cp "$check" "$root/bundle/gpu-check"
echo 0123abc >"$root/bundle/commit"
# stand_in FILE: makes a program of standard input.
stand_in() {
  { echo '#!/bin/sh'; cat; } >"$1"
  chmod +x "$1"
}
echo 'echo "NVIDIA H200, 580.1"' | stand_in "$root/path/nvidia-smi"
# shellcheck disable=SC2016 # for the stand-in
echo 'shift $(($# - 2)); echo "Error: Device not supported"; exit 255' |
  stand_in "$root/path/compute-sanitizer"
for program in ops_test ops_nn_test ops_fused_test fused_cuda_test \
  runtime_test mnist lockstep nccl_test; do
  echo 'echo fine' | stand_in "$root/bundle/bin/$program"
done
export ROOT="$root"
stand_in "$root/bundle/bin/gpu_test" <<'END'
case "$*:$(cat "$ROOT/skips")" in
*CopiesThereAndBack:none | *CopiesThereAndBack:one | :none) echo '[ OK ]' ;;
*) echo '[  SKIPPED ]' ;;
esac
END
# run SKIPS STATUS TEXT: gpu-check must end so and print the text.
run() {
  echo "$1" >"$root/skips"
  status=0
  PATH=$root/path:$PATH "$root/bundle/gpu-check" "$root/report.txt" \
    >"$root/out" 2>&1 || status=$?
  if [ "$status" != "$2" ] || ! grep -q "$3" "$root/out"; then
    cat "$root/out"
    echo "where '$1' are skipped: status $status, wanted $2 and '$3'"
    exit 1
  fi
}
run all 2 'CUDA finds no GPU here'
run one 1 'GPU tests: FAILED (tests were skipped)'
run none 0 'All passed'
grep -q 'memory checker was not run' "$root/report.txt"
