#!/bin/bash
# Every Molecule scenario, in two lanes at once, because much of a scenario is waiting. What a lane prints is shown when it has ended.
set -euo pipefail
cd "$(dirname "$0")/.."
lanes=("default one_build walls" "releases nginx_org front_door")

run() {
    for scenario in $1; do
        echo "== molecule test -s $scenario =="
        molecule test -s "$scenario" || return 1
    done
}

# Before the lanes, so that they do not build the same images at once.
scripts/test-hosts.sh debian-12 debian-13 debian-13-as-ubuntu-24.04 debian-testing nginx-org front-door
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
for lane in "${!lanes[@]}"; do
    echo "molecule: running ${lanes[$lane]}; this takes a while"
    run "${lanes[$lane]}" >"$logs/$lane" 2>&1 &
    lane_pids[lane]=$!
done
status=0
for lane in "${!lanes[@]}"; do
    wait "${lane_pids[$lane]}" || status=1
    cat "$logs/$lane"
done
exit $status
