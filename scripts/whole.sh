#!/bin/bash
# Run a command beside others: what it prints is shown in one piece when it has ended.
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$@" >"$log" 2>&1 || status=$?
exec {lock}<"$0"
flock "$lock"
echo "== $* =="
cat "$log"
exit $status
