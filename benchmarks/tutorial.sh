#!/bin/sh
# The tutorial "Serving Flask with Nginx", typed on a fresh Debian or Ubuntu as root: its commands, in its order, or their nearest
# equivalents that work today. What has changed since 2013:
#   - easy_install and a pip for the whole system are gone, so virtualenv is apt's and uWSGI has an environment of its own;
#   - nginx is the distribution's, as in the run that is measured beside this, and its user is www-data;
#   - systemd has taken the place of upstart.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Prerequisites
apt-get update
apt-get upgrade --yes
apt-get install --yes python3-setuptools python3-pip virtualenv
apt-get install --yes build-essential python3 python3-dev

# Nginx, uWSGI
apt-get install --yes nginx
systemctl start nginx
virtualenv /usr/local/lib/uwsgi
/usr/local/lib/uwsgi/bin/pip install uwsgi
ln -s /usr/local/lib/uwsgi/bin/uwsgi /usr/local/bin/uwsgi

# Sample application
mkdir -p /var/www/demoapp
cd /var/www/demoapp
virtualenv venv
venv/bin/pip install flask
cat >hello.py <<'PYTHON'
from flask import Flask
app = Flask(__name__)

@app.route("/")
def hello():
    return "Hello World!"

if __name__ == "__main__":
    app.run(host='0.0.0.0', port=81)
PYTHON

# Configuring Nginx
rm /etc/nginx/sites-enabled/default
cat >demoapp_nginx.conf <<'NGINX'
server {
    listen      80;
    server_name localhost;
    charset     utf-8;
    client_max_body_size 75M;

    location / { try_files $uri @yourapplication; }
    location @yourapplication {
        include uwsgi_params;
        uwsgi_pass unix:/var/www/demoapp/demoapp_uwsgi.sock;
    }
}
NGINX
ln -s /var/www/demoapp/demoapp_nginx.conf /etc/nginx/conf.d/
systemctl restart nginx

# Configuring uWSGI
cat >demoapp_uwsgi.ini <<'UWSGI'
[uwsgi]
base = /var/www/demoapp
app = hello
module = %(app)
home = %(base)/venv
pythonpath = %(base)
socket = /var/www/demoapp/%n.sock
chmod-socket    = 644
callable = app
logto = /var/log/uwsgi/%n.log
UWSGI
mkdir -p /var/log/uwsgi

# uWSGI Emperor
cat >/etc/systemd/system/uwsgi.service <<'UNIT'
[Unit]
Description=uWSGI

[Service]
ExecStart=/usr/local/bin/uwsgi --master --emperor /etc/uwsgi/vassals --die-on-term --uid www-data --gid www-data --logto /var/log/uwsgi/emperor.log
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
mkdir /etc/uwsgi
mkdir /etc/uwsgi/vassals
ln -s /var/www/demoapp/demoapp_uwsgi.ini /etc/uwsgi/vassals
chown -R www-data:www-data /var/www/demoapp/
chown -R www-data:www-data /var/log/uwsgi/
systemctl enable --now uwsgi
