#!/usr/bin/python3 -IB
# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""Show how the apps of this host are, what one has logged or released, restart it, or run a command in its box, as its live release would."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, "/usr/local/lib/uwsgi")
from emperor_flask.host import app_findings, app_logs, app_metrics, app_restart, app_status, audit, box
from emperor_flask.vassal import app_health, uwsgi_client

USAGE = """usage: sudo flask-app                            shows how all apps are; its exit status is 1 where something is wrong
       sudo flask-app --doctor                   looks at nginx and the disks, and asks the apps, as well
       sudo flask-app --json                     the same as without options, for programs
       sudo flask-app --metrics[=FILE]           all of it for Prometheus; its exit status is 0 then
       sudo flask-app APP                        shows one app
       sudo flask-app APP logs [-f | --since T]  shows what its web processes, workers and timers have logged: the last lines, those since
                                                 a time such as '1 hour ago', or with -f (--follow) each as it comes
       sudo flask-app APP releases               lists them: which serves, since when, by whom, from which commit, and why
       sudo flask-app APP restart                restarts its web processes and workers; requests wait, none is lost
       sudo flask-app APP COMMAND [ARGUMENT...]  runs it as the app, for example: sudo flask-app shop flask shell"""


def fail(message, status=1):
    print(f"flask-app: {message}", file=sys.stderr)
    sys.exit(status)


def require(app):
    if app not in (names := app_status.names()):
        fail(f"no app '{app}' on this host; there are: {' '.join(names)}\n{USAGE}")


def show(named, options):
    if os.geteuid() != 0:
        fail("must run as root, to see what every app has: sudo flask-app")
    for app in named:
        require(app)
    rows = app_status.status(named or app_status.names(), audit.deployed())
    findings = app_findings.found(rows, bool(options.keys() & {"--doctor", "--metrics"}))
    if "--doctor" in options:
        findings += app_health.findings(rows)
    disks = app_findings.disks()
    if "--metrics" in options:
        metrics = app_metrics.text(rows, findings, disks)
        app_metrics.write(options["--metrics"], metrics) if options["--metrics"] else print(metrics, end="")
        return
    if "--json" in options:
        print(json.dumps({"apps": rows, "findings": findings, "disks": disks}, indent=2))
    else:
        lines = [*app_status.table(rows), *map(app_findings.disk_line, disks), *map(app_findings.line, findings)]
        print("\n".join(lines))
    sys.exit(bool(findings))


def main(app, command, by):
    home = f"/var/www/{app}"
    if os.geteuid() != 0:
        fail(f"must run as root, to run what is in the app's box: sudo flask-app {app} {' '.join(command)}")
    require(app)
    if command == ["releases"]:
        sys.stdout.writelines(f"{line}\n" for line in releases(app, home))
        return
    if command == ["restart"]:
        restart(app, by)
        return
    if command[0] == "logs":
        logs(app, command[1:])
        return
    try:
        # run/<release>.<activation>.sock: the secrets are the activation's.
        release, activation = os.path.basename(os.readlink(f"{home}/{app}_uwsgi.sock")).split(".")[:2]
        with open(f"{home}/releases/{release}/manifest.json", encoding="utf-8") as stream:
            manifest = json.load(stream)
    except (OSError, ValueError):
        fail(f"'{app}' has no release yet")
    code, venv = f"{home}/code/{manifest['code']}", f"{home}/venvs/{manifest['venv']}"
    secrets = f"{home}/secrets/{activation}"
    wrapped = box.in_release(f"{home}/releases/{release}", code, venv, manifest["pythonpath"], secrets, command)
    unit = f"emperor-command-{box.escaped(app)}-{os.getpid()}"
    job = box.Job(app, unit, app, code, box.timeout(manifest, "command"), box.ceilings(manifest))
    # A terminal of its own: what runs in the box could type into the operator's.
    how = "--pty" if os.isatty(0) and os.isatty(1) else "--pipe"
    try:
        arguments = job.arguments(wrapped, "--collect", how)
    except box.NoBox as error:
        fail(str(error))
    try:
        audit.note(app, "command", by, command=" ".join(command))
    except OSError as error:
        print(f"flask-app: this command is not in {audit.FILE}: {error}", file=sys.stderr)
    sys.exit(run(arguments, unit))


