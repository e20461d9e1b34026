#!/bin/sh
# Build the hosts the tests run on: tests/images/build.sh [debian-12 | debian-testing | ubuntu-24.04 | debian-13-as-ubuntu-24.04 | nginx-org | front-door ...]
# A base comes from a container registry where one answers, otherwise (Debian only) from the package mirror
# by way of mmdebstrap. Everything is tagged emperor-test/..., so no image of the user's is touched.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
context=$work/context
mkdir -p "$context/ca"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$context/ca" \; 2>/dev/null || true
cp "$here/Dockerfile" "$context"

exists() { docker image inspect "$1" >/dev/null 2>&1; }

# bootstrap SUITE TAG [mmdebstrap options]
bootstrap() {
    command -v mmdebstrap >/dev/null || "$here/../../scripts/apt-install.sh" mmdebstrap debian-archive-keyring
    suite=$1 target=$2
    shift 2
    echo "images: bootstrapping Debian $suite from its mirror"
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    # By way of a file: `docker import` fed by a pipe that fails makes an empty image.
    $sudo mmdebstrap --variant=minbase --quiet "$@" "$suite" "$work/base.tar"
    docker import "$work/base.tar" "$target" >/dev/null
    rm -f "$work/base.tar"
}

# base NAME: emperor-test/base-NAME exists afterwards
base() {
    tag=emperor-test/base-$1
    exists "$tag" && return
    stock=$(echo "$1" | sed 's/-/:/')
    if docker pull --quiet "$stock" >/dev/null 2>&1; then
        docker tag "$stock" "$tag"
        return
    fi
    case $1 in
        debian-12) bootstrap bookworm "$tag" ;;
        debian-13) bootstrap trixie "$tag" ;;
        # A mirror that is frozen for a while has an expired Release of testing; the option stays in the image.
        debian-testing) bootstrap testing "$tag" --aptopt='Acquire::Check-Valid-Until "false"' ;;
        *)
            echo "images: $1 needs a container registry, and none answers for $stock" >&2
            return 1
            ;;
    esac
}

# build TAG BASE CONTEXT: quiet unless it fails
build() {
    if ! docker build --tag "$1" --build-arg "BASE=$2" "$3" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        return 1
    fi
}

# image NAME: emperor-test/NAME exists afterwards and is up to date with its Dockerfile (a second or less if it was)
image() {
    case $1 in
        *-as-ubuntu-24.04)
            image "${1%-as-ubuntu-24.04}"
            build "emperor-test/$1" "emperor-test/${1%-as-ubuntu-24.04}" "$here/ubuntu_identity"
            ;;
        debian-testing)
            base "$1"
            build "emperor-test/$1-stock" "emperor-test/base-$1" "$context"
            build "emperor-test/$1" "emperor-test/$1-stock" "$here/debian_testing"
            ;;
        front-door)
            image debian-13
            build "emperor-test/$1" emperor-test/debian-13 "$here/front_door"
            ;;
        ssh | ssh-*)
            command -v ssh-keygen >/dev/null || "$here/../../scripts/apt-install.sh" openssh-client
            system=debian-13
            [ "$1" = ssh ] || system=${1#ssh-}
            image "$system"
            build "emperor-test/$1" "emperor-test/$system" "$here/ssh"
            ;;
        nginx-org)
            for served in debian-13 debian-12 debian-testing; do base "$served"; done
            "$here/../fixtures/nginx_repo/build.sh" "emperor-test/$1" \
                emperor-test/base-debian-13 emperor-test/base-debian-12 emperor-test/base-debian-testing
            ;;
        *)
            base "$1"
            build "emperor-test/$1" "emperor-test/base-$1" "$context"
            ;;
    esac
}

[ $# -gt 0 ] || set -- debian-12 debian-13 debian-13-as-ubuntu-24.04
for name in "$@"; do
    exists "emperor-test/$name" || echo "images: building emperor-test/$name"
    image "$name"
done
