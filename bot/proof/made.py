"""Run the tests made for one change, generated and written by the agent, on both sides of it."""

import posixpath
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.proof import compare, flaky
from bot.proof.bench import Overlay
from bot.proof.compare import Difference
from bot.proof.generated import GeneratedTest
from bot.proof.junit import SuiteResult
from bot.proof.sides import Sides
from bot.proof.suites import Suites
from bot.proof.trees import Tree
from bot.proof.verdict import ProofSettings
from storage.words import TestState

# A test that must fail, laid beside the generated ones: what turns failures into passes turns this one too.
_CANARY = '''"""Fail on purpose, to show that a failure is reported."""


def test_a_failure_is_reported():
    """Fails."""
    raise AssertionError("{nonce}")
'''


@dataclass(frozen=True)
class Made:
    """How tests of one origin came out; `seconds` is what each of their files may take."""

    origin: str
    base: SuiteResult
    now: SuiteResult
    base_tree: Tree
    now_tree: Tree
    seconds: float
    names: list[str]
    codes: dict[str, str] = field(default_factory=dict)  # path -> source
    strengthened: frozenset[str] = frozenset()  # names that the base has too
    forged: bool = False
    flaky: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def detecting(self) -> list[str]:
        """Return the names that fail on base and pass on the result, every time."""
        return [n for n in compare.detecting(self.names, self.base, self.now) if n not in self.flaky]

    def indifferent(self) -> list[str]:
        """Return the names that pass on base already."""
        return [n for n in self.names if self._is(n, TestState.PASSED) and n not in self.strengthened]

    def failing(self) -> list[Difference]:
        """Return the names that fail on the result, every time."""
        return [
            Difference(
                name, compare.state(self.base, name), TestState.FAILED, compare.first_line(case.message)
            )
            for name in self.names
            if (case := compare.look(self.now, name))
            and case.state is TestState.FAILED
            and name not in self.flaky
        ]

    def _is(self, name: str, state: TestState) -> bool:
        return compare.state(self.base, name) is state and name not in self.flaky

    async def settle(self, settings: ProofSettings) -> None:
        """Run again what would count, and set aside what comes out otherwise."""
        gained, failing = set(self.detecting()), {d.name for d in self.failing()}
        self.flaky.update(
            await flaky.among_gained(gained, self.base_tree, self.now_tree, settings, self.seconds)
        )
        self.flaky.update(await flaky.among_failing(failing, self.now_tree, settings, self.seconds))


async def by_the_model(sides: Sides, tests: Sequence[GeneratedTest], settings: ProofSettings) -> Made:
    """Run generated tests beside nothing but the base's own tests and configuration."""
    nonce = secrets.token_hex(8)
    canary = posixpath.join(posixpath.dirname(tests[0].path), f"test_{nonce}.py")
    overlay = [Overlay(test.path, test.code.encode()) for test in tests]
    overlay.append(Overlay(canary, _CANARY.format(nonce=nonce).encode()))
    base_tree, now_tree = await sides.before(overlay), await sides.guarded(overlay)
    chosen = [canary, *(test.path for test in tests)]
    (base,) = await base_tree.files(chosen, settings.test_timeout)
    (now,) = await now_tree.files(chosen, settings.test_timeout)
    paths = {test.path for test in tests}
    names = [name for name, case in now.cases.items() if case.path in paths]
    seen = {name.partition("::")[0] for name in names}
    names += [name for name, case in base.cases.items() if case.path in paths - seen]
    # Only a report that claims a success is forged; a run that broke off has no canary either.
    claims = now.count(TestState.PASSED) > 0
    forged = _failed(base, canary, nonce) and claims and not _failed(now, canary, nonce)
    missing = sorted(paths - {name.partition("::")[0] for name in names})
    made = Made(
        "generated", base, now, base_tree, now_tree, settings.test_timeout, names,
        codes={test.path: test.code for test in tests},
        forged=forged,
        notes=[f"{path}: {sides.runner.name} collects no test from it" for path in missing if now.complete],
    )  # fmt: skip
    await made.settle(settings)
    return made


def _failed(run: SuiteResult, canary: str, nonce: str) -> bool:
    return any(
        case.path == canary and case.state is TestState.FAILED and (nonce in case.message + case.output)
        for case in run.cases.values()
    )


async def by_the_agent(sides: Sides, suites: Suites, settings: ProofSettings) -> Made | None:
    """Run on base what the change's own test files hold that is new, or stronger than it was."""
    if sides.runner.selection is None:
        return None
    written = set(sides.change.written)
    bends_more = bool(sides.change.support or sides.change.configuration)
    now, now_tree = suites.as_is, suites.as_is_tree
    # A time-out on base takes no longer to notice than the suite took, and one test's share.
    seconds = min(settings.regression_timeout, suites.before.seconds + settings.test_timeout)
    uncollected = written - {case.path for case in now.cases.values()}
    if uncollected:
        for extra in await now_tree.files(sorted(uncollected), seconds):
            now = _joined(now, extra)
    names = [
        name
        for name, case in now.cases.items()
        if (case.path in written or bends_more)
        and not compare.look(suites.guard, name)
        and name not in suites.before.cases
    ]
    old = [name for name, case in now.cases.items() if case.path in written and name not in names]
    base_tree = await sides.before_with_its_tests()
    runs = await base_tree.files(sorted({name.partition("::")[0] for name in [*names, *old]}), seconds)
    if not runs:
        return None
    base = runs[0]
    stronger = [name for name in compare.detecting(old, base, now) if _was_weaker(name, suites)]
    codes = {
        path: (await sides.bench.read(sides.result, path) or b"").decode(errors="replace") for path in written
    }
    made = Made(
        "agent", base, now, base_tree, now_tree, seconds, [*names, *stronger],
        codes=codes, strengthened=frozenset(stronger),
    )  # fmt: skip
    await made.settle(settings)
    return made


def _was_weaker(name: str, suites: Suites) -> bool:
    """Tell whether the base's version of an existing test saw nothing wrong, on either side."""
    guard = compare.look(suites.guard, name)
    wrong = guard is not None and guard.state is TestState.FAILED and guard.mark != "xpass"
    return not wrong and compare.state(suites.before, name) is not TestState.FAILED


def _joined(run: SuiteResult, extra: SuiteResult) -> SuiteResult:
    return replace(run, cases={**extra.cases, **run.cases})
