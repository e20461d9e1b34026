"""The rooms of plugins/: who may import whom, and where things lie. DESIGN.md, section 4."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"
PACKAGE = "ansible_collections.emperor.flask.plugins."
# From the ground up: an import goes down, or stays in its room.
ROOMS = {
    "module_utils": ["host", "facts", "vassal", "background", "nginx", "python", "tls", "release"],
    "plugin_utils": ["source", "packages", "checks", "nginx", "release", "inventory"],
}
HALVES = pytest.mark.parametrize("half", ROOMS)


def files(half):
    return sorted(path for path in (PLUGINS / half).rglob("*.py") if path.name != "__init__.py")


def imports(path):
    """What a file imports of this collection: module_utils.host.files, or action.release."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        module = getattr(node, "module", None)
        if above := getattr(node, "level", 0):
            place = PACKAGE + ".".join(path.relative_to(PLUGINS).parts[:-above])
            module = f"{place}.{module}" if module else place
        for name in [f"{module}.{name}" for name in names] if module else names:
            if name.startswith(PACKAGE):
                yield name.removeprefix(PACKAGE)


@HALVES
def test_every_file_lies_in_a_room(half):
    assert {path.parent.relative_to(PLUGINS / half).as_posix() for path in files(half)} == set(ROOMS[half])


@HALVES
def test_an_import_goes_down(half):
    for path in files(half):
        for other, room, *_ in (name.split(".") for name in imports(path)):
            place = f"{path.relative_to(ROOT)} imports {other}.{room}"
            assert other == half or (half, other) == ("plugin_utils", "module_utils"), place
            if other == half:
                assert ROOMS[half].index(room) <= ROOMS[half].index(path.parent.name), place


@HALVES
def test_imports_in_a_room_are_no_circle(half):
    above = {path.stem: {name.split(".")[2] for name in imports(path) if name.startswith(half)} for path in files(half)}
    while above:
        free = {name for name, below in above.items() if not below & above.keys()}
        assert free, above
        above = {name: below for name, below in above.items() if name not in free}


@HALVES
def test_a_name_is_given_once_in_a_half(half):
    names = [path.stem for path in files(half)]
    assert sorted(names) == sorted(set(names))


@HALVES
def test_a_room_hands_nothing_on(half):
    """Ansible ships module_utils by what is imported: a room that imports its files would come as a whole."""
    for room in ROOMS[half]:
        assert (PLUGINS / half / room / "__init__.py").read_bytes() == b""


@HALVES
def test_tests_lie_where_the_code_lies(half):
    code = {path.relative_to(PLUGINS).with_suffix("") for path in files(half)}
    tests = Path(__file__).parent
    for path in (tests / half).rglob("test_*.py"):
        assert path.relative_to(tests).with_name(path.stem.removeprefix("test_")) in code, path
