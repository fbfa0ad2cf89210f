"""Find what happened in a repository that we never heard of, and store the Requests of it, once."""

from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from cachetools import LRUCache
from gidgethub import routing
from sqlalchemy.ext.asyncio import AsyncSession

from bot.engine.lost import Lost, Scene
from bot.errors import Blocked
from bot.github import faults, reads, sweep
from bot.github.client import Installation
from bot.github.sweep import Happened, Place, Said, Thread
from handlers import hearing
from storage import repositories, requests, sweeps, watched
from storage.database import Database
from storage.requests import Ask
from storage.watched import Watched
from storage.words import RequestKind

log = structlog.get_logger(__name__)

# What happened just now is probably on its way to us. A comment heard twice is one Request; a label is two.
GRACE = timedelta(seconds=30)
# A comment may become visible a while after newer ones.
OVERLAP = timedelta(minutes=10)
# Nothing more can be asked of the installation for now.
CLOSED_DOORS = (faults.RateLimited, faults.Suspended, faults.Uninstalled, faults.BadCredentials)
_MOST_REMEMBERED = 50_000

T = TypeVar("T")


@dataclass(frozen=True)
class Looked:
    """What a look cost and brought: lists that had changed, and lost events that became Requests."""

    recovered: int
    changed: int


@dataclass
class _Look:
    """One look at one repository: what we know of it, and what the look has come upon so far."""

    installation: Installation
    place: Place
    scene: Scene
    label: str
    sessions: list[Watched]
    known_until: datetime | None
    until: datetime
    labelled: set[int] | None = None  # the open issues that wear the label
    settled: dict[int, datetime] = field(default_factory=dict)
    changed: int = 0
    failure: faults.Unavailable | None = None

    @property
    def since(self) -> datetime:
        """From when on comments are looked at."""
        return self.until - OVERLAP

    @property
    def repo(self) -> str:
        """The repository's present name."""
        return self.place.full_name


