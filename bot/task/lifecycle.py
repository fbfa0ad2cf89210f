"""Move a task one step along its path, and decide what each kind of failure does to it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from bot.claude import failures
from bot.errors import JourneymanError, UserFault, WorldFault
from bot.task.forge import Forge
from bot.task.interruption import Interrupted, Interruptions, TimeIsUp
from bot.task.work import Phase, Work
from storage import clock, tasks
from storage.database import Database
from storage.models import Session
from storage.words import ENDED, PausedBy, Reason, TaskState

log = structlog.get_logger(__name__)

# A world that stays broken this long costs the task its slot, not its life.
SLOT_SECONDS = 300.0
# Past this someone has to look, and people should be told.
PATIENCE = timedelta(hours=24)
# A bug may be bad luck once or twice; then it ends the task, loudly.
MOST_CRASHES = 3
CONCLUDE_SECONDS = 900.0

Step = Callable[[Work], Awaitable[None]]


class Refused(JourneymanError):
    """The person who asked may not; `needs` and `has` are the roles."""

    def __init__(self, needs: str, has: str) -> None:
        super().__init__(f"starting a task here needs the {needs} role; they have {has}")
        self.needs = needs
        self.has = has


class Lifecycle:
    """The durable path of every task; `advance` is the one step that the engine repeats."""

    def __init__(
        self,
        database: Database,
        interruptions: Interruptions,
        phases: Mapping[str, Step],
        forge_of: Callable[[Session], Forge],
        timeout_seconds: float,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._interruptions = interruptions
        self._phases = phases
        self._forge_of = forge_of
        self._timeout = timeout_seconds
        self._wake = wake

    async def advance(self, task_id: str, run: int) -> bool:
        """Do the task's next step; False when this run of it is over."""
        work = await Work.load(self._database, task_id)
        if work.task.runs != run:
            return False  # a later run took over
        if work.task.status in ENDED:
            return await self._epilogue(work)
        with structlog.contextvars.bound_contextvars(task=task_id, phase=work.task.phase):
            await self._step(work)
            await work.reload()
            if work.task.status not in ENDED:
                await self._show(work)
        goes_on = work.task.runs == run
        if not goes_on:
            self._wake()
        return goes_on

    async def _epilogue(self, work: Work) -> bool:
        """Let the outside say that the task has ended; the last step of its last run."""
        if not work.facts.get("shown"):
            try:
                await self._forge_of(work.session).epilogue(work)
            except (WorldFault, UserFault) as problem:
                log.warning("status.not_shown", task=work.id, why=str(problem))
            await work.note(shown=True)
        return False

    async def _step(self, work: Work) -> None:
        if work.task.cancel_wanted is not None and work.task.phase != Phase.CONCLUDE:
            await work.conclude(TaskState.CANCELLED, None, work.task.cancel_wanted)
            return
        try:
            await self._interruptions.guard(work.id, self._seconds_left(work), lambda: self._do(work))
        except TimeIsUp:
            await work.fail(Reason.TIMEOUT, f"the time limit of {self._timeout / 60:.0f} minutes is reached")
        except Interrupted as why:
            await work.conclude(TaskState.CANCELLED, None, str(why))
        except Refused as problem:
            await work.note(refusal={"needs": problem.needs, "has": problem.has})
            await work.fail(Reason.REFUSED, str(problem))
        except WorldFault as problem:
            await self._wait_out(work, problem)
        except UserFault as problem:
            await self._cannot(work, str(problem))
        except Exception as problem:  # the task boundary: ours, loud, and never silent for people
            log.exception("step.crashed")
            await self._crashed(work, problem)

    async def _do(self, work: Work) -> None:
        await self._phases[work.task.phase](work)
        if work.facts.get("world") or work.facts.get("crashes"):
            await work.note(world=None, crashes=0)

    def _seconds_left(self, work: Work) -> float:
        if work.task.phase == Phase.CONCLUDE:
            return CONCLUDE_SECONDS
        if work.task.started_at is None:
            return self._timeout
        waited = timedelta(seconds=work.facts.get("waited_seconds", 0))
        return self._timeout - (clock.now() - work.task.started_at - waited).total_seconds()

    async def _cannot(self, work: Work, why: str) -> None:
        """Someone must change something: the task ends `blocked`, or ends as it was about to, unannounced."""
        if work.task.phase == Phase.CONCLUDE:
            log.warning("conclusion.incomplete", why=why)
            await self._close(work)
        else:
            await work.fail(Reason.BLOCKED, why)

    async def _crashed(self, work: Work, problem: Exception) -> None:
        crashes = int(work.facts.get("crashes", 0)) + 1
        await work.note(crashes=crashes)
        if crashes < MOST_CRASHES:
            return
        if work.task.phase == Phase.CONCLUDE:
            await self._close(work)
        else:
            await work.fail(
                Reason.ERROR, f"Journeyman itself failed ({type(problem).__name__}); the log has details"
            )

    async def _close(self, work: Work) -> None:
        outcome = work.facts["outcome"]
        async with self._database.transaction() as writing:
            await tasks.finish(
                writing, work.id, TaskState(outcome["status"]),
                Reason(outcome["reason"]) if outcome["reason"] else None, error_message=outcome["why"],
            )  # fmt: skip

    async def _wait_out(self, work: Work, problem: WorldFault) -> None:
        """Wait as asked or with backoff; after five minutes give up the slot, not the task."""
        now = clock.now()
        world = work.facts.get("world") or {"attempts": 0, "since": now.timestamp()}
        world["attempts"] += 1
        seconds = failures.backoff(world["attempts"] - 1, problem.retry_after)
        since = now.timestamp() - world["since"]
        log.warning("world.waits", why=str(problem), seconds=round(seconds, 1), attempt=world["attempts"])
        if since > PATIENCE.total_seconds():
            await self._cannot(work, f"{problem} (for {since / 3600:.0f} hours)")
            return
        waited = work.facts.get("waited_seconds", 0) + seconds
        await work.note(world=world, waited_seconds=waited)
        if since + seconds < SLOT_SECONDS:
            with suppress(Interrupted):  # the next step sees the wish in the row
                await self._interruptions.guard(work.id, seconds + 60, lambda: asyncio.sleep(seconds))
            return
        async with self._database.transaction() as writing:
            if work.task.status is not TaskState.PENDING:
                await tasks.move(writing, work.id, TaskState.PAUSED, paused_by=PausedBy.MODEL_OUTAGE)
            await tasks.yield_slot(
                writing, work.id, now + timedelta(seconds=seconds), progress=f"waiting: {problem}"
            )

    async def _show(self, work: Work) -> None:
        """Bring the outside to what is; a failure to show never stops the work."""
        try:
            await self._forge_of(work.session).show(work)
        except (WorldFault, UserFault) as problem:
            log.warning("status.not_shown", why=str(problem))
