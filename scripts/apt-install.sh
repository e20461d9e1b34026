#!/bin/sh
# Install Debian or Ubuntu packages without a question: scripts/apt-install.sh PACKAGE...
set -eu
if ! command -v apt-get >/dev/null; then
    echo "there is no apt-get here; install by hand: $*" >&2
    exit 1
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo

apt() { # somebody else's apt may hold the lock for a while, as on a machine that has just booted
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

echo "installing with apt: $*"
apt update
apt install --no-install-recommends "$@" >/dev/null
