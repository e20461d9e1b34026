#!/bin/sh
# Other ways to release, as releases.py measures them; run as root on a host where the app shop serves:
#   rivals.sh set-up                      give each way an Emperor, a vassal and a site that differ from shop's in names and paths alone
#   rivals.sh restart | touch | symlink   release /srv/new in this way
set -eu

set_up() {
    base=/srv/$1 code=$2 live=/var/www/shop/current
    install -d "$base/vassals" "$(dirname "$code")"
    install -d -o shop -g www-data -m 2750 "$base/run"
    sed -e "s,/var/www/shop/code/[^/]*,$code," -e "s,/var/www/shop/run/,$base/run/," -e "s,^logto = .*,logto = $base/run/log," "$live/uwsgi.ini" >"$base/vassals/app.ini"
    sed -e "s,shop\.test,$1.test," -e "s,/var/www/shop/shop_uwsgi.sock,$base/run/app.sock," "$live/nginx.conf" >"/etc/nginx/conf.d/$1.conf"
}

case $1 in
    set-up)
        command -v rsync >/dev/null || { apt-get update && apt-get install --yes rsync; }
        set_up restart /srv/restart/code
        set_up touch /srv/touch/code
        set_up symlink /srv/symlink/current
        printf '#!/bin/sh\nexec %s/venv/bin/python /opt/uwsgi/current/bin/uwsgi "$@"\n' /var/www/shop/current >/srv/vassal
        chmod +x /srv/vassal
        # The unit of https://uwsgi-docs.readthedocs.io/en/latest/Systemd.html
        cat >/etc/systemd/system/rival@.service <<'UNIT'
[Service]
User=shop
Environment=SHOP_IMPORT_SECONDS=2
ExecStart=/opt/uwsgi/current/bin/uwsgi --emperor /srv/%i/vassals --emperor-wrapper /srv/vassal
Restart=always
KillSignal=SIGQUIT
Type=notify
NotifyAccess=all
UNIT
        systemctl daemon-reload
        nginx -t -q
        systemctl reload nginx
        ;;
    restart) # a script: rsync, then a restart of the Emperor's service
        rsync --archive --delete /srv/new/ /srv/restart/code/
        systemctl restart rival@restart
        ;;
    touch) # the Emperor reloads a touched vassal in place
        rsync --archive --delete /srv/new/ /srv/touch/code/
        touch /srv/touch/vassals/app.ini
        ;;
    symlink) # as Ansistrano does: a folder for each release, a link to the current one, and a hook that touches the vassal
        release=/srv/symlink/releases/$(date +%Y%m%d%H%M%S%N)
        mkdir -p /srv/symlink/releases
        rsync --archive /srv/new/ "$release/"
        ln -s "$release" /srv/symlink/next
        mv -T /srv/symlink/next /srv/symlink/current
        touch /srv/symlink/vassals/app.ini
        ;;
esac
