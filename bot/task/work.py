"""Hold what one step of a task works with: the rows as they are now, and the verbs that change them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import JourneymanError
from bot.task.budget import Account
from storage import interactions, sessions, tasks
from storage.database import Database
from storage.models import Interaction, Session, Task
from storage.words import InteractionType, PausedBy, Reason, TaskState

Entry = tuple[InteractionType, dict[str, Any]]

MOST_WHY = 2_000  # characters of a failure's sentence; evidence quotes what programs print


class Phase:
    """The places of a task's path that a restart comes back to, in order."""

    ADMIT = tasks.ADMIT
    PREPARE = "prepare"
    CONVERSE = "converse"
    PROVE = "prove"
    DELIVER = "deliver"
    CONCLUDE = "conclude"  # ends FAILED or CANCELLED, as `facts["outcome"]` says


# What remains is a matter of seconds, as a rule.
ENDINGS = frozenset({Phase.DELIVER, Phase.CONCLUDE})


@dataclass(frozen=True)
class Caps:
    """The hard limits of one task."""

    budget_usd: Decimal
    daily_usd: Decimal
    iterations: int
    steps: int
    pauses: int
    cadence: tuple[int, int] = (3, 5)


class Superseded(JourneymanError):
    """A later run of the task has taken over: this one must not write any more."""


class Transcript:
    """A task's conversation as far as it was read: it only grows, so only what is new is read again."""

    def __init__(self) -> None:
        self._entries: list[Interaction] = []

    async def read(self, database: Database, task_id: str) -> list[Interaction]:
        """Return all of it, oldest first."""
        seen = self._last
        async with database.reading() as reading:
            more = await interactions.of_task(reading, task_id, after=seen)
        self._entries += [entry for entry in more if entry.seq > self._last]
        return list(self._entries)

    @property
    def _last(self) -> int:
        return self._entries[-1].seq if self._entries else 0


class Work:
    """A task and its session; every change is committed before the next line runs.

    With a run's number, every change is refused (Superseded) once a later run of the task exists.
    """

    def __init__(
        self,
        database: Database,
        task: Task,
        session: Session,
        run: int | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        self.database = database
        self.task = task
        self.session = session
        self.transcript = transcript or Transcript()
        self._run = run

    @classmethod
    async def load(
        cls, database: Database, task_id: str, run: int | None = None, transcript: Transcript | None = None
    ) -> Self:
        """Read the task and its session."""
        async with database.reading() as reading:
            task = await tasks.get(reading, task_id)
            return cls(database, task, await sessions.get(reading, task.session_id), run, transcript)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that holds the task's row; afterwards `task` is as the transaction left it.

        Raises Superseded when the run is not the latest.
        """
        async with self.database.transaction() as writing:
            if self._run is not None:
                await tasks.set_facts(writing, self.task.id)  # takes the row's lock
                if (await tasks.get(writing, self.task.id)).runs != self._run:
                    raise Superseded(f"run {self._run} of task {self.task.id} is not the latest any more")
            yield writing
            row = await tasks.get(writing, self.task.id)
            await writing.refresh(row)
        self.task = row

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def facts(self) -> dict[str, Any]:
        """The task's own notes, as last read."""
        return self.task.facts

    def account(self, caps: Caps) -> Account:
        """Whose money is spent."""
        session = self.session
        repository = str(session.repository_id or session.project_path or session.repository)
        return Account(self.database, self.task.id, repository, caps.budget_usd, caps.daily_usd)

    async def reload(self) -> None:
        """Read both rows again."""
        fresh = await Work.load(self.database, self.task.id)
        self.task, self.session = fresh.task, fresh.session

    async def change(self, **values: Any) -> None:
        """Set columns of the task."""
        async with self.writing() as writing:
            await tasks.change(writing, self.task.id, **values)

    async def note(self, **facts: Any) -> None:
        """Merge facts into the task's notes."""
        async with self.writing() as writing:
            await tasks.set_facts(writing, self.task.id, **facts)

    async def change_session(self, **values: Any) -> None:
        """Set columns of the session."""
        async with self.writing() as writing:
            await sessions.change(writing, self.session.id, **values)
        await self.reload()

    async def move(self, status: TaskState, phase: str | None = None, **values: Any) -> None:
        """Move to a live state, and to a phase when one is given."""
        if phase is not None:
            values["phase"] = phase
        async with self.writing() as writing:
            await tasks.move(writing, self.task.id, status, **values)

    async def go_to(self, phase: str) -> None:
        """Let the next step be the first of that phase."""
        await self.change(phase=phase)

    async def conclude(self, status: TaskState, reason: Reason | None, why: str) -> None:
        """Set the course for an end without a pull request; the first reason given stays."""
        outcome = {"status": status, "reason": reason, "why": why[:MOST_WHY]}
        async with self.writing() as writing:
            if "outcome" not in self.facts:
                # What crashed on the way here does not count against the ending.
                await tasks.set_facts(writing, self.task.id, outcome=outcome, crashes=0)
            await tasks.change(writing, self.task.id, phase=Phase.CONCLUDE)

    async def fail(self, reason: Reason, why: str) -> None:
        """Set the course for FAILED(reason)."""
        await self.conclude(TaskState.FAILED, reason, why)

    async def entries(self) -> list[Interaction]:
        """Return the conversation so far."""
        return await self.transcript.read(self.database, self.task.id)

    async def append(self, *entries: Entry, **values: Any) -> None:
        """Add to the conversation and set columns of the task, together."""
        async with self.writing() as writing:
            await interactions.append(writing, self.task.id, list(entries))
            if values:
                await tasks.change(writing, self.task.id, **values)

    async def speak(self, entry: Entry, **values: Any) -> None:
        """Let the simulated human say something: the task is PAUSED while it speaks."""
        await self.move(TaskState.PAUSED, paused_by=PausedBy.SIMULATED_HUMAN)
        async with self.writing() as writing:
            await interactions.append(writing, self.task.id, [entry])
            await tasks.move(writing, self.task.id, TaskState.RUNNING, **values)
