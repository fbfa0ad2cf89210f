"""Remember how far the sweep for missed events has looked at each repository."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.records import Sweep


async def since(session: AsyncSession, repository_id: int) -> datetime | None:
    """Return up to when everything in the repository was looked at, None before the first time."""
    return await session.scalar(select(Sweep.since).where(Sweep.repository_id == repository_id))


async def reached(session: AsyncSession, repository_id: int, moment: datetime) -> None:
    """Note that everything up to that moment was looked at."""
    await session.merge(Sweep(repository_id=repository_id, since=moment))
