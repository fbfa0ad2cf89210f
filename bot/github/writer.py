"""Decide how often one comment is edited: 20 s apart, and of those waiting only the newest leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from cachetools import LRUCache

from bot.errors import JourneymanError, WorldFault

log = structlog.get_logger(__name__)

Send = Callable[[], Awaitable[object]]
Sleep = Callable[[float], Awaitable[object]]

EDIT_GAP = 20.0
_RETRY = 60.0
_MOST_RETRIES = 30


@dataclass
class _Line:
    """What waits to be said in one place."""

    send: Send | None = None
    edited_at: float = float("-inf")
    gap: float = EDIT_GAP
    users: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: "asyncio.Task[None] | None" = None


class Writer:
    """The one writer of an installation in this process."""

    def __init__(self, clock: Callable[[], float], sleep: Sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lines: dict[str, _Line] = {}
        self._edited: LRUCache[str, float] = LRUCache(10_000)

    async def edit(self, key: str, send: Send, *, now: bool = False, gap: float = EDIT_GAP) -> None:
        """Say something anew in the place named `key`; what still waits there is dropped in favour of it.

        With `now` it returns after `send` did and raises what `send` raises. Otherwise it returns at once,
        and `send` runs when `gap` seconds have passed since the last edit, sooner if what it replaces was to
        leave sooner; its failures are logged and those of the world tried again.
        """
        line = self._lines.setdefault(key, _Line(edited_at=self._edited.get(key, float("-inf"))))
        hurried = gap < line.gap and not line.lock.locked()
        line.gap = gap if line.send is None else min(gap, line.gap)
        line.send = send
        if now:
            await self._say(key, line)
            return
        if line.waiting is not None and hurried:
            line.waiting.cancel()
            line.waiting = None
        if line.waiting is None:
            line.waiting = asyncio.create_task(self._later(key, line), name=f"edit {key}")
            line.waiting.add_done_callback(_report)

    async def settled(self, key: str) -> None:
        """Return when nothing waits to be said in the place named `key`, and nothing is being said."""
        while (line := self._lines.get(key)) is not None:
            if line.waiting is not None:
                await asyncio.wait([line.waiting])
            else:
                async with line.lock:
                    pass
            await asyncio.sleep(0)  # whoever spoke last leaves the place now

    async def _say(self, key: str, line: _Line) -> None:
        """Run the newest `send` of the line, one after another; on failure it is the caller's."""
        line.users += 1
        try:
            async with line.lock:
                send, line.send = line.send, None
                if send is not None:
                    line.edited_at = self._edited[key] = self._clock()
                    await send()
        finally:
            line.users -= 1
            self._leave(key, line)

    def _leave(self, key: str, line: _Line) -> None:
        """Forget a line in which nothing waits and nothing is being said."""
        if not line.users and line.waiting is None and line.send is None and self._lines.get(key) is line:
            del self._lines[key]

    async def _later(self, key: str, line: _Line) -> None:
        """Send the line's newest when it is due, until nothing waits in it."""
        failures = 0
        while line.send is not None:
            while (wait := line.edited_at + line.gap - self._clock()) > 0 and line.send is not None:
                await self._sleep(min(wait, line.gap))
            send = line.send
            try:
                await self._say(key, line)
            except WorldFault as fault:
                failures += 1
                log.warning("edit.delayed", key=key, why=str(fault), failures=failures)
                if failures < _MOST_RETRIES:
                    if line.send is None:
                        line.send = send
                    await self._sleep(fault.retry_after or _RETRY)
            except JourneymanError as fault:
                log.warning("edit.dropped", key=key, why=str(fault))
        line.waiting = None
        self._leave(key, line)

    async def flush(self) -> None:
        """Send now whatever waits; used before the process stops. Failures are logged."""
        for key, line in list(self._lines.items()):
            try:
                await self._say(key, line)
            except JourneymanError as fault:
                log.warning("edit.dropped", key=key, why=str(fault))
            if line.send is None and line.waiting is not None:  # nothing is left for it to say
                line.waiting.cancel()
                line.waiting = None
                self._leave(key, line)

    async def close(self) -> None:
        """Stop waiting; nothing more is sent."""
        tasks = [line.waiting for line in self._lines.values() if line.waiting is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lines.clear()


def _report(task: "asyncio.Task[None]") -> None:
    """Log what no one awaits."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.error("edit.crashed", name=task.get_name(), exc_info=fault)
