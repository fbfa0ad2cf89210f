"""Hold the detection of what to install, and on which Python, to what real projects declare."""

import os
from pathlib import Path

import pytest

from bot.errors import Blocked
from bot.workspace import declarations, dependency_files, interpreters, python_setup
from bot.workspace.interpreters import Interpreter, Wish

MODERN = b"""
[build-system]
requires = ["hatchling>=1.20", "hatch-vcs"]
build-backend = "hatchling.build"
[project]
name = "my-thing"
dynamic = ["version"]
requires-python = ">=3.10"
[project.optional-dependencies]
socks = ["pysocks"]
Tests = ["pytest", "trustme"]
dev = ["ruff"]
[dependency-groups]
test = ["pytest"]
docs = ["sphinx"]
[tool.pytest.ini_options]
addopts = "--cov=my_thing"
"""


def arguments(files: dict[str, bytes]) -> list[str]:
    """Return the attempts of a project, each as one line."""
    plan = python_setup.plan(files)
    assert plan is not None
    return [" ".join(attempt.arguments) for attempt in plan.attempts]


def host(*versions: str) -> list[Interpreter]:
    """Describe a host with these interpreters; the first is the bot's."""
    found = []
    for version in versions:
        major, minor, micro = (int(part) for part in version.split("."))
        found.append(Interpreter((major, minor, micro), Path(f"/usr/bin/python{major}.{minor}"), None))
    return found


def test_modern_project_gets_its_test_extras() -> None:
    """The first attempt has test and dev extras and groups and what pytest's options need; docs stay out."""
    assert arguments({"pyproject.toml": MODERN})[0] == (
        "--editable .[Tests,dev] --group test pytest pytest-cov"
    )


def test_attempts_get_smaller() -> None:
    """Each attempt asks for less, and the last one only for the declared dependencies and pytest."""
    assert arguments({"pyproject.toml": MODERN}) == [
        "--editable .[Tests,dev] --group test pytest pytest-cov",
        "--editable .[Tests] --group test pytest pytest-cov",
        "--editable . pytest pytest-cov",
        "--requirements pyproject.toml --extra Tests --extra dev --group test pytest pytest-cov",
        "--requirements pyproject.toml pytest pytest-cov",
        "pytest pytest-cov",
    ]


def test_version_from_tags_is_told() -> None:
    """A version that tools would read from git's tags comes from the change log's newest heading."""
    plan = python_setup.plan(
        {"pyproject.toml": MODERN, "CHANGELOG.md": b"# Changes\n\n## [2.7.1] - 2024-01-01\n"}
    )
    assert plan is not None
    assert plan.environment["SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_THING"] == "2.7.1"
    assert plan.backend == ("hatchling>=1.20", "hatch-vcs")


def test_old_setup_script_is_read_but_not_run() -> None:
    """Extras and the Python range come from the literals of setup.py; its code never runs."""
    script = (
        b"import os\nos.abort()\nextras = {'test': ['mock'], 'speed': []}\n"
        b"setup(name='old', extras_require=extras, python_requires='>=3.6', tests_require=['nose2'])\n"
    )
    plan = python_setup.plan({"setup.py": script})
    assert plan is not None
    assert plan.attempts[0].arguments == ("--editable", ".[test]", "nose2", "pytest")
    assert plan.wish.requires == ">=3.6"
    assert plan.backend == ("setuptools", "wheel")


def test_requirement_files_are_found() -> None:
    """Requirement files for tests are taken, those for documents and applications are not."""
    files = {
        "setup.cfg": b"[metadata]\nname = x\n",
        "requirements/tests.txt": b"pytest<8\n",
        "requirements/docs.txt": b"sphinx\n",
        "dev-requirements.txt": b"mock\n",
        "requirements.txt": b"flask==1\n",
    }
    assert arguments(files)[0] == (
        "--editable . --requirements requirements/tests.txt --requirements dev-requirements.txt pytest"
    )


def test_tox_is_the_last_source() -> None:
    """The dependencies of tox's environment are used when nothing else names any."""
    tox = b"""[testenv]
deps =
    py38: typing-ext
    -r{toxinidir}/ci/reqs.txt
    {env:EXTRA}
    -e ../other
    mock>=1
"""
    files = {"setup.cfg": b"[metadata]\nname = x\n", "tox.ini": tox}
    assert arguments(files)[0] == "--editable . -r ci/reqs.txt typing-ext mock>=1 pytest"
    plan = python_setup.plan(files)
    assert plan is not None
    assert plan.attempts[0].told == "the project, ci/reqs.txt, typing-ext, mock>=1, pytest"


def test_poetry_groups_become_requirements() -> None:
    """Poetry's carets turn into ranges, and its lock file holds the versions of the first attempt."""
    project = b"""
[tool.poetry]
name = "p"
[tool.poetry.dependencies]
python = "^3.9"
[tool.poetry.group.dev.dependencies]
pytest = "^7.1"
mock = {version = "~4.0", optional = true}
other = "*"
[build-system]
requires = ["poetry-core"]
"""
    lock = b"""
[[package]]
name = "mock"
version = "4.0.3"
[[package]]
name = "p"
version = "1"
source = {type = "git"}
"""
    plan = python_setup.plan({"pyproject.toml": project, "poetry.lock": lock})
    assert plan is not None
    assert plan.attempts[0].constrained
    assert not plan.attempts[1].constrained
    assert plan.constraints == ("mock==4.0.3",)
    assert plan.attempts[0].arguments == (
        "--editable", ".", "pytest>=7.1,<8", "mock>=4.0,<4.1", "other", "pytest",
    )  # fmt: skip
    assert plan.wish.requires == ">=3.9,<4"


