"""Keep the agent's tree safe outside of its own reach."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.models import Snapshot, Task
from storage.words import ENDED


async def save(session: AsyncSession, task_id: str, seq: int, tree: str, pack: bytes) -> None:
    """Store the tree after interaction `seq`; each pack is thin against the base, so the latest is enough."""
    await session.execute(delete(Snapshot).where(Snapshot.task_id == task_id))
    session.add(Snapshot(task_id=task_id, seq=seq, tree=tree, pack=pack, created_at=clock.now()))
    await session.flush()


async def latest(session: AsyncSession, task_id: str) -> Snapshot | None:
    """Return the newest snapshot, or None when the tree never changed."""
    query = select(Snapshot).where(Snapshot.task_id == task_id).order_by(Snapshot.seq.desc()).limit(1)
    return (await session.scalars(query)).one_or_none()


async def prune(session: AsyncSession, before: datetime, most: int = 50) -> int:
    """Forget that many snapshots of tasks that ended before that moment, and return how many went."""
    old = (
        select(Snapshot.id)
        .join(Task, Task.id == Snapshot.task_id)
        .where(Task.status.in_(ENDED), Task.finished_at < before)
        .limit(most)
    )
    statement = delete(Snapshot).where(Snapshot.id.in_(old)).returning(Snapshot.id)
    return len((await session.execute(statement)).all())
