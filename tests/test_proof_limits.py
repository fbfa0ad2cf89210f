"""Hold the proof to honesty where runs are flaky, slow, empty or impossible."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.proof import proof as room
from bot.proof.runner import PYTEST
from bot.proof.verdict import Demand, ProofSettings, Verdict
from storage.words import TestState
from tests.proof_bench import BASE, BUGGY, FIXED, MADE, TESTED, PlainBench, prove

COUNTING = """
import pathlib, shop
STATE = pathlib.Path({!r})

def test_flaky():
    n = int(STATE.read_text()) + 1 if STATE.exists() else 1
    STATE.write_text(str(n))
    assert n {}
"""
QUICK = ProofSettings(flaky_reruns=0, test_timeout=3, regression_timeout=5)
RERUN = ProofSettings(flaky_reruns=1)


async def test_a_change_that_no_test_notices_is_unproven(tmp_path: Path) -> None:
    """A generated test that passes on base too says nothing, and is marked."""
    weak = {
        "tests/test_journeyman_weak.py": "import shop\n\ndef test_weak():\n    assert shop.twice(1) == 2\n"
    }
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED}, weak)

    assert proof.verdict is Verdict.UNPROVEN
    assert proof.cases[0].note == "does not detect the bug"
    assert any("does not detect the bug" in fact for fact in proof.evidence)


@pytest.mark.parametrize("demand", [Demand.PREFERRED, Demand.OFF])
async def test_a_softer_demand_lets_an_unproven_change_pass_with_a_note(
    tmp_path: Path, demand: Demand
) -> None:
    """`proof: preferred` and `off` accept what no test shows, and say so."""
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED}, settings=ProofSettings(proof=demand))

    assert proof.verdict is Verdict.PROVEN
    assert any(f"proof: {demand}" in fact for fact in proof.evidence)


async def test_a_flaky_test_is_neither_regression_nor_proof(tmp_path: Path) -> None:
    """A test that differs when run again counts neither way."""
    once = COUNTING.format(
        str(tmp_path / "count"), "!= 2"
    )  # passes on base, fails on the result, then passes
    proof = await prove(
        tmp_path, {**BASE, "tests/test_flaky.py": once}, {"shop.py": FIXED}, MADE, settings=RERUN
    )
    assert proof.verdict is Verdict.PROVEN
    assert next(c for c in proof.cases if "flaky" in c.name).flaky
    assert any("is flaky" in fact for fact in proof.evidence)

    (tmp_path / "b").mkdir()
    gained = COUNTING.format(
        str(tmp_path / "other"), "== 2"
    )  # fails on base, passes on the result, then fails
    proof = await prove(
        tmp_path / "b", BASE, {"shop.py": FIXED}, {"tests/test_journeyman_x.py": gained}, settings=RERUN
    )
    assert proof.verdict is Verdict.UNPROVEN


async def test_a_failure_that_depends_on_the_order_is_a_regression(tmp_path: Path) -> None:
    """A test that fails in the whole suite and passes alone is not flaky: its conditions are the suite's."""
    suite = "import shop\n\n\ndef test_a():\n    assert shop.twice(1) == 2\n"
    second = "import shop\n\n\ndef test_b():\n    assert shop.twice(2) == 4\n"
    leaky = (
        FIXED.replace("    return n * 2", "    SEEN.append(n)\n    return n * 2 * len(SEEN)")
        + "\nSEEN = []\n"
    )
    proof = await prove(
        tmp_path,
        {"shop.py": BUGGY, "tests/test_a.py": suite, "tests/test_b.py": second},
        {"shop.py": leaky},
        MADE,
        settings=RERUN,
    )

    assert proof.verdict is Verdict.REGRESSED


async def test_a_result_that_hangs_has_regressed(tmp_path: Path) -> None:
    """A time-out on the result is a regression when the base finished."""
    hang = FIXED.replace("    return n * 2", "    while True: pass")
    proof = await prove(tmp_path, BASE, {"shop.py": hang}, settings=QUICK)

    assert proof.verdict is Verdict.REGRESSED
    assert "stopped after" in proof.evidence[0]


