"""A lifecycle whose phases a test writes itself, and an outside that counts."""

from collections.abc import Awaitable, Callable
from typing import Any

from bot.task import ending
from bot.task.interruption import Interruptions
from bot.task.lifecycle import Lifecycle
from bot.task.work import Phase, Work
from storage import clock
from storage.database import Database
from storage.models import Task
from storage.words import Reason, TaskState
from tests import records

Do = Callable[[Work], Awaitable[None]]


class Forge:
    """The outside; it counts what it is asked to say."""

    def __init__(self) -> None:
        self.shown = 0
        self.epilogues = 0
        self.problem: Exception | None = None

    async def show(self, work: Work) -> None:
        """Say how it goes."""
        del work
        self.shown += 1
        if self.problem:
            raise self.problem

    async def epilogue(self, work: Work) -> None:
        """Say that it is over."""
        del work
        self.epilogues += 1
        if self.problem:
            raise self.problem


class Life:
    """A lifecycle whose phases a test writes itself."""

    def __init__(self, database: Database, **phases: Do) -> None:
        self.database = database
        self.forge = Forge()
        self.watch = Interruptions(database)
        self.phases: dict[str, Do] = {"conclude": self.conclude, **phases}
        self.ended = 0
        self.woken = 0
        self.lifecycle = Lifecycle(
            database, self.watch, self.phases, lambda _: self.forge, 3600.0, self._wake  # type: ignore[arg-type, return-value]
        )  # fmt: skip

    def _wake(self) -> None:
        self.woken += 1

    async def conclude(self, work: Work) -> None:
        """End the task as its outcome says."""
        self.ended += 1
        outcome = work.facts["outcome"]
        await ending.end(
            work, TaskState(outcome["status"]), Reason(outcome["reason"]) if outcome["reason"] else None,
            error_message=outcome["why"],
        )  # fmt: skip

    async def run(self, task_id: str, most: int = 20) -> Task:
        """Be the engine until the run is over."""
        run = (await records.read_task(self.database, task_id)).runs
        for _ in range(most):
            if not await self.lifecycle.advance(task_id, run):
                return await records.read_task(self.database, task_id)
        raise AssertionError(f"not over after {most} steps")


async def working(database: Database, **values: Any) -> Task:
    """Add a task in the middle of its conversation."""
    return await records.a_task(
        database, status=TaskState.RUNNING, phase=Phase.CONVERSE, started_at=clock.now(), **values
    )
