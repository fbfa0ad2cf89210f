"""Decide which webhooks GitHub should send once more: those that never reached us."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from cachetools import LRUCache

from bot.github import faults, sweep
from bot.github.calls import Caller
from bot.github.sweep import Attempt
from storage import sweeps, watched
from storage.database import Database

log = structlog.get_logger(__name__)

# GitHub forgets a delivery after three days ("Redelivering webhooks").
KEPT = timedelta(days=3)
MOST = 100  # of one sweep
# A delivery may be listed a while after it was tried; GitHub waits ten seconds for an answer.
OVERLAP = timedelta(minutes=10)
GRACE = timedelta(seconds=30)
# After that for the second time, then after twice as long, ...; the eighth is two days later and the last.
AGAIN = timedelta(minutes=10)
MOST_TRIES = 8
# Where the sweep keeps how far it has looked at the App's deliveries, beside the ids of repositories.
DELIVERIES = -2
_TOGETHER = 500  # ids in one query


class Redelivery:
    """The look at the App's own record of deliveries."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        # The record shows what was asked a little later.
        self._asked: LRUCache[str, datetime] = LRUCache(10_000)
        self._is_silent = False

    async def once(self, app: Caller) -> set[str]:
        """Have redelivered what failed and is due, oldest first; return the guids. Raises WorldFault."""
        begun = self._now()
        async with self._database.reading() as session:
            known_until = await sweeps.since(session, DELIVERIES)
        since = max(begun - KEPT, (known_until or begun - KEPT) - OVERLAP)
        try:
            attempts = await sweep.attempts(app, since)
        except faults.Refused as fault:
            if not self._is_silent:
                log.warning("sweep.no_deliveries", why=str(fault))
            self._is_silent = True  # a server without this list has none the next time either
            return set()
        failed = await self._failed(attempts)
        due = [tries for tries in failed if self._is_due(tries)]
        asked = {tries[0].guid for tries in due[:MOST] if await self._redeliver(app, tries)}
        # What is still to be tried must be found by the next look.
        until = min([begun, *(tries[-1].at for tries in failed)])
        async with self._database.transaction() as session:
            await sweeps.reached(session, DELIVERIES, until)
        return asked

    async def _failed(self, attempts: Sequence[Attempt]) -> list[list[Attempt]]:
        """Return the attempts, newest first, of each event that did not reach us; the oldest event first."""
        by_guid: dict[str, list[Attempt]] = {}
        for attempt in sorted(attempts, key=lambda each: each.at, reverse=True):
            by_guid.setdefault(attempt.guid, []).append(attempt)
        failed = [
            tries
            for tries in by_guid.values()
            if not tries[0].succeeded and sum(each.redelivery for each in tries) < MOST_TRIES
        ]
        guids = [tries[0].guid for tries in failed]
        stored: set[str] = set()
        async with self._database.reading() as session:
            for start in range(0, len(guids), _TOGETHER):
                stored |= await watched.heard(session, guids[start : start + _TOGETHER])
        # Of what happened within one second, the record's own order tells what came first.
        lost = [tries for tries in reversed(failed) if tries[0].guid not in stored]
        return sorted(lost, key=lambda tries: tries[-1].at)

    def _is_due(self, tries: Sequence[Attempt]) -> bool:
        last = tries[0]
        again = [each.at for each in tries if each.redelivery]
        asked = self._asked.get(last.guid)
        moments = [*again, *([asked] if asked else [])]
        if not moments:
            return self._now() - last.at >= GRACE  # it may be on its way to us
        return self._now() - max(moments) >= AGAIN * float(2 ** max(0, len(again) - 1))

    async def _redeliver(self, app: Caller, tries: Sequence[Attempt]) -> bool:
        last = tries[0]
        self._asked[last.guid] = self._now()
        try:
            await sweep.redeliver(app, last)
        except faults.Refused as fault:
            log.info("sweep.not_redelivered", delivery=last.guid, why=str(fault))
            return False
        log.info("sweep.redelivered", delivery=last.guid, gh_event=last.event, action=last.action)
        return True
