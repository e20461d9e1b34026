#!/bin/sh
# Make sure a Docker engine answers; on Debian and Ubuntu install and start one where none does.
set -eu

# A `docker` on PATH may be a client without an engine, so the engine itself is asked.
answers() { docker info >/dev/null 2>&1; }

fail() {
    echo "docker: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

answers && exit 0
case $(docker info 2>&1) in
    *"permission denied"*) fail "the engine runs, but $(id -un) may not talk to it; add yourself to the group docker" ;;
esac

if ! command -v dockerd >/dev/null; then
    "$(dirname "$0")/apt-install.sh" docker.io
    # Newer releases package the client apart.
    command -v docker >/dev/null || "$(dirname "$0")/apt-install.sh" docker-cli
fi

if [ -d /run/systemd/system ]; then
    echo "docker: starting docker.service"
    as_root systemctl start docker
elif ! answers; then
    echo "docker: starting dockerd (log: /var/log/dockerd.log)"
    # An engine that was killed leaves its pid files, and another process may have got the number since.
    pidof dockerd >/dev/null || as_root rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
    as_root sh -c 'setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &'
fi

for _ in $(seq 60); do
    answers && exit 0
    sleep 1
done
fail "no engine answers after 60 s: $(docker info 2>&1 | grep -v '^$' | tail -n 1)"
