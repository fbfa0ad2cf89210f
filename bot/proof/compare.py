"""Compare two runs of a suite: what stopped passing, what edited tests hide, what began to pass."""

import collections
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bot.proof.junit import CaseResult, SuiteResult
from storage.words import TestState


@dataclass(frozen=True)
class Difference:
    """One test that came out otherwise; None is a test that is not there."""

    name: str
    base: TestState | None
    now: TestState | None
    why: str


def look(run: SuiteResult, name: str) -> CaseResult | None:
    """Return how *name* came out, a file that failed or was skipped as a whole speaking for its tests."""
    found = run.cases.get(name)
    if found is not None:
        return found
    whole = run.cases.get(name.partition("::")[0])
    if whole is None or whole.state is TestState.PASSED:
        return None
    return replace(whole, name=name)


def state(run: SuiteResult, name: str) -> TestState | None:
    """Return the state of *name* in a run, or None when the run doesn't know it."""
    found = look(run, name)
    return found.state if found else None


def regressions(base: SuiteResult, now: SuiteResult, command: str) -> list[Difference]:
    """Return what passed on *base* and doesn't *now*; a run without a report is one difference.

    A base run that says nothing leaves nothing to compare: the caller tells people so.
    """
    passed = [name for name, case in base.cases.items() if case.state is TestState.PASSED]
    if not now.complete:
        why = "; ".join(now.notes) or "it left no report"
        return [Difference(command, TestState.PASSED, None, why)] if base.complete and base.cases else []
    found = [
        Difference(name, TestState.PASSED, case.state if case else None, _why(case))
        for name in passed
        if (case := look(now, name)) is None or case.state is not TestState.PASSED
    ]
    return found + _exit_code(base, now, command)


def _exit_code(base: SuiteResult, now: SuiteResult, command: str) -> list[Difference]:
    """Hold the report against the exit code: a process that failed without a failing test hides something."""
    if now.exit_code in {0, 5, None, base.exit_code} or now.count(TestState.FAILED):
        return []
    # The base failed by its tests, the result by something else, or the base didn't fail at all.
    why = f"it ended with exit code {now.exit_code}, and its report names no failing test"
    return [Difference(command, TestState.PASSED, TestState.FAILED, why)]


def _why(case: CaseResult | None) -> str:
    if case is None:
        return "it is missing"
    if case.mark == "xfail":
        return "it fails, which it now expects"
    if case.state is TestState.SKIPPED:
        return f"it is skipped: {first_line(case.message)}"
    return first_line(case.message) or "it fails"


def hidden(base: SuiteResult, guard: SuiteResult, as_is: SuiteResult, command: str) -> list[Difference]:
    """Return what the base's own tests show on the result (*guard*) and the change's copies (*as_is*) don't.

    Three ways: a failure that is gone, a test newly skipped, a test deleted. A deleted test that still passes
    on the result is excused when the change puts another passing test in its place (a rename, a move).
    """
    if not guard.complete:
        return []
    if not as_is.complete:
        if as_is.timed_out or not guard.cases:
            return []
        why = "with the change's own test files the run leaves no report: " + "; ".join(as_is.notes)
        return [Difference(command, None, None, why)]
    found = _silenced(guard, as_is, command)
    gone: list[str] = []
    for name, case in guard.cases.items():
        there = look(as_is, name)
        before = state(base, name)
        if case.state is TestState.FAILED and case.mark != "xpass":
            if there is None or there.state is not TestState.FAILED:
                found.append(Difference(name, before, case.state, _hiding(there)))
        elif case.state is TestState.PASSED and there is None:
            gone.append(name)
        elif case.state is TestState.PASSED and there is not None and there.state is TestState.SKIPPED:
            found.append(Difference(name, before, there.state, "the change skips it"))
    return found + [
        Difference(name, state(base, name), None, "the change deletes it")
        for name in _lost(gone, guard, as_is)
    ]


def _silenced(guard: SuiteResult, as_is: SuiteResult, command: str) -> list[Difference]:
    """Find an exit code of 0 beside failing tests: the repository's own checks would turn green."""
    if as_is.exit_code != 0 or guard.exit_code == 0 or not as_is.count(TestState.FAILED):
        return []
    return [
        Difference(command, None, None, "with the change's own test files it ends with 0 though tests fail")
    ]


def _hiding(there: CaseResult | None) -> str:
    if there is None:
        return "the base's version fails on the result, and the change removes it"
    if there.state is TestState.SKIPPED:
        return "the base's version fails on the result, and the change skips it or expects the failure"
    return "the base's version fails on the result, and only the change's own version passes"


def _lost(gone: Iterable[str], guard: SuiteResult, as_is: SuiteResult) -> list[str]:
    """Return the deleted tests that no new passing test replaces, by the same name or in the same file."""
    fresh = [
        name for name, case in as_is.cases.items() if case.state is TestState.PASSED and not look(guard, name)
    ]
    moved = collections.Counter(_tail(name) for name in fresh)
    lost = []
    for name in gone:
        if moved[_tail(name)] > 0:
            moved[_tail(name)] -= 1
        else:
            lost.append(name)
    rest = collections.Counter(name.partition("::")[0] for name in fresh)
    for name in set(gone) - set(lost):
        rest[name.partition("::")[0]] -= 1
    still = []
    for name in lost:
        path = name.partition("::")[0]
        if rest[path] > 0:
            rest[path] -= 1
        else:
            still.append(name)
    return still


def _tail(name: str) -> str:
    return name.partition("::")[2]


def detecting(names: Iterable[str], base: SuiteResult, now: SuiteResult) -> list[str]:
    """Return those *names* that fail on *base* and pass *now*."""
    return [
        name
        for name in names
        if state(base, name) is TestState.FAILED and state(now, name) is TestState.PASSED
    ]


def first_line(text: str, limit: int = 200) -> str:
    """Return the first line of *text* that says something, at most *limit* characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= limit else line[: limit - 1] + "…"
