"""What happens to a task is told in one gapless order, in the transaction in which it happens."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from storage import clock, events, interactions, tasks
from storage.database import Database
from storage.models import Event, Task
from storage.words import EventKind, InteractionType, PausedBy, Reason, TaskState
from tests.records import a_session, a_task, read_task

SAID = InteractionType.CLAUDE_RESPONSE
DAY = timedelta(days=1)


async def _told(database: Database, task: Task, after: int = 0) -> list[Event]:
    async with database.reading() as session:
        return await events.after(session, task.id, after)


async def test_a_life_is_told_in_order(database: Database) -> None:
    """That it came to be, moved, paused, talked and ended: each as it was then, numbered without a gap."""
    task = await a_task(database)
    async with database.transaction() as session:
        await tasks.move(session, task.id, TaskState.RUNNING)
        await tasks.move(session, task.id, TaskState.PAUSED, paused_by=PausedBy.PERSON)
    async with database.transaction() as session:
        await interactions.append(session, task.id, [(SAID, {"n": 1}), (SAID, {"n": 2})])
        await events.note(session, task.id, "@ann was heard")
    async with database.transaction() as session:
        await tasks.finish(session, task.id, TaskState.FAILED, Reason.UNPROVEN)
    told = await _told(database, task)
    assert [event.seq for event in told] == list(range(1, 8))
    states = [event.data for event in told if event.kind is EventKind.STATE]
    assert [(one["status"], one["reason"], one["paused_by"]) for one in states] == [
        ("PENDING", None, None), ("RUNNING", None, None), ("PAUSED", None, "person"),
        ("FAILED", "unproven", None),
    ]  # fmt: skip
    assert {(one["kind"], one["session_id"]) for one in states} == {("implement", task.session_id)}
    assert [event.kind for event in told[3:6]] == [
        EventKind.INTERACTION,
        EventKind.INTERACTION,
        EventKind.NOTE,
    ]
    assert told[5].data == {"text": "@ann was heard"}
    assert (await read_task(database, task.id)).event_count == 7


async def test_an_interaction_is_told_by_its_row(database: Database) -> None:
    """Not by its content, which may be large."""
    task = await a_task(database)
    async with database.transaction() as session:
        (row,) = await interactions.append(session, task.id, [(SAID, {"text": "x" * 100_000})])
    (event,) = await _told(database, task, after=1)
    assert event.data == {"interaction": row.id, "seq": 1, "type": "CLAUDE_RESPONSE"}


async def test_a_listener_goes_on_where_it_left_off(database: Database) -> None:
    """After a number come the later ones, so many at a time; another task's are another list."""
    task, other = await a_task(database), await a_task(database, await a_session(database, 2))
    async with database.transaction() as session:
        for number in range(5):
            await events.note(session, task.id, str(number))
        await events.note(session, other.id, "theirs")
    async with database.reading() as session:
        seen, texts = 1, []
        while batch := await events.after(session, task.id, seen, limit=2):
            assert len(batch) <= 2
            texts += [event.data["text"] for event in batch]
            seen = batch[-1].seq
    assert texts == ["0", "1", "2", "3", "4"]
    assert [event.seq for event in await _told(database, other)] == [1, 2]


async def _twice(session: Any, task: Task) -> None:
    await tasks.move(session, task.id, TaskState.RUNNING)
    await tasks.move(session, task.id, TaskState.RUNNING, progress="still at it")


async def _end_twice(session: Any, task: Task) -> None:
    await tasks.finish(session, task.id, TaskState.COMPLETED)
    await tasks.finish(session, task.id, TaskState.CANCELLED)
    await tasks.move(session, task.id, TaskState.RUNNING)


@pytest.mark.parametrize(
    ("do", "state"), [(_twice, "RUNNING"), (_end_twice, "COMPLETED")], ids=["the same state", "an ended task"]
)
async def test_what_changes_nothing_is_not_told(
    database: Database, do: Callable[[Any, Task], Coroutine[Any, Any, None]], state: str
) -> None:
    """A move to the same state, an end after the end, a move of an ended task."""
    task = await a_task(database)
    async with database.transaction() as session:
        await do(session, task)
    assert [event.data["status"] for event in await _told(database, task)] == ["PENDING", state]


