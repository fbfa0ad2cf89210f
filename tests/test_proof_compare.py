"""Hold the comparison of runs, and the verdict, to their rules without running anything."""

from hypothesis import given
from hypothesis import strategies as st

from bot.proof import compare, verdict
from bot.proof.compare import Difference
from bot.proof.junit import CaseResult, SuiteResult
from bot.proof.verdict import Demand, Findings, Verdict
from storage.words import TestState

PASSED, FAILED, SKIPPED = TestState.PASSED, TestState.FAILED, TestState.SKIPPED


def suite(exit_code: int = 0, *, complete: bool = True, **states: TestState) -> SuiteResult:
    cases = {f"t.py::{name}": CaseResult(f"t.py::{name}", state) for name, state in states.items()}
    return SuiteResult(cases, exit_code, complete=complete)


STATES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([PASSED, FAILED, SKIPPED]))


@given(STATES, STATES)
def test_a_regression_is_exactly_what_passed_and_does_not_now(
    before: dict[str, TestState], after: dict[str, TestState]
) -> None:
    """Failed, skipped and missing alike; nothing else."""
    found = {d.name for d in compare.regressions(suite(**before), suite(**after), "pytest")}

    assert found == {f"t.py::{n}" for n, s in before.items() if s is PASSED and after.get(n) is not PASSED}


@given(STATES, STATES)
def test_equal_copies_hide_nothing(before: dict[str, TestState], after: dict[str, TestState]) -> None:
    """A change that shows all that the base's tests show is not tampering."""
    assert compare.hidden(suite(**before), suite(**after), suite(**after), "pytest") == []


@given(STATES, STATES, STATES)
def test_a_failure_is_hidden_unless_the_change_shows_it(
    before: dict[str, TestState], guard: dict[str, TestState], as_is: dict[str, TestState]
) -> None:
    """Every test that fails under the base's copy and not under the change's is named."""
    found = {d.name for d in compare.hidden(suite(**before), suite(1, **guard), suite(1, **as_is), "pytest")}

    assert {f"t.py::{n}" for n, s in guard.items() if s is FAILED and as_is.get(n) is not FAILED} <= found
    assert {f"t.py::{n}" for n, s in guard.items() if s is PASSED and as_is.get(n) is SKIPPED} <= found


def test_each_deleted_test_needs_a_replacement_of_its_own() -> None:
    """One new test doesn't excuse two that are gone."""
    before = suite(a=PASSED, b=PASSED)

    assert compare.hidden(before, before, suite(c=PASSED, d=PASSED), "pytest") == []
    assert len(compare.hidden(before, before, suite(c=PASSED), "pytest")) == 1
    assert len(compare.hidden(before, before, suite(c=FAILED, d=SKIPPED), "pytest")) == 2


def test_a_run_without_a_report_is_one_regression() -> None:
    """Thousands of missing tests are one fact; without a base there is nothing to compare."""
    gone = suite(complete=False)

    assert [d.name for d in compare.regressions(suite(a=PASSED, b=PASSED), gone, "pytest")] == ["pytest"]
    assert compare.regressions(gone, suite(a=PASSED), "pytest") == []
    assert compare.regressions(gone, gone, "pytest") == []


def test_an_exit_code_that_the_report_cannot_explain_is_a_regression() -> None:
    """A report without a failure beside exit code 1 is not believed, unless the base ends so too."""
    clean = suite(0, a=PASSED)

    assert compare.regressions(clean, suite(1, a=PASSED), "pytest")
    assert compare.regressions(clean, suite(1, a=PASSED, b=FAILED), "pytest") == []
    assert compare.regressions(suite(1, a=PASSED), suite(1, a=PASSED), "pytest") == []


def test_a_file_speaks_for_its_tests() -> None:
    """A collection error on one side is the state of every test in the file."""
    broken = SuiteResult({"t.py": CaseResult("t.py", FAILED, message="ImportError")})

    assert compare.detecting(["t.py::a"], broken, suite(a=PASSED)) == ["t.py::a"]
    assert compare.regressions(suite(a=PASSED), broken, "pytest")[0].why == "ImportError"


DIFFERENCE = st.lists(st.just(Difference("t", PASSED, FAILED, "why")), max_size=1)


@given(DIFFERENCE, DIFFERENCE, DIFFERENCE, st.sampled_from(Demand), st.booleans(), st.booleans())
def test_the_gravest_finding_decides(
    hidden: list[Difference],
    regressions: list[Difference],
    failing: list[Difference],
    demand: Demand,
    executable: bool,
    detecting: bool,
) -> None:
    """Tampering, regressions and failures block under every demand; only the missing proof depends on it."""
    found = Findings(
        demand=demand, executable=executable, detecting=["t"] if detecting else [],
        failing=failing, regressions=regressions, hidden=hidden,
    )  # fmt: skip
    decided = verdict.decide(found)

    if hidden:
        assert decided is Verdict.TAMPERED
    elif regressions:
        assert decided is Verdict.REGRESSED
    elif failing:
        assert decided is Verdict.FAILING
    else:
        free = demand is not Demand.REQUIRED or not executable or detecting
        assert decided is (Verdict.PROVEN if free else Verdict.UNPROVEN)
    assert verdict.evidence(found)


def test_many_facts_are_cut_with_the_rest_counted() -> None:
    """A broken suite doesn't fill a page."""
    found = Findings(regressions=[Difference(f"t{i}", PASSED, FAILED, "no") for i in range(50)])
    facts = verdict.evidence(found)

    assert "40 more" in facts[verdict.SHOWN]
