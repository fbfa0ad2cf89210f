"""Commit whatever deliveries wait, together, with the Requests that the handlers make of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from gidgethub import routing, sansio
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from handlers import hearing
from storage import deliveries, requests
from storage.database import Database

log = structlog.get_logger(__name__)

MOST_TOGETHER = 200
# GitHub gives up at 10 s: an honest 503 before that is recorded there as a failure that can be redelivered.
STORE_SECONDS = 8.0


class NotStored(Exception):
    """The database did not take the delivery; the answer must be 503, never 202."""


@dataclass
class _Waiting:
    event: sansio.Event
    document: bytes
    new: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def id(self) -> str:
        return str(self.event.delivery_id)

    def arrival(self, became: hearing.Heard) -> deliveries.Arrival:
        action = self.event.data.get("action")
        return deliveries.Arrival(
            self.id, self.event.event, action, self.document, became.state, became.error
        )


class DeliveryWriter:
    """One writer that groups commits: a durable answer costs a share of one fsync (docs/architecture.md)."""

    def __init__(
        self, database: Database, router: routing.Router, label: str, stored: Callable[[], None]
    ) -> None:
        self._database = database
        self._router = router
        self._label = label
        self._stored = stored
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()

    async def store(self, event: sansio.Event, document: bytes) -> bool:
        """Store one delivery with its JSON document; True when it is new. Raises NotStored."""
        waiting = _Waiting(event, document)
        self._queue.put_nowait(waiting)
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await waiting.new
        except TimeoutError:
            # It may yet be committed; a redelivery then finds it there.
            raise NotStored("the database did not take the delivery in time") from None

    async def run(self) -> None:
        """Commit batch after batch until cancelled; those still waiting then are answered with NotStored."""
        batch: list[_Waiting] = []
        try:
            while True:
                batch = [await self._queue.get()]
                while len(batch) < MOST_TOGETHER and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                await self._settle(batch)
        finally:
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            for waiting in batch:
                if not waiting.new.done():
                    waiting.new.set_exception(NotStored("the server is stopping"))

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Commit the batch and answer everyone in it; nothing that goes wrong with it ends the writer."""
        batch = [waiting for waiting in batch if not waiting.new.done()]  # the others were told 503
        if not batch:
            return
        try:
            async with asyncio.timeout(STORE_SECONDS):
                new = await self._commit(batch)
        except (TimeoutError, OSError, OperationalError, InterfaceError, NoConnection):
            log.exception("deliveries.not_stored", count=len(batch))
            self._refuse(batch)
            return
        except Exception:
            log.exception("deliveries.refused", count=len(batch))
            if len(batch) == 1:
                self._refuse(batch)
                return
            for waiting in batch:  # one row that the database refuses must not take the others with it
                await self._settle([waiting])
            return
        for waiting in batch:
            if not waiting.new.done():
                waiting.new.set_result(waiting.id in new)
            new.discard(waiting.id)
        self._stored()

    def _refuse(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            if not waiting.new.done():
                waiting.new.set_exception(NotStored("the database did not take the delivery"))

    async def _commit(self, batch: list[_Waiting]) -> set[str]:
        fresh = list({waiting.id: waiting for waiting in reversed(batch)}.values())
        async with self._database.transaction() as session:
            heard = await hearing.hear(session, self._router, [one.event for one in fresh], self._label)
            became = list(zip(fresh, heard, strict=True))
            new = await deliveries.record(session, [one.arrival(what) for one, what in became])
            await requests.add(session, [ask for one, what in became if one.id in new for ask in what.asks])
        return new
