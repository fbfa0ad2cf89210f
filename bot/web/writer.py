"""Commit whatever deliveries wait, together, with the Requests that the handlers make of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from gidgethub import routing, sansio
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from handlers import routes
from handlers.policy import Policy
from storage import deliveries
from storage.database import Database
from storage.words import DeliveryState

log = structlog.get_logger(__name__)

MOST_TOGETHER = 200
# GitHub gives up at 10 s: an honest 503 before that is recorded there as a failure that can be redelivered.
COMMIT_SECONDS = 8.0


class NotStored(Exception):
    """The database did not take the delivery; the answer must be 503, never 202."""


@dataclass
class _Waiting:
    event: sansio.Event
    body: bytes
    new: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def id(self) -> str:
        return str(self.event.delivery_id)

    def arrival(self) -> deliveries.Arrival:
        return deliveries.Arrival(self.id, self.event.event, self.event.data.get("action"), self.body)


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

    async def store(self, event: sansio.Event, body: bytes) -> bool:
        """Store one delivery; True when it is new. Raises NotStored."""
        waiting = _Waiting(event, body)
        self._queue.put_nowait(waiting)
        return await waiting.new

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
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                new = await self._commit(batch)
        except (SQLAlchemyError, TimeoutError, OSError) as problem:
            if len(batch) > 1 and not isinstance(problem, TimeoutError):
                for waiting in batch:  # one row that the database refuses must not take the others with it
                    await self._settle([waiting])
                return
            log.exception("deliveries.not_stored", count=len(batch))
            for waiting in batch:
                waiting.new.set_exception(NotStored("the database did not take the delivery"))
            return
        for waiting in batch:
            if not waiting.new.done():
                waiting.new.set_result(waiting.id in new)
                new.discard(waiting.id)
        self._stored()

    async def _commit(self, batch: list[_Waiting]) -> set[str]:
        async with self._database.transaction() as session:
            new = await deliveries.record(session, [waiting.arrival() for waiting in batch])
            handled: set[str] = set()
            for waiting in batch:
                if waiting.id in new - handled and routes.takes(self._router, waiting.event):
                    handled.add(waiting.id)
                    await handle(session, self._router, waiting.event, self._policy)
        return set(new)


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
