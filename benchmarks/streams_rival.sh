#!/bin/sh
# gunicorn with gevent, with the same live pages, as streams.py measures it; run as root on a host with the app's code in /srv/streams/app and
# request_rivals.txt beside it: STREAMS, those that a process may have open. It runs afterwards, on the socket that its site names.
set -eu
streams=$1
cd /srv/streams
if ! [ -d venv ]; then
    useradd --system --user-group gunicorn
    /usr/bin/python3 -m venv venv
    venv/bin/pip install --requirement app/requirements.txt --requirement request_rivals.txt packaging # which gunicorn imports for gevent, and does not require
    mkdir -p app/instance
    chown -R gunicorn: app/instance
    cat >/etc/nginx/conf.d/rival-gunicorn.conf <<'NGINX'
map $http_upgrade $rival_connection {
    default upgrade;
    "" "";
}

server {
    listen 80;
    server_name gunicorn.test;
    set $emperor_app gunicorn;

    location / {
        proxy_http_version 1.1;
        proxy_set_header Host $emperor_host$emperor_port;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $rival_connection;
        proxy_buffering off;
        proxy_read_timeout 65s;
        proxy_pass http://unix:/run/rival-gunicorn/http.sock;
    }
}
NGINX
    nginx -t -q
    systemctl reload nginx
fi
cat >/etc/systemd/system/rival-gunicorn.service <<UNIT
[Service]
User=gunicorn
RuntimeDirectory=rival-gunicorn
Environment=HOME=/run/rival-gunicorn
WorkingDirectory=/srv/streams/app
LimitNOFILE=65536
TasksMax=infinity
ExecStart=/srv/streams/venv/bin/gunicorn --worker-class gevent --workers $(nproc) --worker-connections $((streams + 1000)) \
    --backlog 1024 --bind unix:/run/rival-gunicorn/http.sock live:app
ExecReload=/bin/kill -HUP \$MAINPID
UNIT
systemctl daemon-reload
systemctl restart rival-gunicorn