async def test_a_suite_that_hangs_on_base_limits_the_comparison(tmp_path: Path) -> None:
    """Generated tests decide then, and the evidence says that nothing was compared."""
    base = {**BASE, "tests/test_slow.py": "def test_slow():\n    while True: pass\n"}
    proof = await prove(tmp_path, base, {"shop.py": FIXED}, MADE, settings=QUICK)

    assert proof.verdict is Verdict.PROVEN
    assert any("did not finish on the base commit" in fact for fact in proof.evidence)


async def test_a_bug_that_hangs_is_shown_by_the_time_out(tmp_path: Path) -> None:
    """A generated test that times out on base has failed there; the others still count."""
    hanging = {"shop.py": BUGGY.replace("return sum(items[1:])", "while True: pass")}
    weak = {
        "tests/test_journeyman_weak.py": "import shop\n\ndef test_weak():\n    assert shop.twice(1) == 2\n"
    }
    proof = await prove(tmp_path, hanging, {"shop.py": FIXED}, {**MADE, **weak}, settings=QUICK)

    assert proof.verdict is Verdict.PROVEN
    states = {
        case.name: (case.base_status, case.status) for case in proof.cases if case.origin == "generated"
    }
    assert states == {
        "tests/test_journeyman_total.py::test_total": (TestState.FAILED, TestState.PASSED),
        "tests/test_journeyman_weak.py::test_weak": (TestState.PASSED, TestState.PASSED),
    }


async def test_generated_tests_alone_decide_without_a_suite(tmp_path: Path) -> None:
    """A repository without any tests can still be proven, in both directions."""
    for name, fix, verdict in (("a", FIXED, Verdict.PROVEN), ("b", BUGGY + "\n", Verdict.FAILING)):
        (tmp_path / name).mkdir()
        proof = await prove(tmp_path / name, {"shop.py": BUGGY}, {"shop.py": fix}, MADE)

        assert proof.verdict is verdict
        assert any("no tests of its own" in fact for fact in proof.evidence)


async def test_a_runner_that_cannot_run_proves_nothing(tmp_path: Path) -> None:
    """Without pytest in the environment the verdict is unproven, and the reason is told."""
    absent = replace(PYTEST, command=("python", "-m", "nosuchtest"), selection=("python", "-m", "nosuchtest"))
    proof = await prove(tmp_path, BASE, {"shop.py": FIXED}, MADE, runner=absent)

    assert proof.verdict is Verdict.UNPROVEN
    assert any("No module named nosuchtest" in fact for fact in proof.evidence)


async def test_without_a_known_runner_only_documents_are_proven(tmp_path: Path) -> None:
    """No runner, no proof."""
    for name, change, verdict in (("a", "main.cob", Verdict.UNPROVEN), ("b", "README.md", Verdict.PROVEN)):
        (tmp_path / name).mkdir()
        proof = await prove(tmp_path / name, {"main.cob": "x"}, {change: "y"}, runner=None)

        assert proof.verdict is verdict


async def test_the_suite_runs_once_on_a_result_that_touches_no_test(tmp_path: Path) -> None:
    """The suite on the result is the base's own then, and a base that was run is not run again."""
    bench = PlainBench(tmp_path, TESTED)
    tree, changed = bench.change({"shop.py": FIXED})
    before = await room.baseline(bench, bench.base, PYTEST)
    assert bench.suite_runs("base") == 1

    settings = ProofSettings(flaky_reruns=0)
    proof = await room.prove(
        bench,
        base=bench.base,
        result_tree=tree,
        runner=PYTEST,
        baseline=before,
        changed=changed,
        settings=settings,
    )
    assert proof.verdict is Verdict.PROVEN
    assert (bench.suite_runs("base"), bench.suite_runs("guarded result"), bench.suite_runs("result")) == (
        1,
        1,
        0,
    )
    assert not any(ground.tree.exists() for _, ground in bench.grounds)
