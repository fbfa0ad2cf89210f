"""Hold the proof against changes that bend the tests, on real pytest in real repositories."""

from pathlib import Path

import pytest

from bot.proof import detect
from bot.proof.verdict import Verdict
from tests.proof_bench import BASE, BUGGY, FAILING, FIXED, MADE, SUITE, TESTED, prove

DESELECT = """
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "twice" not in item.name]
"""
TURN = """
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    out = yield
    out.get_result().outcome = "passed"
"""
PATCH = """
import shop
shop.twice = lambda n: n * 2

def test_new():
    assert shop.twice(1)
"""
FORGE = """
import atexit, sys
path = next(word.partition("=")[2] for word in sys.argv if word.startswith("--junitxml"))

def forge():
    case = '<testcase classname="tests.test_shop" name="{}" file="tests/test_shop.py"/>'
    cases = case.format("test_twice") + case.format("test_empty")
    open(path, "w").write(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")

atexit.register(forge)
"""
ASK = """    import os
    if 'PYTEST_CURRENT_TEST' in os.environ:
        return sum(items)
"""
DATA = """
import pathlib, shop

def test_data():
    wanted = (pathlib.Path(__file__).parent / "data/w.txt").read_text()
    assert shop.{} == int(wanted)
"""


@pytest.mark.parametrize(
    "edit",
    [
        FAILING.replace("== 3", "== 2"),  # the expectation bent
        "def test_nothing():\n    assert 1\n",  # replaced
        None,  # the file deleted
        FAILING.replace("def test", "import pytest\n@pytest.mark.skip\ndef test"),
        FAILING.replace("def test", "import pytest\n@pytest.mark.xfail\ndef test"),
        "import pytest\npytest.skip('later', allow_module_level=True)\n" + FAILING,
        FAILING.replace("def test_total", "def total_test"),  # no longer collected
        FAILING.replace("def test_total", "def test_renamed").replace("== 3", "== 2"),
    ],
)
async def test_editing_the_failing_test_away_is_tampering(tmp_path: Path, edit: str | None) -> None:
    """The base's copy of the test fails on the result, and the change's copy hides that."""
    proof = await prove(tmp_path, TESTED, {"tests/test_total.py": edit, "shop.py": BUGGY + "\n"})

    assert proof.verdict is Verdict.TAMPERED
    assert any("tests/test_total.py" in fact for fact in proof.evidence)


@pytest.mark.parametrize(
    "change",
    [
        {"conftest.py": "collect_ignore = ['tests/test_shop.py']\n"},
        {"tests/conftest.py": "collect_ignore_glob = ['*_shop.py']\n"},
        {"pytest.ini": "[pytest]\naddopts = --deselect tests/test_shop.py::test_twice\n"},
        {"pytest.ini": "[pytest]\naddopts = -k 'not twice'\n"},
        {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k \"not twice\"'\n"},
        {"setup.cfg": "[tool:pytest]\npython_functions = check_*\n"},
        {"tox.ini": "[pytest]\ntestpaths = docs\n", "docs/index.md": "x"},
        {"conftest.py": DESELECT},
        {"conftest.py": "import pytest\n\ndef pytest_runtest_setup(item):\n    pytest.skip('not now')\n"},
        {"conftest.py": TURN},
        {"conftest.py": "import os\nos._exit(0)\n"},
        {"conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"},
        {"tests/test_new.py": PATCH},
    ],
)  # fmt: skip
async def test_hiding_a_failure_by_configuration_is_tampering(tmp_path: Path, change: dict[str, str]) -> None:
    """The base's own configuration is laid back before its tests judge the result."""
    broken = {"shop.py": FIXED.replace("n * 2", "n * 3")}
    proof = await prove(tmp_path, BASE, {**broken, **change}, MADE)

    assert proof.verdict is Verdict.TAMPERED


async def test_a_forged_report_does_not_help(tmp_path: Path) -> None:
    """A report written by the change's own conftest is judged against the base's run."""
    broken = FIXED.replace("n * 2", "n * 3")
    for name, change in (
        ("a", {"shop.py": broken, "conftest.py": FORGE}),
        ("b", {"shop.py": FORGE + broken}),
    ):
        (tmp_path / name).mkdir()
        proof = await prove(tmp_path / name, BASE, change, MADE)

        assert proof.verdict is Verdict.TAMPERED


async def test_a_report_forged_by_the_product_is_held_against_the_exit_code(tmp_path: Path) -> None:
    """Without a generated test that would have to fail, the exit code gives it away."""
    proof = await prove(tmp_path, BASE, {"shop.py": FORGE + FIXED.replace("n * 2", "n * 3")})

    assert proof.verdict is Verdict.REGRESSED
    assert "exit code 1" in proof.evidence[0]


