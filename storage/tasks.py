"""Create tasks and move them between the states of docs/architecture.md, each move a verb."""

import secrets
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import case, func, null, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from storage import clock, events
from storage.models import Session, Task
from storage.words import ENDED, LIVE, EventKind, PausedBy, Reason, TaskKind, TaskState

ADMIT = "admit"  # the phase every task begins in
WAITS = "waiting for a free slot"  # the progress of a task in line


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
    await _tell(session, task.id)
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


async def ahead(session: AsyncSession, task: Task) -> int | None:
    """Return a task's place in the line for a slot, from 1; None for one that stands in no line."""
    if not in_line(task):
        return None
    fresh = task.created_at if task.status is TaskState.PENDING else clock.now()  # else it joins the end
    since = func.coalesce(Task.enqueued_at, Task.created_at)
    query = select(func.count()).where(
        or_(
            (Task.status == TaskState.PENDING) & (Task.phase != ADMIT),
            (Task.paused_by == PausedBy.PERSON) & Task.pause_wanted.is_(None) & Task.cancel_wanted.is_(None),
        ),
        Task.id != task.id,
        since < (task.enqueued_at or fresh),
    )
    return int(await session.scalar(query) or 0) + 1


def in_line(task: Task) -> bool:
    """Whether the task waits for a slot: since it was let in, or since a person let it go on."""
    if task.status is TaskState.PENDING:
        return task.phase != ADMIT
    return task.paused_by is PausedBy.PERSON and task.pause_wanted is None and task.cancel_wanted is None


async def to_enqueue(session: AsyncSession, limit: int = 100) -> list[Task]:
    """Return the unfinished tasks that wait to be handed to the queue and may be, oldest first."""
    query = (
        select(Task)
        .where(
            Task.status.not_in(ENDED),
            Task.enqueued_at.is_(None),
            or_(Task.resume_at.is_(None), Task.resume_at <= clock.now(), Task.cancel_wanted.is_not(None)),
            # One that a person has paused waits for that person, not for a slot.
            or_(Task.paused_by.is_distinct_from(PausedBy.PERSON), _wanted_again()),
            # A follow-up waits behind the task at work; it may be turned away or stopped meanwhile.
            or_(
                Task.status != TaskState.PENDING,
                Task.phase == ADMIT,
                Task.cancel_wanted.is_not(None),
                ~_others_live(),
            ),
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
    before = await session.execute(
        select(Task.status, Task.paused_by).where(Task.id == task_id).with_for_update()
    )
    was = before.one_or_none()
    statement = (
        update(Task)
        .where(Task.id == task_id, Task.status.not_in(ENDED))
        .values(status=status, paused_by=paused_by, updated_at=clock.now(), **values)
    )
    moved = bool((await session.execute(statement.returning(Task.id))).scalar_one_or_none())
    if moved and was is not None and (was.status, was.paused_by) != (status, paused_by):
        await _tell(session, task_id)
    return moved


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
    ended = bool((await session.execute(statement.returning(Task.id))).scalar_one_or_none())
    if ended:
        await _tell(session, task_id)
    return ended


async def _tell(session: AsyncSession, task_id: str) -> None:
    """Write the task's state as it is now into its events."""
    told = (Task.status, Task.reason, Task.paused_by, Task.kind, Task.session_id)
    found = await session.execute(select(*told).where(Task.id == task_id))
    await events.add(session, task_id, EventKind.STATE, dict(found.mappings().one()))


async def want_cancel(
    session: AsyncSession, session_id: str, why: str, *, as_: Reason | None = None, task_id: str | None = None
) -> list[str]:
    """Ask the session's unfinished tasks (or that one) to stop; return their ids. Workers look often.

    They end CANCELLED, or FAILED for the reason given. One that still waits for a slot, or for a person, gets
    a new run, which dispatch starts outside of the queue.
    """
    parked = (Task.status == TaskState.PAUSED) & Task.paused_by.in_((PausedBy.MODEL_OUTAGE, PausedBy.PERSON))
    waits = (Task.status == TaskState.PENDING) | parked
    statement = (
        update(Task)
        .where(
            Task.session_id == session_id,
            Task.status.not_in(ENDED),
            Task.cancel_wanted.is_(None),
            Task.id == task_id if task_id is not None else true(),
        )
        .values(
            cancel_wanted=why,
            cancel_as=as_,
            updated_at=clock.now(),
            runs=case((waits, Task.runs + 1), else_=Task.runs),
            enqueued_at=case((waits, null()), else_=Task.enqueued_at),
        )
        .returning(Task.id)
    )
    return list((await session.execute(statement)).scalars())


async def want_pause(session: AsyncSession, task_id: str, by: str) -> None:
    """Ask a task to rest after its present step; one that waits for a slot gets a run that only does so."""
    waits = (Task.status == TaskState.PENDING) & (Task.phase != ADMIT)
    await session.execute(
        update(Task)
        .where(Task.id == task_id, Task.status.not_in(ENDED), Task.pause_wanted.is_(None))
        .values(
            pause_wanted=by,
            updated_at=clock.now(),
            runs=case((waits, Task.runs + 1), else_=Task.runs),
            enqueued_at=case((waits, null()), else_=Task.enqueued_at),
        )
    )
    await events.note(session, task_id, f"pause asked for by @{by}")


async def resume(session: AsyncSession, task_id: str, by: str) -> None:
    """Take a person's pause back; a task that rests already is handed to the queue again."""
    rests = Task.paused_by == PausedBy.PERSON
    await session.execute(
        update(Task)
        .where(Task.id == task_id)
        .values(
            pause_wanted=None,
            progress=case((rests, WAITS), else_=Task.progress),
            updated_at=clock.now(),
        )
    )
    await events.note(session, task_id, f"resumed by @{by}")


async def unwanted(session: AsyncSession, task_ids: list[str]) -> dict[str, str]:
    """Return those of the given tasks that someone wants stopped, with why."""
    query = select(Task.id, Task.cancel_wanted).where(Task.id.in_(task_ids), Task.cancel_wanted.is_not(None))
    return {row.id: row.cancel_wanted or "" for row in await session.execute(query)}


def _wanted_again() -> Any:
    return or_(Task.pause_wanted.is_(None), Task.cancel_wanted.is_not(None))


def _others_live() -> Any:
    other = aliased(Task)
    return select(other.id).where(other.session_id == Task.session_id, other.status.in_(LIVE)).exists()


async def set_facts(session: AsyncSession, task_id: str, **facts: Any) -> None:
    """Merge facts into the task's own notes; two that do so at once take turns."""
    task = await session.get_one(Task, task_id, populate_existing=True, with_for_update=True)
    task.facts = {**task.facts, **facts}
    task.updated_at = clock.now()
    await session.flush()
