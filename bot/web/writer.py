"""Commit whatever deliveries wait, together, with the Requests that the handlers make of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from gidgethub import routing, sansio
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncSession

from handlers import routes
from handlers.policy import Policy
from storage import deliveries
from storage.database import Database
from storage.words import DeliveryState

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

    def arrival(self) -> deliveries.Arrival:
        return deliveries.Arrival(self.id, self.event.event, self.event.data.get("action"), self.document)


class DeliveryWriter:
    """One writer that groups commits: a durable answer costs a share of one fsync (docs/architecture.md)."""

    def __init__(
        self, database: Database, router: routing.Router, policy: Policy, stored: Callable[[], None]
    ) -> None:
        self._database = database
        self._router = router
        self._policy = policy
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
        first = {waiting.id: waiting for waiting in reversed(batch)}
        async with self._database.transaction() as session:
            new = await deliveries.record(session, [waiting.arrival() for waiting in batch])
            for waiting in batch:
                is_first = waiting.id in new and first[waiting.id] is waiting
                if is_first and routes.takes(self._router, waiting.event):
                    await handle(session, self._router, waiting.event, self._policy)
        return new


async def handle(
    session: AsyncSession, router: routing.Router, event: sansio.Event, policy: Policy
) -> DeliveryState:
    """Let the handlers make Requests of a stored delivery; one that raises leaves it PARKED, no more."""
    state, error = DeliveryState.HANDLED, None
    try:
        async with session.begin_nested():
            await router.dispatch(event, session, policy)
    except Exception as problem:  # the boundary: a bug in a handler must not lose the delivery
        log.exception("delivery.parked", delivery=event.delivery_id, gh_event=event.event)
        state, error = DeliveryState.PARKED, f"{type(problem).__name__}: {problem}"
    await deliveries.mark(session, str(event.delivery_id), state, error)
    return state
