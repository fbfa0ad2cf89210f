"""Keep what was last known good of each repository."""

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
) -> None:
    """Remember a configuration that was read and found good."""
    await session.merge(
        Repository(
            id=repository_id,
            full_name=full_name,
            label=label,
            configuration=configuration,
            updated_at=clock.now(),
        )
    )
