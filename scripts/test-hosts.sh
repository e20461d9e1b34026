#!/bin/sh
# Make what tests need before they can create hosts: a Docker engine and the images, those named or the default ones.
# EMPEROR_HOST_1, _2 and _3 name other images than the default ones, as in molecule/default/molecule.yml.
set -eu
cd "$(dirname "$0")/.."
scripts/docker.sh
[ $# -gt 0 ] || set -- "${EMPEROR_HOST_1:-debian-12}" "${EMPEROR_HOST_2:-debian-13}" \
    "${EMPEROR_HOST_3:-debian-13-as-ubuntu-24.04}"
tests/images/build.sh "$@"
