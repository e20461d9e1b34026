#!/bin/sh
# Other servers of the same app, as request_path.py measures them; run as root on a host where the app serves, with its code and
# request_rivals.txt in /srv/rivals. Each has an account, a unit and a site of its own; all are stopped in the end.
set -eu
cd /srv/rivals
export DEBIAN_FRONTEND=noninteractive

# As ours: a UNIX socket, a process for each core and 16 threads in each.
serve() {
    name=$1
    shift
    useradd --system --user-group "$name"
    cat >"/etc/systemd/system/rival-$name.service" <<UNIT
[Service]
User=$name
RuntimeDirectory=rival-$name
Environment=HOME=/run/rival-$name
WorkingDirectory=/srv/rivals/app
ExecStart=/srv/rivals/venv/bin/$name $*
UNIT
    # What our sites have, too: nginx's log and limits, the headers that say who asks. The connections to the server are kept.
    cat >"/etc/nginx/conf.d/rival-$name.conf" <<NGINX
upstream $name {
    server unix:/run/rival-$name/http.sock;
    keepalive 64;
}

server {
    listen 80;
    server_name $name.test;
    set \$emperor_app $name;

    location / {
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host \$emperor_host\$emperor_port;
        proxy_set_header X-Request-ID \$emperor_request_id;
        proxy_set_header X-Forwarded-For \$remote_addr;
        proxy_set_header X-Forwarded-Proto \$emperor_scheme;
        proxy_pass http://$name;
    }
}
NGINX
}

apt-get update
apt-get install --yes --no-install-recommends python3-venv wrk
/usr/bin/python3 -m venv venv
venv/bin/pip install --requirement app/requirements.txt --requirement request_rivals.txt

serve granian --interface wsgi --http 1 --no-ws --workers "$(nproc)" --blocking-threads 16 \
    --uds /run/rival-granian/http.sock --uds-permissions 0o666 request_app:app
# Longer than nginx keeps a connection, so that none is closed that is just about to be used.
serve gunicorn --worker-class gthread --workers "$(nproc)" --threads 16 --keep-alive 75 \
    --bind unix:/run/rival-gunicorn/http.sock request_app:app

systemctl daemon-reload
nginx -t -q
systemctl reload nginx
