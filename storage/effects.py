"""Remember outside actions by key, so that each is done once."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, database
from storage.models import Effect

BEGUN = "begun"
DONE = "done"


async def begin(session: AsyncSession, key: str, kind: str, task_id: str | None) -> Effect:
    """Write down that the action is about to happen, and return what is known of it.

    `begun` found again means that an answer was lost: look at the world before acting.
    """
    moment = clock.now()
    await session.execute(
        database.insert(session, Effect)
        .values(key=key, kind=kind, task_id=task_id, state=BEGUN, created_at=moment, updated_at=moment)
        .on_conflict_do_nothing()
    )
    return await session.get_one(Effect, key)


async def done(
    session: AsyncSession, key: str, external_id: str, detail: dict[str, Any] | None = None
) -> None:
    """Write down that the action happened and what it made."""
    await session.execute(
        update(Effect)
        .where(Effect.key == key)
        .values(state=DONE, external_id=external_id, detail=detail, updated_at=clock.now())
    )


async def find(session: AsyncSession, key: str) -> Effect | None:
    """Return the action's record, or None when it was never begun."""
    return await session.get(Effect, key)


async def of_task(session: AsyncSession, task_id: str) -> list[Effect]:
    """Return everything a task did outside."""
    return list(
        await session.scalars(select(Effect).where(Effect.task_id == task_id).order_by(Effect.created_at))
    )
