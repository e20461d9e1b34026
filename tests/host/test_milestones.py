"""The tutorial's milestones, asked over HTTP."""

HELLO = (200, "Hello World!")


def test_the_app_answers_through_nginx_and_uwsgi(door):
    assert door.ask() == HELLO


def test_the_second_app_was_deployed_from_outside_the_checkout(door):
    assert door.ask("/", "notes.example.com", "--data", "milk & ünïcode")[0] == 201
    status, body = door.ask("/", "notes.example.com")
    assert status == 200
    assert "milk & \\u00fcn\\u00efcode" in body


def test_the_default_server_answers_as_asked(door, host):
    variables = host.ansible.get_variables()
    answer = door.ask("/", "nobody.test")
    if variables.get("nginx_greeting"):
        assert answer[0] == 200
        assert "Welcome to nginx!" in answer[1]
    elif variables.get("demoapp_server_names") == []:
        assert answer == HELLO
    else:
        assert answer == (0, "")


def test_flasks_own_server_serves_the_app_from_the_releases_environment(door, host):
    host.check_output("systemd-run --unit=flask-own flask-app demoapp flask run --port 81")
    try:
        answer = host.run(
            "curl --silent --retry 20 --retry-connrefused --retry-delay 1 --max-time 30 http://127.0.0.1:81/"
        )
        assert answer.stdout == "Hello World!", host.run("journalctl --unit flask-own").stdout
        assert host.check_output("ps -o user= -C flask").strip().split("\n")[0] == "demoapp"
    finally:
        host.run("systemctl stop flask-own")


def test_nginx_says_502_while_the_vassal_is_away(door, host):
    host.check_output("systemctl stop uwsgi-emperor@demoapp")
    try:
        assert door.ask()[0] == 502
        assert door.ask("/", "echo.test")[0] == 200
    finally:
        host.check_output("systemctl start uwsgi-emperor@demoapp")
    door.wait_for(HELLO)


def test_ipv6_is_served(host):
    answer = host.run("curl --silent --max-time 10 --globoff --header 'Host: demoapp.test' 'http://[::1]/'")
    assert answer.stdout == "Hello World!"
