"""Decide what the findings of a proof amount to, and put them into plain facts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.proof.compare import Difference
from bot.proof.junit import CaseResult, SuiteResult
from storage.words import TestState, TestType

SHOWN = 10  # facts of one kind; the rest is counted


class Verdict(StrEnum):
    """What the proof says; the first that applies from the bottom up."""

    PROVEN = "proven"  # a test fails without the change and passes with it, nothing else broke
    UNPROVEN = "unproven"  # no test shows a difference
    FAILING = "failing"  # a test made for this change fails on the result
    REGRESSED = "regressed"  # something that passed on the base commit doesn't any more
    TAMPERED = "tampered"  # existing tests were bent so that they hide something


class Demand(StrEnum):
    """Must a test fail on the base commit? The repository's `proof` setting."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    OFF = "off"


@dataclass(frozen=True)
class ProofSettings:
    """Bounds of one proof; times in seconds."""

    proof: Demand = Demand.REQUIRED
    test_timeout: float = 60  # each generated test
    regression_timeout: float = 300  # the suite
    flaky_reruns: int = 2  # beyond the first run
    rerun_limit: int = 50  # tests in one rerun; more differences than that are no accident


@dataclass(frozen=True)
class CaseOutcome:
    """One test on both sides of the change; PENDING on a side where it did not run."""

    name: str
    test_type: TestType
    base_status: TestState
    status: TestState
    code: str
    output: str
    origin: str  # "generated", "agent", "suite"
    flaky: bool = False
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """How many tests of one kind there are, as they came out on the result."""

    total: int
    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class Findings:
    """Everything the runs have shown, before it is judged."""

    demand: Demand = Demand.REQUIRED
    executable: bool = True
    detecting: Sequence[str] = ()  # fail on base, pass on the result, every time
    indifferent: Sequence[str] = ()  # tests made for this change that pass on base
    failing: Sequence[Difference] = ()
    regressions: Sequence[Difference] = ()
    hidden: Sequence[Difference] = ()
    bent: Sequence[str] = ()  # whole sentences
    flaky: Sequence[str] = ()
    renamed: Sequence[str] = ()
    silent: str = ""  # why the runner ran nothing, when it did
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Proof:
    """The verdict on one candidate, with all it rests on."""

    verdict: Verdict
    cases: list[CaseOutcome]
    baseline: SuiteResult
    result: SuiteResult  # the suite on the result, judged by the base's own tests
    as_is: SuiteResult  # the suite on the result as it would be delivered
    summary: dict[TestType, Counts]
    evidence: list[str]
    disputed: list[str] = field(default_factory=list)  # generated tests that alone stand against the change


def decide(findings: Findings) -> Verdict:
    """Return the verdict; regressions and tampering block whatever the demand."""
    if findings.hidden or findings.bent:
        return Verdict.TAMPERED
    if findings.regressions:
        return Verdict.REGRESSED
    if findings.failing:
        return Verdict.FAILING
    if not findings.executable or findings.detecting or findings.demand is not Demand.REQUIRED:
        return Verdict.PROVEN
    return Verdict.UNPROVEN


def evidence(findings: Findings) -> list[str]:
    """Return the findings as sentences, gravest first, each kind cut at ten with the rest counted."""
    facts = _cut([*findings.bent])
    facts += _cut([f"{d.name}: {d.why}" for d in findings.hidden])
    facts += _cut(
        [f"{d.name} passed on the base commit and doesn't now: {d.why}" for d in findings.regressions]
    )
    facts += _cut([f"{d.name} fails on the result: {d.why}" for d in findings.failing])
    facts += _cut(
        [f"{name} fails on the base commit and passes on the result" for name in findings.detecting]
    )
    facts += _cut(
        [f"{name} passes on the base commit too: it does not detect the bug" for name in findings.indifferent]
    )
    facts += _cut(
        [f"{name} is flaky (it differs when run again) and counts neither way" for name in findings.flaky]
    )
    facts += _cut(
        [
            f"{name} was renamed or replaced; its base version passes on the result"
            for name in findings.renamed
        ]
    )
    return facts + _missing_proof(findings) + list(findings.notes)


def _missing_proof(findings: Findings) -> list[str]:
    if findings.silent:
        return [f"The tests could not be run: {findings.silent}"]
    if not findings.executable:
        return ["The change touches nothing that runs, so no test had to fail without it"]
    if findings.detecting:
        return []
    nothing = "No test fails on the base commit and passes on the result"
    if findings.demand is Demand.REQUIRED:
        return [nothing]
    return [f"{nothing}; the repository's setting `proof: {findings.demand}` lets that pass"]


def _cut(facts: list[str]) -> list[str]:
    if len(facts) <= SHOWN:
        return facts
    return [*facts[:SHOWN], f"… and {len(facts) - SHOWN} more like the last"]


def count(cases: Sequence[CaseOutcome]) -> dict[TestType, Counts]:
    """Count the outcomes on the result by kind; a flaky test counts in the total only."""
    found = {}
    for kind in TestType:
        states = [case.status for case in cases if case.test_type is kind and not case.flaky]
        total = sum(case.test_type is kind for case in cases)
        found[kind] = Counts(
            total=total,
            passed=states.count(TestState.PASSED),
            failed=states.count(TestState.FAILED),
            skipped=states.count(TestState.SKIPPED),
        )
    return found


def outcome(
    name: str,
    origin: str,
    base: CaseResult | None,
    now: CaseResult | None,
    *,
    code: str,
    flaky: bool,
    note: str,
) -> CaseOutcome:
    """Put the two sides of one test together; a suite's test that is missing on the result has failed."""
    absent = TestState.FAILED if origin == "suite" and base is not None else TestState.PENDING
    told = now if now is not None and now.state is not TestState.PASSED else base
    return CaseOutcome(
        name=name,
        test_type=TestType.REGRESSION if origin == "suite" else TestType.GENERATED,
        base_status=base.state if base else TestState.PENDING,
        status=now.state if now else absent,
        code=code,
        output="\n".join(part for part in (told.message, told.output) if part) if told else "",
        origin=origin,
        flaky=flaky,
        note=note or _note(origin, base, now),
    )


def _note(origin: str, base: CaseResult | None, now: CaseResult | None) -> str:
    if origin != "suite" and base and base.state is TestState.PASSED:
        return "does not detect the bug"
    if origin == "suite" and base and now is None:
        return "missing on the result"
    if origin == "suite" and base and now and base.state is now.state is TestState.FAILED:
        return "fails on the base commit too"
    if now and now.mark == "xpass":
        return "expected to fail, and passes"
    return ""
