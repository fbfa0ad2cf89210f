"""Ask GitHub every few minutes for what we never heard of: webhooks get lost, and nobody sends them again."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from cachetools import LRUCache
from gidgethub import routing

from bot.engine import look
from bot.engine.look import Looked
from bot.engine.missed import Missed
from bot.engine.redelivery import Redelivery
from bot.errors import Blocked, JourneymanError, WorldFault
from bot.github import faults, sweep
from bot.github.client import GitHub, Installation
from bot.github.sweep import Installed, Place
from handlers import routes
from storage import clock, sweeps, turn, watched
from storage.database import Database

log = structlog.get_logger(__name__)

# From start to start. With the look below and the half minute that what is fresh waits: under five minutes.
EVERY = timedelta(seconds=240)
# Of many workers any may be the next to sweep, so that it goes on when one dies.
LOOK_SECONDS = 20.0
# An event that we asked for again is on its way; what is compared meanwhile would be found lost.
PATIENCE_SECONDS = 20.0
# Any constant does, as long as every Journeyman uses the same.
TURN = 0x73776570
# Where it is kept when the last sweep began, beside the ids of repositories.
LAST_SWEEP = -1
NEVER = datetime.min.replace(tzinfo=UTC)
_INSTALLATIONS_TOGETHER = 4
_MOST_FAILURES = 3  # in a row: then GitHub is away, and every further repository would wait for it in vain

# What a sweep may cost. A repository takes two questions (its labelled issues, its new comments), one more
# the first time (its configuration), and up to two for each open session and each open pull request of ours.
# An answer that has not changed is a 304, which GitHub does not count, so only changed lists are paid for. An
# installation's purse holds 600 of them and gets 60 at each of an hour's 15 sweeps: at most
# 600 + 15 * 60 = 1,500 in any hour, of the 5,000 that GitHub grants. A start pays for every list once: the
# first sweep sees up to 200 new repositories, or 300 known ones, and each later one all of them while fewer
# than 60 lists change in four minutes. Beyond that those not seen for the longest time come first.
PURSE = 600.0
ALLOWANCE = 60.0


class Sweeping:
    """The sweep for missed events: one at a time, of all workers that share a database."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        label: str,
        dispatched: Callable[[], None],
        now: Callable[[], datetime] = clock.now,
        router: routing.Router | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._database = database
        self._github = github
        self._dispatched = dispatched
        self._now = now
        self._patience_seconds = patience_seconds
        self._label = label
        self._missed = Missed(database, router or routes.router(), label, now)
        self._redelivery = Redelivery(database, now)
        self._sweeping = asyncio.Lock()
        self._has_begun = False
        self._purses: dict[int, float] = {}
        self._looked: LRUCache[int, datetime] = LRUCache(50_000)

    async def run(self) -> None:
        """Sweep now and every few minutes until cancelled."""
        while True:
            try:
                if not self._has_begun or await self._is_due():
                    await self.once()
            except JourneymanError as problem:
                log.warning("sweep.unavailable", why=str(problem))
            except Exception:
                log.exception("sweep.failed")  # the next one tries again
            self._has_begun = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_due(self) -> bool:
        async with self._database.reading() as session:
            last = await sweeps.since(session, LAST_SWEEP)
        return last is None or abs(self._now() - last) >= EVERY  # ahead of us: a clock was set back

    async def once(self) -> int:
        """Sweep, unless a sweep is under way here or in another worker; return how many Requests it made.

        Raises WorldFault and Refused when GitHub does not even name the installations.
        """
        if self._sweeping.locked():
            return 0
        async with self._sweeping, turn.only(self._database, TURN) as ours:
            return await self._sweep() if ours else 0

    async def _sweep(self) -> int:
        begun = self._now()
        async with self._database.transaction() as session:
            await sweeps.reached(session, LAST_SWEEP, begun)
            await sweeps.goes_by(session, self._label, begun)
        await self._redeliver()
        together = asyncio.Semaphore(_INSTALLATIONS_TOGETHER)
        installed = await sweep.installations(self._github.app())
        found = await asyncio.gather(*(self._installation(each, together) for each in installed))
        seconds = (self._now() - begun).total_seconds()
        log.info("sweep.done", installations=len(installed), recovered=sum(found), seconds=round(seconds, 1))
        return sum(found)

    async def _redeliver(self) -> None:
        """Have failed deliveries sent again, and wait until they are stored, but not for long."""
        try:
            asked = await self._redelivery.once(self._github.app())
        except JourneymanError as problem:
            log.warning("sweep.deliveries_unavailable", why=str(problem))
            return
        except Exception:
            log.exception("sweep.deliveries_failed")
            return
        late, ends = asked, time.monotonic() + self._patience_seconds
        while late and time.monotonic() < ends:
            await asyncio.sleep(0.2)
            async with self._database.reading() as session:
                late = late - await watched.heard(session, sorted(late))
        if late:
            log.info("sweep.redelivery_late", late=len(late), asked=len(asked))

    async def _installation(self, installed: Installed, together: asyncio.Semaphore) -> int:
        """Look at the installation's repositories; nothing that goes wrong there stops the other ones."""
        async with together:
            installation = self._github.for_installation(installed.id)
            try:
                places = await self._repositories(installation)
                living = [each for each in places if not each.archived]
                return await self._places(installation, living, installed.created_at)
            except (Blocked, WorldFault) as fault:
                log.info("sweep.installation_closed", installation=installed.id, why=str(fault))
            except Exception:
                log.exception("sweep.installation_failed", installation=installed.id)
            return 0

    async def _repositories(self, installation: Installation) -> list[Place]:
        """Return the installation's repositories; those we know of, where a server has no list of them."""
        try:
            return await sweep.repositories(installation)
        except (faults.NotFound, faults.Invalid):
            async with self._database.reading() as session:
                names = await watched.heard_of(session, installation.id)
        found: list[Place] = []
        for name in names:
            try:
                found.append(await sweep.repository(installation, name))
            except faults.NotFound:
                log.info("sweep.repository_gone", repository=name)
        return found

    async def _places(
        self, installation: Installation, places: list[Place], installed_at: datetime | None
    ) -> int:
        """Look at as many repositories as the purse allows, those first that were not seen for longest."""
        purse = self._purses.get(installation.id, PURSE - ALLOWANCE) + ALLOWANCE
        found = failures = 0
        places = sorted(places, key=lambda place: self._looked.get(place.id, NEVER))
        for seen, place in enumerate(places):
            if purse <= 0 or failures >= _MOST_FAILURES:
                log.info("sweep.postponed", installation=installation.id, repositories=len(places) - seen)
                break
            self._looked[place.id] = self._now()
            looked = await self._place(installation, place, installed_at)
            failures = failures + 1 if looked is None else 0
            if looked is not None:
                found += looked.recovered
                purse -= looked.changed
        self._purses[installation.id] = min(purse, PURSE)
        return found

    async def _place(
        self, installation: Installation, place: Place, installed_at: datetime | None
    ) -> Looked | None:
        """Look at one repository; None when that failed."""
        try:
            looked = await self._missed.look(installation, place, installed_at)
        except look.CLOSED_DOORS:
            raise
        except WorldFault as fault:
            log.info("sweep.unavailable", repository=place.full_name, why=str(fault))
            return None
        except Exception:
            log.exception("sweep.repository_failed", repository=place.full_name)
            return None
        if looked.recovered:
            self._dispatched()
        return looked
