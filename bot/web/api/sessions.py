"""Decide what opening, reading and listing sessions over the API does."""

import asyncio

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from bot.web.api import intake, operation, problems, shapes
from bot.web.api.installed import Found
from bot.web.api.means import Means
from bot.web.api.operation import PREFIX, Operation
from bot.web.api.repetition import Made, Repetition
from bot.workspace import projects
from storage import listing, sessions
from storage.listing import Place

MOST_BYTES = 64 * 1024
NO_PROJECT = "must be the top of a git work tree below one of JOURNEYMAN_PROJECT_ROOTS"


class SessionRoutes:
    """`POST /sessions`, `GET /sessions/{id}`, `GET /sessions/{id}/tasks`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def operations(self) -> list[Operation]:
        """Return what is to be mounted."""
        return [
            Operation(
                "POST", "/sessions", "openSession", "Open a session", self.open,
                {201: shapes.Session, 200: shapes.Session}, (400, 403, 404, 408, 409, 413, 415, 422),
                body=shapes.NEW_SESSION, parameters=[operation.IDEMPOTENCY_KEY],
            ),
            Operation(
                "GET", "/sessions/{id}", "readSession", "Read a session", self.read, {200: shapes.Session},
                (404,), parameters=[operation.identity("session")],
            ),
            Operation(
                "GET", "/sessions/{id}/tasks", "listTasks", "List a session's tasks, newest first",
                self.tasks, {200: shapes.TaskPage}, (400, 404),
                parameters=[
                    operation.identity("session"),
                    operation.parameter(
                        "limit", "query", "entries of a page",
                        {"type": "integer", "minimum": 1, "maximum": intake.MOST_LIMIT,
                         "default": intake.DEFAULT_LIMIT},
                    ),
                    operation.parameter(
                        "cursor", "query", "`next_cursor` of the page before", {"type": "string"}
                    ),
                ],
            ),
        ]  # fmt: skip

    async def open(self, request: web.Request) -> web.Response:
        """Open a session, or answer 200 with the one that the issue has already."""
        asked, raw = await intake.body(request, shapes.NEW_SESSION, MOST_BYTES)
        repetition = Repetition.of(request, raw)
        async with self._means.database.reading() as reading:
            made = await repetition.earlier(reading)
        if made is None:
            made = await (
                self._on_repository(repetition, asked)
                if isinstance(asked, shapes.OnRepository)
                else self._in_project(repetition, asked)
            )
        document = shapes.Session.model_validate(made.body)
        return intake.answer(document, made.status, Location=f"{PREFIX}/sessions/{document.id}")

    async def _on_repository(self, repetition: Repetition, asked: shapes.OnRepository) -> Made:
        found = await self._means.repositories.find(asked.repository, asked.issue_number)

        async def make(session: AsyncSession) -> tuple[int, BaseModel, bool]:
            return await self._make(session, found, asked.issue_number)

        return await repetition.once(self._means.database, make)

    async def _make(
        self, session: AsyncSession, found: Found, issue_number: int | None
    ) -> tuple[int, BaseModel, bool]:
        if issue_number is not None:
            open_one = await sessions.find_open(session, found.repository_id, issue_number)
            if open_one is not None:
                return 200, self._means.views.session(open_one), False
        row = await sessions.open_for(
            session, repository=found.full_name, repository_id=found.repository_id,
            installation_id=found.installation_id, issue_number=issue_number,
        )  # fmt: skip
        return 201, self._means.views.session(row), True

    async def _in_project(self, repetition: Repetition, asked: shapes.InProject) -> Made:
        roots = self._means.settings.project_roots
        path = await asyncio.to_thread(projects.find, asked.project_path, roots)
        if path is None:  # one sentence for all: it must not tell which paths there are
            raise problems.at("project_path", NO_PROJECT, 403)

        async def make(session: AsyncSession) -> tuple[int, BaseModel, bool]:
            row = await sessions.open_for(
                session, repository=path.name, repository_id=None, project_path=str(path)
            )
            return 201, self._means.views.session(row), True

        return await repetition.once(self._means.database, make)

    async def read(self, request: web.Request) -> web.Response:
        """Answer with a session."""
        session_id = intake.identity(request, "session")
        async with self._means.database.reading() as reading:
            row = await listing.session_of(reading, session_id)
        if row is None:
            raise intake.unknown("session")
        return intake.answer(self._means.views.session(row))

    async def tasks(self, request: web.Request) -> web.Response:
        """Answer with one page of a session's tasks."""
        session_id = intake.identity(request, "session")
        limit, after = intake.limit(request), intake.place(request)
        async with self._means.database.reading() as reading:
            if await listing.session_of(reading, session_id) is None:
                raise intake.unknown("session")
            rows = await listing.page(reading, session_id, limit + 1, after)
            shown = rows[:limit]
            costs = await listing.costs(reading, [row.id for row in shown])
        more = len(rows) > limit
        page = await asyncio.to_thread(
            lambda: shapes.TaskPage(
                tasks=[self._means.views.task(row, costs[row.id]) for row in shown],
                next_cursor=intake.cursor(Place(shown[-1].created_at, shown[-1].id)) if more else None,
            )
        )
        return intake.answer(page)
