"""Keep what was last known good of each repository."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.models import Repository


async def label_of(session: AsyncSession, repository_id: int) -> str | None:
    """Return the label that starts a task there, when its configuration names one."""
    row = await session.get(Repository, repository_id)
    return row.label if row else None


async def find(session: AsyncSession, repository_id: int) -> Repository | None:
    """Return what is known of a repository."""
    return await session.get(Repository, repository_id)


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
