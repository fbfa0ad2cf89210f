"""Queue again what this process was given by the table and does not run."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

# Only a claim whose acknowledgement was lost leaves a run for this long without anyone who runs it.
STRANDED_SECONDS = 60.0
LOOK_SECONDS = 15.0


class Runs(Protocol):
    """What this room needs of the engine."""

    async def unheld(self) -> set[str]:
        """Name the runs that are ours by the table only."""

    async def resume(self, name: str) -> None:
        """Queue a run again."""


class Watchdog:
    """Look for stranded runs, which would keep their repository's slots for ever."""

    def __init__(self, runs: Runs, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._clock = clock
        self._seen: dict[str, float] = {}  # since when

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.once()
            except Exception:
                log.exception("watchdog.failed")

    async def once(self) -> None:
        """Resume what was unheld at every look for a minute."""
        now = self._clock()
        self._seen = {name: self._seen.get(name, now) for name in await self._runs.unheld()}
        for name, since in list(self._seen.items()):
            if now - since >= STRANDED_SECONDS:
                log.warning("run.stranded", run=name)
                await self._runs.resume(name)
                del self._seen[name]
