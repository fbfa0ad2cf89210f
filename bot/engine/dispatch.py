"""Decide what each Request becomes, and hand every task that may go on to the engine."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from storage import requests, sessions, tasks
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import RequestKind, TaskKind

log = structlog.get_logger(__name__)

# A wake-up can be lost with the process that sent it; a scan this often makes that harmless.
SCAN_SECONDS = 1.0


class Queue(Protocol):
    """What dispatch needs of the engine."""

    async def begin(self, task_id: str, run: int) -> None:
        """Start a run at once."""

    async def enqueue(self, task_id: str, run: int, repository: str) -> None:
        """Start a run when a slot is free."""


class Dispatcher:
    """The loop between hearing and doing: woken after each commit, and by a scan every second."""

    def __init__(
        self, database: Database, queue: Queue, budget_usd: Decimal, scanned: Callable[[], None] | None = None
    ) -> None:
        self._database = database
        self._queue = queue
        self._budget_usd = budget_usd
        self._wanted = asyncio.Event()
        self._scanned = scanned or (lambda: None)

    def wake(self) -> None:
        """Look now instead of at the next scan."""
        self._wanted.set()

    async def run(self) -> None:
        """Dispatch until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.once()
            except Exception:
                log.exception("dispatch.failed")  # the database may be away; the next scan tries again
            self._scanned()
            try:
                async with asyncio.timeout(SCAN_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def once(self) -> None:
        """Dispatch everything that waits at this moment."""
        while await self._dispatch_some():
            continue
        async with self._database.reading() as session:
            ready = await tasks.to_enqueue(session)
            owners = {task.id: await sessions.get(session, task.session_id) for task in ready}
        for task in ready:
            try:
                await self._hand_over(task, owners[task.id])
            except Exception:
                log.exception("task.not_handed_over", task=task.id)  # it stays due, and others get theirs

    async def _dispatch_some(self) -> bool:
        async with self._database.reading() as session:
            if not await requests.waiting(session, limit=1):
                return False  # most scans find nothing, and should not take the write lock for it
        done = 0
        async with self._database.transaction() as session:
            for request in await requests.waiting(session):
                try:
                    async with session.begin_nested():
                        outcome = await self._dispatch(session, request)
                except IntegrityError:
                    # Another worker was faster with this issue; what it did is to be seen by the next scan.
                    log.info("request.postponed", request=request.id)
                    continue
                except (TypeError, ValueError, LookupError) as problem:
                    log.exception("request.failed", request=request.id)  # it must not hold up the others
                    outcome = f"failed: {problem}"
                await requests.dispatched(session, request.id, outcome)
                done += 1
                log.info(
                    "request.dispatched",
                    request=request.id,
                    kind=request.kind,
                    outcome=outcome,
                    repository=request.repository,
                    issue=request.issue_number,
                )
        return done > 0

    async def _dispatch(self, session: AsyncSession, request: Request) -> str:
        if request.repository_id is None or request.issue_number is None:
            return "ignored: it names no issue"
        current = await sessions.find_open(session, request.repository_id, request.issue_number)
        if request.kind is RequestKind.STOP:
            return await self._stop(session, request, current)
        return await self._run(session, request, current)

    async def _stop(self, session: AsyncSession, request: Request, current: Session | None) -> str:
        if current is None:
            return "nothing to stop"
        by = (
            f"@{request.actor} closed the issue"
            if _closes(request)
            else f"@{request.actor} removed the label"
        )
        stopped = await tasks.want_cancel(session, current.id, by)
        if stopped or _closes(request):
            await sessions.end(session, current.id)
        return f"stopping {len(stopped)} task(s)"

    async def _run(self, session: AsyncSession, request: Request, current: Session | None) -> str:
        if current is not None:
            unfinished = await tasks.unfinished_of(session, current.id)
            if unfinished:
                return f"absorbed by task {unfinished[0].id}"
            await sessions.end(session, current.id)
        owner = await sessions.open_for(
            session,
            repository=request.repository,
            repository_id=request.repository_id,
            installation_id=request.installation_id,
            issue_number=request.issue_number,
        )
        task = await tasks.create(
            session,
            owner,
            kind=TaskKind.IMPLEMENT,
            description=str(request.text.get("title", "")),
            trigger=request.text,
            budget_usd=self._budget_usd,
            request_id=request.id,
            requester_id=request.actor_id,
            requester=request.actor,
        )
        return f"task {task.id}"

    async def _hand_over(self, task: Task, owner: Session) -> None:
        if task.phase == tasks.ADMIT or task.cancel_wanted is not None:
            # Admission and stopping must not wait for a slot.
            await self._queue.begin(task.id, task.runs)
        else:
            await self._queue.enqueue(task.id, task.runs, str(owner.repository_id or owner.repository))
        async with self._database.transaction() as session:
            await tasks.enqueued(session, task.id, task.runs)


def _closes(request: Request) -> bool:
    return request.text.get("event") == "issues.closed"
