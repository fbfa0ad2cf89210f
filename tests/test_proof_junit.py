"""Hold the JUnit reader to real reports and to hostile ones."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import junit
from bot.proof.runner import PYTEST, REPORT
from storage.words import TestState

PASSED, FAILED, SKIPPED = TestState.PASSED, TestState.FAILED, TestState.SKIPPED

ODD = """
import unittest
import pytest
from shared import Base

@pytest.mark.parametrize("v", ["a/b::c", "x[y]", "né\\n", "", "a b", "tests.test_odd"])
def test_p(v): pass

class TestOuter:
    class TestInner:
        def test_m(self): pass

class TestInherited(Base): pass

class Cases(unittest.TestCase):
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
    @unittest.expectedFailure
    def test_expected(self): self.fail("x")
    @unittest.expectedFailure
    def test_unexpected(self): pass

@pytest.mark.xfail
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True)
def test_strict(): pass
@pytest.fixture
def bad_end():
    yield
    assert 0
def test_teardown(bad_end): pass
@pytest.fixture
def bad_start(): assert 0
def test_setup(bad_start): pass
"""


def report(folder: Path, files: dict[str, str], *words: str, cwd: str = ".") -> bytes:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    flags = [flag.replace(REPORT, str(folder / "report.xml")) for flag in PYTEST.report_flags]
    env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "pytest", *flags, *words]
    subprocess.run(command, cwd=folder / cwd, env=env, check=False, capture_output=True)
    return (folder / "report.xml").read_bytes()


def test_names_and_states_of_a_real_report_are_stable(tmp_path: Path) -> None:
    """Odd parameters, nested, inherited and unittest cases, expectations and teardowns keep their outcome."""
    files = {
        "tests/test_odd.py": ODD,
        "tests/test_broken.py": "import nothere\n",
        "tests/test_later.py": "import pytest\npytest.skip('later', allow_module_level=True)\n",
        "shared.py": "class Base:\n    def test_inherited(self): pass\n",
    }
    cases = junit.parse(report(tmp_path, files), paths=files)

    states = {name: case.state for name, case in cases.items()}
    odd = "tests/test_odd.py::"
    assert states == {
        "tests/test_broken.py": FAILED,
        "tests/test_later.py": SKIPPED,
        **{f"{odd}test_p[{v}]": PASSED for v in ("a/b::c", "x[y]", "n\\xe9\\n", "", "a b", "tests.test_odd")},
        f"{odd}TestOuter::TestInner::test_m": PASSED,
        f"{odd}TestInherited::test_inherited": PASSED,
        f"{odd}Cases::test_sub": FAILED,
        f"{odd}Cases::test_expected": SKIPPED,
        f"{odd}Cases::test_unexpected": FAILED,
        f"{odd}test_xfail": SKIPPED,
        f"{odd}test_xpass": PASSED,
        f"{odd}test_strict": FAILED,
        f"{odd}test_teardown": FAILED,
        f"{odd}test_setup": FAILED,
    }
    marks = {name: case.mark for name, case in cases.items() if case.mark}
    assert marks == {
        f"{odd}Cases::test_expected": "xfail",
        f"{odd}Cases::test_unexpected": "xpass",
        f"{odd}test_xfail": "xfail",
        f"{odd}test_strict": "xpass",
    }


def test_paths_count_from_the_repository_when_commands_start_below_it(tmp_path: Path) -> None:
    """A working directory is put before each path."""
    files = {"python/tests/test_a.py": "def test_a(): pass\n", "python/tests/test_b.py": "import nothere\n"}
    content = report(tmp_path, files, cwd="python")

    assert set(junit.parse(content, paths=files, directory="python")) == {
        "python/tests/test_a.py::test_a",
        "python/tests/test_b.py",
    }


def test_a_test_named_twice_keeps_its_worse_word() -> None:
    """A pass never covers a failure or a skip of the same name."""
    case = '<testcase classname="t" name="a">{}</testcase>'
    pairs = (("", "<skipped/>", SKIPPED), ("<failure/>", "", FAILED), ("<error/>", "<skipped/>", FAILED))
    for first, second, worse in pairs:
        both = {
            junit.parse(f"<testsuite>{case.format(x)}{case.format(y)}</testsuite>".encode())["t::a"].state
            for x, y in ((first, second), (second, first))
        }
        assert both == {worse}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><testsuite>&b;</testsuite>'
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b"<html/>",
        b"<testsuite>",
        BOMB.encode(),
        b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>',
        b'<?xml version="1.0" encoding="no-such"?><testsuite/>',
        b"<testsuite>" + b"<a>" * 100_000,
        b"<testsuite>" + b"<testcase name='x'/>" * (junit.MAX_CASES + 1) + b"</testsuite>",
        b"<testsuite>\xff\xfe</testsuite>",
    ],
)
def test_a_hostile_report_is_an_error(content: bytes) -> None:
    """Bombs, foreign documents, depth and floods are refused, and nothing else is raised."""
    with pytest.raises(junit.ReportError):
        junit.parse(content)


def test_a_report_that_is_too_large_is_not_parsed() -> None:
    """The size is looked at first."""
    with pytest.raises(junit.ReportError, match="larger"):
        junit.parse(b" " * (junit.MAX_BYTES + 1))


def test_long_names_are_cut_and_stay_apart() -> None:
    """Two names that differ only at their ends remain two."""
    case = '<testcase classname="t" name="{}"/>'
    text = "".join(case.format("n" * 5000 + end) for end in "ab")
    cases = junit.parse(f"<testsuite>{text}</testsuite>".encode())

    assert len(cases) == 2
    assert all(len(name) <= junit.NAME_LIMIT for name in cases)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda s: f"<testsuite>{s}</testsuite>".encode()))
def test_any_bytes_are_cases_or_a_report_error(content: bytes) -> None:
    """No report makes the reader fail in another way."""
    try:
        cases = junit.parse(content)
    except junit.ReportError:
        return
    assert all(len(name) <= junit.NAME_LIMIT for name in cases)


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["nan", "-1", "1e99", "x", "0.5", ""]))
def test_any_attributes_make_one_bounded_case(classname: str, name: str, seconds: str) -> None:
    """Whatever a repository calls its tests is a name, and times are finite."""
    root = ET.Element("testsuite")
    ET.SubElement(root, "testcase", classname=classname, name=name, time=seconds)
    try:
        cases = junit.parse(ET.tostring(root))
    except (junit.ReportError, UnicodeEncodeError):
        return
    (case,) = cases.values()
    assert 0 <= case.seconds < 1e6
