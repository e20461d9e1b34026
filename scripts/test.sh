#!/bin/bash
# Everything `make test` runs, in order (FAST=1: what takes ten minutes of it); ends with what pytest counted, from the unit tests and on each set of hosts.
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

step() {
    echo "== $1 ==" | tee -a "$log"
    shift
    "$@" 2>&1 | tee -a "$log"
}

step "lint, unit and docs, beside each other; each is shown when it has ended" \
    xargs --max-procs 3 --max-args 1 scripts/whole.sh make --no-print-directory <<<"lint unit docs"
if [ -n "${FAST:-}" ]; then
    step "molecule test -s ssh" molecule test -s ssh
    exit
fi
step "molecule, and readme in the end" scripts/molecule.sh "make --no-print-directory readme"
step molecule-ubuntu make --no-print-directory molecule-ubuntu
