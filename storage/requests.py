"""Keep what was asked for until it is done: the outbox between hearing and doing."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.models import Request
from storage.words import RequestKind


@dataclass(frozen=True)
class Ask:
    """One thing asked for: who, where, what, and the text as it was at that moment.

    `cause` names the event in the world (not the delivery that told of it), so that the same event told
    twice under two delivery ids is one Request.
    """

    cause: str
    kind: RequestKind
    repository: str
    repository_id: int | None = None
    installation_id: int | None = None
    issue_number: int | None = None
    actor_id: int | None = None
    actor: str | None = None
    text: dict[str, Any] = field(default_factory=dict)


async def add(session: AsyncSession, ask: Ask, delivery_id: str | None = None) -> bool:
    """Store the Request; False when its cause was already there."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {**vars(ask), "delivery_id": delivery_id, "created_at": clock.now()}
    statement = insert(Request).values(**values).on_conflict_do_nothing().returning(Request.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def waiting(session: AsyncSession, limit: int = 100) -> list[Request]:
    """Return the Requests that nobody has dispatched, oldest first."""
    query = select(Request).where(Request.dispatched_at.is_(None)).order_by(Request.id).limit(limit)
    return list(await session.scalars(query.with_for_update(skip_locked=True)))


async def dispatched(session: AsyncSession, request_id: int, outcome: str) -> None:
    """Say what a Request became."""
    await session.execute(
        update(Request).where(Request.id == request_id).values(dispatched_at=clock.now(), outcome=outcome)
    )
