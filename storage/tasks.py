"""Create tasks and move them between the states of docs/architecture.md, each move a verb."""

import secrets
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import case, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.models import Session, Task
from storage.words import ENDED, LIVE, PausedBy, Reason, TaskKind, TaskState

ADMIT = "admit"  # the phase every task begins in


async def create(
    session: AsyncSession,
    owner: Session,
    *,
    kind: TaskKind,
    description: str,
    trigger: dict[str, Any],
    budget_usd: Decimal,
    request_id: int | None = None,
    requester_id: int | None = None,
    requester: str | None = None,
) -> Task:
    """Add a PENDING task; the unique index refuses a second waiting one in the session (IntegrityError)."""
    moment = clock.now()
    task = Task(
        id=clock.new_id(),
        session_id=owner.id,
        request_id=request_id,
        kind=kind,
        description=description,
        trigger=trigger,
        requester_id=requester_id,
        requester=requester,
        seed=secrets.randbelow(2**31),
        status=TaskState.PENDING,
        phase=ADMIT,
        progress="accepted",
        budget_usd=budget_usd,
        facts={},
        created_at=moment,
        updated_at=moment,
    )
    session.add(task)
    await session.flush()
    return task


async def get(session: AsyncSession, task_id: str) -> Task:
    """Return the task; raises NoResultFound for an unknown id."""
    return await session.get_one(Task, task_id)


async def unfinished_of(session: AsyncSession, session_id: str) -> list[Task]:
    """Return a session's tasks that have not ended, oldest first."""
    query = (
        select(Task).where(Task.session_id == session_id, Task.status.not_in(ENDED)).order_by(Task.created_at)
    )
    return list(await session.scalars(query))


async def of_session(session: AsyncSession, session_id: str) -> list[Task]:
    """Return all tasks of a session, newest first."""
    query = select(Task).where(Task.session_id == session_id).order_by(Task.created_at.desc())
    return list(await session.scalars(query))


async def to_enqueue(session: AsyncSession, limit: int = 100) -> list[Task]:
    """Return the unfinished tasks that wait to be handed to the queue and may be, oldest first."""
    query = (
        select(Task)
        .where(
            Task.status.not_in(ENDED),
            Task.enqueued_at.is_(None),
            or_(Task.resume_at.is_(None), Task.resume_at <= clock.now(), Task.cancel_wanted.is_not(None)),
        )
        .order_by(Task.created_at)
        .limit(limit)
    )
    return list(await session.scalars(query))


async def enqueued(session: AsyncSession, task_id: str, run: int) -> None:
    """Say that the queue has that run of the task, unless it was so quick that it is over by now."""
    moment = clock.now()
    await session.execute(
        update(Task).where(Task.id == task_id, Task.runs == run).values(enqueued_at=moment, updated_at=moment)
    )


async def yield_slot(session: AsyncSession, task_id: str, resume_at: datetime | None, **values: Any) -> None:
    """End the task's current run; the next one is handed to the queue at that moment (None: at once)."""
    await session.execute(
        update(Task)
        .where(Task.id == task_id)
        .values(enqueued_at=None, resume_at=resume_at, runs=Task.runs + 1, updated_at=clock.now(), **values)
    )


async def change(session: AsyncSession, task_id: str, **values: Any) -> None:
    """Set columns of a task and its `updated_at`."""
    await session.execute(update(Task).where(Task.id == task_id).values(updated_at=clock.now(), **values))


async def move(session: AsyncSession, task_id: str, status: TaskState, **values: Any) -> bool:
    """Move an unfinished task to another live state; False when it has ended meanwhile."""
    if status not in LIVE:
        raise ValueError(f"{status} is not a live state")
    paused_by: PausedBy | None = values.pop("paused_by", None)
    statement = (
        update(Task)
        .where(Task.id == task_id, Task.status.not_in(ENDED))
        .values(status=status, paused_by=paused_by, updated_at=clock.now(), **values)
    )
    return bool((await session.execute(statement.returning(Task.id))).scalar_one_or_none())


async def finish(
    session: AsyncSession, task_id: str, status: TaskState, reason: Reason | None = None, **values: Any
) -> bool:
    """End the task in exactly one of COMPLETED, FAILED(reason), CANCELLED; False when it had ended before."""
    if status not in ENDED or (status is TaskState.FAILED) is (reason is None):
        raise ValueError(f"a task cannot end as {status} with reason {reason}")
    moment = clock.now()
    statement = (
        update(Task)
        .where(Task.id == task_id, Task.status.not_in(ENDED))
        .values(status=status, reason=reason, paused_by=None, finished_at=moment, updated_at=moment, **values)
    )
    return bool((await session.execute(statement.returning(Task.id))).scalar_one_or_none())


async def want_cancel(session: AsyncSession, session_id: str, why: str) -> list[str]:
    """Ask the session's unfinished tasks to stop, and return their ids; workers look once a second.

    One that still waits for a slot gets a new run, which dispatch starts outside of the queue.
    """
    parked = (Task.status == TaskState.PAUSED) & (Task.paused_by == PausedBy.MODEL_OUTAGE)
    waits = (Task.status == TaskState.PENDING) | parked
    statement = (
        update(Task)
        .where(Task.session_id == session_id, Task.status.not_in(ENDED), Task.cancel_wanted.is_(None))
        .values(
            cancel_wanted=why,
            updated_at=clock.now(),
            runs=case((waits, Task.runs + 1), else_=Task.runs),
            enqueued_at=case((waits, null()), else_=Task.enqueued_at),
        )
        .returning(Task.id)
    )
    return list((await session.execute(statement)).scalars())


async def unwanted(session: AsyncSession, task_ids: list[str]) -> dict[str, str]:
    """Return those of the given tasks that someone wants stopped, with why."""
    query = select(Task.id, Task.cancel_wanted).where(Task.id.in_(task_ids), Task.cancel_wanted.is_not(None))
    return {row.id: row.cancel_wanted or "" for row in await session.execute(query)}


async def set_facts(session: AsyncSession, task_id: str, **facts: Any) -> None:
    """Merge facts into the task's own notes; two that do so at once take turns."""
    task = await session.get_one(Task, task_id, populate_existing=True, with_for_update=True)
    task.facts = {**task.facts, **facts}
    task.updated_at = clock.now()
    await session.flush()
