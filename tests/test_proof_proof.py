"""Hold the proof to its verdicts, on real pytest in real repositories."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.proof import proof as room
from bot.proof.runner import PYTEST
from bot.proof.verdict import Demand, ProofSettings, Verdict
from storage.words import TestState, TestType
from tests.proof_bench import PlainBench, prove

BUGGY = "def total(items):\n    return sum(items[1:])\n\n\ndef twice(n):\n    return n * 2\n"
FIXED = BUGGY.replace("items[1:]", "items")
SUITE = "import shop\n\n\ndef test_twice():\n    assert shop.twice(2) == 4\n\n\ndef test_empty():\n    assert shop.total([]) == 0\n"
FAILING = "import shop\n\n\ndef test_total():\n    assert shop.total([1, 2]) == 3\n"
BASE = {"shop.py": BUGGY, "tests/test_shop.py": SUITE, "README.md": "# Shop\n"}
TESTED = {**BASE, "tests/test_total.py": FAILING}  # the failing test is in the repository already
MADE = {"tests/test_journeyman_total.py": FAILING}
QUICK = ProofSettings(flaky_reruns=0, test_timeout=3, regression_timeout=5)
RERUN = ProofSettings(flaky_reruns=1)


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
        {"conftest.py": "def pytest_collection_modifyitems(items):\n    items[:] = [i for i in items if 'twice' not in i.name]\n"},
        {"conftest.py": "import pytest\n\ndef pytest_runtest_setup(item):\n    pytest.skip('not now')\n"},
        {"conftest.py": "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item):\n    out = yield\n    out.get_result().outcome = 'passed'\n"},
        {"conftest.py": "import os\nos._exit(0)\n"},
        {"conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"},
        {"tests/test_new.py": "import shop\nshop.twice = lambda n: n * 2\n\ndef test_new():\n    assert shop.twice(1)\n"},
    ],
)  # fmt: skip
async def test_hiding_a_failure_by_configuration_is_tampering(tmp_path: Path, change: dict[str, str]) -> None:
    """The base's own configuration is laid back before its tests judge the result."""
    broken = {"shop.py": FIXED.replace("n * 2", "n * 3")}
    proof = await prove(tmp_path, BASE, {**broken, **change}, MADE)

    assert proof.verdict is Verdict.TAMPERED


async def test_a_forged_report_does_not_help(tmp_path: Path) -> None:
    """A report written by the change's own conftest is judged against the base's run."""
    forging = (
        "import atexit, sys\n"
        "path = next(a.partition('=')[2] for a in sys.argv if a.startswith('--junitxml'))\n"
        "CASES = ['test_twice', 'test_empty']\n"
        "def forge():\n"
        '    cases = \'\'.join(f\'<testcase classname="tests.test_shop" name="{n}" file="tests/test_shop.py"/>\' for n in CASES)\n'
        "    open(path, 'w').write(f'<testsuites><testsuite>{cases}</testsuite></testsuites>')\n"
        "atexit.register(forge)\n"
    )
    broken = FIXED.replace("n * 2", "n * 3")
    proof = await prove(tmp_path / "a" if (tmp_path / "a").mkdir() is None else tmp_path, BASE,
                        {"shop.py": broken, "conftest.py": forging})  # fmt: skip
    assert proof.verdict is Verdict.TAMPERED

    (tmp_path / "b").mkdir()
    proof = await prove(tmp_path / "b", BASE, {"shop.py": forging + broken}, MADE)
    assert proof.verdict in {Verdict.TAMPERED, Verdict.REGRESSED}


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
    trick = BUGGY.replace(
        "    return sum",
        "    import os\n    if 'PYTEST_CURRENT_TEST' in os.environ:\n        return sum(items)\n    return sum",
    )
    proof = await prove(tmp_path, BASE, {"shop.py": trick}, MADE)

    assert proof.verdict is Verdict.TAMPERED


@pytest.mark.parametrize("where", ["import os\nos._exit(0)\n", "import sys\nsys.exit(0)\n"])
async def test_a_product_that_ends_the_run_is_not_proven(tmp_path: Path, where: str) -> None:
    """Missing cases count against the change, and exit code 0 for nothing."""
    proof = await prove(tmp_path, BASE, {"shop.py": where + FIXED}, MADE)

    assert proof.verdict is Verdict.REGRESSED


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


async def test_a_flaky_test_is_neither_regression_nor_proof(tmp_path: Path) -> None:
    """A test that differs when run again counts neither way."""
    count = (
        "import pathlib, shop\nSTATE = pathlib.Path({!r})\n\n\ndef test_flaky():\n"
        "    n = int(STATE.read_text()) + 1 if STATE.exists() else 1\n    STATE.write_text(str(n))\n    assert n {}\n"
    )
    once = count.format(str(tmp_path / "count"), "!= 2")  # passes on base, fails on the result, then passes
    proof = await prove(
        tmp_path, {**BASE, "tests/test_flaky.py": once}, {"shop.py": FIXED}, MADE, settings=RERUN
    )
    assert proof.verdict is Verdict.PROVEN
    assert next(c for c in proof.cases if "flaky" in c.name).flaky
    assert any("is flaky" in fact for fact in proof.evidence)

    (tmp_path / "b").mkdir()
    gained = count.format(str(tmp_path / "other"), "== 2")  # fails on base, passes on the result, then fails
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
    """Without changes to tests the suite on the result is the base's own; with a baseline base isn't run again."""
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


async def test_a_fixture_and_data_that_the_agent_adds_are_carried_to_base(tmp_path: Path) -> None:
    """New tests are run on base with the support they need."""
    change = {
        "shop.py": FIXED,
        "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef items():\n    return [1, 2]\n",
        "tests/sub/test_more.py": "import shop, pathlib\n\ndef test_more(items):\n"
        "    wanted = int((pathlib.Path(__file__).parent / 'wanted.txt').read_text())\n    assert shop.total(items) == wanted\n",
        "tests/sub/wanted.txt": "3\n",
    }
    proof = await prove(tmp_path, BASE, change)

    assert proof.verdict is Verdict.PROVEN
    agent = next(case for case in proof.cases if case.origin == "agent")
    assert "shop.total(items)" in agent.output or "assert" in agent.output


async def test_expected_data_bent_beside_the_tests_is_tampering(tmp_path: Path) -> None:
    """Data under the tests' folder belongs to the tests."""
    test = "import shop, pathlib\n\ndef test_data():\n    assert shop.twice(2) == int((pathlib.Path(__file__).parent / 'data/w.txt').read_text())\n"
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
