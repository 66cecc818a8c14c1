#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one target of the libFuzzer program for some seconds. What it finds is
# kept in SCRATCH/<target>/found. More by hand: run.sh … graph_def 3600
#   run.sh PROGRAM SEED_FOLDER SCRATCH TARGET SECONDS MAX_ALLOCATION_MB
set -eu
program=$1 seeds=$2 scratch=$3/$4 seconds=$5 limit=$6
mkdir -p "$scratch/found" "$scratch/corpus" "$seeds/$4"
export LOCKSTEP_FUZZ_TARGET="$4"
# Memory that an input makes a reader ask for is refused by it, not by malloc.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
exec "$program" -max_total_time="$seconds" -timeout=60 -max_len=65536 \
  -rss_limit_mb=4096 -malloc_limit_mb="$limit" -verbosity=0 \
  -print_final_stats=1 -artifact_prefix="$scratch/found/" \
  "$scratch/corpus" "$seeds/$4"
