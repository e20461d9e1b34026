"""Apps go beside each other, but for those whose files are kept: of two, the second has the room that the first leaves."""

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import removal


@pytest.mark.parametrize(
    ("files", "keep_shared", "alone"), [(["note"], True, True), ([], True, False), (["note"], False, False)]
)
def test_an_app_with_files_to_keep_goes_alone(tmp_path, monkeypatch, files, keep_shared, alone):
    layout = Layout("shop", str(tmp_path))
    Path(layout.shared).mkdir(parents=True)
    for name in files:
        Path(layout.shared, name).touch()
    monkeypatch.setattr(removal, "_remove_all", lambda *_: removal.keeping.locked())
    assert removal.remove_all(layout, keep_shared) is alone
    assert not removal.keeping.locked()
