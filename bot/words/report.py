"""Decide how a test run is reported: the before-and-now table, what fails, and every test."""

from bot.words import markers, outgoing, phrases
from bot.words.facts import CaseFacts, SessionFacts, TestFacts
from storage.words import TestState, TestType

SHOWN_FAILING = 30
SHOWN_OUTPUTS = 10
SHOWN_TESTS = 500
NONE = "\u2013"  # a test that did not exist

_KINDS = ((TestType.REGRESSION, "Existing tests"), (TestType.GENERATED, "New tests"))


def comment(session: SessionFacts, tests: TestFacts) -> str:
    """Return the test report as a comment of its own, hidden marker first: one per session, refreshed."""
    body = f"{markers.marker('tests', session.id, f'tr-{session.id}')}\n{section(session, tests)}"
    return outgoing.clear(body, session.secrets, ours=True)


def section(session: SessionFacts, tests: TestFacts) -> str:
    """Return the report without a marker, for other comments and the check run."""
    parts = [
        f"### {headline(tests)}",
        "",
        before_and_now(session, tests),
        "",
        *_failing(session, tests),
        *_outputs(session, tests),
        *_every(session, tests),
        _how(session, tests),
    ]
    return "\n".join(parts)


def headline(tests: TestFacts) -> str:
    """Return the report's first line: an emoji, the numbers, the commit, the run."""
    well = not tests.failing and not tests.suite.timed_out
    parts = [f"{phrases.sign('✅' if well else '❌')} Tests: {phrases.tally(tests.cases)}"]
    if tests.suite.timed_out:
        parts.append("the run timed out")
    if tests.head_sha:
        parts.append(f"`{phrases.short(tests.head_sha)}`")
    return " · ".join([*parts, f"run {tests.suite.run}", phrases.duration(tests.suite.seconds)])


def before_and_now(session: SessionFacts, tests: TestFacts) -> str:
    """Return the table that compares the base commit with the result, one row per kind of test."""
    commit = f"@{phrases.short(tests.base_sha)}" if tests.base_sha else ""
    base = outgoing.code(tests.base_ref + commit, session.secrets)
    rows = [f"| | Before ({outgoing.table_cell(base)}) | Now | |", "|---|--:|--:|--:|"]
    for kind, name in _KINDS:
        cases = [case for case in tests.cases if case.type == kind]
        known = [case for case in cases if case.base is not None]
        before = phrases.tally(known, base=True) if known else NONE
        rows.append(f"| {name} | {before} | {phrases.tally(cases)} | {_change(cases)} |")
    return "\n".join(rows)


def proof(session: SessionFacts, tests: TestFacts, limit: int = 10) -> list[str]:
    """Return the lines that name the new tests which fail without the change and pass with it."""
    found = tests.detecting
    new = tests.of(TestType.GENERATED)
    if not found:
        return ["- No new test fails without the change."] if new else ["- There are no new tests."]
    all_new = phrases.count(len(new), "new test")
    lines = [f"- Fail without the change and pass with it: {len(found):,} of {all_new}"]
    lines += [f"  - {outgoing.code(case.name, session.secrets)}" for case in found[:limit]]
    if len(found) > limit:
        lines.append(f"  - *{limit} of {len(found):,} shown.*")
    return lines


def _change(cases: list[CaseFacts]) -> str:
    """Return what differs, in words: newly passing, newly failing, or nothing."""
    steady = [case for case in cases if not case.flaky]
    mended = sum(case.base == TestState.FAILED and case.now == TestState.PASSED for case in steady)
    broken = sum(case.base == TestState.PASSED and case.now != TestState.PASSED for case in steady)
    parts = [f"{mended:,} newly passing"] if mended else []
    parts += [f"**{broken:,} no longer passing**"] if broken else []
    return ", ".join(parts) or "±0"


def _failing(session: SessionFacts, tests: TestFacts) -> list[str]:
    failing = (*tests.failing, *tests.failing_before)
    if not failing:
        return []
    lines = ["**Failing**", "", "| Test | Reason | Before |", "|---|---|---|"]
    for case in failing[:SHOWN_FAILING]:
        reason = outgoing.code(case.reason, session.secrets) if case.reason else _now(case)
        lines.append(f"| {_name(session, case)} | {outgoing.table_cell(reason)} | {_before(case)} |")
    if len(failing) > SHOWN_FAILING:
        lines += ["", f"*{SHOWN_FAILING} of {len(failing):,} failing tests shown.*"]
    return [*lines, ""]


def _outputs(session: SessionFacts, tests: TestFacts) -> list[str]:
    speaking = [case for case in tests.failing if case.output.strip()]
    lines: list[str] = []
    for case in speaking[:SHOWN_OUTPUTS]:
        name = outgoing.html_code(outgoing.short(session.secrets(case.name), 120))
        shown = outgoing.excerpt(case.output, session.secrets)
        lines += [f"<details><summary>Output of {name}</summary>", "", shown, "", "</details>", ""]
    if len(speaking) > SHOWN_OUTPUTS:
        lines += [f"*{SHOWN_OUTPUTS} of {len(speaking):,} outputs shown.*", ""]
    return lines


def _every(session: SessionFacts, tests: TestFacts) -> list[str]:
    if not tests.cases:
        return []
    order = {TestType.GENERATED: 0, TestType.REGRESSION: 1}
    cases = sorted(tests.cases, key=lambda case: (order[case.type], case.name))
    lines = [
        f"<details><summary>All {phrases.count(len(cases), 'test')}</summary>",
        "",
        "| Test | Before | Now | |",
        "|---|---|---|---|",
    ]
    for case in cases[:SHOWN_TESTS]:
        note = outgoing.table_cell("; ".join(_notes(session, case)))
        lines.append(f"| {_name(session, case)} | {_before(case)} | {_now(case)} | {note} |")
    if len(cases) > SHOWN_TESTS:
        lines += ["", f"*{SHOWN_TESTS} of {len(cases):,} tests shown.*"]
    return [*lines, "", "</details>", ""]


def _notes(session: SessionFacts, case: CaseFacts) -> list[str]:
    notes = []
    if case.flaky:
        notes.append("flaky: differs from run to run, not counted")
    elif case.type == TestType.GENERATED and case.base == TestState.PASSED:
        notes.append("does not detect the bug: passes without the change too")
    if case.error and case.base == TestState.FAILED:
        notes.append("could not be loaded on the base commit")
    if case.note:
        notes.append(outgoing.phrase(case.note, session.secrets))
    return notes


def _how(session: SessionFacts, tests: TestFacts) -> str:
    suite = tests.suite
    where = f" in {outgoing.line(suite.environment, session.secrets)}" if suite.environment else ""
    note = f" {outgoing.phrase(suite.note, session.secrets)}" if suite.note else ""
    return f"Command: {outgoing.code(suite.command, session.secrets)}{where}.{note}"


def _name(session: SessionFacts, case: CaseFacts) -> str:
    new = " <sup>new</sup>" if case.type == TestType.GENERATED else ""
    return outgoing.table_cell(outgoing.code(case.name, session.secrets)) + new


def _before(case: CaseFacts) -> str:
    return case.base.lower() if case.base else NONE


def _now(case: CaseFacts) -> str:
    return case.now.lower() if case.now else "missing"
