"""Projects that have their version from git's tags are told it: where they are built there is no git."""

import pytest
import sources
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import apps
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import scm_version
from ansible_collections.emperor.flask.plugins.plugin_utils.release.code_and_packages import Stage
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from sources import commit, git

SCM = '[build-system]\nrequires = ["setuptools>=80", "{tool}>=8"]\n[project]\nname = "My.Shop"\ndynamic = ["version"]\n'
NAMED = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_SHOP"


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", tmp_path / "run")


@pytest.fixture
def project(tmp_path):
    """A repository with a tag, and a commit after it."""
    folder = sources.repository(tmp_path / "shop")
    commit(folder, "pyproject.toml", SCM.format(tool="setuptools-scm"))
    git(folder, "tag", "--annotate", "--message", "x", "v1.2")
    commit(folder, "src/shop.py", "app = 1\n")
    return folder


@pytest.mark.parametrize(
    ("described", "version"),
    [
        ("v1.2-0-gabc1234", "1.2"),
        ("shop-1.2.0-0-gabc1234", "1.2.0"),
        ("v1.2-3-gabc1234", "1.3.dev3+gabc1234"),
        ("1.2.3-3-gabc1234", "1.2.4.dev3+gabc1234"),
        ("v2.0rc1-4-gabc1234", "2.0rc2.dev4+gabc1234"),
        ("nightly-1-gabc1234", None),
    ],
)
def test_a_version_is_what_setuptools_scm_makes_of_a_tag(described, version):
    assert scm_version.after(described) == version


def test_a_commit_has_its_own_version_and_a_folder_that_of_what_is_checked_out(project, cache):
    told = lambda entry: scm_version.variables(source.resolve(entry, cache), cache)  # noqa: E731
    head = git(project, "rev-parse", "--short", "HEAD")
    assert told({"git": str(project), "version": "v1.2"}) == {NAMED: "1.2"}
    assert told({"git": str(project)}) == {NAMED: f"1.3.dev1+g{head}"}
    assert told({"path": str(project)}) == {NAMED: f"1.3.dev1+g{head}"}


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"pyproject.toml": SCM.format(tool="hatch-vcs")}, {NAMED}),
        ({"pyproject.toml": SCM.format(tool="pbr")}, {"PBR_VERSION"}),
        ({"pyproject.toml": SCM.format(tool="wheel")}, set()),
        ({"setup.py": "setup(name='My.Shop', use_scm_version=True)\n"}, {NAMED}),
        ({"setup.py": "setup(pbr=True)\n", "setup.cfg": "[metadata]\nname = shop\n"}, {"PBR_VERSION"}),
        ({"setup.py": "setup(name='shop', version='1.0')\n"}, set()),
    ],
    ids=str,
)
def test_each_tool_is_told_in_its_own_way(project, cache, files, names):
    git(project, "rm", "--quiet", "pyproject.toml")
    for name, text in files.items():
        commit(project, name, text)
    assert scm_version.variables(source.resolve({"git": str(project)}, cache), cache).keys() == names


def test_no_command_of_a_folders_own_settings_runs(project, cache, tmp_path):
    """A folder that was unpacked somewhere brings the settings of its repository along: of filters, and of where to fetch what it lacks."""
    mark = tmp_path / "executed"
    commit(project, ".gitattributes", "* filter=own\n")
    for name, value in {
        "filter.own.clean": f"touch {mark}",
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": str(tmp_path),
        "remote.origin.uploadPack": f"touch {mark};",
        "remote.origin.promisor": "true",
        "protocol.file.allow": "always",
    }.items():
        git(project, "config", name, value)
    (project / "src/shop.py").write_text("app = 2\n")
    code = source.resolve({"path": str(project)}, cache)
    assert scm_version.variables(code, cache).keys() == {NAMED} and not mark.exists()
    lacking = git(project, "rev-parse", "HEAD~1")
    (project / ".git/objects" / lacking[:2] / lacking[2:]).unlink()
    assert scm_version.variables(code, cache) == {} and not mark.exists()


@pytest.mark.parametrize(
    "text", ["project = 1\n", "[project]\nname = 1\n", "[build-system]\nrequires = 1\n", "tool = []\n"]
)
def test_a_pyproject_of_another_shape_has_no_version(tmp_path, cache, text):
    (tmp_path / "pyproject.toml").write_text(text)
    assert scm_version.variables(source.resolve({"path": str(tmp_path)}, cache), cache) == {}


def test_a_folder_without_git_says_nothing(tmp_path, cache):
    (tmp_path / "pyproject.toml").write_text(SCM.format(tool="setuptools-scm"))
    assert scm_version.variables(source.resolve({"path": str(tmp_path)}, cache), cache) == {}


def test_what_builds_are_told_is_part_of_the_environments_identity_and_the_inventory_goes_first(project):
    def stage(**changes):
        app, mistakes = apps.prepare(
            {"name": "shop", "module": "shop:app", "source": {"path": str(project)}, **changes}, project
        )
        assert mistakes == []
        return Stage.read(app, "3.13")

    itself = {"requirements": ["."]}
    assert stage().packages.environment == {}, "the project itself is not installed"
    assert [*stage(**itself).packages.environment] == [NAMED]
    assert stage(**itself, build_env={NAMED: "9"}).packages.environment == {NAMED: "9"}
    assert stage(build_env={"CFLAGS": "-O3"}).venv != stage().venv
