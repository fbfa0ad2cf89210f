"""Hold single runs to what they say of awkward suites, on real pytest."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.proof import detect, proof
from bot.proof import run as room
from bot.proof.junit import SuiteResult
from bot.proof.runner import PYTEST, Runner
from bot.proof.verdict import ProofSettings, Verdict
from storage.words import TestState
from tests.proof_bench import Files, PlainBench, prove

TEST = "def test_a():\n    assert True\n"


async def run(root: Path, files: Files, runner: Runner = PYTEST, cwd: str = ".") -> SuiteResult:
    bench = PlainBench(root, files, cwd)
    return await proof.baseline(bench, bench.base, runner, ProofSettings(regression_timeout=20))


async def test_options_of_absent_plugins_are_left_out(tmp_path: Path) -> None:
    """A usage error is run again without the configured options, and that is noted."""
    ini = "[pytest]\naddopts = -n auto --cov=shop\nrequired_plugins = pytest-nosuch\n"
    found = await run(tmp_path, {"pytest.ini": ini, "test_a.py": TEST})

    assert found.cases["test_a.py::test_a"].state is TestState.PASSED
    assert found.notes == ("pytest refused the configured options; run without them",)


async def test_a_suite_that_collects_nothing_is_empty_and_complete(tmp_path: Path) -> None:
    """Exit code 5 is not a failure."""
    found = await run(tmp_path, {"shop.py": "x = 1\n"})

    assert (found.cases, found.exit_code, found.complete) == ({}, 5, True)


async def test_a_configured_stop_does_not_hide_later_tests(tmp_path: Path) -> None:
    """`-x` and a broken file stop nothing."""
    files = {
        "pytest.ini": "[pytest]\naddopts = -x\n",
        "test_a.py": "def test_a(): assert 0\n",
        "test_b.py": "import nothere\n",
        "test_c.py": TEST,
    }
    found = await run(tmp_path, files, replace(PYTEST, command=(*PYTEST.command, "--exitfirst")))

    assert {name: case.state for name, case in found.cases.items()} == {
        "test_a.py::test_a": TestState.FAILED,
        "test_b.py": TestState.FAILED,
        "test_c.py::test_a": TestState.PASSED,
    }


async def test_a_broken_conftest_is_a_run_without_a_report(tmp_path: Path) -> None:
    """Nothing ran, and the run doesn't pretend otherwise."""
    found = await run(tmp_path, {"conftest.py": "import nothere\n", "test_a.py": TEST})

    assert not found.complete
    assert found.cases == {}


async def test_names_do_not_depend_on_the_files_chosen(tmp_path: Path) -> None:
    """A configuration below the root would otherwise move the root of the names."""
    bench = PlainBench(tmp_path, {"tests/pytest.ini": "[pytest]\n", "tests/unit/test_a.py": TEST})
    ground = await bench.prepare(bench.base, None, (), "x")
    whole = await room.suite(ground, PYTEST, seconds=20)
    chosen = await room.selection(ground, PYTEST, ["tests/unit/test_a.py"], seconds=20)
    assert list(whole.cases) == list(chosen.cases) == ["tests/unit/test_a.py::test_a"]


async def test_another_command_is_one_case(tmp_path: Path) -> None:
    """Only the exit code is known, and the result says so."""
    runner = detect.runner(["x"], {}.get, "sh -c 'exit 3'")
    assert runner is not None
    found = await run(tmp_path, {"x": "1"}, runner)

    assert [(case.name, case.state, case.message) for case in found.cases.values()] == [
        ("sh -c 'exit 3'", TestState.FAILED, "exit code 3")
    ]
    assert found.notes == ("only the exit code of the command is known",)


@pytest.mark.parametrize(
    ("after", "verdict"), [("exit 1\n", Verdict.REGRESSED), ("exit 0 #\n", Verdict.UNPROVEN)]
)
async def test_another_command_can_regress_but_not_prove(
    tmp_path: Path, after: str, verdict: Verdict
) -> None:
    """An exit code that was good must stay good."""
    runner = detect.runner(["x"], {}.get, "sh check.sh")
    found = await prove(tmp_path, {"check.sh": "exit 0\n"}, {"check.sh": after}, runner=runner)

    assert found.verdict is verdict


async def test_another_command_that_begins_to_succeed_is_no_proof(tmp_path: Path) -> None:
    """Its exit code can't tell a test that was fixed from one that was taken away."""
    runner = detect.runner(["x"], {}.get, "sh check.sh")
    found = await prove(tmp_path, {"check.sh": "exit 1\n"}, {"check.sh": "exit 0\n"}, runner=runner)

    assert found.verdict is Verdict.UNPROVEN


async def test_a_working_directory_is_where_everything_happens(tmp_path: Path) -> None:
    """Paths count from the repository's root, commands start below it."""
    bench = PlainBench(
        tmp_path,
        {"py/shop.py": "def f(): return 1\n", "py/tests/test_a.py": "import shop\ndef test_a(): pass\n"},
        "py",
    )
    tree, changed = bench.change(
        {
            "py/shop.py": "def f(): return 2\n",
            "py/tests/test_f.py": "import shop\ndef test_f():\n    assert shop.f() == 2\n",
        }
    )
    found = await proof.prove(
        bench,
        base=bench.base,
        result_tree=tree,
        runner=replace(PYTEST, directory="py"),
        changed=changed,
        settings=ProofSettings(flaky_reruns=0),
    )

    assert found.verdict is Verdict.PROVEN
    assert {case.name for case in found.cases} == {"py/tests/test_f.py::test_f", "py/tests/test_a.py::test_a"}
