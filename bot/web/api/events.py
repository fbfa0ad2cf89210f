"""Decide who hears of a task's changes while they happen: server-sent events, read from the table."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp_sse
import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bot.web.api import intake, operation, problems
from bot.web.api.means import Means
from bot.web.api.operation import Operation
from storage import events, listing
from storage.models import Event, Interaction

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5  # the worker is another process: its commits are looked for
HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0  # a listener that takes nothing for so long is gone
MOST_STREAMS = 100
PAGE = 50


@dataclass(frozen=True, eq=False)
class _Waiter:
    request: web.Request
    task_id: str
    seq: int
    news: asyncio.Future[None]

    def settled(self, now: listing.Standing | None) -> bool:
        """Whether to look again: there is news, or there will be none, or nobody listens."""
        return now is None or now.ended or now.events > self.seq or self.request.transport is None


class EventRoutes:
    """`GET /tasks/{id}/events`. One query twice a second serves every open stream."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._waiters: set[_Waiter] = set()
        self._looking: asyncio.Task[None] | None = None
        self._open = 0
        self._closing = False

    def operations(self) -> list[Operation]:
        """Return what is to be mounted."""
        number = {"type": "string", "pattern": "^[0-9]{1,15}$"}
        return [
            Operation(
                "GET", "/tasks/{id}/events", "followTask",
                "Follow a task: every state change, interaction and note after the given one",
                self.follow, {200: None}, (400, 404), streams=True,
                parameters=[
                    operation.identity("task"),
                    operation.parameter("Last-Event-ID", "header", "the last event that was seen", number),
                    operation.parameter("last_event_id", "query", "the same, as a parameter", number),
                ],
            )
        ]  # fmt: skip

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """Stream a task's events until it has ended and all were sent."""
        task_id, seq = intake.identity(request, "task"), intake.last_event(request)
        async with self._means.database.reading() as reading:
            if await listing.task_of(reading, task_id) is None:
                raise intake.unknown("task")
        with self._counted():
            response = aiohttp_sse.EventSourceResponse(
                sep="\n", ping_interval=HEARTBEAT_SECONDS, send_timeout=SEND_SECONDS
            )
            await response.prepare(request)
            try:
                async with response:
                    await self._tell(request, response, task_id, seq)
            except (ConnectionResetError, TimeoutError):
                log.debug("stream.left", task=task_id)
            except Exception:
                # The answer has begun and can't become a problem: it ends, and the listener comes back.
                log.exception("stream.failed", task=task_id)
        return response

    async def close(self, _: web.Application) -> None:
        """End every stream: listeners come back to the next server with their Last-Event-ID."""
        self._closing = True
        self._wake()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._open >= MOST_STREAMS or self._closing:
            raise problems.later("too many live streams are open", HEARTBEAT_SECONDS)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def _tell(
        self, request: web.Request, response: aiohttp_sse.EventSourceResponse, task_id: str, seq: int
    ) -> None:
        while not self._closing and request.transport is not None:
            async with self._means.database.reading() as reading:
                # First whether it ended: then what happened up to there is seen below.
                now = (await listing.standing(reading, [task_id])).get(task_id)
                happened = await events.after(reading, task_id, seq, PAGE)
                entries = await listing.told(reading, happened)
            texts = await asyncio.to_thread(self._written, happened, entries)
            for row, text in zip(happened, texts, strict=True):
                await response.send(text, id=str(row.seq), event=row.kind)
                seq = row.seq
            if not happened and (now is None or now.ended):
                return
            if len(happened) < PAGE and not (now is None or now.ended):
                await self._news(request, task_id, seq)

    def _written(self, happened: list[Event], entries: dict[int, Interaction]) -> list[str]:
        return [self._means.views.event(row, entries.get(row.data.get("interaction", 0))) for row in happened]

    async def _news(self, request: web.Request, task_id: str, seq: int) -> None:
        if self._closing:
            return
        waiter = _Waiter(request, task_id, seq, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await waiter.news
        finally:
            self._waiters.discard(waiter)

    async def _look(self) -> None:
        """Wake those for whom there is news, as long as somebody waits."""
        while self._waiters:
            await asyncio.sleep(POLL_SECONDS)
            try:
                async with self._means.database.reading() as reading:
                    ids = sorted({waiter.task_id for waiter in self._waiters})
                    now = await listing.standing(reading, ids)
            except (SQLAlchemyError, OSError) as problem:
                log.warning("stream.no_database", why=type(problem).__name__)  # it may be back the next time
                continue
            self._wake(now)

    def _wake(self, now: dict[str, listing.Standing] | None = None) -> None:
        for waiter in list(self._waiters):
            if not waiter.news.done() and (now is None or waiter.settled(now.get(waiter.task_id))):
                waiter.news.set_result(None)
