"""Hold what one step of a task works with: the rows as they are now, and the verbs that change them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from bot.task.budget import Account
from storage import interactions, sessions, tasks
from storage.database import Database
from storage.models import Interaction, Session, Task
from storage.words import InteractionType, PausedBy, Reason, TaskState

Entry = tuple[InteractionType, dict[str, Any]]


class Phase:
    """The places of a task's path that a restart comes back to, in order."""

    ADMIT = tasks.ADMIT
    PREPARE = "prepare"
    CONVERSE = "converse"
    PROVE = "prove"
    DELIVER = "deliver"
    CONCLUDE = "conclude"  # ends FAILED or CANCELLED, as `facts["outcome"]` says


@dataclass(frozen=True)
class Caps:
    """The hard limits of one task."""

    budget_usd: Decimal
    daily_usd: Decimal
    iterations: int
    steps: int
    pauses: int
    cadence: tuple[int, int] = (3, 5)


class Work:
    """A task and its session; every change is committed before the next line runs."""

    def __init__(self, database: Database, task: Task, session: Session) -> None:
        self.database = database
        self.task = task
        self.session = session

    @classmethod
    async def load(cls, database: Database, task_id: str) -> Self:
        """Read the task and its session."""
        async with database.reading() as reading:
            task = await tasks.get(reading, task_id)
            return cls(database, task, await sessions.get(reading, task.session_id))

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
        return Account(self.database, self.task.id, self.session.repository, caps.budget_usd, caps.daily_usd)

    async def reload(self) -> None:
        """Read both rows again."""
        fresh = await Work.load(self.database, self.task.id)
        self.task, self.session = fresh.task, fresh.session

    async def change(self, **values: Any) -> None:
        """Set columns of the task."""
        async with self.database.transaction() as writing:
            await tasks.change(writing, self.task.id, **values)
        await self.reload()

    async def note(self, **facts: Any) -> None:
        """Merge facts into the task's notes."""
        async with self.database.transaction() as writing:
            await tasks.set_facts(writing, self.task.id, **facts)
        await self.reload()

    async def change_session(self, **values: Any) -> None:
        """Set columns of the session."""
        async with self.database.transaction() as writing:
            await sessions.change(writing, self.session.id, **values)
        await self.reload()

    async def move(self, status: TaskState, phase: str | None = None, **values: Any) -> None:
        """Move to a live state, and to a phase when one is given."""
        if phase is not None:
            values["phase"] = phase
        async with self.database.transaction() as writing:
            await tasks.move(writing, self.task.id, status, **values)
        await self.reload()

    async def go_to(self, phase: str) -> None:
        """Let the next step be the first of that phase."""
        await self.change(phase=phase)

    async def conclude(self, status: TaskState, reason: Reason | None, why: str) -> None:
        """Set the course for an end without a pull request; the first reason given stays."""
        if "outcome" not in self.facts:
            await self.note(outcome={"status": status, "reason": reason, "why": why})
        await self.go_to(Phase.CONCLUDE)

    async def fail(self, reason: Reason, why: str) -> None:
        """Set the course for FAILED(reason)."""
        await self.conclude(TaskState.FAILED, reason, why)

    async def entries(self) -> list[Interaction]:
        """Return the conversation so far."""
        async with self.database.reading() as reading:
            return await interactions.of_task(reading, self.task.id)

    async def append(self, *entries: Entry, **values: Any) -> None:
        """Add to the conversation and set columns of the task, together."""
        async with self.database.transaction() as writing:
            await interactions.append(writing, self.task.id, list(entries))
            if values:
                await tasks.change(writing, self.task.id, **values)
        await self.reload()

    async def speak(self, entry: Entry, **values: Any) -> None:
        """Let the simulated human say something: the task is PAUSED while it speaks."""
        await self.move(TaskState.PAUSED, paused_by=PausedBy.SIMULATED_HUMAN)
        async with self.database.transaction() as writing:
            await interactions.append(writing, self.task.id, [entry])
            await tasks.move(writing, self.task.id, TaskState.RUNNING, **values)
        await self.reload()
