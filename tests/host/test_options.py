"""What an app's keys say reaches uWSGI and nginx: molecule/default/molecule.yml gives the app echo most of them."""


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
    names = host.check_output("ps -o args= --user echo")
    assert "the-echo-of-vassal-extra" in names
    assert names.count("worker") == 1
    worker = host.check_output("pgrep --uid echo --full worker")
    assert int(host.check_output(f"ls /proc/{worker}/task | wc -l")) >= 4


def test_a_request_over_harakiri_ends_and_is_logged(door, host):
    assert door.ask("/sleep/8", "echo.test")[0] == 502
    assert "HARAKIRI" in host.file("/var/log/uwsgi/echo/echo_uwsgi.log").content_string
    door.wait_for((200, "known to echo alone"), "/environment", "echo.test")
