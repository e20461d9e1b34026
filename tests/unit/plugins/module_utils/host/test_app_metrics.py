"""The metrics are read by Prometheus's own parsers, in both formats, whatever a label holds."""

import os
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import app_metrics, app_status
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

ROOT = Path(__file__).resolve().parents[5]
ROW = {
    "app": "shop",
    "release": "ab12",
    "since": 1796015615,
    "by": "anna@laptop",
    "origin": {"git": "https://git.example.com/shop", "version": "v1.4.2", "commit": "2f1c"},
    "web": "up",
    "closed": False,
    "threads": 8,
    "busy": 3,
    "queue": 0,
    "requests": 120,
    "requests_per_second": 0.4,
    "errors": 2,
    "memory": 2**27,
    "memory_limit": 2**29,
    "certificate_ends": 1800000000,
    "certificate_days": 45,
    "lock": None,
    "workers": [{"name": "mail", "processes": 2, "running": 1, "restarts": 3}],
    "timers": [
        {"name": "digest", "waits": True, "last": 1796010000, "next": 1796020000, "result": "exit-code"},
        {"name": "check", "waits": True, "last": None, "next": 1796020000, "result": ""},
    ],
}
FINDINGS = [
    {"app": "shop", "code": "worker-down"},
    {"app": "shop", "code": "worker-down"},
    {"app": "", "code": "nginx-down"},
]
DISKS = [{"folders": ["/var/www", "/opt"], "free": 5, "size": 20}]


def samples(text):
    """What a text says, by metric and labels; the two formats are read alike."""
    read = [
        {
            (sample.name.removeprefix("emperor_flask_"), *sample.labels.items()): sample.value
            for family in parse(text)
            for sample in family.samples
        }
        for parse in (parser.text_string_to_metric_families, openmetrics_parser.text_string_to_metric_families)
    ]
    assert read[0] == read[1]
    return read[0]


def test_all_of_an_app_is_said():
    shop = ("app", "shop")
    assert samples(app_metrics.text([ROW], FINDINGS, DISKS)) == {
        ("up", shop): 1,
        ("release_info", shop, ("release", "ab12"), ("by", "anna@laptop"), ("version", "v1.4.2"), ("commit", "2f1c")): 1,
        ("release_timestamp_seconds", shop): 1796015615,
        ("threads", shop): 8,
        ("threads_busy", shop): 3,
        ("queue_length", shop): 0,
        ("requests_last_5m", shop): 120,
        ("errors_last_5m", shop): 2,
        ("memory_bytes", shop): 2**27,
        ("memory_limit_bytes", shop): 2**29,
        ("certificate_expiry_timestamp_seconds", shop): 1800000000,
        ("maintenance", shop): 0,
        ("releasing", shop): 0,
        ("worker_processes", shop, ("worker", "mail")): 2,
        ("worker_processes_running", shop, ("worker", "mail")): 1,
        ("worker_restarts", shop, ("worker", "mail")): 3,
        ("timer_active", shop, ("timer", "digest")): 1,
        ("timer_success", shop, ("timer", "digest")): 0,
        ("timer_last_run_timestamp_seconds", shop, ("timer", "digest")): 1796010000,
        ("timer_next_run_timestamp_seconds", shop, ("timer", "digest")): 1796020000,
        ("timer_active", shop, ("timer", "check")): 1,
        ("timer_success", shop, ("timer", "check")): 1,
        ("timer_next_run_timestamp_seconds", shop, ("timer", "check")): 1796020000,
        ("finding", shop, ("code", "worker-down")): 2,
        ("finding", ("app", ""), ("code", "nginx-down")): 1,
        ("disk_free_bytes", ("folder", "/var/www")): 5,
        ("disk_size_bytes", ("folder", "/var/www")): 20,
        ("disk_free_bytes", ("folder", "/opt")): 5,
        ("disk_size_bytes", ("folder", "/opt")): 20,
    }  # fmt: skip
    assert app_status.WINDOW == 300, "the names of two metrics say so"


@pytest.mark.parametrize(("web", "up"), [("up", 1), ("asleep", 1), ("down", 0)])
def test_what_listens_is_up_asleep_or_not(web, up):
    assert samples(app_metrics.text([{**ROW, "web": web}], [], []))["up", ("app", "shop")] == up


def test_what_is_not_known_is_left_out():
    bare = dict.fromkeys(ROW, None)
    row = {
        **bare,
        "app": "shop",
        "release": "",
        "origin": {},
        "web": "down",
        "closed": True,
        "lock": "anna",
        "requests": 0,
        "errors": 0,
    }
    said = samples(app_metrics.text([{**row, "workers": [], "timers": []}], [], []))
    names = {name: value for (name, *_labels), value in said.items()}
    assert names == {"up": 0, "requests_last_5m": 0, "errors_last_5m": 0, "maintenance": 1, "releasing": 1}
    assert samples(app_metrics.text([], [], [])) == {}


@pytest.mark.parametrize(
    "by", ['a"} 1\nemperor_flask_up{app="shop"} 0', "\\", "\\n", 'x",y="', "ä\r\t\x00\u2028", "{}"]
)
def test_a_label_holds_whatever_somebody_is_called(by):
    said = samples(app_metrics.text([{**ROW, "by": by}], [], []))
    (labels,) = [dict(labels) for name, *labels in said if name == "release_info"]
    assert labels["by"] == by and said["up", ("app", "shop")] == 1


def test_a_label_that_is_no_unicode_is_written_all_the_same():
    assert 'by="?"' in app_metrics.text([{**ROW, "by": "\udcff"}], [], [])


def test_the_file_is_whole_readable_and_never_a_link(tmp_path):
    path, others = str(tmp_path / "apps.prom"), tmp_path / "others"
    others.write_text("theirs")
    os.symlink(others, path)
    os.symlink(others, f"{path}.new")
    before = os.umask(0o077)
    app_metrics.write(path, "ours")
    os.umask(before)
    assert (others.read_text(), os.path.islink(path), os.listdir(tmp_path)) == (
        "theirs",
        False,
        ["others", "apps.prom"],
    )
    assert os.stat(path).st_mode & 0o777 == 0o644
    app_metrics.write(path, "newer")
    assert Path(path).read_text(encoding="utf-8") == "newer"
    with pytest.raises(OSError, match="No such file"):
        app_metrics.write(str(tmp_path / "gone/apps.prom"), "ours")


def test_the_page_lists_each_metric_and_no_other():
    page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    listed = {
        word for line in page.splitlines() if line.startswith("| `emperor_flask_") for word in line.split("`")[1::2]
    }
    listed = {
        word.partition("{")[0].removeprefix("emperor_flask_") for word in listed if word.startswith("emperor_flask_")
    }
    assert listed == set(app_metrics.HELP)
