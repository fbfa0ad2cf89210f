"""Interrupt what a task does at the moment someone wants it stopped, or its time is over."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from storage import tasks
from storage.database import Database

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5


class Interrupted(Exception):
    """The task's work was cut off; the text says who or what wanted that."""


class TimeIsUp(Interrupted):
    """The task's wall clock ran out."""


class Interruptions:
    """Watch the tasks at work in this process; the wish to stop is a column, so any process may make it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._why: dict[str, str] = {}

    async def run(self) -> None:
        """Look for wishes to stop until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.once()
            except Exception:
                log.exception("interruptions.failed")  # the database may be away; the next look tries again

    async def once(self) -> None:
        """Cut off the work of every task that someone wants stopped."""
        if not self._at_work:
            return
        async with self._database.reading() as session:
            unwanted = await tasks.unwanted(session, list(self._at_work))
        for task_id, why in unwanted.items():
            unit = self._at_work.pop(task_id, None)
            if unit is not None:
                self._why[task_id] = why
                unit.cancel()

    async def guard(
        self, task_id: str, seconds: float, work: Callable[[], Awaitable[None]], *, stoppable: bool = True
    ) -> None:
        """Do the work; raises Interrupted when someone stops it first, TimeIsUp after that many seconds.

        Not `stoppable`: it is the stopping itself, or too late to stop.
        """
        unit = asyncio.create_task(_call(work))
        if stoppable:
            self._at_work[task_id] = unit
        try:
            async with asyncio.timeout(seconds):
                await unit
        except TimeoutError:
            if not unit.cancelled():
                raise  # the work's own, not ours
            raise TimeIsUp("the task's time is over") from None
        except asyncio.CancelledError:
            if task_id not in self._why or _cancelled_ourselves():
                raise
            raise Interrupted(self._why[task_id]) from None
        finally:
            self._at_work.pop(task_id, None)
            self._why.pop(task_id, None)
            if not unit.done():
                unit.cancel()
                await asyncio.wait([unit])


def _cancelled_ourselves() -> bool:
    """Whether it is the process that ends, and not only this piece of work."""
    own = asyncio.current_task()
    return own is not None and own.cancelling() > 0


async def _call(work: Callable[[], Awaitable[None]]) -> None:
    await work()
