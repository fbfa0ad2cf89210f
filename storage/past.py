"""Look up what else was asked for in a thread: before a Request, past it, and behind it."""

from collections.abc import Collection

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.models import Request
from storage.words import RequestKind


async def heard(
    session: AsyncSession,
    request: Request,
    kinds: Collection[RequestKind],
    limit: int = 100,
    *,
    numbers: Collection[int | None] = (),
) -> list[Request]:
    """Return the Requests of those kinds that came before this one, or went past it; newest first.

    They are those of its thread, and of the threads with these *numbers* in its repository.
    """
    query = (
        select(Request)
        .where(
            Request.repository_id == request.repository_id,
            Request.issue_number.in_([*numbers, request.issue_number]),
            Request.kind.in_(kinds),
            or_(Request.id < request.id, Request.dispatched_at.is_not(None)),
            Request.id != request.id,
        )
        .order_by(Request.id.desc())
        .limit(limit)
    )
    return list(await session.scalars(query))


async def behind(
    session: AsyncSession, request: Request, kinds: Collection[RequestKind], limit: int = 10
) -> list[Request]:
    """Return the Requests of those kinds that wait for it in its thread and were not looked at yet."""
    query = (
        select(Request)
        .where(
            Request.repository_id == request.repository_id,
            Request.issue_number == request.issue_number,
            Request.kind.in_(kinds),
            Request.id > request.id,
            Request.dispatched_at.is_(None),
            Request.taken_at.is_(None),
        )
        .order_by(Request.id)
        .limit(limit)
    )
    return list(await session.scalars(query))


async def edits(session: AsyncSession, request: Request, limit: int = 100) -> list[Request]:
    """Return the newest edits that we were told of in the Request's thread, oldest first."""
    query = (
        select(Request)
        .where(
            Request.repository_id == request.repository_id,
            Request.issue_number == request.issue_number,
            Request.kind == RequestKind.EDITED,
        )
        .order_by(Request.id.desc())
        .limit(limit)
    )
    return list(await session.scalars(query))[::-1]
