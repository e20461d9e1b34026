#!/bin/sh
# A throw-away host, site.yml against it, the page fetched through its nginx. DEMO_PORT (8080) is where it answers.
set -eu
cd "$(dirname "$0")/.."
host=emperor-demo
port=${DEMO_PORT:-8080}
url=http://127.0.0.1:$port/

fail() {
    echo "demo: $*" >&2
    exit 1
}

# Python rather than curl, which a bare machine may lack.
fetch() {
    .venv/bin/python - "$port" <<'PYTHON'
import http.client, sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
connection.request("GET", "/")
print(connection.getresponse().read().decode())
PYTHON
}

port_is_taken() {
    .venv/bin/python - "$port" <<'PYTHON'
import socket, sys

sys.exit(socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1]))))
PYTHON
}

booted() {
    case $(docker exec $host systemctl is-system-running 2>/dev/null) in running | degraded) ;; *) false ;; esac
}

scripts/docker.sh
if [ "$(docker container inspect --format '{{.State.Running}}' $host 2>/dev/null)" = true ]; then
    published=$(docker port $host 80/tcp)
    [ "$published" = "127.0.0.1:$port" ] ||
        fail "the demo runs already, on $published; run 'make demo-clean' first, or use DEMO_PORT=${published##*:}"
    echo "demo: using the host $host, which runs already"
else
    ! port_is_taken || fail "port $port is in use by something else; choose another: make demo DEMO_PORT=8081"
    docker rm --force --volumes $host >/dev/null 2>&1 || true
    tests/images/build.sh debian-13
    echo "demo: creating the host $host"
    # The settings under which systemd runs as PID 1 with its sandboxing; molecule/default/molecule.yml has the same.
    docker run --detach --name $host --hostname $host --publish "127.0.0.1:$port:80" \
        --cap-add SYS_ADMIN --cap-add SYS_PTRACE --cgroupns host --security-opt apparmor=unconfined \
        --tmpfs /run --tmpfs /run/lock --tmpfs /tmp --volume /sys/fs/cgroup:/sys/fs/cgroup:rw \
        emperor-test/debian-13 >/dev/null
fi
for _ in $(seq 60); do
    booted && break
    sleep 1
done
booted || fail "systemd in $host did not finish booting within a minute; see: docker exec $host systemctl list-jobs"

echo "demo: ansible-playbook -i inventories/demo site.yml"
.venv/bin/ansible-playbook -i inventories/demo site.yml

answer=$(fetch) || fail "no answer from $url"
echo "$url answers: $answer"
[ "$answer" = "Hello World!" ] || fail "expected: Hello World!"
