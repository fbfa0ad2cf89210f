"""Decide when one installation may write within GitHub's content limits, and who goes first.

GitHub ("Rate limits for the REST API", secondary limits): no more than 80 content-generating requests a
minute and 500 an hour. It does not say what generates content. In a minute we count every write; in the hour
only what makes something that people are told of: a comment, a reply, a pull request, a check run.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum

from bot.github import limits

_MINUTE = 60.0
_HOUR = 3600.0
_MOST_AN_HOUR = 500
_CROWDED = 64  # writes in the minute: what can be left out should be


class Write(StrEnum):
    """What a write is to whoever waits for it."""

    REACTION = "reaction"  # that we heard
    NEW = "new"  # what we have to say
    EDIT = "edit"  # how things stand, which the next edit tells as well


# A write finds room while the minute holds fewer: to show how things stand never keeps us from hearing.
_ROOM = {Write.REACTION: 80, Write.NEW: 72, Write.EDIT: 48}


def kind_of(method: str, path: str) -> Write | None:
    """Return what a request is to the limits; None for one that writes nothing new."""
    if method not in {"POST", "PATCH", "PUT"}:
        return None
    if path.endswith("/reactions"):
        return Write.REACTION
    return Write.NEW if method == "POST" else Write.EDIT


class Content:
    """What one installation has written lately, in this process."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._turns = {kind: asyncio.Lock() for kind in Write}
        self._minute: deque[float] = deque(maxlen=max(_ROOM.values()))
        self._hour: deque[float] = deque(maxlen=_MOST_AN_HOUR)

    async def slot(self, kind: Write) -> None:
        """Return when one more write fits the limits, first come first served among its kind.

        Raises RateLimited instead of waiting for more than a minute.
        """
        async with self._turns[kind]:
            while (wait := self._wait(kind)) > 0:
                if wait > limits.SHORT:
                    raise limits.limited("GitHub's hourly content limit holds us back", wait, self._clock())
                await self._sleep(wait)
            self._minute.append(self._clock())
            if kind is Write.NEW:
                self._hour.append(self._clock())

    @property
    def is_full(self) -> bool:
        """Whether reactions or words wait for the limits, or soon will: what can be left out should be."""
        waiting = self._turns[Write.REACTION].locked() or self._turns[Write.NEW].locked()
        self._forget()
        return waiting or len(self._minute) >= _CROWDED

    def _wait(self, kind: Write) -> float:
        """Return the seconds until there is room."""
        self._forget()
        now, most = self._clock(), _ROOM[kind]
        wait = self._minute[-most] + _MINUTE - now if len(self._minute) >= most else 0.0
        if kind is Write.NEW and len(self._hour) >= _MOST_AN_HOUR:
            wait = max(wait, self._hour[0] + _HOUR - now)
        return wait

    def _forget(self) -> None:
        """Drop what is out of its window; a clock set back empties both."""
        now = self._clock()
        for written, window in ((self._minute, _MINUTE), (self._hour, _HOUR)):
            while written and not 0 <= now - written[0] < window:
                written.popleft()
