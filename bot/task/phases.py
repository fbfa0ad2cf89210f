"""Say what happens in each phase of a task, with the rooms that do it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from bot import repeatable
from bot.claude.ask import Claude
from bot.errors import JourneymanError, UserFault, WorldFault
from bot.settings import Settings
from bot.task import admission, ending, listening
from bot.task.conversation import Conversation
from bot.task.delivery import Delivery
from bot.task.desk import Desk, Workshop, configuration_of
from bot.task.forge import Forge
from bot.task.lifecycle import Step
from bot.task.portrait import Portraitist
from bot.task.preparation import Preparation
from bot.task.proving import Proving
from bot.task.pushing import Pushing
from bot.task.reviewer import Reviewer
from bot.task.work import Caps, Phase, Superseded, Work
from bot.words import branch as branches
from storage import clock, tasks
from storage.models import Session
from storage.words import ENDED, Reason, TaskKind, TaskState

log = structlog.get_logger(__name__)

KEEP_SECONDS = 3600.0  # so long may the world keep us from keeping unfinished work


@dataclass(frozen=True)
class Means:
    """What every task of this process works with."""

    settings: Settings
    claude: Claude
    shop: Workshop
    forge_of: Callable[[Session], Forge]
    portraits: Portraitist


class Phases:
    """The phases, by name; desks stay open between the steps of a task."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._desks: dict[str, Desk] = {}
        self._warming: dict[str, asyncio.Task[None]] = {}
        self._preparation = Preparation(means.shop, self._desk)

    def table(self) -> Mapping[str, Step]:
        """Return what the lifecycle repeats."""
        return {
            Phase.ADMIT: self.admit,
            Phase.PREPARE: self.prepare,
            Phase.CONVERSE: self.converse,
            Phase.PROVE: self.prove,
            Phase.DELIVER: self.deliver,
            Phase.CONCLUDE: self.conclude,
        }

    async def admit(self, work: Work) -> None:
        """Let the task in, then hand it to the queue for a slot."""
        await admission.admit(work, self._means.forge_of(work.session), self._means.settings)

    async def prepare(self, work: Work) -> None:
        """Fetch the code, make the environment, write the first message."""
        await self._means.shop.check()
        await self._preparation.run(work, self._means.forge_of(work.session))

    async def converse(self, work: Work) -> None:
        """Do one step of the conversation."""
        if work.task.status is not TaskState.RUNNING:
            await work.move(TaskState.RUNNING, progress="working on it")
        desk = await self._desk(work)
        if work.id not in self._warming:
            self._warming[work.id] = asyncio.create_task(self._warm(work, desk))
        model = work.task.model or self._means.settings.model
        await Conversation(self._means.claude, work, desk, self._caps(work), model).step()

    async def prove(self, work: Work) -> None:
        """Run the proof, and go on as its verdict says."""
        desk = await self._desk(work)
        if work.id in self._warming:
            await asyncio.wait([self._warming[work.id]])
        if work.task.kind is TaskKind.RETEST:
            await self._proving(work, desk).run(_found_wanting(work))
        elif not await self._answered(work, desk):
            await self._proving(work, desk).run(Reviewer(work, desk, self._caps(work)).proof_failed)

    async def _answered(self, work: Work, desk: Desk) -> bool:
        """Whether a follow-up changed nothing: its answer is the result, and the head stays as it is."""
        if work.task.kind is not TaskKind.FOLLOW_UP or work.session.pull_request is None:
            return False
        if await desk.snapshot() != await desk.quarantine.tree_of(desk.start):
            if work.facts.get("answered"):
                await work.note(answered=False)
            return False
        await work.note(answered=True)
        await work.change(phase=Phase.DELIVER, progress="answering")
        return True

    def _proving(self, work: Work, desk: Desk) -> Proving:
        settings = self._means.settings
        model = settings.test_model or work.task.model or settings.model
        seconds = (settings.test_timeout, settings.regression_timeout)
        return Proving(self._means.claude, work, desk, self._caps(work), model, seconds)

    async def _warm(self, work: Work, desk: Desk) -> None:
        """Buy the baseline early; what goes wrong here comes up again, and is dealt with, in the proof."""
        repeatable.leave()  # no step may be cut off for it
        try:
            await self._proving(work, desk).warm()
        except (UserFault, WorldFault) as problem:
            log.info("baseline.not_warmed", task=work.id, why=str(problem))
        except Exception:
            log.exception("baseline.not_warmed", task=work.id)

    async def deliver(self, work: Work) -> None:
        """Push the proven work, open the pull request, say the last word."""
        desk, forge = await self._desk(work), self._means.forge_of(work.session)
        may_go_on = (
            work.task.iterations < self._caps(work).iterations and work.task.kind is not TaskKind.RETEST
        )
        if listening.waits(work) and may_go_on and not work.facts.get("delivered_tree"):
            # Someone spoke while the proof ran: that comes first.
            await listening.take_in(work, starts_round=True, phase=Phase.CONVERSE)
            return
        if not work.facts.get("answered"):
            pushing = Pushing(work, desk, self._delivery(work, desk, forge), self._preparation)
            if not await pushing.done(forge, self._whole, self._message):
                return  # someone else has pushed: what became of both is to be proven first
            pull = await forge.propose(work, desk.quarantine)
            if pull is not None:
                await work.change_session(pull_request=pull)
        await self._answer(work, forge)
        await self._last_word(work, forge, TaskState.COMPLETED)
        summary = (work.facts.get("finish") or {}).get("summary")
        await ending.end(work, TaskState.COMPLETED, progress="done", summary=summary)
        await self._clear(work)

    async def _whole(self, work: Work, desk: Desk, delivery: Delivery) -> str:
        """Return the tree to push: with the generated tests in it if the suite holds there as a whole."""
        proven: str = work.facts["judged"]["tree"]
        wished = await delivery.with_tests(proven)
        if wished == proven or await self._proving(work, desk).holds(wished):
            return wished
        log.info("tests.left_out", why="the suite does not hold with the generated tests in it")
        return proven

    async def conclude(self, work: Work) -> None:
        """End without a pull request: keep what exists on the branch, say why, leave nothing behind."""
        outcome, forge = work.facts["outcome"], self._means.forge_of(work.session)
        if "kept" not in work.facts:
            await work.note(kept=await self._keep(work, forge))
        status = TaskState(outcome["status"])
        await self._answer(work, forge)
        await self._last_word(work, forge, status)
        await ending.end(
            work, status, Reason(outcome["reason"]) if outcome["reason"] else None,
            error_message=outcome["why"], progress="ended",
            summary=(work.facts.get("finish") or {}).get("summary"),
        )  # fmt: skip
        await self._clear(work)

    async def _answer(self, work: Work, forge: Forge) -> None:
        try:
            await forge.answer(work)
        except UserFault as problem:
            log.warning("threads.unanswered", why=str(problem))  # locked or gone; the result stands

    async def _last_word(self, work: Work, forge: Forge, status: TaskState) -> None:
        try:
            await forge.finish(work, status)
        except UserFault as problem:
            log.warning("last_word.unsaid", why=str(problem))  # locked, deleted, uninstalled: nobody to tell

    async def _keep(self, work: Work, forge: Forge) -> str:
        """Push unfinished work to the branch; returns why it could not be kept, or nothing."""
        if work.task.base_sha is None or work.task.head_sha is not None:
            return ""  # there is nothing, or it is there already
        try:
            desk = await self._desk(work)
            tree = await desk.salvage()
            if tree is None or tree == await desk.quarantine.tree_of(desk.start):
                return ""
            await work.note(delivered_tree=tree)
            delivery = self._delivery(work, desk, forge)
            message = await self._message(work, desk)
            # What is not proven must not reach the head of a pull request that is.
            await (delivery.keep_aside if work.session.pull_request else delivery.push)(tree, message)
        except Superseded:
            raise
        except JourneymanError as problem:
            if isinstance(problem, WorldFault) and not _in_vain(work):
                raise  # the work is worth waiting for, and the last word could not be said now either
            log.warning("work.not_kept", why=str(problem))
            if str(problem) == work.facts["outcome"]["why"]:
                return ""  # that is why the task ends, and is said once
            return f"The work could not be kept: {problem}"
        return ""

    async def _message(self, work: Work, desk: Desk) -> str:
        portraits = self._means.portraits
        change = await portraits.change(work, desk.quarantine)
        return branches.commit_message(portraits.session(work), await portraits.task(work), change)

    def _delivery(self, work: Work, desk: Desk, forge: Forge) -> Delivery:
        return Delivery(
            work, desk, forge, self._means.portraits.session(work), self._means.settings.secrets()
        )

    def _caps(self, work: Work) -> Caps:
        settings, human = self._means.settings, configuration_of(work).human
        pauses = settings.max_pauses if human.max_pauses is None else human.max_pauses
        return Caps(
            budget_usd=work.task.budget_usd,
            daily_usd=settings.repository_daily_budget_usd,
            iterations=settings.max_iterations,
            steps=settings.max_steps,
            pauses=pauses,
            cadence=(human.cadence[0], human.cadence[1]),
        )

    async def _desk(self, work: Work) -> Desk:
        desk = self._desks.get(work.id)
        if desk is None:
            await self._forget_ended(work)
            await self._preparation.fetch(work, self._means.forge_of(work.session))
            desk = self._desks[work.id] = await Desk.open(self._means.shop, work)
        desk.attend(work)
        return desk

    async def _forget_ended(self, work: Work) -> None:
        """Clear the desks of tasks that went on elsewhere and have ended there."""
        for task_id in list(self._desks):
            async with work.database.reading() as reading:
                ended = (await tasks.get(reading, task_id)).status in ENDED
            if ended:
                await self._leave(task_id)

    async def _clear(self, work: Work) -> None:
        if not await self._leave(work.id) and work.task.base_sha is not None:
            await (await Desk.open(self._means.shop, work)).close()

    async def _leave(self, task_id: str) -> bool:
        """End what goes on beside a task and take its place away; False when this process has none."""
        if (warming := self._warming.pop(task_id, None)) is not None:
            warming.cancel()
            await asyncio.wait([warming])
        desk = self._desks.pop(task_id, None)
        if desk is not None:
            await desk.close()
        return desk is not None


def _found_wanting(work: Work) -> Callable[[Reason, str, Sequence[str]], Awaitable[None]]:
    """Let a repeated proof that does not hold end the task: there is no conversation to bring it back to."""

    async def failed(reason: Reason, sentence: str, facts: Sequence[str]) -> None:
        await work.fail(reason, " ".join([sentence, *facts[:1]]))

    return failed


def _in_vain(work: Work) -> bool:
    world = work.facts.get("world")
    return world is not None and clock.now().timestamp() - world["since"] > KEEP_SECONDS
