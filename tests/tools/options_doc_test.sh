#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compares docs/options.md with what --help prints, and the options that
# docs/command_line.md and docs/mnist.md tell of with those that there are.
#   options_doc_test.sh LOCKSTEP MNIST DOCS            status 1 where they differ
#   options_doc_test.sh LOCKSTEP MNIST DOCS --write    makes docs/options.md anew
set -eu
lockstep=$1 mnist=$2 docs=$3

# page NAME COMMAND ...
page() {
  printf '\n## %s\n\n' "$1"
  shift
  "$@" --help | sed 's/ *$//; /./s/^/    /' | cat -s
}

help_page() {
  echo '# Options'
  echo
  echo 'What `lockstep COMMAND --help` and `mnist --help` print. What they are for'
  echo 'is in [command_line.md](command_line.md) and [mnist.md](mnist.md).'
  for command in $("$lockstep" --help | awk '/^  /{print $1}'); do
    page "lockstep $command" "$lockstep" "$command"
  done
  page mnist "$mnist"
}
if [ "${4:-}" = --write ]; then
  help_page >"$docs/options.md"
  exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
help_page >"$folder/options.md"
status=0
diff -u "$docs/options.md" "$folder/options.md" || {
  echo "docs/options.md is out of date; make it anew:"
  echo "  $0 $lockstep $mnist $docs --write"
  status=1
}

options_in() { grep -ohE -e '--[a-z][a-z0-9-]*' "$@" | sort -u; }
options_in "$docs/options.md" >"$folder/there_are"
for option in $(options_in "$docs/command_line.md" "$docs/mnist.md"); do
  grep -qxe "$option" "$folder/there_are" || {
    echo "docs tell of $option, which nothing has"
    status=1
  }
done
exit $status
