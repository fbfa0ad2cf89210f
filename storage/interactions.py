"""Append to the conversation and read it back; nothing is changed, and only whole old ones are forgotten."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, events
from storage.models import Interaction, Task
from storage.words import ENDED, EventKind, InteractionType


async def append(
    session: AsyncSession, task_id: str, entries: list[tuple[InteractionType, dict[str, Any]]]
) -> list[Interaction]:
    """Add entries at the end of a task's conversation.

    The unique index on (task, seq) lets only one writer take the next place: a second worker that
    believes it owns the task gets an IntegrityError instead of a forked history.
    """
    last = await last_seq(session, task_id)
    moment = clock.now()
    rows = [
        Interaction(
            task_id=task_id, seq=last + offset, interaction_type=kind, content=content, created_at=moment
        )
        for offset, (kind, content) in enumerate(entries, start=1)
    ]
    session.add_all(rows)
    await session.flush()
    told = [{"interaction": row.id, "seq": row.seq, "type": row.interaction_type} for row in rows]
    await events.add(session, task_id, EventKind.INTERACTION, *told)
    return rows


async def last_seq(session: AsyncSession, task_id: str) -> int:
    """Return the number of a task's last entry, 0 before the first."""
    return await session.scalar(select(func.max(Interaction.seq)).where(Interaction.task_id == task_id)) or 0


async def of_task(session: AsyncSession, task_id: str, after: int = 0) -> list[Interaction]:
    """Return the entries after the given place, in order."""
    query = (
        select(Interaction)
        .where(Interaction.task_id == task_id, Interaction.seq > after)
        .order_by(Interaction.seq)
    )
    return list(await session.scalars(query))


async def prune(session: AsyncSession, before: datetime, most: int = 500) -> int:
    """Forget that many entries of tasks that ended before that moment, and return how many went."""
    old = (
        select(Interaction.id)
        .join(Task, Task.id == Interaction.task_id)
        .where(Task.status.in_(ENDED), Task.finished_at < before)
        .limit(most)
    )
    statement = delete(Interaction).where(Interaction.id.in_(old)).returning(Interaction.id)
    return len((await session.execute(statement)).all())
