"""What benchmarks/request_path.py makes of what wrk and the host say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "benchmarks/results"
QUIET = """Running 3s test @ http://127.0.0.1/hello
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    10.67ms    5.92ms  75.59ms   76.72%
    Req/Sec     3.07k   412.12     3.90k    68.33%
  Latency Distribution
     50%    9.51ms
     75%   13.26ms
     90%   18.00ms
     99%   31.35ms
  18400 requests in 2.00s, 3.37MB read
Requests/sec:   9200.00
Transfer/sec:      1.12MB
"""
BROKEN = QUIET.replace("99%   31.35ms", "99%    1.25s").replace(
    "MB read\n",
    "MB read\n  Socket errors: connect 1, read 20, write 3, timeout 400\n  Non-2xx or 3xx responses: 8400\n",
)
SEEN = {"cpu": {"server": 2.5, "nginx": 1.25}, "load": 1.328125, "others": 0.126, "idle": 34.84, "loaded": 42.26}


@pytest.fixture
def requests(monkeypatch):
    """benchmarks/request_path.py, which imports its neighbours."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import request_path

    yield request_path
    for name in ("bed", "rows", "request_path"):
        sys.modules.pop(name)


@pytest.fixture
def load(monkeypatch):
    """benchmarks/request_load.py, which runs on the host."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import request_load

    yield request_load
    sys.modules.pop("request_load")


@pytest.fixture
def results(requests, monkeypatch, tmp_path):
    """Three turns in which ours has 2, 3 and 1 times granian's throughput, on a machine that slows down meanwhile."""
    monkeypatch.setattr(requests.bed, "RESULTS", tmp_path)
    kept = []
    for turn, (granian, times) in enumerate([(1000, 2), (100, 3), (10, 1)]):
        for workload in requests.WORKLOADS:
            for server in requests.order(turn, 0):
                line = requests.row(turn, workload, server, {**SEEN, "wrk": QUIET})
                kept.append({**line, "throughput": granian * times if server == requests.OURS else granian})
    requests.rows.write(requests.RESULTS, kept)
    return requests.rows.read(requests.RESULTS)


@pytest.mark.parametrize(
    ("latency", "milliseconds"), [("850.00us", 0.85), ("9.51ms", 9.51), ("1.25s", 1250), ("2.00m", 120_000)]
)
def test_a_latency_of_wrk_is_read_in_milliseconds(requests, latency, milliseconds):
    assert requests.milliseconds(latency) == pytest.approx(milliseconds)


def test_what_wrk_says_is_read(requests):
    assert requests.read_wrk(QUIET) == {"right": 18400, "errors": 0, "seconds": 2, "p99": 31.35}


def test_wrong_answers_are_errors_and_no_throughput(requests):
    assert requests.read_wrk(BROKEN) == {"right": 10_000, "errors": 8824, "seconds": 2, "p99": 1250}


def test_cpu_is_that_of_a_right_answer(requests):
    line = requests.row(0, "hello, 64 clients", "shop", {**SEEN, "wrk": BROKEN})
    assert (line["throughput"], line["server_cpu"], line["nginx_cpu"], line["cpu"]) == (5000, 250, 125, 375)
    assert (line["idle_mib"], line["loaded_mib"], line["cores_busy_otherwise"]) == (34.8, 42.3, 0.13)


def test_a_server_without_a_right_answer_ends_the_measurement(requests):
    nothing = QUIET.replace("18400 requests", "0 requests")
    with pytest.raises(SystemExit, match="granian gave no right answer"):
        requests.row(0, "hello, 64 clients", "granian", {**SEEN, "wrk": nothing})


def test_every_server_has_every_place_in_turn(requests):
    orders = [requests.order(turn, 1) for turn in range(3)]
    for place in zip(*orders):
        assert sorted(place) == sorted(requests.SERVERS)
    assert requests.order(0, 0) != requests.order(0, 1)


def test_a_ratio_is_the_median_of_those_of_the_turns(requests, results):
    workload = next(iter(requests.WORKLOADS))
    assert requests.ratio(results, "throughput", workload, requests.OURS, requests.GRANIAN) == 2
    assert requests.ratio(results, "throughput", workload, requests.GRANIAN, requests.OURS) == 0.5
    # Of the medians it would be 3.
    assert requests.rows.median(results, "throughput", workload=workload, server=requests.OURS) == 300


def test_a_turn_that_was_not_finished_has_no_ratio(requests, results):
    workload = next(iter(requests.WORKLOADS))
    unfinished = [line for line in results if (line["turn"], line["server"]) != ("1", requests.GRANIAN)]
    assert requests.ratio(unfinished, "throughput", workload, requests.OURS, requests.GRANIAN) == 1.5


def test_ratios_are_kept_for_all_figures_and_rivals(requests, results):
    kept = requests.ratios(results)
    assert len(kept) == len(requests.WORKLOADS) * len(requests.SERVERS) * len(requests.FIGURES)
    assert kept[0] == {
        "workload": "hello, 64 clients",
        "server": "shop",
        "figure": "throughput",
        "to_granian": "2.000",
        "to_gunicorn": "2.000",
    }


def test_the_tables_have_all_workloads_and_servers(requests, results):
    lines = requests.table().splitlines()
    assert "| hello, 64 clients | emperor.flask | 300/s | 2.00 | 2.00 | 31.4 ms | 136 µs | 67.9 µs |" in lines
    assert "| emperor.flask | 35 MiB | 42 MiB |" in lines
    assert sum(line.startswith("| ") and " MiB " not in line for line in lines) == 12 + 2


def test_the_committed_ratios_are_those_of_the_results(requests):
    assert requests.rows.read(requests.RATIOS) == requests.ratios(requests.rows.read(requests.RESULTS))


def test_a_process_that_is_new_counts_whole_and_one_that_has_ended_not_at_all(load):
    assert load.spent({1: 5.0, 2: 3.0}, {1: 5.5, 3: 0.25}) == 0.75
