"""Hold the proof to its verdicts, on real pytest in real repositories."""

from pathlib import Path

import pytest

from bot.proof.verdict import Demand, ProofSettings, Verdict
from storage.words import TestState, TestType
from tests.proof_bench import BASE, BUGGY, FAILING, FIXED, MADE, SUITE, TESTED, prove

DATA = """
import pathlib, shop

def test_data():
    wanted = (pathlib.Path(__file__).parent / "data/w.txt").read_text()
    assert shop.{} == int(wanted)
"""


async def test_the_right_fix_is_proven(tmp_path: Path) -> None:
    """A generated test fails without the fix, passes with it, and the suite still passes."""
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED}, MADE)

    assert proof.verdict is Verdict.PROVEN
    made = [case for case in proof.cases if case.origin == "generated"]
    assert [(case.name, case.base_status, case.status) for case in made] == [
        ("tests/test_journeyman_total.py::test_total", TestState.FAILED, TestState.PASSED)
    ]
    assert made[0].code == FAILING
    assert proof.summary[TestType.REGRESSION].passed == 2
    assert proof.summary[TestType.GENERATED].total == 1
    assert "test_total fails on the base commit and passes on the result" in proof.evidence[0]


async def test_a_fix_that_does_not_fix_is_failing(tmp_path: Path) -> None:
    """The generated test goes on failing, and alone disputes the change."""
    proof = await prove(tmp_path, BASE, {"shop.py": BUGGY.replace("[1:]", "[2:]")}, MADE)

    assert proof.verdict is Verdict.FAILING
    assert proof.disputed == ["tests/test_journeyman_total.py::test_total"]


async def test_a_fix_that_breaks_another_test_has_regressed(tmp_path: Path) -> None:
    """What passed on base must pass on the result, whatever the new test says and whatever the demand."""
    broken = {"shop.py": FIXED.replace("n * 2", "n * 3")}
    proof = await prove(
        tmp_path, BASE, broken, MADE, settings=ProofSettings(proof=Demand.OFF, flaky_reruns=1)
    )

    assert proof.verdict is Verdict.REGRESSED
    assert "tests/test_shop.py::test_twice passed on the base commit" in proof.evidence[0]


async def test_an_existing_failing_test_that_passes_now_is_proof(tmp_path: Path) -> None:
    """The repository's own test for the bug is as good as a generated one."""
    proof = await prove(tmp_path, TESTED, {"shop.py": FIXED})

    assert proof.verdict is Verdict.PROVEN


async def test_tests_that_fail_on_base_may_go_on_failing(tmp_path: Path) -> None:
    """An unrelated failure blocks nothing."""
    base = {**BASE, "tests/test_other.py": "def test_network():\n    assert False\n"}
    proof = await prove(tmp_path, base, {"shop.py": FIXED}, MADE)

    assert proof.verdict is Verdict.PROVEN
    assert any("1 tests fail on the base commit already" in fact for fact in proof.evidence)


async def test_the_tests_of_the_agent_are_run_on_base(tmp_path: Path) -> None:
    """A new test function in a new or an existing file is proof when it fails without the change."""
    extended = SUITE + "\n\ndef test_total():\n    assert shop.total([1, 2]) == 3\n"
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED, "tests/test_shop.py": extended})

    assert proof.verdict is Verdict.PROVEN
    agent = [case for case in proof.cases if case.origin == "agent"]
    assert [(case.name, case.base_status, case.status) for case in agent] == [
        ("tests/test_shop.py::test_total", TestState.FAILED, TestState.PASSED)
    ]
    assert agent[0].code == "def test_total():\n    assert shop.total([1, 2]) == 3"


async def test_an_existing_test_made_stronger_is_proof(tmp_path: Path) -> None:
    """An assertion added to a test that passed counts like a new test."""
    stronger = SUITE.replace(
        "assert shop.total([]) == 0", "assert shop.total([]) == 0\n    assert shop.total([1]) == 1"
    )
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED, "tests/test_shop.py": stronger})

    assert proof.verdict is Verdict.PROVEN
    assert [c.note for c in proof.cases if c.origin == "agent"] == ["an existing test, made stronger"]


async def test_tests_of_a_feature_that_base_cannot_import_fail_there(tmp_path: Path) -> None:
    """An error at collection on base counts as a failure of each test in the file."""
    test = "from shop import discount\n\n\ndef test_discount():\n    assert discount(10) == 9\n"
    proof = await prove(
        tmp_path,
        BASE,
        {"shop.py": BUGGY + "\ndef discount(n):\n    return n - 1\n", "tests/test_discount.py": test},
    )

    assert proof.verdict is Verdict.PROVEN
    assert proof.cases[0].base_status is TestState.FAILED


async def test_a_failing_test_of_the_agent_is_failing(tmp_path: Path) -> None:
    """The change must pass its own tests."""
    proof = await prove(
        tmp_path, BASE, {"shop.py": FIXED, "tests/test_more.py": FAILING.replace("3", "4")}, MADE
    )

    assert proof.verdict is Verdict.FAILING
    assert proof.disputed == []


@pytest.mark.parametrize("changed", ["README.md", "docs/guide.rst", "LICENSE"])
async def test_documents_need_no_failing_test(tmp_path: Path, changed: str) -> None:
    """A change without executable code is proven when the suite still passes, and the proof says why."""
    proof = await prove(tmp_path, BASE, {changed: "New words.\n"})

    assert proof.verdict is Verdict.PROVEN
    assert any("nothing that runs" in fact for fact in proof.evidence)


async def test_a_fixture_and_data_that_the_agent_adds_are_carried_to_base(tmp_path: Path) -> None:
    """New tests are run on base with the support they need."""
    change = {
        "shop.py": FIXED,
        "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef items():\n    return [1, 2]\n",
        "tests/sub/test_more.py": DATA.format("total(items)").replace("test_data()", "test_more(items)"),
        "tests/sub/data/w.txt": "3\n",
    }
    proof = await prove(tmp_path, BASE, change)

    assert proof.verdict is Verdict.PROVEN
    agent = next(case for case in proof.cases if case.origin == "agent")
    assert "shop.total(items)" in agent.output  # it failed by its assertion, not for want of its fixture
