"""Keep what was last known good of each repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.records import Repository


async def labels(session: AsyncSession, repository_ids: set[int]) -> dict[int, str]:
    """Return the labels that start a task, of those repositories whose configuration names one."""
    if not repository_ids:
        return {}
    query = select(Repository.id, Repository.label).where(
        Repository.id.in_(repository_ids), Repository.label.is_not(None)
    )
    return {row.id: row.label or "" for row in await session.execute(query)}


async def find(session: AsyncSession, repository_id: int) -> Repository | None:
    """Return what is known of a repository."""
    return await session.get(Repository, repository_id)


async def rename(session: AsyncSession, repository_id: int, full_name: str) -> None:
    """Remember another name of a repository that is known."""
    await session.execute(
        update(Repository).where(Repository.id == repository_id).values(full_name=full_name)
    )


async def save(
    session: AsyncSession,
    repository_id: int,
    full_name: str,
    label: str | None,
    configuration: dict[str, Any],
    pushed_at: datetime | None = None,
) -> None:
    """Remember a configuration that was read and found good, and since when its label starts tasks.

    `pushed_at` is the moment of the repository's last push, by GitHub's clock.
    """
    known, moment = await find(session, repository_id), clock.now()
    since = _label_since(known, label, pushed_at, moment)
    await session.merge(
        Repository(
            id=repository_id,
            full_name=full_name,
            label=label,
            configuration=configuration,
            label_since=since,
            updated_at=moment,
        )
    )


def _label_since(
    known: Repository | None, label: str | None, pushed_at: datetime | None, moment: datetime
) -> datetime | None:
    """Return since when the label is the one, None where we know of no other before it.

    What the file said when we first read it may have stood there from the start. The push that changed it
    is the last one or an earlier one, but none from before we read what it said until then.
    """
    if known is None:
        return None
    if (known.label or "").casefold() == (label or "").casefold():
        return known.label_since
    is_told = pushed_at is not None and known.updated_at < pushed_at <= moment
    return pushed_at if is_told else moment