class Missed:
    """The comparison of GitHub with our tables, one repository at a time.

    What it remembers between looks saves calls; losing it costs nothing else.
    """

    def __init__(
        self, database: Database, router: routing.Router, label: str, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._router = router
        self._label = label
        self._now = now
        self._settled: LRUCache[tuple[int, int], datetime] = LRUCache(_MOST_REMEMBERED)
        self._heard: LRUCache[str, bool] = LRUCache(_MOST_REMEMBERED)
        self._lists: LRUCache[tuple[int, str], int] = LRUCache(_MOST_REMEMBERED)

    async def look(self, installation: Installation, place: Place) -> Looked:
        """Store what was lost as Requests, with how far we have looked.

        Raises one of CLOSED_DOORS, and Unavailable once everything that could be read is stored.
        """
        look = await self._begin(installation, place)
        found: list[Lost] = []
        for part in (self._labels, self._stops, self._comments, self._pulls):
            found += await self._try(look, part(look))
        asks = await self._store(look, sorted(found, key=lambda lost: lost.moment))
        for ask in asks:
            log.info("sweep.recovered", kind=ask.kind, repository=ask.repository, number=ask.issue_number)
        if look.failure is not None:
            raise look.failure
        return Looked(len(asks), look.changed)

    async def _begin(self, installation: Installation, place: Place) -> _Look:
        async with self._database.reading() as session:
            labels = await repositories.labels(session, {place.id})
            known_until = await sweeps.since(session, place.id)
            sessions = await watched.in_repository(session, place.id)
        return _Look(
            installation=installation,
            place=place,
            scene=Scene(installation.id, place),
            label=labels.get(place.id, self._label),
            sessions=sessions,
            known_until=known_until,
            until=known_until or self._now(),  # what an old repository said before us is not for us
        )

    async def _try(self, look: _Look, part: Coroutine[Any, Any, list[Lost]]) -> list[Lost]:
        """Return what a part of the look found; what fails in it takes nothing from the others."""
        try:
            return await part
        except CLOSED_DOORS:
            raise
        except faults.Unavailable as fault:
            look.failure = fault
        except Blocked as fault:
            log.info("sweep.refused", repository=look.repo, why=str(fault))
        except Exception:
            log.exception("sweep.part_failed", repository=look.repo)
        return []

    async def _labels(self, look: _Look) -> list[Lost]:
        """Find open issues that wear the label, whose label we may not have heard of."""
        threads = await sweep.labelled(look.installation, look.repo, look.label)
        self._note(look, "labelled", tuple((each.number, each.updated_at) for each in threads))
        look.labelled = {each.number for each in threads}
        busy = {each.issue_number for each in look.sessions if each.is_busy}
        found: list[Lost] = []
        for thread in threads:
            if self._settled.get((look.place.id, thread.number)) != thread.updated_at:
                found += [] if thread.number in busy else await self._try(look, self._labelled(look, thread))
        return found

    async def _labelled(self, look: _Look, thread: Thread) -> list[Lost]:
        past = await sweep.history(look.installation, look.repo, thread.number)
        lost = look.scene.labeled(thread, look.label, _newest(past, "labeled", look.label))
        if self._is_young(lost.moment):
            return []
        if not self._is_young(thread.updated_at):
            look.settled[thread.number] = thread.updated_at
        return [lost]

    async def _stops(self, look: _Look) -> list[Lost]:
        """Find issues that are being worked on and that nobody wants worked on any more."""
        found: list[Lost] = []
        for each in look.sessions:
            if each.is_busy and each.issue_number not in (look.labelled or ()):
                found += await self._try(look, self._stop(look, each))
        return found

    async def _stop(self, look: _Look, ours: Watched) -> list[Lost]:
        number = ours.issue_number
        try:
            thread = await sweep.thread(look.installation, look.repo, number)
        except faults.Gone:
            return [look.scene.deleted(number, self._now())]
        if await self._has_left(look, thread, number):
            return [look.scene.stopped(number, thread, "transferred", self._now(), None, look.label)]
        if not thread.is_open:
            end = thread.closed_at or thread.updated_at
            by = thread.told.get("closed_by")
            lost = look.scene.stopped(number, thread, "closed", end, by, look.label)
        elif thread.wears(look.label) or not ours.by_label:
            return []
        else:
            past = await sweep.history(look.installation, look.repo, number)
            last = _newest(past, "unlabeled", look.label)
            if last is None and (past or not ours.task_by_label):
                return []  # it never wore this label; the label that began the work had another name
            end = thread.updated_at if last is None else last.at
            by = None if last is None else last.actor
            lost = look.scene.stopped(number, thread, "unlabeled", end, by, look.label)
            if last is None:
                return [lost]
        asked_since = ours.asked_at is not None and end < ours.asked_at
        return [] if asked_since or self._is_young(end) else [lost]

    async def _has_left(self, look: _Look, thread: Thread, number: int) -> bool:
        """Whether the issue was transferred; a repository renamed a moment ago looks the same at first."""
        if thread.repository.casefold() in ("", look.repo.casefold()) and thread.number == number:
            return False
        present = await reads.repository_by_id(look.installation, look.place.id)
        return thread.repository.casefold() != present.full_name.casefold()

    async def _comments(self, look: _Look) -> list[Lost]:
        """Find what people wrote since the last look."""
        said = await sweep.comments(look.installation, look.repo, look.since)
        self._note(
            look, "comments", (look.since, tuple((each.id, each.told.get("updated_at")) for each in said))
        )
        me = await look.installation.identity()
        recent = [each for each in said if each.at >= look.since and each.number]
        people = [each for each in recent if each.by_person and not me.made(each.told)]
        unheard = await self._unheard({look.scene.comment_cause(each): each for each in people})
        found: list[Lost] = []
        for number in sorted({each.number for each in unheard}):
            here = [each for each in unheard if each.number == number]
            found += await self._try(look, self._commented(look, number, here))
        if look.failure is None and recent:
            # It moves only with what was said: the same question is then free while nobody says anything.
            look.until = max(look.until, *(each.at for each in recent))
        return found

    async def _commented(self, look: _Look, number: int, here: Sequence[Said]) -> list[Lost]:
        thread = await sweep.thread(look.installation, look.repo, number)
        return [look.scene.commented(each, thread) for each in here]

    async def _pulls(self, look: _Look) -> list[Lost]:
        """Find reviews of our pull requests, and their end."""
        found: list[Lost] = []
        for each in look.sessions:
            if each.pull_request is not None and each.pull_state not in ("closed", "merged"):
                found += await self._try(look, self._pull(look, each, each.pull_request))
        return found

    async def _pull(self, look: _Look, ours: Watched, number: int) -> list[Lost]:
        pull = await sweep.pull(look.installation, look.repo, number)
        said = await sweep.reviews(look.installation, look.repo, number)
        self._note(look, f"pull {number}", (pull.told.get("updated_at"), tuple(each.id for each in said)))
        since = ours.created_at - OVERLAP  # our clock, and GitHub's
        causes = {look.scene.review_cause(each): each for each in said if each.by_person and each.at >= since}
        found = [look.scene.reviewed(each, pull) for each in await self._unheard(causes)]
        if pull.closed_at is not None and await self._unheard({look.scene.pull_cause(pull): pull}):
            by = pull.told.get("merged_by")
            if by is None:
                by = (await sweep.thread(look.installation, look.repo, number)).told.get("closed_by")
            found.append(look.scene.pull_closed(pull, pull.closed_at, by))
        return found

    async def _unheard(self, by_cause: dict[str, T]) -> list[T]:
        """Return those of the things that no Request stands for, and that the handlers have not seen."""
        asked = [cause for cause in by_cause if cause not in self._heard]
        if not asked:
            return []
        async with self._database.reading() as session:
            known = await requests.known(session, asked)
        return [by_cause[cause] for cause in asked if cause not in known]

    async def _store(self, look: _Look, found: Sequence[Lost]) -> list[Ask]:
        """Let the handlers make Requests of what was lost, and store them with how far we have looked."""
        fresh: list[Ask] = []
        if found or look.until != look.known_until:
            async with self._database.transaction() as session:
                lost = [one for one in found if not await self._is_known(session, look, one)]
                events = [one.event for one in lost]
                heard = await hearing.hear(session, self._router, events, self._label)
                made = [_named(ask, one) for one, what in zip(lost, heard, strict=True) for ask in what.asks]
                known = await requests.known(session, [ask.cause for ask in made])
                fresh = [ask for ask in made if ask.cause not in known]
                await requests.add(session, fresh)
                await sweeps.reached(session, look.place.id, look.until)
        for one in found:
            if one.kind is None:
                self._heard[one.cause] = True
        for number, moment in look.settled.items():
            self._settled[look.place.id, number] = moment
        return fresh

    async def _is_known(self, session: AsyncSession, look: _Look, lost: Lost) -> bool:
        """Whether a label or an end is known; a comment or a review is known by its cause."""
        if lost.kind is None:
            return False
        moment = None if lost.ever else lost.moment
        return await watched.is_known(session, look.place.id, lost.number, lost.kind, moment)

    def _note(self, look: _Look, name: str, entries: Hashable) -> None:
        key, value = (look.place.id, name), hash(entries)
        look.changed += self._lists.get(key) != value
        self._lists[key] = value

    def _is_young(self, moment: datetime) -> bool:
        return abs(self._now() - moment) < GRACE


def _newest(past: Sequence[Happened], event: str, label: str) -> Happened | None:
    named = [each for each in past if each.event == event and each.label.casefold() == label.casefold()]
    return max(named, key=lambda each: each.at, default=None)


def _named(ask: Ask, lost: Lost) -> Ask:
    """Return the Request without a delivery, which it never had; a swept label says that it is one."""
    if lost.kind is None:
        return replace(ask, delivery_id=None)
    event = "sweep.labeled" if lost.kind is RequestKind.RUN else ask.text["event"]
    return replace(ask, delivery_id=None, cause=lost.cause, text={**ask.text, "event": event})
