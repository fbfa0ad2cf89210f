"""Say that this worker lives, and take up the work of those that no longer do."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from storage import workers
from storage.database import Database

log = structlog.get_logger(__name__)

BEAT_SECONDS = 5.0
# Several beats: a stalled disk or a long garbage collection is not a death.
TTL_SECONDS = 30.0
# A dead worker's rows were swept many times by then.
REMEMBER_SECONDS = 86_400.0


class Runs(Protocol):
    """What this room needs of the engine."""

    async def recover(self, executor_ids: list[str]) -> None:
        """Free the runs of dead processes."""


def give_up() -> None:
    """End this process at once: others have taken its work, and every further step would be done twice."""
    os._exit(75)


class Takeover:
    """One worker of many on PostgreSQL: as an async context manager it beats until the block ends.

    `mark` is a file in the data directory, which one worker at a time owns: who wrote it before us is dead.
    """

    def __init__(
        self,
        database: Database,
        runs: Runs,
        worker_id: str,
        mark: Path,
        clock: Callable[[], float] = time.monotonic,
        die: Callable[[], None] = give_up,
        beat_seconds: float = BEAT_SECONDS,
        ttl_seconds: float = TTL_SECONDS,
    ) -> None:
        self._database = database
        self._runs = runs
        self._id = worker_id
        self._mark = mark
        self._clock = clock
        self._die = die
        self._beat_seconds = beat_seconds
        self._ttl_seconds = ttl_seconds
        self._last: float | None = None  # of our beats, the latest
        self._steady_since = 0.0  # since when none of them was missed
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Enter the table; the engine may take work from now on."""
        async with self._database.transaction() as session:
            if self._mark.exists():
                await workers.leave(session, self._mark.read_text(encoding="utf-8"))
            await workers.enter(session, self._id)
        self._mark.write_text(self._id, encoding="utf-8")
        self._beating = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave, so that others go on at once with what we did not finish."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        with contextlib.suppress(SQLAlchemyError, OSError):  # they will find out by themselves
            async with self._database.transaction() as session:
                await workers.leave(session, self._id)

    async def run(self) -> None:
        """Beat and sweep until cancelled."""
        while True:
            try:
                await self.once()
            except Exception:
                log.exception("takeover.failed")  # the database may be away; the next beat tries again
            await asyncio.sleep(self._beat_seconds)

    async def once(self) -> None:
        """Give one sign of life; then free the work of the dead, if we are fit to judge who that is."""
        async with self._database.transaction() as session:
            alive = await workers.beat(session, self._id)
        if not alive:
            log.error("worker.given_up", worker=self._id)
            self._die()
            return
        now = self._clock()
        if self._last is None or now - self._last > self._ttl_seconds / 2:
            # While the database was away nobody could beat: give the others their time first.
            self._steady_since = now
        self._last = now
        await self._sweep(may_judge=now - self._steady_since >= self._ttl_seconds)

    async def _sweep(self, *, may_judge: bool) -> None:
        async with self._database.transaction() as session:
            fallen = await workers.give_up_silent(session, self._ttl_seconds) if may_judge else []
            dead = await workers.dead(session)
        for one in fallen:
            log.warning("worker.dead", worker=one, silent_seconds=self._ttl_seconds)
        if dead:
            await self._runs.recover(dead)
            async with self._database.transaction() as session:
                await workers.forget(session, dead, REMEMBER_SECONDS)
