"""Where metrics are written is a place of root's, and one that somebody reads."""

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import metrics_path

DEBIANS = "/var/lib/prometheus/node-exporter/emperor_flask.prom"


@pytest.mark.parametrize("path", ["", None, DEBIANS, "/srv/metrics/apps-1.prom"])
def test_a_path_of_roots_is_taken_and_so_is_none(path):
    assert list(metrics_path.mistakes({"flask_app_metrics_path": path})) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("metrics.prom", "write an absolute path"),
        ("/srv/metrics.txt", "that ends in .prom"),
        ("/srv/a b.prom", "of letters, digits and ._@+-"),
        ("/srv/%n.prom", "of letters, digits and ._@+-"),
        ("/srv/a\n.prom", "of letters, digits and ._@+-"),
        ("/srv/../var/www/shop/shared/x.prom", "write an absolute path"),
        ("/srv//x.prom", "write an absolute path"),
        ("/var/www/shop/shared/x.prom", "where others than root make files"),
        ("/var/log/uwsgi/shop/x.prom", "where others than root make files"),
        ("/tmp/x.prom", "where others than root make files"),
    ],
)
def test_another_is_refused_with_one_that_is_right(path, reason):
    (sentence,) = metrics_path.mistakes({"flask_app_metrics_path": path})
    assert sentence.startswith(f"flask_app_metrics_path is '{path}'") and reason in sentence
    assert sentence.endswith(f"such as {DEBIANS}")


def test_its_folder_has_to_be_on_the_host():
    assert metrics_path.folders("") == [] and list(metrics_path.refusals({"missing_folders": []})) == []
    (folder,) = metrics_path.folders(DEBIANS)
    (sentence,) = metrics_path.refusals({"missing_folders": [folder]})
    assert sentence.startswith(
        f"flask_app_metrics_path is in {folder}, which is not on this host; install prometheus-node-exporter"
    )
