"""Keep the suite's outcome on a base commit, so that it is run once."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, database
from storage.records import Baseline


async def find(session: AsyncSession, key: str) -> dict[str, Any] | None:
    """Return the stored suite, or None when it was never run."""
    row = await session.get(Baseline, key)
    return row.suite if row else None


async def save(session: AsyncSession, key: str, suite: dict[str, Any]) -> None:
    """Store the suite; a second worker that ran the same one loses nothing."""
    await session.execute(
        database.insert(session, Baseline)
        .values(key=key, suite=suite, created_at=clock.now())
        .on_conflict_do_nothing()
    )
