"""What a run that changes nothing costs, counted at the connection: the same for one app and for five."""

import pytest
from stranger import APP, counted, environment, hosts, on_each, site

MOST = (
    4  # round trips of the whole site, for one host: the facts, nginx's package, the apps; certificates have one more
)
WSGI = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'light']\n"


def test_an_unchanged_site_takes_few_round_trips_however_many_apps_there_are(tmp_path):
    (tmp_path / "light.py").write_text(WSGI)
    names = [f"light-{number}" for number in range(4)]
    light = [
        {"name": name, "module": "light:app", "source": {"path": str(tmp_path)}, "server_names": [f"{name}.test"]}
        for name in names
    ]
    one_host = ("--limit", hosts()[0])
    _, status, output, _ = counted(*one_host, flask_apps=[APP, *light])
    assert status == 0, output
    taken = {}
    for apps in ([APP], [APP, *light]):
        taken[len(apps)], status, output, changed = counted(*one_host, flask_apps=apps)
        assert (status, changed) == (0, ["0"]), output
    assert 0 < taken[1] == taken[5] <= MOST, taken


DRIFTS = {
    "a file that was changed": "echo '# changed' >>/etc/nginx/emperor_limits",
    "a file that is to be gone": "touch /etc/nginx/conf.d/default.conf",
    "a service that was stopped": "systemctl disable --now --quiet uwsgi-emperor.target",
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
def test_what_is_asked_at_once_is_mended_as_well(tmp_path, drift):
    """Also where Ansible keeps the facts of earlier runs."""
    shell = environment(ANSIBLE_CACHE_PLUGIN="jsonfile", ANSIBLE_CACHE_PLUGIN_CONNECTION=str(tmp_path))
    for changes in ("0", "1"):
        if changes == "1":
            on_each(drift)
        status, output, changed = site("--tags", "nginx,uwsgi_emperor", shell=shell, flask_apps=[APP])
        assert (status, changed) == (0, [changes]), output
    assert site("--tags", "nginx,uwsgi_emperor", flask_apps=[APP])[2] == ["0"]


def test_what_nginx_refuses_of_others_is_told_by_a_run_that_changes_nothing():
    on_each("echo nonsense >/etc/nginx/conf.d/theirs.conf")
    try:
        status, output, _changed = site("--tags", "nginx", flask_apps=[APP])
        assert status != 0 and "refuses the configuration" in output and "theirs.conf" in output
    finally:
        on_each("rm /etc/nginx/conf.d/theirs.conf")
