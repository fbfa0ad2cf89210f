"""Hold generated tests to what is kept and where it is laid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import generated
from bot.proof.generated import Candidate
from bot.proof.own_tests import Role, Roles
from bot.proof.runner import COMMAND, PYTEST

CODE = "def test_it():\n    assert True\n"
FILES = [
    "pkg/__init__.py",
    "tests/__init__.py",
    "tests/test_a.py",
    "tests/test_b.py",
    "tests/unit/test_c.py",
    "conftest.py",
]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def test_(:", "parse"),
        ("def helper(): pass", "no test"),
        ("class TestEmpty: pass", "no test"),
        ("", "no test"),
        ("x = 1\0", "parse"),
        ("# \udcff\ndef test_a(): pass", "parse"),
        ("def test_a():\n    '\\udcff'", None),
        (CODE + "#" * generated.MAX_BYTES, "64 KiB"),
        ("x = " + "(" * 30_000, "parse"),
        ("x = " + "-" * 60_000 + "1\n", "parse"),
        (CODE, None),
        ("async def test_it(): pass", None),
        ("class TestX:\n    def test_y(self): pass", None),
        ("import unittest\nclass Shop(unittest.TestCase):\n    def test_y(self): pass", None),
        ("def test_regex():\n    assert '\\d'", None),
    ],
)
def test_only_python_with_a_test_in_it_is_kept(code: str, why: str | None) -> None:
    """What can't be a test is dropped, and the reason is said."""
    kept, dropped = generated.keep([Candidate("it", code)], PYTEST, FILES)

    if why is None:
        assert [test.code for test in kept] == [code]
    else:
        assert kept == []
        assert why in dropped[0][1]


@pytest.mark.parametrize(
    "path",
    [
        *("../test_x.py", "/etc/test_x.py", "tests/../test_x.py", "tests//test_x.py", "tests/test_x.txt"),
        *(
            "conftest.py",
            "tests/conftest.py",
            "tests/test_a.py",
            "tests/test_a.py/test_x.py",
            "tests/helper.py",
        ),
        *("other/test_a.py", ".github/test_x.py", "tests/test x.py", "-k/test_x.py", "tests/test_\n.py", ""),
        "x" * 300 + "/test_x.py",
    ],
)
def test_an_unsafe_path_is_replaced_by_ours(path: str) -> None:
    """The model's wish is never followed out of the tests, over a file, or into configuration."""
    (kept,), _ = generated.keep([Candidate("Total of [items]!", CODE, path)], PYTEST, FILES)

    assert kept.path == "tests/test_journeyman_total_of_items.py"


def test_a_safe_path_is_the_models() -> None:
    """A new file that the runner would collect stays where the model put it."""
    (kept,), _ = generated.keep([Candidate("x", CODE, "tests/unit/test_new.py")], PYTEST, FILES)

    assert kept.path == "tests/unit/test_new.py"


def test_names_never_meet() -> None:
    """Candidates of one name get files of their own, and at most twenty are kept."""
    candidates = [Candidate("same", CODE, "tests/test_same.py")] * 25
    kept, dropped = generated.keep(candidates, PYTEST, [*FILES, "lib/test_journeyman_same.py"])

    assert len({test.path for test in kept}) == len(kept) == generated.MAX_TESTS
    assert len({test.path.rpartition("/")[2] for test in kept} - {"test_journeyman_same.py"}) == len(kept)
    assert len(dropped) == 5


def test_without_tests_a_folder_of_our_own_is_made() -> None:
    """`tests` below the working directory."""
    (kept,), _ = generated.keep([Candidate("", CODE)], PYTEST, ["shop.py"])

    assert kept.path == "tests/test_journeyman_case.py"


def test_a_runner_without_single_files_drops_them_all() -> None:
    """An exit code can't tell one test from another."""
    kept, dropped = generated.keep([Candidate("x", CODE)], COMMAND, FILES)

    assert kept == []
    assert "can't be run" in dropped[0][1]


@given(
    st.text(max_size=60),
    st.none() | st.text(alphabet="ab./-_ \n", max_size=40).map("tests/test_{}.py".format),
)
def test_every_kept_path_is_new_safe_and_a_test(name: str, path: str | None) -> None:
    """Whatever the model calls it."""
    (kept,), _ = generated.keep([Candidate(name, CODE, path)], PYTEST, FILES)

    assert kept.path not in FILES
    assert not kept.path.startswith(("/", "."))
    assert ".." not in kept.path.split("/")
    assert Roles(PYTEST, FILES).of(kept.path, added=True) is Role.TEST