async def test_another_who_pauses_is_told(database: Database) -> None:
    """PAUSED by the simulated human and PAUSED by a person are two things to see."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        for who in (PausedBy.SIMULATED_HUMAN, PausedBy.PERSON, PausedBy.PERSON):
            await tasks.move(session, task.id, TaskState.PAUSED, paused_by=who)
    told = await _told(database, task, after=2)
    assert [event.data["paused_by"] for event in told] == ["simulated_human", "person"]


async def test_what_is_rolled_back_is_not_told(database: Database) -> None:
    """And leaves no gap in the numbers."""
    task = await a_task(database)
    async with database.transaction() as session:
        await tasks.move(session, task.id, TaskState.RUNNING)
        await interactions.append(session, task.id, [(SAID, {})])
        await session.rollback()
    async with database.transaction() as session:
        await events.note(session, task.id, "later")
    assert [(event.seq, event.kind) for event in await _told(database, task)] == [
        (1, EventKind.STATE), (2, EventKind.NOTE),
    ]  # fmt: skip


async def test_many_writers_leave_no_gap(database: Database) -> None:
    """Each takes the next number, from whichever process, and none is taken twice."""
    task = await a_task(database)

    async def note(number: int) -> None:
        async with database.transaction() as session:
            await events.note(session, task.id, str(number))

    await asyncio.gather(*(note(number) for number in range(12)))
    told = await _told(database, task, after=1)
    assert [event.seq for event in told] == list(range(2, 14))
    assert {event.data["text"] for event in told} == {str(number) for number in range(12)}


async def test_nobody_sees_a_later_event_before_an_earlier_one(database: Database) -> None:
    """Who has taken a number is waited for: a listener that has seen n has seen all up to n."""
    if database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time")
    task = await a_task(database)

    async def hurry() -> None:
        async with database.transaction() as session:
            await events.note(session, task.id, "second")

    async with database.transaction() as slow:
        await events.note(slow, task.id, "first")
        hurrying = asyncio.create_task(hurry())
        done, _ = await asyncio.wait([hurrying], timeout=0.3)
        assert not done
        assert [event.seq for event in await _told(database, task)] == [1]
    await hurrying
    assert [event.data.get("text") for event in await _told(database, task)] == [None, "first", "second"]


async def test_an_event_of_no_task_is_refused(database: Database) -> None:
    """A bug, not a row."""
    async with database.transaction() as session:
        with pytest.raises(LookupError, match="there is no task x"):
            await events.note(session, "x", "hello")


async def test_people_see_the_newest_notes(database: Database) -> None:
    """Oldest first, and nothing but notes."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        for number in range(5):
            await events.note(session, task.id, str(number))
            await interactions.append(session, task.id, [(SAID, {})])
        found = await events.notes(session, task.id, limit=3)
    assert [event.data["text"] for event in found] == ["2", "3", "4"]


async def test_each_wish_of_a_person_is_noted(database: Database) -> None:
    """A pause and its end are there to be read in the status comment."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        await tasks.want_pause(session, task.id, "ann")
        await tasks.resume(session, task.id, "bob")
        found = await events.notes(session, task.id)
    assert [event.data["text"] for event in found] == ["pause asked for by @ann", "resumed by @bob"]


async def _due(database: Database, moment: Any = None) -> list[tuple[str, int]]:
    async with database.reading() as session:
        return [(event.task_id, event.seq) for event in await events.due(session, moment or clock.now())]


async def test_of_each_task_the_next_state_change_is_to_be_notified(database: Database) -> None:
    """In order within a task; one that is held up holds up its own task alone; the rest is nobody's news."""
    first, second = await a_task(database), await a_task(database, await a_session(database, 2))
    async with database.transaction() as session:
        await events.note(session, first.id, "no state")
        await tasks.move(session, first.id, TaskState.RUNNING)
    assert await _due(database) == [(first.id, 1), (second.id, 1)]
    born = (await _told(database, first))[0].id
    async with database.transaction() as session:
        assert await events.claim(session, born, clock.now(), clock.now() + DAY)
        assert not await events.claim(session, born, clock.now(), clock.now() + DAY)
    assert await _due(database) == [(second.id, 1)]
    assert await _due(database, clock.now() + 2 * DAY) == [(first.id, 1), (second.id, 1)]
    async with database.transaction() as session:
        await events.postpone(session, born, clock.now() - timedelta(seconds=1))
    assert await _due(database) == [(first.id, 1), (second.id, 1)]
    async with database.transaction() as session:
        await events.sent(session, born)
        assert not await events.claim(session, born, clock.now(), clock.now() + DAY)
    assert await _due(database) == [(second.id, 1), (first.id, 3)]
    assert (await _told(database, first))[0].notify_attempts == 1


async def test_of_many_who_notify_one_takes_an_attempt(database: Database) -> None:
    """Two workers that see the same change due do not both tell it."""
    task = await a_task(database)
    (event,) = await _told(database, task)

    async def claim() -> bool:
        async with database.transaction() as session:
            return await events.claim(session, event.id, clock.now(), clock.now() + DAY)

    assert sorted(await asyncio.gather(*(claim() for _ in range(6)))) == [False] * 5 + [True]


async def test_what_nobody_was_to_be_told_of_is_dropped(database: Database) -> None:
    """When an address is set for the first time the past is not told; what was tried already goes on."""
    old, tried, new = [await a_task(database, await a_session(database, n)) for n in (1, 2, 3)]
    async with database.transaction() as session:
        for task in (old, tried):
            (event,) = await events.after(session, task.id, 0)
            event.created_at = clock.now() - 2 * DAY
        await events.postpone(session, event.id, clock.now() - DAY)
    async with database.transaction() as session:
        assert await events.drop_untold(session, clock.now() - DAY) == 1
        assert await events.drop_untold(session, clock.now() - DAY) == 0
    assert await _due(database) == [(tried.id, 1), (new.id, 1)]


async def test_events_go_with_what_they_tell_of(database: Database) -> None:
    """Those of tasks that ended long ago, so many at a time; those of others stay."""
    old, recent, running = [await a_task(database, await a_session(database, n)) for n in (1, 2, 3)]
    async with database.transaction() as session:
        for task, days in ((old, 91), (recent, 89)):
            await tasks.finish(session, task.id, TaskState.CANCELLED)
            await tasks.change(session, task.id, finished_at=clock.now() - days * DAY)
    async with database.transaction() as session:
        before = clock.now() - 90 * DAY
        assert [await events.prune(session, before, most=1) for _ in range(3)] == [1, 1, 0]
    assert [len(await _told(database, task)) for task in (old, recent, running)] == [0, 2, 1]
