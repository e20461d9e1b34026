"""What an app's keys say reaches uWSGI and nginx: molecule/default/molecule.yml gives the app echo most of them."""

import re


def test_nginx_extra_is_in_the_server(host):
    answer = host.check_output("curl --silent --head --header 'Host: echo.test' http://127.0.0.1/")
    assert "X-Extra: from nginx_extra" in answer


def test_a_body_larger_than_client_max_body_size_is_refused(door):
    assert door.ask("/", "echo.test", "--data", "x" * 9_000)[0] == 200
    assert door.ask("/", "echo.test", "--data", "x" * 11_000)[0] == 413


def test_a_request_with_as_many_headers_as_nginx_passes_on_is_answered(door):
    headers = (part for number in range(800) for part in ("--header", f"X-{number}: 1"))
    assert door.ask("/environment", "echo.test", *headers) == (200, "known to echo alone")


def test_vassal_extra_processes_and_threads_reach_uwsgi(host, main_pid):
    answer = host.check_output("curl --silent --head --header 'Host: echo.test' http://127.0.0.1/")
    assert "X-One: of vassal_extra" in answer and "X-Two: of vassal_extra" in answer
    vassal = host.check_output(f"pgrep --parent {main_pid('echo')}")
    (worker,) = host.check_output(f"pgrep --parent {vassal}").split()
    assert int(host.check_output(f"ls /proc/{worker}/task | wc -l")) >= 4


def test_a_request_over_harakiri_ends_and_the_log_says_where_it_is_stuck(door, host):
    assert door.ask("/sleep/8?a%20b", "echo.test")[0] == 502
    log = host.file("/var/log/uwsgi/echo/echo_uwsgi.log").content_string
    (told,) = re.findall(r"request GET /sleep/8\?a%20b \((\w+)\) takes longer than harakiri, 3 s", log)[-1:]
    assert host.run(f'grep -c \'"request_id":"{told}"\' /var/log/nginx/access.log').stdout == "1\n"
    mark = r"\S+ \S+ - "  # time, release and no request: it is the watch that tells
    assert re.search(rf'^{mark}.*echo.py", line 27, in sleep\n{mark}    time.sleep\(seconds\)$', log, re.MULTILINE)
    door.wait_for((200, "known to echo alone"), "/environment", "echo.test")
