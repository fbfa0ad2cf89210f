"""Read what the API shows in pages and sums, each with a bounded query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.models import Event, Interaction, Session, Task, TestCase
from storage.records import Charge
from storage.words import ENDED, TaskState, TestState, TestType


@dataclass(frozen=True)
class Place:
    """Where a page ended: the last task on it."""

    created_at: datetime
    task_id: str


@dataclass(frozen=True)
class Standing:
    """How many events a task has, and whether it has ended."""

    events: int
    ended: bool


async def session_of(session: AsyncSession, session_id: str) -> Session | None:
    """Return a session, None for an unknown id."""
    return await session.get(Session, session_id)


async def task_of(session: AsyncSession, task_id: str) -> Task | None:
    """Return a task, None for an unknown id."""
    return await session.get(Task, task_id)


async def page(session: AsyncSession, session_id: str, limit: int, after: Place | None = None) -> list[Task]:
    """Return a session's tasks behind that place, newest first."""
    query = select(Task).where(Task.session_id == session_id)
    if after is not None:
        older = Task.created_at < after.created_at
        same = and_(Task.created_at == after.created_at, Task.id < after.task_id)
        query = query.where(or_(older, same))
    return list(await session.scalars(query.order_by(Task.created_at.desc(), Task.id.desc()).limit(limit)))


async def costs(session: AsyncSession, task_ids: Sequence[str]) -> dict[str, Decimal]:
    """Return what tasks cost so far, in USD; calls whose end we never saw count with their reservation."""
    spent = func.sum(func.coalesce(Charge.settled_usd, Charge.reserved_usd))
    query = select(Charge.task_id, spent).where(Charge.task_id.in_(task_ids)).group_by(Charge.task_id)
    found = {row[0]: Decimal(str(row[1])) for row in await session.execute(query)}
    return {task_id: found.get(task_id, Decimal(0)) for task_id in task_ids}


async def tests(session: AsyncSession, task_id: str) -> dict[tuple[TestType, TestState], int]:
    """Return how many tests a task has of each type in each state on the result."""
    query = (
        select(TestCase.test_type, TestCase.status, func.count())
        .where(TestCase.task_id == task_id)
        .group_by(TestCase.test_type, TestCase.status)
    )
    return {(row[0], row[1]): row[2] for row in await session.execute(query)}


async def standing(session: AsyncSession, task_ids: Sequence[str]) -> dict[str, Standing]:
    """Return where tasks stand, to see whether there is news of them; unknown ones are left out."""
    query = select(Task.id, Task.event_count, Task.status).where(Task.id.in_(task_ids))
    return {row[0]: Standing(row[1], row[2] in ENDED) for row in await session.execute(query)}


async def told(session: AsyncSession, happened: Sequence[Event]) -> dict[int, Interaction]:
    """Return the entries of the conversation that those events tell of, by their row's id."""
    ids = [event.data["interaction"] for event in happened if "interaction" in event.data]
    if not ids:
        return {}
    query = select(Interaction).where(Interaction.id.in_(ids))
    return {row.id: row for row in await session.scalars(query)}


async def has_pending(session: AsyncSession, session_id: str) -> bool:
    """Return whether a task of the session waits to be started."""
    query = select(Task.id).where(Task.session_id == session_id, Task.status == TaskState.PENDING).limit(1)
    return await session.scalar(query) is not None


async def has_tasks(session: AsyncSession, session_id: str) -> bool:
    """Return whether the session has, or had, any task."""
    return await session.scalar(select(Task.id).where(Task.session_id == session_id).limit(1)) is not None
