#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one target of the libFuzzer program. What it finds is kept in
# SCRATCH/<target>/found.
#   run.sh PROGRAM SEED_FOLDER SCRATCH TARGET MAX_ALLOCATION_MB runs=N
#       N inputs, the same ones each time: what the tests do.
#   run.sh … seconds=N
#       a hunt: other inputs each time, which build on those of earlier hunts
set -eu
program=$1 seeds=$2 scratch=$3/$4 limit=$5 amount=$6
mkdir -p "$scratch/found" "$seeds/$4"
case $amount in
  runs=*)
    corpus=$scratch/test
    rm -rf "$corpus"
    set -- "-runs=${amount#runs=}" -seed=1
    ;;
  seconds=*)
    corpus=$scratch/corpus
    set -- "-max_total_time=${amount#seconds=}"
    ;;
  *)
    echo "run.sh: '$amount' is neither runs=N nor seconds=N" >&2
    exit 2
    ;;
esac
mkdir -p "$corpus"
export LOCKSTEP_FUZZ_TARGET="$(basename "$scratch")"
# Memory that an input makes a reader ask for is refused by it, not by malloc.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
exec "$program" "$@" -timeout=60 -max_len=65536 -rss_limit_mb=4096 \
  -malloc_limit_mb="$limit" -verbosity=0 -print_final_stats=1 \
  -artifact_prefix="$scratch/found/" "$corpus" "$seeds/$LOCKSTEP_FUZZ_TARGET"
