"""A task has one life: constraints, not ifs, keep it so."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from storage import clock, sessions, tasks
from storage.database import Database
from storage.words import ENDED, LIVE, PausedBy, Reason, TaskState
from tests.records import a_session, a_task, read_task

ENDINGS = [
    (TaskState.COMPLETED, None),
    (TaskState.FAILED, Reason.UNPROVEN),
    (TaskState.CANCELLED, None),
]


async def test_a_session_has_one_pending_task(database: Database) -> None:
    """A second waiting task in one session is refused by the database."""
    owner = await a_session(database)
    await a_task(database, owner)
    with pytest.raises(IntegrityError):
        await a_task(database, owner)


async def test_a_session_has_one_live_task(database: Database) -> None:
    """A follow-up may wait behind a live task, and can't become live before that has ended."""
    owner = await a_session(database)
    first = await a_task(database, owner, TaskState.RUNNING)
    waiting = await a_task(database, owner)
    for live in LIVE:
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await tasks.move(session, waiting.id, live)
    async with database.transaction() as session:
        assert await tasks.finish(session, first.id, TaskState.COMPLETED)
        assert await tasks.move(session, waiting.id, TaskState.RUNNING)


async def test_pausing_keeps_the_place(database: Database) -> None:
    """PAUSED and TESTING are as live as RUNNING: no second task slips in while one is paused."""
    owner = await a_session(database)
    first = await a_task(database, owner, TaskState.RUNNING)
    await a_task(database, owner)
    async with database.transaction() as session:
        await tasks.move(session, first.id, TaskState.PAUSED, paused_by=PausedBy.PERSON)
        unfinished = await tasks.unfinished_of(session, owner.id)
    assert [task.status for task in unfinished] == [TaskState.PAUSED, TaskState.PENDING]


@pytest.mark.parametrize(("ending", "reason"), ENDINGS)
async def test_no_move_leaves_an_ended_state(
    database: Database, ending: TaskState, reason: Reason | None
) -> None:
    """An ended task can't be moved, ended otherwise, or cancelled, and its reason stays."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        assert await tasks.finish(session, task.id, ending, reason)
    async with database.transaction() as session:
        moved = [await tasks.move(session, task.id, live) for live in LIVE]
        again = [await tasks.finish(session, task.id, one, why) for one, why in ENDINGS]
        wanted = await tasks.want_cancel(session, task.session_id, "@maria removed the label")
    ended = await read_task(database, task.id)
    assert (moved, again, wanted) == ([False] * 3, [False] * 3, [])
    assert (ended.status, ended.reason, ended.cancel_wanted) == (ending, reason, None)


async def test_a_task_ends_once_however_many_try(database: Database) -> None:
    """Of many that end one task at the same moment, exactly one is told that it did."""
    task = await a_task(database, status=TaskState.RUNNING)

    async def end(ending: TaskState, reason: Reason | None) -> bool:
        async with database.transaction() as session:
            return await tasks.finish(session, task.id, ending, reason)

    won = await asyncio.gather(*(end(*ENDINGS[number % 3]) for number in range(6)))
    assert sorted(won) == [False] * 5 + [True]
    ended = await read_task(database, task.id)
    assert ended.status in ENDED
    assert ended.finished_at is not None


async def test_only_failed_has_a_reason(database: Database) -> None:
    """FAILED without a reason, or a reason without FAILED, is a bug and raises."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        for status, reason in [
            (TaskState.FAILED, None), (TaskState.COMPLETED, Reason.ERROR), (TaskState.RUNNING, None),
        ]:  # fmt: skip
            with pytest.raises(ValueError, match="cannot end"):
                await tasks.finish(session, task.id, status, reason)
        with pytest.raises(ValueError, match="not a live state"):
            await tasks.move(session, task.id, TaskState.COMPLETED)