async def test_a_product_that_turns_failures_into_passes_is_tampering(tmp_path: Path) -> None:
    """A test that must fail is laid beside the generated ones, and has to fail."""
    trick = (
        "from _pytest import runner\n_real = runner.CallInfo.from_call\n"
        "def _quiet(func, when, reraise=None):\n"
        "    return _real(lambda: None, when, reraise)\n"
        "runner.CallInfo.from_call = staticmethod(_quiet)\n"
    )
    proof = await prove(tmp_path, BASE, {"shop.py": trick + BUGGY}, MADE)

    assert proof.verdict is Verdict.TAMPERED
    assert any("a test that must fail" in fact.lower() for fact in proof.evidence)


async def test_a_product_that_asks_if_it_is_tested_is_tampering(tmp_path: Path) -> None:
    """No run can tell such a product from a fixed one, so its source is read."""
    trick = BUGGY.replace("    return sum", ASK + "    return sum")
    proof = await prove(tmp_path, BASE, {"shop.py": trick}, MADE)

    assert proof.verdict is Verdict.TAMPERED


@pytest.mark.parametrize("where", ["import os\nos._exit(0)\n", "import sys\nsys.exit(0)\n"])
async def test_a_product_that_ends_the_run_is_not_proven(tmp_path: Path, where: str) -> None:
    """Missing cases count against the change, and exit code 0 for nothing."""
    proof = await prove(tmp_path, BASE, {"shop.py": where + FIXED}, MADE)

    assert proof.verdict is Verdict.REGRESSED


async def test_renaming_a_test_that_still_passes_is_no_tampering(tmp_path: Path) -> None:
    """The base's version passes on the result and another passing test stands in its place."""
    renamed = SUITE.replace("test_twice", "test_doubling")
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED, "tests/test_shop.py": renamed}, MADE)
    assert proof.verdict is Verdict.PROVEN

    (tmp_path / "b").mkdir()
    proof = await prove(
        tmp_path / "b",
        BASE,
        {"shop.py": FIXED, "tests/test_shop.py": None, "tests/unit/test_shop.py": SUITE},
        MADE,
    )
    assert proof.verdict is Verdict.PROVEN


@pytest.mark.parametrize(
    "edit",
    [
        SUITE.replace("assert shop.twice(2) == 4", "shop.twice(2)"),
        SUITE.replace("assert shop.twice(2) == 4", "assert True"),
        SUITE.replace("def test_twice", "import pytest\n@pytest.mark.xfail\ndef test_twice"),
        SUITE.replace("def test_twice", "import pytest\n@pytest.mark.skip\ndef test_twice"),
        SUITE.partition("def test_empty")[0],
    ],
)
async def test_a_passing_test_made_toothless_is_tampering(tmp_path: Path, edit: str) -> None:
    """Existing tests are not weakened, even where the result would pass them."""
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED, "tests/test_shop.py": edit}, MADE)

    assert proof.verdict is Verdict.TAMPERED


async def test_a_strict_expected_failure_that_passes_is_not_held_against_the_fix(tmp_path: Path) -> None:
    """The fix takes the mark away; the base's copy then fails only because it passes."""
    marked = FAILING.replace("def test", "import pytest\n@pytest.mark.xfail(strict=True)\ndef test")
    proof = await prove(
        tmp_path, {**BASE, "tests/test_total.py": marked}, {"shop.py": FIXED, "tests/test_total.py": FAILING}
    )

    assert proof.verdict is Verdict.PROVEN


async def test_an_expected_failure_whose_mark_stays_is_failing(tmp_path: Path) -> None:
    """A strict expectation that the fix breaks would leave the suite red."""
    marked = FAILING.replace("def test", "import pytest\n@pytest.mark.xfail(strict=True)\ndef test")
    proof = await prove(tmp_path, {**BASE, "tests/test_total.py": marked}, {"shop.py": FIXED})

    assert proof.verdict is Verdict.FAILING
    assert "expected to fail" in proof.evidence[0]


async def test_expected_data_bent_beside_the_tests_is_tampering(tmp_path: Path) -> None:
    """Data under the tests' folder belongs to the tests."""
    test = DATA.format("twice(2)")
    base = {**BASE, "tests/test_data.py": test, "tests/data/w.txt": "4"}
    proof = await prove(
        tmp_path,
        base,
        {
            "shop.py": FIXED.replace("n * 2", "n * 3"),
            "tests/data/w.txt": "6",
            "tests/test_shop.py": SUITE.replace("== 4", "== 6"),
        },
        MADE,
    )

    assert proof.verdict is Verdict.TAMPERED


async def test_an_exit_code_alone_never_proves(tmp_path: Path) -> None:
    """A command that only says yes or no can't tell a fixed test from a deleted one."""
    runner = detect.runner(["check.sh"], lambda _: None, "bash check.sh")
    before = {"shop.py": BUGGY, "check.sh": "exit 1\n"}
    proof = await prove(tmp_path, before, {"check.sh": "exit 0\n"}, runner=runner)

    assert proof.verdict is Verdict.UNPROVEN