def test_project_without_packaging_gets_pytest() -> None:
    """Loose modules get pytest and their requirements.txt; a tree without Python gets no plan."""
    assert arguments({"thing.py": b""}) == ["pytest"]
    assert (
        arguments({"thing.py": b"", "requirements.txt": b"six\n"})[0]
        == "--requirements requirements.txt pytest"
    )
    assert python_setup.plan({"index.js": b"", "package.json": b"{}"}) is None


def test_unpackaged_uv_project_gets_its_dependencies() -> None:
    """A project that says it is no package is not installed, but its dependencies are."""
    project = b"""
[project]
name = "app"
version = "1"
[tool.uv]
package = false
[dependency-groups]
dev = ["mock"]
"""
    assert arguments({"pyproject.toml": project})[0] == "--requirements pyproject.toml --group dev pytest"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[project",
        b"project = 3",
        b"[project]\ndynamic = 3\nname = 4",
        b"[build-system]\nrequires = 3",
        b"[tool]\npoetry = []",
        b"[project]\nname='x'\noptional-dependencies = {'--evil' = []}",
        b"a=" + b"[" * 5000,
    ],
)
def test_malformed_files_declare_nothing(content: bytes) -> None:
    """A file of the wrong shape never stops detection and never becomes an option of the installer."""
    for name in ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "uv.lock", "Pipfile.lock"):
        plan = python_setup.plan({"x.py": b"", name: content})
        assert plan is not None
        assert "--evil" not in str(plan.attempts)


def test_requirements_cannot_be_options() -> None:
    """Addresses, paths and options in the place of a requirement are left out."""
    hostile = [
        "--index-url=https://evil.test",
        "x @ https://evil.test/x.whl",
        "-r /etc/passwd",
        "-r ../up.txt",
        "ok>1",
    ]
    assert list(declarations._safe([*hostile, 3, None])) == ["ok>1"]


def test_links_are_never_followed(tmp_path: Path) -> None:
    """Files are read by their own name only: links, folders by link, pipes and huge files are left out."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "dev.txt").write_text("secret")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "pyproject.toml").symlink_to(secret / "dev.txt")
    (tree / "requirements").symlink_to(secret)
    os.mkfifo(tree / "setup.py")
    (tree / "setup.cfg").write_text("[metadata]\n")
    (tree / "nested").symlink_to(secret)
    assert dependency_files.read(tree) == {"setup.cfg": b"[metadata]\n"}
    assert dependency_files.read(tree, "nested") == {}
    assert dependency_files.read(tree, "../secret") == {}


def test_digest_follows_dependency_files_only(tmp_path: Path) -> None:
    """Another requirement is another environment; another module or change log entry is not."""

    def digest() -> str:
        return dependency_files.digest(dependency_files.read(tmp_path))

    (tmp_path / "requirements.txt").write_text("six")
    first = digest()
    (tmp_path / "module.py").write_text("x = 1")
    (tmp_path / "CHANGES.md").write_text("## 2.0")
    assert digest() == first
    (tmp_path / "requirements.txt").write_text("six==1")
    assert digest() != first


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), "3.11.7"),
        (Wish(">=3.12"), "3.13.0"),
        (Wish("~=3.9.0"), "3.9.18"),
        (Wish(">=3.8,!=3.11.*"), "3.13.0"),
        (Wish("<3.10"), "3.9.18"),
        (Wish(">=3.8", pinned=("3.9.2",)), "3.9.18"),
        (Wish(pinned=("pypy3.9", "cpython-3.13")), "3.13.0"),
        (Wish(tried=((3, 8), (3, 9))), "3.9.18"),
        (Wish("nonsense"), "3.11.7"),
    ],
)
def test_python_is_chosen(wish: Wish, expected: str) -> None:
    """A pin goes first, then the bot's own Python when it fits, then the newest that fits."""
    assert interpreters.choose(host("3.11.7", "3.13.0", "3.9.18"), wish).interpreter.name == expected


@pytest.mark.parametrize(("wish", "name"), [(Wish(">=3.14"), ">=3.14"), (Wish(pinned=("3.12",)), "3.12")])
def test_missing_python_is_named(wish: Wish, name: str) -> None:
    """A version that the host doesn't have blocks the task and is named."""
    with pytest.raises(Blocked, match=name):
        interpreters.choose(host("3.11.7"), wish)


def test_pin_gives_way_to_the_range() -> None:
    """A missing pinned version gives way where the declared range allows another; the note says so."""
    choice = interpreters.choose(host("3.11.7"), Wish(">=3.8", pinned=("3.12",)))
    assert choice.interpreter.name == "3.11.7"
    assert "3.12" in choice.note


async def test_own_python_is_found() -> None:
    """The bot's own interpreter comes first, and every found one is there."""
    found = await interpreters.installed()
    assert found[0].own
    assert all(one.executable.exists() for one in found)
