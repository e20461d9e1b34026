#!/bin/bash
# Everything `make test` runs, in order; ends with what pytest counted, from the unit tests and on each set of hosts.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)

summarize() {
    status=$?
    echo
    echo "Results (exit status $status):"
    grep -E '^(== |.*[0-9]+ (passed|failed|errors?)\b.* in [0-9.]+s|molecule-ubuntu: )' "$log" | sed 's/\x1b\[[0-9;]*m//g' || true
    rm -f "$log"
}
trap summarize EXIT

# Each keeps one processor busy.
echo "test: running lint and unit at once; each is shown when it has ended"
printf '%s\n' lint unit | xargs --max-procs 2 --max-args 1 scripts/whole.sh make --no-print-directory 2>&1 | tee -a "$log"
for target in molecule molecule-ubuntu readme; do
    echo "== $target ==" | tee -a "$log"
    make --no-print-directory "$target" 2>&1 | tee -a "$log"
done
