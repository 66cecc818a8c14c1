#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a Python test with $LOCKSTEP_PEERS, else with the Python of the virtual
# environment that tools/peers makes. Exit status 77, skipped, without one.
#   run.sh SOURCE_FOLDER SCRIPT.py [ARGUMENT ...]
set -eu
python=${LOCKSTEP_PEERS:-$1/build/peers/bin/python}
shift
if [ ! -x "$python" ]; then
  echo "skipped: no TensorFlow here; tools/peers installs it"
  exit 77
fi
exec "$python" "$@"
