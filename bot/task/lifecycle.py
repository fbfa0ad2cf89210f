"""Move a task one step along its path, and decide what each kind of failure does to it."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from weakref import WeakValueDictionary

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from bot import repeatable
from bot.claude import failures
from bot.errors import JourneymanError, Refused, UserFault, WorldFault
from bot.github import faults
from bot.task import ending
from bot.task.forge import Forge
from bot.task.interruption import Interrupted, Interruptions, TimeIsUp
from bot.task.work import ENDINGS, Phase, Superseded, Transcript, Work
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
# What remains to be done when the outcome is settled must not be cut short by the task's own time limit.
CLOSING_SECONDS = 900.0
# A shorter wait is over before anyone has read of it.
WAIT_WORTH_TELLING = 10.0
ON_GITHUB = (faults.RateLimited, faults.Unavailable, faults.Uncertain)
# Of an OSError: what passes when someone makes room, and is no fault of the task.
EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

Step = Callable[[Work], Awaitable[None]]


class TooLittle(WorldFault):
    """The machine is short of something that may come back: disk, memory, descriptors."""


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
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._transcripts: dict[str, Transcript] = {}

    async def advance(self, task_id: str, run: int) -> bool:
        """Do the task's next step; False when this run of it is over.

        Two runs of a task take turns here; in other processes it is the row that lets the latest write only.
        """
        async with self._database.reading() as reading:
            if (await tasks.get(reading, task_id)).runs != run:
                return False  # a later run took over, and need not be waited for
        turn = self._turns.setdefault(task_id, asyncio.Lock())
        async with turn:
            goes_on = await self._advance(task_id, run)
            if not goes_on:
                self._transcripts.pop(task_id, None)
            return goes_on

    async def _advance(self, task_id: str, run: int) -> bool:
        transcript = self._transcripts.setdefault(task_id, Transcript())
        work = await Work.load(self._database, task_id, run, transcript)
        if work.task.runs != run:
            return False  # a later run took over
        with structlog.contextvars.bound_contextvars(task=task_id, phase=work.task.phase):
            try:
                if work.task.status in ENDED:
                    return await self._epilogue(work)
                await self._step(work)
            except Superseded as why:
                log.info("run.superseded", why=str(why))
                return False
            await work.reload()
            # An edit that is spent right before the end keeps the end itself waiting (docs/decisions/0008).
            if work.task.status not in ENDED and work.task.phase not in ENDINGS:
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
                log.warning("status.not_shown", why=str(problem))
            except Exception:
                log.exception("status.not_shown")  # the task has ended all the same
            await work.note(shown=True)
        return False

    async def _step(self, work: Work) -> None:
        await self._come_back(work)
        stoppable = not _settled(work)
        if work.task.cancel_wanted is not None and stoppable:
            await self._cancel(work, work.task.cancel_wanted)
            return
        if work.task.pause_wanted is not None and stoppable and work.task.phase != Phase.ADMIT:
            await self._rest(work)
            return
        try:
            await self._interruptions.guard(
                work.id, self._seconds_left(work), lambda: self._do(work), stoppable=stoppable
            )
        except TimeIsUp:
            await self._out_of_time(work)
        except Interrupted as why:
            await work.reload()
            if not _settled(work):
                await self._cancel(work, str(why))
        except (Superseded, OperationalError, InterfaceError):
            raise  # not ours any more; or the database is away, and whoever called us comes again
        except WorldFault as problem:
            await self._wait_out(work, problem)
        except JourneymanError as problem:
            await self._cannot(work, problem)
        except Exception as problem:  # the task boundary: ours, loud, and never silent for people
            if isinstance(problem, OSError) and problem.errno in EXHAUSTED:
                await self._wait_out(work, TooLittle(f"this machine has too little: {problem.strerror}"))
                return
            log.exception("step.crashed")
            await self._crashed(work, f"Journeyman itself failed ({type(problem).__name__})")

    async def _cancel(self, work: Work, why: str) -> None:
        """Set the course for the end that people, or what happened to the repository, want."""
        if work.task.cancel_as is not None:
            await work.fail(work.task.cancel_as, why)
        else:
            await work.conclude(TaskState.CANCELLED, None, why)

    async def _rest(self, work: Work) -> None:
        """Give up the slot until the person who paused it, or another, lets it go on."""
        async with work.writing() as writing:
            await tasks.move(
                writing, work.id, TaskState.PAUSED, paused_by=PausedBy.PERSON,
                progress=f"paused by @{work.task.pause_wanted}",
            )  # fmt: skip
            await tasks.set_facts(writing, work.id, away_since=clock.now().timestamp())
            await tasks.yield_slot(writing, work.id, None)

    async def _do(self, work: Work) -> None:
        await self._phases[work.task.phase](work)
        if work.facts.get("world") or work.facts.get("crashes"):
            await work.note(world=None, crashes=0)

    def _seconds_left(self, work: Work) -> float:
        if _settled(work):
            return CLOSING_SECONDS
        if work.task.started_at is None:
            return self._timeout
        waited = timedelta(seconds=work.facts.get("waited_seconds", 0))
        return self._timeout - (clock.now() - work.task.started_at - waited).total_seconds()

    async def _out_of_time(self, work: Work) -> None:
        await work.reload()
        if _settled(work):  # it hangs, and may do so again: that must not go on for ever
            await self._crashed(work, f"the end was not reached in {CLOSING_SECONDS / 60:.0f} minutes")
        else:
            await work.fail(Reason.TIMEOUT, f"the time limit of {self._timeout / 60:.0f} minutes is reached")

    async def _cannot(self, work: Work, problem: JourneymanError) -> None:
        """Asking again would change nothing: the task ends, or ends as it was about to, unannounced."""
        if work.task.phase == Phase.CONCLUDE:
            log.warning("conclusion.incomplete", why=str(problem))
            await self._close(work)
        elif isinstance(problem, Refused):
            await work.note(refusal=problem.facts)
            await work.fail(Reason.REFUSED, str(problem))
        else:
            # What a person can mend blocks the task; the rest is ours, and says so.
            blocked = isinstance(problem, UserFault | WorldFault)
            await work.fail(Reason.BLOCKED if blocked else Reason.ERROR, str(problem))

    async def _crashed(self, work: Work, why: str) -> None:
        await work.reload()
        crashes = int(work.facts.get("crashes", 0)) + 1
        await work.note(crashes=crashes)
        if work.task.phase == Phase.CONCLUDE and "kept" not in work.facts:
            # Keeping the work is the likelier culprit, and the last word the more important.
            await work.note(kept=f"The work could not be kept: {why}.")
        if crashes < MOST_CRASHES:
            return
        if work.task.phase == Phase.CONCLUDE:
            await self._close(work)
        else:
            await work.fail(Reason.ERROR, f"{why}; the log has details")

    async def _close(self, work: Work) -> None:
        outcome = work.facts["outcome"]
        await ending.end(
            work, TaskState(outcome["status"]), Reason(outcome["reason"]) if outcome["reason"] else None,
            error_message=outcome["why"],
        )  # fmt: skip

    async def _wait_out(self, work: Work, problem: WorldFault) -> None:
        """Wait as asked or with backoff; after five minutes give up the slot, not the task."""
        await work.reload()
        now = clock.now()
        known = work.facts.get("world") or {"attempts": 0, "since": now.timestamp()}
        attempts, since = known["attempts"] + 1, now.timestamp() - known["since"]
        seconds = failures.backoff(attempts - 1, problem.retry_after)
        log.warning("world.waits", why=str(problem), seconds=round(seconds, 1), attempt=attempts)
        if since > PATIENCE.total_seconds():
            await self._cannot(work, WorldFault(f"{problem} (for {since / 3600:.0f} hours)"))
            return
        until = now + timedelta(seconds=seconds)
        world = {
            "attempts": attempts,
            "since": known["since"],
            "for": _whom(problem),
            "until": until.timestamp(),
        }
        await work.note(world=world, away_since=now.timestamp())
        if since + seconds < SLOT_SECONDS:
            if seconds >= WAIT_WORTH_TELLING:
                await self._show(work)
            with suppress(Interrupted), repeatable.part():  # the next step sees the wish in the row
                await self._interruptions.guard(
                    work.id, seconds + 60, lambda: asyncio.sleep(seconds), stoppable=not _settled(work)
                )
            await self._come_back(work)
            return
        async with work.writing() as writing:
            if work.task.status is not TaskState.PENDING:
                await tasks.move(writing, work.id, TaskState.PAUSED, paused_by=PausedBy.MODEL_OUTAGE)
            await tasks.yield_slot(writing, work.id, until, progress=f"waiting: {problem}"[:500])

    async def _come_back(self, work: Work) -> None:
        """Keep the time that the world made us wait, a slot included, off the task's clock."""
        since = work.facts.get("away_since")
        if since is None:
            return
        away = max(0.0, clock.now().timestamp() - since) if work.task.started_at is not None else 0.0
        await work.note(away_since=None, waited_seconds=work.facts.get("waited_seconds", 0) + away)
        if work.task.paused_by in {PausedBy.MODEL_OUTAGE, PausedBy.PERSON}:
            await work.move(TaskState.RUNNING, progress="going on")

    async def _show(self, work: Work) -> None:
        """Bring the outside to what is; a failure to show never stops the work."""
        try:
            await self._forge_of(work.session).show(work)
        except (WorldFault, UserFault) as problem:
            log.warning("status.not_shown", why=str(problem))
        except Exception:
            log.exception("status.not_shown")


def _settled(work: Work) -> bool:
    """Whether the outcome is certain: the task is ending, or its pull request is open."""
    return work.task.phase == Phase.CONCLUDE or (
        work.task.phase == Phase.DELIVER and work.facts.get("proposed") is not None
    )


def _whom(problem: WorldFault) -> str:
    """Name whom we wait for, in the words of the status comment."""
    if isinstance(problem, failures.Unavailable):
        return "the model provider"
    if isinstance(problem, TooLittle):
        return "this machine"
    return "GitHub" if isinstance(problem, ON_GITHUB) else "the network"
