#!/bin/bash
# One Molecule scenario beside others: what it prints is shown in one piece when it has ended.
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
molecule test -s "$1" >"$log" 2>&1 || status=$?
exec {lock}<"$0"
flock "$lock"
echo "== molecule test -s $1 =="
cat "$log"
exit $status
