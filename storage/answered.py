"""Remember what API calls with an idempotency key were answered."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.records import Answered


async def find(session: AsyncSession, key: str) -> Answered | None:
    """Return the earlier answer under this key, if there was one."""
    return await session.get(Answered, key)


async def remember(
    session: AsyncSession, key: str, fingerprint: str, status: int, body: dict[str, Any]
) -> None:
    """Keep an answer in the transaction of what it answers; a second one under the key is refused.

    Raises IntegrityError when another call with the key was faster.
    """
    session.add(Answered(key=key, fingerprint=fingerprint, status=status, body=body, created_at=clock.now()))
    await session.flush()


async def prune(session: AsyncSession, before: datetime) -> int:
    """Forget answers older than that moment, and return how many went."""
    gone = await session.execute(delete(Answered).where(Answered.created_at < before).returning(Answered.key))
    return len(gone.all())
