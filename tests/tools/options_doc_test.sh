#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compares docs/options.md with what each command's --help prints, and the
# options that docs/command_line.md tells of with those that there are.
#   options_doc_test.sh LOCKSTEP DOCS             status 1 where they differ
#   options_doc_test.sh LOCKSTEP DOCS --write     makes docs/options.md anew
set -eu
lockstep=$1 docs=$2

help_page() {
  echo '# Options'
  echo
  echo 'What `lockstep COMMAND --help` prints. What the commands are for is in'
  echo '[command_line.md](command_line.md).'
  for command in $("$lockstep" --help | awk '/^  /{print $1}'); do
    printf '\n## lockstep %s\n\n' "$command"
    "$lockstep" "$command" --help | sed 's/ *$//; /./s/^/    /' | cat -s
  done
}
if [ "${3:-}" = --write ]; then
  help_page >"$docs/options.md"
  exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
help_page >"$folder/options.md"
status=0
diff -u "$docs/options.md" "$folder/options.md" || {
  echo "docs/options.md is out of date; make it anew:"
  echo "  $0 $lockstep $docs --write"
  status=1
}

# Options of the program that launch starts are its own.
options_in() { grep -oE -- '--[a-z][a-z0-9-]*' "$1" | sort -u; }
options_in "$docs/options.md" >"$folder/there_are"
echo --checkpoint-dir >>"$folder/there_are"
for option in $(options_in "$docs/command_line.md"); do
  grep -qxe "$option" "$folder/there_are" || {
    echo "docs/command_line.md tells of $option, which no command has"
    status=1
  }
done
exit $status
