"""Remember how far the sweep for missed events has looked at each repository, and by which label."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.records import Sweep

# Where it is kept since when everyone's label is the one it is, beside the ids of repositories.
EVERYONE = -3
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def since(session: AsyncSession, repository_id: int) -> datetime | None:
    """Return up to when everything in the repository was looked at, None before the first time."""
    return await session.scalar(select(Sweep.since).where(Sweep.repository_id == repository_id))


async def reached(session: AsyncSession, repository_id: int, moment: datetime) -> None:
    """Note that everything up to that moment was looked at."""
    await session.merge(Sweep(repository_id=repository_id, since=moment))


async def goes_by(session: AsyncSession, label: str, moment: datetime) -> None:
    """Note that everyone's label is this one; from that moment on, if it was another one until then."""
    known = await session.get(Sweep, EVERYONE)
    if known is None:
        session.add(Sweep(repository_id=EVERYONE, since=BEGINNING, label=label))
    elif (known.label or "").casefold() != label.casefold():
        known.label, known.since = label, moment


async def label_since(session: AsyncSession) -> datetime | None:
    """Return since when everyone's label is the one it is; long ago where we never knew of another."""
    return await since(session, EVERYONE)
