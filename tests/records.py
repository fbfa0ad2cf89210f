"""Make the rows that a test of storage or engine begins with."""

from decimal import Decimal
from typing import Any

from storage import requests, sessions, tasks
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import RequestKind, TaskKind, TaskState

REPOSITORY: dict[str, Any] = {"repository": "acme/shop", "repository_id": 7, "installation_id": 3}


async def a_session(database: Database, issue_number: int = 1, **more: Any) -> Session:
    """Open a session for an issue of acme/shop."""
    async with database.transaction() as writing:
        return await sessions.open_for(writing, issue_number=issue_number, **(REPOSITORY | more))


async def a_task(
    database: Database, owner: Session | None = None, status: TaskState = TaskState.PENDING, **values: Any
) -> Task:
    """Add a task, in a session of its own where none is given, and bring it to a live state."""
    owner = owner or await a_session(database)
    async with database.transaction() as writing:
        made = await tasks.create(
            writing, owner, kind=TaskKind.IMPLEMENT, description="Fix it", trigger={}, budget_usd=Decimal(5)
        )
        if status is not TaskState.PENDING:
            await tasks.move(writing, made.id, status)
        if values:
            await tasks.change(writing, made.id, **values)
    return await read_task(database, made.id)


async def read_task(database: Database, task_id: str) -> Task:
    """Return a task as it is now."""
    async with database.reading() as reading:
        return await tasks.get(reading, task_id)


async def a_request(database: Database, cause: str, kind: RequestKind = RequestKind.RUN, **more: Any) -> int:
    """Ask for something on issue 42 of acme/shop, as maria; returns the Request's id."""
    asked = {"issue_number": 42, "actor_id": 11, "actor": "maria", "text": {"title": "Totals"}}
    async with database.transaction() as writing:
        await requests.add(writing, [requests.Ask(cause, kind, **(REPOSITORY | asked | more))])
    return (await read_request(database, cause)).id


async def read_request(database: Database, cause: str) -> Request:
    """Return the Request of a cause as it is now."""
    async with database.reading() as reading:
        found = await requests.of_cause(reading, cause)
    assert found is not None
    return found
