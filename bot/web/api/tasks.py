"""Decide what asking for, reading and stopping tasks over the API does."""

import asyncio
from decimal import Decimal

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from bot.web.api import intake, operation, problems, shapes
from bot.web.api.means import Means
from bot.web.api.operation import PREFIX, Operation
from bot.web.api.problems import Problem
from bot.web.api.repetition import Repetition
from storage import events, interactions, listing, sessions, tasks, test_cases
from storage.models import Task
from storage.words import ENDED, TaskKind

# The longest description, each of its characters written as two escaped surrogates, and some room.
MOST_BYTES = 12 * shapes.MOST_DESCRIPTION + 64 * 1024
MOST_TITLE = 200
STOPPED = "someone with an API token stopped it"


class TaskRoutes:
    """`POST /tasks`, `GET /tasks/{id}`, its status, and `POST /tasks/{id}/cancel`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def operations(self) -> list[Operation]:
        """Return what is to be mounted."""
        identity = [operation.identity("task")]
        return [
            Operation(
                "POST", "/tasks", "createTask", "Ask for a task in a session", self.create,
                {202: shapes.Task}, (400, 404, 408, 409, 413, 415, 422), body=shapes.NEW_TASK,
                parameters=[operation.IDEMPOTENCY_KEY],
            ),
            Operation(
                "GET", "/tasks/{id}", "readTask", "Read a task with its tests and its conversation",
                self.read, {200: shapes.TaskInFull}, (404,), parameters=identity,
            ),
            Operation(
                "GET", "/tasks/{id}/status", "readStatus", "Read where a task stands", self.status,
                {200: shapes.Status}, (404,), parameters=identity,
            ),
            Operation(
                "POST", "/tasks/{id}/cancel", "cancelTask", "Stop a task", self.cancel, {202: shapes.Task},
                (400, 404, 409, 422), parameters=[*identity, operation.IDEMPOTENCY_KEY],
            ),
        ]  # fmt: skip

    async def create(self, request: web.Request) -> web.Response:
        """Create a PENDING task and wake the worker."""
        asked, raw = await intake.body(request, shapes.NEW_TASK, MOST_BYTES)
        # Neither the loop nor the database's write lock has the time for it.
        shown = await asyncio.to_thread(self._means.views.description, asked.description)

        async def make(session: AsyncSession) -> tuple[int, BaseModel, bool]:
            row = await self._make(session, asked)
            return 202, self._means.views.task(row, Decimal(0), shown), True

        made = await Repetition.of(request, raw).once(self._means.database, make)
        if made.new:
            self._means.stored()
        document = shapes.Task.model_validate(made.body)
        return intake.answer(document, made.status, Location=f"{PREFIX}/tasks/{document.id}")

    async def _make(self, session: AsyncSession, asked: shapes.NewTask) -> Task:
        owner = await sessions.hold(session, asked.session_id)
        if owner is None:
            raise problems.at("session_id", "names no session", 404)
        if owner.ended_at is not None:
            raise Problem(409, "the session has ended; open a new one")
        if await listing.has_pending(session, owner.id):
            raise Problem(409, "a task of the session waits already; it has to start or be cancelled first")
        title, body = _split(asked.description)
        first = not await listing.has_tasks(session, owner.id)
        return await tasks.create(
            session,
            owner,
            kind=TaskKind.IMPLEMENT if first else TaskKind.FOLLOW_UP,
            description=asked.description,
            trigger={"origin": "api", "title": title, "body": body},
            budget_usd=self._means.settings.task_budget_usd,
        )

    async def read(self, request: web.Request) -> web.Response:
        """Answer with everything of a task."""
        task_id = intake.identity(request, "task")
        async with self._means.database.reading() as reading:
            row = await _get(reading, task_id)
            cost = (await listing.costs(reading, [task_id]))[task_id]
            cases = await test_cases.of_task(reading, task_id)
            entries = await interactions.of_task(reading, task_id)

        def write() -> bytes:  # a long conversation takes a while, which the other calls do not have
            return self._means.views.in_full(row, cost, cases, entries).model_dump_json().encode()

        return intake.answer(await asyncio.to_thread(write))

    async def status(self, request: web.Request) -> web.Response:
        """Answer with where a task stands."""
        task_id = intake.identity(request, "task")
        async with self._means.database.reading() as reading:
            row = await _get(reading, task_id)
            cost = (await listing.costs(reading, [task_id]))[task_id]
            counts = await listing.tests(reading, task_id)
        return intake.answer(self._means.views.status(row, cost, counts))

    async def cancel(self, request: web.Request) -> web.Response:
        """Ask a task to stop; a second time changes nothing."""
        task_id = intake.identity(request, "task")
        async with self._means.database.reading() as reading:
            asked = await _get(reading, task_id)
        # Neither the loop nor the database's write lock has the time for it.
        shown = await asyncio.to_thread(self._means.views.description, asked.description)

        async def stop(session: AsyncSession) -> tuple[int, BaseModel, bool]:
            row = await _get(session, task_id)
            wanted = await tasks.want_cancel(session, row.session_id, STOPPED, task_id=task_id)
            await session.refresh(row)
            if row.status in ENDED:
                raise Problem(409, f"the task has ended already: {row.status}")
            if wanted:
                await events.note(session, task_id, STOPPED)
                await session.refresh(row)
            cost = (await listing.costs(session, [task_id]))[task_id]
            return 202, self._means.views.task(row, cost, shown), bool(wanted)

        made = await Repetition.of(request, b"").once(self._means.database, stop)
        if made.new:
            self._means.stored()
        return intake.answer(shapes.Task.model_validate(made.body), made.status)


async def _get(session: AsyncSession, task_id: str) -> Task:
    row = await listing.task_of(session, task_id)
    if row is None:
        raise intake.unknown("task")
    return row


def _split(description: str) -> tuple[str, str]:
    """Return title and body; a first line too long for a title is cut there and stays whole in the body."""
    text = description.strip()
    first, _, rest = text.partition("\n")
    first = first.strip()
    if len(first) <= MOST_TITLE:
        return first, rest.strip("\n")
    return f"{first[: MOST_TITLE - 1]}…", text
