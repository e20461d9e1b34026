"""How the apps are, as Prometheus's node_exporter serves it."""

import pytest
from conftest import HOST, TIMER
from plays import live, on, until
from prometheus_client import parser
from test_status import shown

FOLDER = "/var/lib/prometheus/node-exporter"
PATH = f"{FOLDER}/emperor_flask.prom"
UNITS = "systemctl list-unit-files --no-legend 'emperor-metrics*' | wc -l"


def samples(text):
    """What a text says of the apps, by metric and values of its labels, which node_exporter sorts."""
    return {
        (
            sample.name.removeprefix("emperor_flask_"),
            *(said for _label, said in sorted(sample.labels.items())),
        ): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("emperor_flask_")
    }


def served():
    """What node_exporter serves."""
    text = on(HOST, "curl -s localhost:9100/metrics")
    assert "\nnode_textfile_scrape_error 0" in text
    return samples(text)


@pytest.fixture(scope="module")
def exporter():
    """Install node_exporter, and take it away with what it has left."""
    on(HOST, "apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus-node-exporter")
    until(lambda: "node_" in on(HOST, "curl -s localhost:9100/metrics", check=False))
    yield
    on(HOST, "apt-get purge -y -qq prometheus-node-exporter && rm -rf /var/lib/prometheus")


def test_a_folder_that_is_not_there_is_refused_before_anything_is_changed(jobs):
    before = live(HOST, "jobs")
    jobs.write(2)
    missing = "/var/lib/nowhere"
    jobs.refused(
        f"flask_app_metrics_path is in {missing}, which is not on this host; install prometheus-node-exporter there first",
        flask_app_metrics_path=f"{missing}/apps.prom",
    )
    assert live(HOST, "jobs") == before and on(HOST, UNITS).strip() == "0"


def test_prometheus_reads_how_the_apps_are(exporter, jobs):
    jobs.entry["timers"] = [TIMER]
    jobs.deploy(flask_app_metrics_path=PATH)
    begun = on(HOST, "date +%s").strip()
    on(HOST, "systemctl start emperor-metrics")  # the timer may have written while the release was under way
    said = served()
    ((app, by, _commit, release, _version),) = [labels for name, *labels in said if name == "release_info"]
    assert (app, release) == ("jobs", live(HOST, "jobs")) and "@" in by
    for metric, value in {
        ("up", "jobs"): 1,
        ("threads", "jobs"): 4,
        ("threads_busy", "jobs"): 0,
        ("worker_processes_running", "jobs", "hands"): 2,
        ("timer_active", "jobs", "digest"): 1,
        ("maintenance", "jobs"): 0,
    }.items():
        assert said[metric] == value, metric
    assert said["memory_bytes", "jobs"] > 2**20 and said["disk_free_bytes", "/var/www"] > 2**20
    assert [name for name in said if name[0] == "finding"] == []
    assert samples("\n".join(shown("--metrics")[0]) + "\n").keys() == said.keys()
    assert jobs.deploy(flask_app_metrics_path=PATH).changed == [0]
    age = int(on(HOST, f"date -r {PATH} +%s"))
    until(lambda: int(on(HOST, f"date -r {PATH} +%s")) > age)  # the timer goes on
    assert on(HOST, f"stat -c '%U %a' {PATH}").strip() == "root 644"

    on(HOST, "systemctl stop 'emperor-worker-jobs-hands-*-1.service' && systemctl start emperor-metrics")
    assert served()["finding", "jobs", "worker-down"] == 1
    jobs.play("maintenance", app="jobs", state="on")
    on(HOST, "systemctl start emperor-metrics")
    assert served()["maintenance", "jobs"] == 1
    jobs.play("maintenance", app="jobs", state="off")
    assert on(HOST, f"journalctl --unit emperor-metrics --since @{begun} --quiet --output cat") == "", (
        "nothing each minute"
    )


def test_another_path_takes_the_first_away_and_none_takes_all_away(exporter, jobs):
    other = f"{FOLDER}/apps.prom"
    for path in (PATH, other):
        jobs.deploy(flask_app_metrics_path=path)
        on(HOST, "systemctl start emperor-metrics")
        assert on(HOST, f"ls {FOLDER}").split() == [path.rpartition("/")[2]]
    run = jobs.deploy("--check", "--diff")
    assert other in run.output and on(HOST, UNITS).strip() == "2", "check mode says what goes, and takes nothing away"
    jobs.deploy()
    assert on(HOST, f"ls {FOLDER}") == "" and on(HOST, UNITS).strip() == "0"
    assert on(HOST, "systemctl list-timers --all --no-legend 'emperor-metrics*'") == ""
    assert jobs.deploy().changed == [0]