async def test_moving_on_ends_the_pause(database: Database) -> None:
    """`paused_by` says who holds the task only while it is PAUSED."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        await tasks.move(session, task.id, TaskState.PAUSED, paused_by=PausedBy.MODEL_OUTAGE)
    assert (await read_task(database, task.id)).paused_by is PausedBy.MODEL_OUTAGE
    async with database.transaction() as session:
        await tasks.move(session, task.id, TaskState.RUNNING)
    assert (await read_task(database, task.id)).paused_by is None


async def test_stopping_a_waiting_task_gives_it_a_new_run(database: Database) -> None:
    """A PENDING task that must stop is handed over anew, since its old run may wait long for a slot."""
    task = await a_task(database, enqueued_at=clock.now())
    async with database.transaction() as session:
        assert await tasks.want_cancel(session, task.session_id, "@maria removed the label") == [task.id]
    wanted = await read_task(database, task.id)
    assert (wanted.runs, wanted.enqueued_at) == (task.runs + 1, None)
    assert wanted.cancel_wanted == "@maria removed the label"


async def test_stopping_a_running_task_leaves_its_run(database: Database) -> None:
    """A task at work keeps its run: the worker that has it sees the wish."""
    task = await a_task(database, status=TaskState.RUNNING, enqueued_at=clock.now())
    async with database.transaction() as session:
        await tasks.want_cancel(session, task.session_id, "stop")
    wanted = await read_task(database, task.id)
    assert (wanted.runs, wanted.enqueued_at) == (task.runs, task.enqueued_at)


async def test_the_first_wish_to_stop_stays(database: Database) -> None:
    """Who asked second neither takes the credit nor starts another run."""
    task = await a_task(database)
    async with database.transaction() as session:
        await tasks.want_cancel(session, task.session_id, "first")
        assert await tasks.want_cancel(session, task.session_id, "second") == []
    assert (await read_task(database, task.id)).cancel_wanted == "first"


async def test_a_task_that_waits_is_handed_over_when_its_time_comes(database: Database) -> None:
    """A task that gave up its slot is due at `resume_at`, or at once when someone wants it stopped."""
    task = await a_task(database, status=TaskState.RUNNING, enqueued_at=clock.now())
    async with database.transaction() as session:
        await tasks.yield_slot(session, task.id, clock.now() + timedelta(hours=1))
        assert await tasks.to_enqueue(session) == []
        await tasks.want_cancel(session, task.session_id, "stop")
        (due,) = await tasks.to_enqueue(session)
    assert (due.id, due.runs) == (task.id, task.runs + 1)
    async with database.transaction() as session:
        await tasks.enqueued(session, task.id, task.runs)
        assert [one.id for one in await tasks.to_enqueue(session)] == [task.id], "an earlier run is no news"
        await tasks.enqueued(session, task.id, task.runs + 1)
        assert await tasks.to_enqueue(session) == []


async def test_facts_of_two_writers_are_both_kept(database: Database) -> None:
    """Notes are merged under a lock, so that two at once lose neither."""
    task = await a_task(database)

    async def note(number: int) -> None:
        async with database.transaction() as session:
            await tasks.set_facts(session, task.id, **{f"fact{number}": number})

    await asyncio.gather(*(note(number) for number in range(8)))
    assert (await read_task(database, task.id)).facts == {f"fact{number}": number for number in range(8)}


async def test_one_issue_has_one_open_session(database: Database) -> None:
    """Two labels at the same moment open one session; once it ended the next label opens another."""
    first = await a_session(database, 5)
    with pytest.raises(IntegrityError):
        await a_session(database, 5)
    await a_session(database, 6)
    async with database.transaction() as session:
        await sessions.change(session, first.id, branch="journeyman/issue-5-x")
        await sessions.end(session, first.id)
    second = await a_session(database, 5)
    async with database.reading() as session:
        found = await sessions.find_open(session, 7, 5)
        assert found is not None
        assert found.id == second.id
        assert await sessions.earlier(session, second) == 1


async def test_sessions_without_an_issue_are_not_limited(database: Database) -> None:
    """A project may have many sessions at once: only issues have the rule of one."""
    first = await a_session(database, issue_number=None, project_path="/srv/shop")  # type: ignore[arg-type]
    second = await a_session(database, issue_number=None, project_path="/srv/shop")  # type: ignore[arg-type]
    assert first.id != second.id
