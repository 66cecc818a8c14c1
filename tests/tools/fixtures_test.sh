#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the cases recorded from TensorFlow with the command line and compares
# what it wrote (README.md beside them says how). Skipped, with exit status 77,
# where the cases or what compares them are not.
#   fixtures_test.sh LOCKSTEP FOLDER
set -eu
lockstep=$1
folder=${LOCKSTEP_FIXTURES:-$2}
skip() {
  echo "skipped: $1"
  exit 77
}
[ -f "$folder/check.py" ] || skip "no recorded cases in $folder"
# The first that is in the path may be another than the system's.
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import numpy' 2>/dev/null; then
    exec "$python" "$folder/check.py" "$lockstep" --text
  fi
done
skip "no python3 with numpy here"
