"""Forget what is older than its owner wants it kept: payloads, what was said, snapshots, finished runs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from storage import answered, clock, deliveries, events, interactions, requests, snapshots
from storage.database import Database

log = structlog.get_logger(__name__)

EVERY_SECONDS = 86_400.0
# An API call is repeated within minutes; a day is what others keep idempotency keys for.
ANSWERED_FOR = timedelta(days=1)

Prune = Callable[[AsyncSession, datetime], Awaitable[int]]


class Runs(Protocol):
    """What this room needs of the engine."""

    async def forget(self, before: datetime) -> int:
        """Delete some runs that ended before that moment; 0 when none is left."""


class Retention:
    """The daily sweep. What people still look at stays: tasks, their outcome, their tests, their cost."""

    def __init__(
        self, database: Database, runs: Runs, days: int, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._database = database
        self._runs = runs
        self._days = days
        self._now = now

    async def run(self) -> None:
        """Sweep now and every day until cancelled."""
        while True:
            try:
                await self.once()
            except Exception:
                log.exception("retention.failed")  # tomorrow is another day
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Forget everything that is too old by now."""
        before = self._now() - timedelta(days=self._days)
        gone = {
            "deliveries": await self._all_of(deliveries.prune, before),
            "requests": await self._all_of(requests.forget, before),
            "interactions": await self._all_of(interactions.prune, before),
            "events": await self._all_of(events.prune, before),
            "snapshots": await self._all_of(snapshots.prune, before),
            "answered": await self._all_of(answered.prune, self._now() - ANSWERED_FOR),
            "runs": 0,
        }
        while some := await self._runs.forget(before):
            gone["runs"] += some
        if any(gone.values()):
            log.info("retention.swept", before=before.isoformat(), **gone)

    async def _all_of(self, prune: Prune, before: datetime) -> int:
        """Prune in small transactions: a long one would keep deliveries from being stored."""
        total = 0
        while True:
            async with self._database.transaction() as session:
                some = await prune(session, before)
            total += some
            if not some:
                return total
