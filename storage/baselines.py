"""Keep the suite's outcome on a base commit, so that it is run once."""

from typing import Any

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.models import Baseline


async def find(session: AsyncSession, key: str) -> dict[str, Any] | None:
    """Return the stored suite, or None when it was never run."""
    row = await session.get(Baseline, key)
    return row.suite if row else None


async def save(session: AsyncSession, key: str, suite: dict[str, Any]) -> None:
    """Store the suite; a second worker that ran the same one loses nothing."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    await session.execute(
        insert(Baseline).values(key=key, suite=suite, created_at=clock.now()).on_conflict_do_nothing()
    )