def logs(app, options):
    """Show what an app has logged; the options are those of journalctl."""
    parser = argparse.ArgumentParser(prog=f"flask-app {app} logs", allow_abbrev=False)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-f", "--follow", action="store_true", help="go on, and show each line as it comes")
    how.add_argument("--since", help="show all since then, such as '1 hour ago' or '2026-11-30 05:00'")
    asked = parser.parse_args(options)
    try:
        if asked.follow:
            app_logs.follow(app, lambda line: print(line, flush=True))
            return
        for line in app_logs.since(app, app_logs.moment(asked.since)) if asked.since else app_logs.last(app):
            print(line)
    except app_logs.NoTime as error:
        fail(str(error), 2)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()  # nobody reads any more


def restart(app, by):
    """Begin an app's processes anew, and tell whether it answers."""
    if who := app_status.releases_now(app):
        fail(f"{who} releases '{app}' now; try again once that is over")
    audit.note(app, "restart", by)
    try:
        live, left = app_restart.web(app)
        if left:
            print(f"flask-app: of the processes before, {' '.join(map(str, left))} have not ended yet", file=sys.stderr)
        socket, health = app_health.request(app)
        status, line = uwsgi_client.get(socket, health, health.timeout)
        if not health.accepts(status):
            fail(f"'{app}' answers {health.path} with {status}: {app_logs.shown(line)}")
        print("\n".join([f"{app} {live} answers", *app_restart.workers(app)]))
    except app_restart.NotRestarted as error:
        fail(str(error))
    except (OSError, ValueError, KeyError) as error:
        fail(f"'{app}' does not answer ({error}); what it says of that: sudo flask-app {app} logs")


def releases(app, home):
    """A line for each release of an app, the last deployed one first."""
    live = os.path.basename(os.readlink(f"{home}/current")) if os.path.islink(f"{home}/current") else None
    noted = audit.deployments().get(app, {})
    names = [name for name in os.listdir(f"{home}/releases") if not name.endswith(".partial")]
    for name in sorted(names, key=lambda name: -os.stat(f"{home}/releases/{name}").st_mtime):
        with open(f"{home}/releases/{name}/manifest.json", encoding="utf-8") as stream:
            source = json.load(stream).get("origin", {}).get("source", {})
        when = os.stat(f"{home}/releases/{name}").st_mtime
        told = {0: "never served", 1: "rolled back"}.get(
            int(when), time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
        )
        origin = ", ".join(f"{key} {value}" for key, value in source.items())
        line = noted.get(name, {})
        yield f"{'*' if name == live else ' '} {name}  {told:16}  {line.get('by', '-'):20}  {origin}  {line.get('why', '')}".rstrip()


def run(arguments, unit):
    """Run the command and return its exit status. Whoever ends this ends the command too: systemd-run alone would leave it running."""

    def stop(_signal, _frame):
        subprocess.run(["systemctl", "stop", f"{unit}.service"], stderr=subprocess.DEVNULL, check=False)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    status = subprocess.run(arguments, check=False).returncode
    return status if status >= 0 else 128 - status


words = sys.argv[1:]
# Who runs it: the playbook says so, else it is who called sudo.
person = f"{os.environ.get('SUDO_USER', 'root')}@{os.uname().nodename}"
if words and words[0].startswith("--by="):
    person = words.pop(0).partition("=")[2]
options = {}
while words and words[0].startswith("-"):
    name, _equals, value = words.pop(0).partition("=")
    options[name] = value
if options.keys() & {"-h", "--help"}:
    print(USAGE)
elif (
    options.keys() - {"--json", "--doctor", "--metrics"}
    or (options and len(words) > 1)
    or any(options.get(name) for name in ("--json", "--doctor"))
):
    fail(USAGE, 2)
elif len(words) < 2:
    show(words, options)
else:
    main(words[0], words[1:], person)
