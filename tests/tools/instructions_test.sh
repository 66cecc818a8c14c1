#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Counts the instructions of a step of `lockstep bench MODEL` with valgrind and
# compares them with an upper bound. Only what runs inside Callable::Run is
# counted, and the difference of two runs is divided by the difference of their
# steps: planning, start and end drop out, and the count is the same each time.
# What is left of a run is the plan, which must not grow faster than the graph.
# Skipped, with exit status 77, where valgrind is missing or BUILD, as
# "type/compiler/processor/sanitizers", is not what the bounds hold for.
#   instructions_test.sh LOCKSTEP BUILD MODEL OPS BOUND [PLANNED]
# OPS: what the count of a step is divided by; BOUND: for each of these.
# PLANNED: how many the plan, which the first run makes, may take for each.
set -eu
lockstep=$1 build=$2 model=$3 ops=$4 bound=$5 planned=${6:-}
few=50
many=150

skip() {
  echo "skipped: $1"
  exit 77
}
case $build in
Release/GNU/x86_64/) ;;
*) skip "bounds are for a release build by GCC on x86_64, not for '$build'" ;;
esac
command -v valgrind >/dev/null || skip "valgrind is missing (tools/setup)"
for name in $(env | sed -n 's/^\(LOCKSTEP_[A-Z_]*\)=.*/\1/p'); do
  unset "$name"
done

# counted STEPS: instructions of one step more than that many.
counted() {
  output=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    --toggle-collect='*CallableImpl::Run(*' \
    "$lockstep" bench "$model" --threads 1 --steps 1 --warmup "$1" 2>&1) || {
    echo "$output" >&2
    return 1
  }
  echo "$output" | sed -n 's/.*Collected : //p'
}
first=$(counted $few)
second=$(counted $many)
step=$(((second - first) / (many - few)))
each=$((step / ops))
echo "$model: $step instructions a step, $each each of $ops; at most $bound"
if [ "$step" -lt "$ops" ]; then
  echo "nothing was counted: is the function's name still CallableImpl::Run?"
  exit 1
fi
[ "$each" -le "$bound" ]
if [ -n "$planned" ]; then
  plan=$(((first - few * step) / ops))
  echo "$model: planned by $plan instructions each; at most $planned"
  [ "$plan" -le "$planned" ]
fi
