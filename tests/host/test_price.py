"""What a run that changes nothing costs, counted at the connection: the same for one app and for five."""

from stranger import APP, counted, hosts

MOST = 12  # round trips of the whole site, for one host
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
