"""Carry one look of the sweep at one repository: what is known of it, and what the looks before it saw."""

from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from cachetools import LRUCache

from bot.engine.lost import Lost, Scene
from bot.errors import Blocked
from bot.github import faults
from bot.github.client import Installation
from bot.github.sweep import Place
from storage import requests
from storage.database import Database
from storage.watched import Offer, Watched

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


class Memory:
    """What the looks of one process remember; it saves calls, and losing it costs nothing else.

    By repository and thread: when an issue was last changed whose label is known (`settled`), and when a
    pull request was last asked about (`asked`).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.settled: LRUCache[tuple[int, int], datetime] = LRUCache(_MOST_REMEMBERED)
        self.asked: LRUCache[tuple[int, int], datetime] = LRUCache(_MOST_REMEMBERED)
        self.unusable: LRUCache[int, bool] = LRUCache(_MOST_REMEMBERED)  # configurations
        self.heard: LRUCache[str, bool] = LRUCache(_MOST_REMEMBERED)
        self.lists: LRUCache[tuple[int, str], int] = LRUCache(_MOST_REMEMBERED)

    async def unheard(self, by_cause: dict[str, T]) -> list[T]:
        """Return those of the things that no Request stands for, and that the handlers have not seen."""
        asked = [cause for cause in by_cause if cause not in self.heard]
        if not asked:
            return []
        async with self._database.reading() as session:
            known = await requests.known(session, asked)
        return [by_cause[cause] for cause in asked if cause not in known]


@dataclass
class Look:
    """What we know of one repository, and what the look at it has come upon so far.

    `label_since`: who set the label before that did not ask us. `is_configured`: its configuration is kept.
    """

    installation: Installation
    place: Place
    scene: Scene
    installed_at: datetime | None
    memory: Memory
    now: Callable[[], datetime]
    label: str
    label_since: datetime | None
    is_configured: bool
    sessions: list[Watched]
    offers: list[Offer]
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

    async def attempt(self, part: Coroutine[Any, Any, list[Lost]]) -> list[Lost]:
        """Return what a part of the look found; what fails in it takes nothing from the others."""
        try:
            return await part
        except CLOSED_DOORS:
            raise
        except faults.Unavailable as fault:
            self.failure = fault
        except Blocked as fault:
            log.info("sweep.refused", repository=self.repo, why=str(fault))
        except Exception:
            log.exception("sweep.part_failed", repository=self.repo)
        return []

    def note(self, name: str, entries: Hashable) -> None:
        """Count a list that has changed since the last look."""
        key, value = (self.place.id, name), hash(entries)
        self.changed += self.memory.lists.get(key) != value
        self.memory.lists[key] = value

    def is_young(self, moment: datetime) -> bool:
        """Whether what happened then is probably on its way to us."""
        return abs(self.now() - moment) < GRACE
