"""Keep what happens to each task in order, so that a listener can go on where it left off."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from storage import clock
from storage.models import Event, Task
from storage.words import ENDED, EventKind


async def add(session: AsyncSession, task_id: str, kind: EventKind, *data: dict[str, Any]) -> None:
    """Write events at the end of a task's list, in the transaction of the change that they tell.

    Taking the numbers locks the task's row until the commit: nobody sees a later event before an earlier one.
    """
    taken = update(Task).where(Task.id == task_id).values(event_count=Task.event_count + len(data))
    last = await session.scalar(
        taken.returning(Task.event_count), execution_options={"synchronize_session": False}
    )
    if last is None:
        raise LookupError(f"there is no task {task_id}")
    moment = clock.now()
    first = last - len(data) + 1
    session.add_all(
        Event(task_id=task_id, seq=first + place, kind=kind, data=one, created_at=moment)
        for place, one in enumerate(data)
    )
    await session.flush()


async def note(session: AsyncSession, task_id: str, text: str) -> None:
    """Write down something that people should know of the task, one sentence without a full stop."""
    await add(session, task_id, EventKind.NOTE, {"text": text})


async def after(session: AsyncSession, task_id: str, seq: int, limit: int = 200) -> list[Event]:
    """Return a task's events after the given number, in order."""
    query = select(Event).where(Event.task_id == task_id, Event.seq > seq).order_by(Event.seq).limit(limit)
    return list(await session.scalars(query))


async def notes(session: AsyncSession, task_id: str, limit: int = 200) -> list[Event]:
    """Return what people should know of a task, oldest first, the newest *limit* of it."""
    query = (
        select(Event)
        .where(Event.task_id == task_id, Event.kind == EventKind.NOTE)
        .order_by(Event.seq.desc())
        .limit(limit)
    )
    return list(await session.scalars(query))[::-1]


async def sent(session: AsyncSession, event_id: int) -> None:
    """Say that nobody need be told of it any more: it was taken, given up, or is nobody's."""
    await session.execute(update(Event).where(Event.id == event_id).values(notified_at=clock.now()))


async def postpone(session: AsyncSession, event_id: int, until: datetime) -> None:
    """Let the notification be tried again at that moment; one more attempt is counted."""
    await session.execute(
        update(Event)
        .where(Event.id == event_id)
        .values(notify_after=until, notify_attempts=Event.notify_attempts + 1)
    )


async def prune(session: AsyncSession, before: datetime, most: int = 500) -> int:
    """Forget that many events of tasks that ended before that moment, and return how many went."""
    old = (
        select(Event.id)
        .join(Task, Task.id == Event.task_id)
        .where(Task.status.in_(ENDED), Task.finished_at < before)
        .limit(most)
    )
    return len((await session.execute(delete(Event).where(Event.id.in_(old)).returning(Event.id))).all())


async def due(session: AsyncSession, moment: datetime, limit: int = 10) -> list[Event]:
    """Return the state changes to tell of at that moment, oldest first: of each task only the next one."""
    earlier = aliased(Event)
    waits_for = (
        select(earlier.id)
        .where(
            earlier.task_id == Event.task_id,
            earlier.seq < Event.seq,
            earlier.kind == EventKind.STATE,
            earlier.notified_at.is_(None),
        )
        .exists()
    )
    query = (
        select(Event)
        .where(
            Event.kind == EventKind.STATE,
            Event.notified_at.is_(None),
            or_(Event.notify_after.is_(None), Event.notify_after <= moment),
            ~waits_for,
        )
        .order_by(Event.id)
        .limit(limit)
    )
    return list(await session.scalars(query))


async def claim(session: AsyncSession, event_id: int, moment: datetime, until: datetime) -> bool:
    """Take one attempt at a notification for oneself until then; False when another has taken it."""
    statement = (
        update(Event)
        .where(
            Event.id == event_id,
            Event.notified_at.is_(None),
            or_(Event.notify_after.is_(None), Event.notify_after <= moment),
        )
        .values(notify_after=until)
        .returning(Event.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def drop_untold(session: AsyncSession, before: datetime, most: int = 500) -> int:
    """Tell nobody of that many state changes from before that moment that were never tried; how many."""
    old = (
        select(Event.id)
        .where(
            Event.kind == EventKind.STATE,
            Event.notified_at.is_(None),
            Event.notify_attempts == 0,
            Event.created_at < before,
        )
        .limit(most)
    )
    dropped = update(Event).where(Event.id.in_(old)).values(notified_at=clock.now()).returning(Event.id)
    return len((await session.execute(dropped, execution_options={"synchronize_session": False})).all())
