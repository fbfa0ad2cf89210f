"""Prove one candidate: run its tests and the repository's own on both sides of the change, and judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bot.proof import compare, flaky, made, own_tests, sides, source, suites, trees, verdict
from bot.proof.bench import Bench
from bot.proof.compare import Difference
from bot.proof.generated import GeneratedTest
from bot.proof.junit import CaseResult, SuiteResult
from bot.proof.made import Made
from bot.proof.own_tests import ChangedFile, Roles
from bot.proof.runner import Runner
from bot.proof.sides import Sides
from bot.proof.suites import Suites
from bot.proof.verdict import CaseOutcome, Findings, Proof, ProofSettings, Verdict
from storage.words import TestState

log = structlog.get_logger(__name__)


async def baseline(
    bench: Bench, base: str, runner: Runner, settings: ProofSettings | None = None
) -> SuiteResult:
    """Run the suite on the base commit: what every candidate made from it is compared with."""
    tree = await trees.tree(bench, runner, base, None, (), "base")
    return await tree.suite((settings or ProofSettings()).regression_timeout)


async def prove(
    bench: Bench,
    *,
    base: str,
    result_tree: str,
    runner: Runner | None,
    generated: Sequence[GeneratedTest] = (),
    baseline: SuiteResult | None = None,
    changed: Sequence[ChangedFile],
    settings: ProofSettings | None = None,
) -> Proof:
    """Return the proof of *result_tree* against commit *base*; *changed* is git's list of paths between them.

    Every file of the change that could bend a test is laid back to the base's before the base's tests judge
    the result. *baseline*, when given, is what the function of that name returned for the same commit.
    A *runner* of None means that no known runner fits: then only documents can be proven.
    """
    settings = settings or ProofSettings()
    if runner is None:
        return _unrunnable(changed, settings)
    both = await sides.lay_out(bench, runner, base, result_tree, changed)
    tests = []
    if generated and runner.selection is not None:
        tests.append(await made.by_the_model(both, generated, settings))
    suite = await suites.run(both, baseline, settings)
    if both.change.guarded and (written := await made.by_the_agent(both, suite, settings)):
        tests.append(written)
    judged = await _Judgement.of(both, suite, tests, settings)
    return judged.proof()


def _unrunnable(changed: Sequence[ChangedFile], settings: ProofSettings) -> Proof:
    change = own_tests.sort(changed, Roles(None, ()), (), ())
    findings = Findings(settings.proof, change.executable, silent="no known test runner fits this repository")
    nothing = SuiteResult(complete=False)
    facts = verdict.evidence(findings)
    return Proof(verdict.decide(findings), [], nothing, nothing, nothing, verdict.count([]), facts)


@dataclass(frozen=True)
class _Judgement:
    """All runs of one proof, and what they amount to."""

    suites: Suites
    tests: Sequence[Made]
    findings: Findings
    fixed: Sequence[str]  # tests of the suite that fail on base and pass on the result

    @classmethod
    async def of(
        cls, both: Sides, suite: Suites, tests: Sequence[Made], settings: ProofSettings
    ) -> "_Judgement":
        """Gather the findings; what the suite gained is made sure of when nothing else proves the change."""
        # An exit code alone can't tell a fixed test from a deleted one: it may regress, and never proves.
        known = suite.before.cases if both.runner.reports else {}
        fixed = compare.detecting(known, suite.before, suite.guard)
        proving = [name for test in tests for name in test.detecting()]
        if fixed and both.runner.selection is not None and not proving:
            some = fixed[: settings.rerun_limit]
            suite.flaky.update(await flaky.among_gained(some, suite.before_tree, suite.guard_tree, settings))
        fixed = [name for name in fixed if name not in suite.flaky]
        fresh = [*await _fresh_failures(suite, settings), *_unexpected(suite)]
        silent = _silent(suite, tests)
        findings = Findings(
            demand=settings.proof,
            executable=both.change.executable,
            detecting=[] if silent else [*proving, *fixed],
            indifferent=[name for test in tests for name in test.indifferent()],
            failing=[] if silent else [*(d for test in tests for d in test.failing()), *fresh],
            regressions=suite.regressions,
            hidden=suite.hidden,
            bent=[*(_FORGED for test in tests if test.forged), *await both.bent()],
            flaky=sorted({*suite.flaky, *(name for test in tests for name in test.flaky)}),
            silent=silent,
            notes=[
                *(note for test in tests for note in test.notes),
                *suites.notes(suite, settings, bool(both.change.guarded)),
            ],
        )
        return cls(suite, tests, findings, fixed)

    def proof(self) -> Proof:
        """Return the proof, with every test on both sides."""
        decided = verdict.decide(self.findings)
        cases = self._made() + self._suite()
        facts = verdict.evidence(self.findings)
        log.info("proof.decided", verdict=decided, tests=len(cases), facts=len(facts))
        return Proof(
            verdict=decided,
            cases=cases,
            baseline=self.suites.before,
            result=self.suites.guard,
            as_is=self.suites.as_is,
            summary=verdict.count(cases),
            evidence=facts,
            disputed=self._disputed() if decided is Verdict.FAILING else [],
        )

    def _disputed(self) -> list[str]:
        """Name the generated tests that fail on the result, when nothing else speaks against it."""
        against = [d.name for d in self.findings.failing]
        ours = {d.name for test in self.tests if test.origin == "generated" for d in test.failing()}
        return against if ours.issuperset(against) else []

    def _made(self) -> list[CaseOutcome]:
        return [
            verdict.outcome(
                name,
                test.origin,
                compare.look(test.base, name),
                compare.look(test.now, name),
                code=source.body(test.codes.get(name.partition("::")[0], ""), name)
                if test.origin == "agent"
                else test.codes.get(name.partition("::")[0], ""),
                flaky=name in test.flaky,
                note="an existing test, made stronger" if name in test.strengthened else "",
            )
            for test in self.tests
            for name in test.names
        ]

    def _suite(self) -> list[CaseOutcome]:
        before, guard = self.suites.before, self.suites.guard
        why = {d.name: d.why for d in (*self.findings.regressions, *self.findings.hidden)}
        names = dict.fromkeys([*before.cases, *guard.cases])
        # A file that could be collected on one side only is told by its tests.
        single = [name for name in names if not _whole(name, names)]
        return [
            verdict.outcome(
                name,
                "suite",
                compare.look(before, name),
                self._now(name),
                code="",
                flaky=name in self.suites.flaky,
                note=why.get(name, ""),
            )
            for name in single
        ]

    def _now(self, name: str) -> CaseResult | None:
        """Return how a test of the suite came out on the result; an outdated expectation is not a failure."""
        case, delivered = compare.look(self.suites.guard, name), compare.look(self.suites.as_is, name)
        if case and case.mark == "xpass" and delivered and delivered.state is TestState.PASSED:
            return delivered
        return case


_FORGED = (
    "A test that must fail was not reported as failed on the result: the change interferes with the test run"
)


def _whole(name: str, names: dict[str, None]) -> bool:
    return "::" not in name and any(other.startswith(name + "::") for other in names)


async def _fresh_failures(suite: Suites, settings: ProofSettings) -> list[Difference]:
    """Return failures of tests that only the result has: a suite made longer by the product itself."""
    if not suite.before.complete:
        return []
    found = [
        Difference(name, None, TestState.FAILED, compare.first_line(case.message))
        for name, case in suite.guard.cases.items()
        if case.state is TestState.FAILED
        and not case.mark
        and compare.look(suite.before, name) is None
        and "::" in name
    ]
    chance = await flaky.among_failing({d.name for d in found}, suite.guard_tree, settings)
    suite.flaky.update(chance)
    return [d for d in found if d.name not in chance]


def _unexpected(suite: Suites) -> list[Difference]:
    """Return tests that the change makes pass and that are still marked as expected to fail, strictly."""
    why = "it is expected to fail, and passes: the mark must go"
    return [
        Difference(name, TestState.SKIPPED, TestState.FAILED, why)
        for name, case in suite.as_is.cases.items()
        if case.mark == "xpass" and compare.state(suite.before, name) is TestState.SKIPPED
    ]


def _silent(suite: Suites, tests: Sequence[Made]) -> str:
    """Say why nothing ran at all, or nothing."""
    runs = [suite.before, suite.guard, *(run for test in tests for run in (test.base, test.now))]
    if any(run.complete or run.timed_out for run in runs):
        return ""
    return suites.why(suite.before)
