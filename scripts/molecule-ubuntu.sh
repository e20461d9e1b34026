#!/bin/sh
# The default scenario on real Ubuntu; their images come from a container registry or not at all.
# REGISTRY_REQUIRED=1 makes it a failure if none answers.
set -eu
cd "$(dirname "$0")/.."
scripts/docker.sh
if [ -n "${REGISTRY_REQUIRED:-}" ] || docker pull --quiet ubuntu:24.04 >/dev/null 2>&1; then
    EMPEROR_HOST_1=ubuntu-22.04 EMPEROR_HOST_2=ubuntu-24.04 EMPEROR_HOST_3=ubuntu-26.04 molecule test
else
    echo "molecule-ubuntu: no container registry answers, so nothing was run on Ubuntu 22.04, 24.04 and 26.04"
fi
