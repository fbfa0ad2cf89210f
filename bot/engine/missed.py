"""Find what happened in a repository that we never heard of, and store the Requests of it, once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from gidgethub import routing
from sqlalchemy.ext.asyncio import AsyncSession

from bot.engine import offers, redelivery
from bot.engine.look import Look, Looked, Memory
from bot.engine.lost import Lost, Scene
from bot.github import faults, reads, sweep
from bot.github.client import Installation
from bot.github.sweep import Happened, Place, Said, Thread
from bot.task.configured import Configured
from handlers import hearing
from storage import repositories, requests, sweeps, watched
from storage.database import Database
from storage.requests import Ask
from storage.watched import Watched
from storage.words import RequestKind

log = structlog.get_logger(__name__)


class Missed:
    """The comparison of GitHub with our tables, one repository at a time."""

    def __init__(
        self, database: Database, router: routing.Router, label: str, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._router = router
        self._label = label
        self._now = now
        self._configurations = Configured(database)
        self._memory = Memory(database)

    async def look(self, installation: Installation, place: Place, installed_at: datetime | None) -> Looked:
        """Store what was lost as Requests, with how far we have looked.

        Raises one of CLOSED_DOORS, and Unavailable once everything that could be read is stored.
        """
        look = await self._begin(installation, place, installed_at)
        found: list[Lost] = []
        for part in (self._configured, self._labels, self._stops, self._comments, offers.lost):
            found += await look.attempt(part(look))
        asks = await self._store(look, sorted(found, key=lambda lost: lost.moment))
        for ask in asks:
            log.info("sweep.recovered", kind=ask.kind, repository=ask.repository, number=ask.issue_number)
        if look.failure is not None:
            raise look.failure
        return Looked(len(asks), look.changed)

    async def _begin(self, installation: Installation, place: Place, installed_at: datetime | None) -> Look:
        async with self._database.reading() as session:
            kept = await repositories.find(session, place.id)
            everyones_since = await sweeps.label_since(session)
            known_until = await sweeps.since(session, place.id)
            sessions = await watched.in_repository(session, place.id)
            ours = await watched.offers(session, place.id, self._now() - redelivery.KEPT)
        own = kept.label if kept is not None else None
        bounds = [installed_at, kept.label_since if kept else None, everyones_since if own is None else None]
        return Look(
            installation=installation,
            place=place,
            scene=Scene(installation.id, place),
            installed_at=installed_at,
            memory=self._memory,
            now=self._now,
            label=own or self._label,
            label_since=max((each for each in bounds if each is not None), default=None),
            is_configured=kept is not None,
            sessions=sessions,
            offers=ours,
            known_until=known_until,
            until=known_until or self._now(),  # what an old repository said before us is not for us
        )

    async def _configured(self, look: Look) -> list[Lost]:
        """Read the configuration where none is kept: it may have been there before us, and name a label."""
        if look.is_configured or look.place.id in look.memory.unusable:
            return []
        look.changed += 1
        told = look.place.told
        if "default_branch" in told:
            repository = reads.repository_of(told)
        else:  # a stranger server's list is brief
            repository = await reads.repository(look.installation, look.repo)
        found, complaint = await self._configurations.read(look.installation, repository)
        if found.label is not None:
            look.label, look.label_since = found.label, look.installed_at
        if complaint:  # nothing is kept: a push tells us when that changes
            look.memory.unusable[look.place.id] = True
        return []

    async def _labels(self, look: Look) -> list[Lost]:
        """Find open issues that wear the label, set since it can mean us, of which we may not have heard."""
        threads = await sweep.labelled(look.installation, look.repo, look.label)
        look.note("labelled", tuple((each.number, each.updated_at) for each in threads))
        look.labelled = {each.number for each in threads}
        busy = {each.issue_number for each in look.sessions if each.is_busy}
        found: list[Lost] = []
        for thread in threads:
            if self._memory.settled.get((look.place.id, thread.number)) != thread.updated_at:
                found += [] if thread.number in busy else await look.attempt(self._labelled(look, thread))
        return found

    async def _labelled(self, look: Look, thread: Thread) -> list[Lost]:
        past = await sweep.history(look.installation, look.repo, thread.number)
        lost = look.scene.labeled(thread, look.label, _newest(past, "labeled", look.label))
        if look.is_young(lost.moment):
            return []
        if not look.is_young(thread.updated_at):
            look.settled[thread.number] = thread.updated_at
        return [lost] if look.label_since is None or lost.moment >= look.label_since else []

    async def _stops(self, look: Look) -> list[Lost]:
        """Find issues that are being worked on and that nobody wants worked on any more."""
        found: list[Lost] = []
        for each in look.sessions:
            if each.is_busy and each.issue_number not in (look.labelled or ()):
                found += await look.attempt(self._stop(look, each))
        return found

    async def _stop(self, look: Look, ours: Watched) -> list[Lost]:
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
        return [] if asked_since or look.is_young(end) else [lost]

    async def _has_left(self, look: Look, thread: Thread, number: int) -> bool:
        """Whether the issue was transferred; a repository renamed a moment ago looks the same at first."""
        if thread.repository.casefold() in ("", look.repo.casefold()) and thread.number == number:
            return False
        present = await reads.repository_by_id(look.installation, look.place.id)
        return thread.repository.casefold() != present.full_name.casefold()

    async def _comments(self, look: Look) -> list[Lost]:
        """Find what people wrote since the last look."""
        said = await sweep.comments(look.installation, look.repo, look.since)
        look.note("comments", (look.since, tuple((each.id, each.told.get("updated_at")) for each in said)))
        me = await look.installation.identity()
        recent = [each for each in said if each.at >= look.since and each.number]
        # One that was said just now is on its way: found here, it would be heard before its issue's label.
        settled = [each for each in recent if not look.is_young(each.at)]
        people = [each for each in settled if each.by_person and not me.made(each.told)]
        unheard = await self._memory.unheard({look.scene.comment_cause(each): each for each in people})
        found: list[Lost] = []
        for number in sorted({each.number for each in unheard}):
            here = [each for each in unheard if each.number == number]
            found += await look.attempt(self._commented(look, number, here))
        if look.failure is None and recent:
            # It moves only with what was said: the same question is then free while nobody says anything.
            look.until = max(look.until, *(each.at for each in recent))
        return found

    async def _commented(self, look: Look, number: int, here: Sequence[Said]) -> list[Lost]:
        thread = await sweep.thread(look.installation, look.repo, number)
        return [look.scene.commented(each, thread) for each in here]

    async def _store(self, look: Look, found: Sequence[Lost]) -> list[Ask]:
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
                self._memory.heard[one.cause] = True
        for number, moment in look.settled.items():
            self._memory.settled[look.place.id, number] = moment
        return fresh

    async def _is_known(self, session: AsyncSession, look: Look, lost: Lost) -> bool:
        """Whether a label or an end is known; a comment or a review is known by its cause."""
        if lost.kind is None:
            return False
        moment = None if lost.ever else lost.moment
        return await watched.is_known(session, look.place.id, lost.number, lost.kind, moment)


def _newest(past: Sequence[Happened], event: str, label: str) -> Happened | None:
    named = [each for each in past if each.event == event and each.label.casefold() == label.casefold()]
    return max(named, key=lambda each: each.at, default=None)


def _named(ask: Ask, lost: Lost) -> Ask:
    """Return the Request without a delivery, which it never had; a swept label says that it is one."""
    if lost.kind is None:
        return replace(ask, delivery_id=None)
    event = "sweep.labeled" if lost.kind is RequestKind.RUN else ask.text["event"]
    return replace(ask, delivery_id=None, cause=lost.cause, text={**ask.text, "event": event})
