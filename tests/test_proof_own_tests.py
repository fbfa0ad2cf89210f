"""Hold the sorting of a change to what bends tests and what doesn't."""

import pytest

from bot.proof import own_tests
from bot.proof.own_tests import Change, ChangedFile, Role, Roles
from bot.proof.runner import PYTEST

FILES = [
    "shop.py", "tests/test_a.py", "tests/data/a.json", "pkg/tests/test_b.py", "django/test/client.py",
    "numpy/testing/tests/test_u.py", "numpy/testing/utils.py", "testing/test_m.py",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("tests/test_new.py", Role.TEST),
        ("pkg/shop_test.py", Role.TEST),
        ("app/tests.py", Role.TEST),
        ("tests/data/b.json", Role.SUPPORT),
        ("tests/helpers.py", Role.SUPPORT),
        ("tests/README.md", Role.SUPPORT),
        ("pkg/tests/__init__.py", Role.SUPPORT),
        ("testing/x.py", Role.SUPPORT),
        ("tests", Role.SUPPORT),
        ("conftest.py", Role.CONFIGURATION),
        ("deep/down/conftest.py", Role.CONFIGURATION),
        ("pytest.ini", Role.CONFIGURATION),
        ("sub/pytest.toml", Role.CONFIGURATION),
        ("sitecustomize.py", Role.CONFIGURATION),
        ("x/evil.pth", Role.CONFIGURATION),
        ("shop.egg-info/entry_points.txt", Role.CONFIGURATION),
        ("pytest.py", Role.CONFIGURATION),
        ("_pytest/runner.py", Role.CONFIGURATION),
        ("src/pluggy/__init__.py", Role.CONFIGURATION),
        ("xml/etree.py", Role.CONFIGURATION),
        ("json.py", Role.CONFIGURATION),
        ("pyproject.toml", Role.SHARED),
        ("setup.cfg", Role.SHARED),
        ("README.md", Role.DOCUMENT),
        ("docs/a.rst", Role.DOCUMENT),
        ("LICENSE", Role.DOCUMENT),
        ("docs/conf.py", Role.PRODUCT),
        ("requirements.txt", Role.PRODUCT),
        ("shop/json.py", Role.PRODUCT),
        ("django/test/client.py", Role.PRODUCT),
        ("numpy/testing/utils.py", Role.PRODUCT),
        ("contest.py", Role.PRODUCT),
        ("latest/x.py", Role.PRODUCT),
    ],
)
def test_every_path_has_one_role(path: str, role: Role) -> None:
    """Tests, what serves them, what configures them, and everything else."""
    assert Roles(PYTEST, FILES).of(path, added=True) is role


def test_a_module_of_the_base_that_has_a_known_name_is_its_product() -> None:
    """Only a new file can be put in the way of Python's own."""
    assert Roles(PYTEST, FILES).of("json.py") is Role.PRODUCT


def test_a_link_in_place_of_the_tests_folder_belongs_to_the_tests() -> None:
    """A path that replaces a folder of tests is taken away before the tests are laid back."""
    change = own_tests.sort(
        [ChangedFile("spec", "A")], Roles(PYTEST, ["spec/test_a.py"]), (), ["spec/test_a.py"]
    )

    assert change.guarded == (ChangedFile("spec", "A"),)


@pytest.mark.parametrize(
    ("name", "before", "after", "same"),
    [
        ("pyproject.toml", b"[project]\nversion='1'", b"[project]\nversion='2'", True),
        ("pyproject.toml", b"[project]", b"[project]\n[tool.pytest.ini_options]\naddopts='-k x'", False),
        ("pyproject.toml", b"[project]", b"[project.entry-points.pytest11]\nx='shop'", False),
        ("pyproject.toml", b"[project]", b"[project.scripts]\nx='shop:main'", True),
        ("pyproject.toml", b"[project]", b"[[broken", False),
        ("pyproject.toml", b"[project]", None, True),
        ("setup.cfg", b"[metadata]\nversion=1", b"[metadata]\nversion=2", True),
        ("setup.cfg", b"[metadata]", b"[tool:pytest]\nxfail_strict=true", False),
        ("setup.cfg", b"[metadata]", b"[options.entry_points]\npytest11=\n  x = shop", False),
        ("tox.ini", b"[tox]\nenvlist=py", b"[tox]\nenvlist=py311", True),
        ("tox.ini", b"[tox]", b"[pytest]\ntestpaths=x", False),
        ("tox.ini", b"[tox]", b"[pytest]\n\xff", False),
    ],
)
def test_only_the_tables_for_tests_count_in_a_shared_file(
    name: str, before: bytes, after: bytes | None, same: bool
) -> None:
    """A version bump is not a change to the tests; a broken file is."""
    assert (own_tests.tables(name, before, PYTEST) == own_tests.tables(name, after, PYTEST)) is same


def test_a_change_of_documents_only_is_not_executable() -> None:
    """Everything but documents can run."""
    roles = Roles(PYTEST, FILES)
    for path, runs in (
        ("README.md", False),
        ("shop.py", True),
        ("tests/data/b.json", True),
        ("tox.ini", True),
    ):
        assert own_tests.sort([ChangedFile(path, "M")], roles, (), FILES).executable is runs
    assert Change().executable is False
