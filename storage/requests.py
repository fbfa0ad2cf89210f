"""Keep what was asked for until it is done: the outbox between hearing and doing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, database
from storage.models import Request
from storage.words import RequestKind


@dataclass(frozen=True)
class Ask:
    """One thing asked for: who, where, what, and the text as it was at that moment.

    `cause` is its natural key: the same cause asked twice (a replayed delivery) is one Request.
    """

    cause: str
    kind: RequestKind
    repository: str
    delivery_id: str | None = None
    repository_id: int | None = None
    installation_id: int | None = None
    issue_number: int | None = None
    actor_id: int | None = None
    actor: str | None = None
    text: dict[str, Any] = field(default_factory=dict)


async def add(session: AsyncSession, asks: Sequence[Ask]) -> None:
    """Store the Requests whose cause is not there yet."""
    if not asks:
        return
    moment = clock.now()
    rows = [{**vars(ask), "created_at": moment} for ask in asks]
    connection = await session.connection()
    await connection.execute(database.insert(session, Request).on_conflict_do_nothing(), rows)


async def waiting(session: AsyncSession, limit: int = 100) -> list[Request]:
    """Return the Requests that nobody has dispatched, oldest first."""
    query = select(Request).where(Request.dispatched_at.is_(None)).order_by(Request.id).limit(limit)
    return list(await session.scalars(query.with_for_update(skip_locked=True)))


async def dispatched(session: AsyncSession, request_id: int, outcome: str) -> None:
    """Say what a Request became."""
    await session.execute(
        update(Request).where(Request.id == request_id).values(dispatched_at=clock.now(), outcome=outcome)
    )
