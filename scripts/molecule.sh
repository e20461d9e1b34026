#!/bin/bash
# Every Molecule scenario, the longest first, then the commands that are named, three at a time: two leave an eighth of two processors idle.
set -euo pipefail
cd "$(dirname "$0")/.."
scenarios=(releases many_apps fleet box default front_door upgrade ssh nginx_org walls one_build)

# Before them, so that no two build the same images at once; what one scenario alone needs, it builds itself.
scripts/test-hosts.sh debian-12 debian-13 debian-13-as-ubuntu-24.04 debian-testing
echo "molecule: running ${scenarios[*]} $*; this takes a while, and each is shown when it has ended"
{
    printf 'molecule test -s %s\n' "${scenarios[@]}"
    printf '%s\n' "$@"
} | xargs --max-procs 3 --max-lines=1 scripts/whole.sh
