"""Put the work to the proof, and decide what its verdict does to the task."""

import dataclasses
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from bot.claude import failures, prompts, size, tests_wanted
from bot.claude.ask import Claude
from bot.proof import detect, generated, own_tests, proof
from bot.proof import run as suites
from bot.proof.generated import Candidate, GeneratedTest
from bot.proof.junit import CaseResult, SuiteResult
from bot.proof.own_tests import ChangedFile
from bot.proof.runner import Runner
from bot.proof.verdict import CaseOutcome, Demand, Proof, ProofSettings, Verdict
from bot.task import budget, held_against
from bot.task.budget import OutOfBudget
from bot.task.desk import Desk, configuration_of, repository_key
from bot.task.grounds import TaskBench
from bot.task.reviewer import REASONS
from bot.task.work import Caps, Phase, Work
from storage import baselines, tasks, test_cases
from storage.words import Reason, TaskState, TestState, TestType

log = structlog.get_logger(__name__)

MOST_DIFF = 60_000
MOST_EXAMPLE = 8_000
MOST_TEST_TOKENS = 16_000
MOST_STORED_OUTPUT = 8_000


class Proving:
    """The TESTING phase of one task."""

    def __init__(
        self, claude: Claude, work: Work, desk: Desk, caps: Caps, model: str, seconds: tuple[float, float]
    ):
        self._claude = claude
        self._work = work
        self._desk = desk
        self._caps = caps
        self._model = model
        self._wanted = configuration_of(work)
        self._settings = ProofSettings(
            proof=Demand(self._wanted.proof), test_timeout=seconds[0], regression_timeout=seconds[1]
        )
        self._shown = ""
        self._bench = TaskBench(desk, desk.shop.root(work) / "proof", self._wanted.working_directory)

    async def warm(self) -> None:
        """Run the suite on the base commit, beside the conversation; the proof then need not wait for it."""
        bench = TaskBench(
            self._desk, self._desk.shop.root(self._work) / "baseline", self._wanted.working_directory
        )
        try:
            runner = await self._runner(self._desk.base)
            if runner is not None:
                await self._baseline(bench, self._desk.base, runner)
        finally:
            await bench.close()

    async def run(self, failed: Callable[[Reason, str, Sequence[str]], Awaitable[None]]) -> None:
        """Prove the tree as it is; `failed` gets reason, sentence and facts when it does not hold."""
        await self._work.move(TaskState.TESTING, progress="testing the change")
        tree = await self._desk.snapshot()
        if tree == await self._desk.quarantine.tree_of(self._desk.base):
            await failed(
                Reason.NO_CHANGES, "Nothing was changed.", ["The files are as they were at the start."]
            )
            return
        if self._work.facts.get("judged", {}).get("tree") != tree:
            await self._judge(tree)
        judged = self._work.facts["judged"]
        verdict = Verdict(judged["verdict"])
        if verdict is Verdict.PROVEN:
            await self._work.change(phase=Phase.DELIVER, progress="proven; opening the pull request")
        else:
            await failed(REASONS[verdict], f"The proof did not hold: {verdict}.", judged["evidence"])

    async def holds(self, tree: str) -> bool:
        """Run the suite on the tree that is to be pushed; whether what passed in the proof passes there."""
        runner = await self._runner(self._desk.base)
        if runner is None:
            return True
        try:
            ground = await self._bench.prepare(self._desk.base, tree, (), "whole")
            seconds, paths = self._settings.regression_timeout, await self._bench.files(tree)
            whole = await suites.suite(ground, runner, seconds=seconds, paths=paths)
        finally:
            await self._bench.close()
        async with self._work.database.reading() as reading:
            cases = await test_cases.of_task(reading, self._work.id)
        passed = {name for name, case in whole.cases.items() if case.state is TestState.PASSED}
        return passed.issuperset(case.name for case in cases if case.status is TestState.PASSED)

    async def _judge(self, tree: str) -> None:
        try:
            found = await self._prove(tree)
            if found.disputed and not self._work.facts.get("regenerated"):
                await self._work.note(regenerated=True, generated=None)
                found = await self._prove(tree)
        finally:
            await self._bench.close()
        await self._store(found)
        run = await self._runs_so_far() + 1
        await self._work.note(
            test_runs=run,
            judged={
                "tree": tree,
                "verdict": found.verdict,
                "evidence": found.evidence,
                "command": self._shown,
                "seconds": found.result.seconds,
                "set_up_again": self._bench.set_up_again,
                "run": run,
                "summary": {kind: dataclasses.asdict(counts) for kind, counts in found.summary.items()},
            },
        )

    async def _runs_so_far(self) -> int:
        """Return how often the session's changes were tested: its tasks share one report."""
        async with self._work.database.reading() as reading:
            every = await tasks.of_session(reading, self._work.session.id)
        return max(int(task.facts.get("test_runs", 0)) for task in every)

    async def _prove(self, tree: str) -> Proof:
        runner = await self._runner(self._desk.base)
        base = await held_against.base(self._work, self._desk, runner)
        changes = await self._desk.quarantine.changes(base, tree)
        changed = [ChangedFile(change.path, change.status) for change in changes]
        self._shown = runner.shown if runner else ""
        before, tests = None, []
        if runner is not None:
            before = await self._baseline(self._bench, base, runner)
            tests = await self._tests(tree, runner)
        return await proof.prove(
            self._bench, base=base, result_tree=tree, runner=runner, generated=tests, baseline=before,
            changed=changed, settings=self._settings,
        )  # fmt: skip

    async def _runner(self, base: str) -> Runner | None:
        files = await self._desk.quarantine.files(base)
        wanted = [path for path in files if path.rpartition("/")[2] in detect.CONFIGURATION]
        contents = await self._desk.quarantine.read_all(base, wanted, MOST_DIFF)
        return detect.runner(files, contents.get, self._wanted.test, self._wanted.working_directory)

    async def _baseline(self, bench: TaskBench, base: str, runner: Runner) -> SuiteResult:
        """Return the suite on the base commit: run once per repository, commit, environment and command."""
        told = [repository_key(self._work), base, self._work.facts.get("environment"), list(runner.command)]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        async with self._work.database.reading() as reading:
            kept = await baselines.find(reading, key)
        if kept is not None:
            return _suite_from(kept)
        suite = await proof.baseline(bench, base, runner, self._settings)
        if suite.complete:
            async with self._work.database.transaction() as writing:
                await baselines.save(writing, key, dataclasses.asdict(suite))
        return suite

    async def _tests(self, tree: str, runner: Runner) -> list[GeneratedTest]:
        """Return the generated tests: asked for once per task, and once more when they are disputed."""
        if self._work.facts.get("generated") is None:
            await self._work.note(generated=await self._generate(tree, runner))
        found = [GeneratedTest(**test) for test in self._work.facts["generated"]["tests"]]
        # On a branch that holds them already they are tests like any other, as people may have changed them.
        there = set(await self._desk.quarantine.files(tree))
        return [test for test in found if test.path not in there]

    async def _generate(self, tree: str, runner: Runner) -> dict[str, Any]:
        base, code = self._desk.base, self._desk.quarantine
        files = await code.files(base)
        prompt = prompts.generate_tests(
            issue=f"{self._work.facts['title']}\n\n{self._work.facts['body']}".strip(),
            interface=await code.diff(base, tree, MOST_DIFF),
            example=await self._example(files, runner),
            runner=runner.name,
        )
        tokens = size.prompt("", (), [{"role": "user", "content": prompt}])
        purse = self._work.account(self._caps).paying(self._claude, budget.TESTS, tokens)
        try:
            made = await tests_wanted.generate(
                purse, model=self._model, prompt=prompt, max_tokens=MOST_TEST_TOKENS
            )
        except (OutOfBudget, failures.Rejected, failures.PromptTooLong) as problem:
            return {"tests": [], "problem": str(problem)}  # the agent's own tests must carry the proof
        candidates = [Candidate(test.name, test.test_code, test.path) for test in made.tests]
        kept, dropped = generated.keep(candidates, runner, [*files, *await code.files(tree)])
        why = "; ".join([made.problem, *(f"{name}: {reason}" for name, reason in dropped)]).strip("; ")
        log.info("tests.generated", kept=len(kept), dropped=len(dropped), problem=why)
        return {"tests": [dataclasses.asdict(test) for test in kept], "problem": why}

    async def _example(self, files: Sequence[str], runner: Runner) -> str:
        """Return one existing test, so that new ones follow the house's style."""
        roles = own_tests.Roles(runner, files)
        tests = [path for path in files if roles.of(path) is own_tests.Role.TEST]
        for path in sorted(tests, key=len)[:20]:
            content = await self._desk.quarantine.read(self._desk.base, path, MOST_EXAMPLE)
            if content:
                return f"# {path}\n{content.decode('utf-8', 'replace')}"
        return ""

    async def _store(self, found: Proof) -> None:
        async with self._work.writing() as writing:
            for kind in TestType:
                rows = [_row(case) for case in found.cases if case.test_type is kind]
                await test_cases.replace(writing, self._work.id, kind, rows)


def _row(case: CaseOutcome) -> dict[str, Any]:
    return {
        "name": case.name,
        "test_code": case.code or None,
        "path": case.name.partition("::")[0],
        "status": case.status,
        "base_status": case.base_status,
        "note": "; ".join(filter(None, (case.note, "flaky" if case.flaky else ""))) or None,
        "output": case.output[:MOST_STORED_OUTPUT] or None,
    }


def _suite_from(kept: dict[str, Any]) -> SuiteResult:
    cases = {
        name: CaseResult(**{**case, "state": TestState(case["state"])})
        for name, case in kept["cases"].items()
    }
    return SuiteResult(**{**kept, "cases": cases, "notes": tuple(kept["notes"])})
