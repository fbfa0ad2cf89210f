"""A run of a task is fenced by the next one, and a task has one end."""

import asyncio

import pytest

from bot.task.work import Phase, Superseded, Work
from storage import clock, tasks
from storage.database import Database
from storage.words import Reason, TaskState
from tests import records
from tests.task_life import Life, working


async def test_a_later_run_fences_the_earlier_one(database: Database) -> None:
    """What the earlier one still had in hand is refused by the database, on every way of writing."""
    task = await working(database)
    work = await Work.load(database, task.id, task.runs)
    async with database.transaction() as writing:
        await tasks.yield_slot(writing, task.id, None)
    for write in (
        work.note(x=1), work.change(progress="x"), work.fail(Reason.ERROR, "x"), work.append(),
        work.move(TaskState.TESTING), work.change_session(branch="x"),
    ):  # fmt: skip
        with pytest.raises(Superseded):
            await write
    now = await records.read_task(database, task.id)
    assert (now.status, now.phase, now.facts) == (TaskState.RUNNING, Phase.CONVERSE, {})


async def test_two_runs_of_a_task_never_do_a_step_at_once(database: Database) -> None:
    """A stop gives a waiting task a new run: it begins when the old one's step has been cut off."""
    inside, most, steps = 0, 0, 0

    async def admit(work: Work) -> None:
        nonlocal inside, most, steps
        inside, steps = inside + 1, steps + 1
        most = max(most, inside)
        try:
            if steps == 1:
                started.set()
                await asyncio.Future()
        finally:
            inside -= 1

    started = asyncio.Event()
    life = Life(database, admit=admit)
    task = await records.a_task(database)
    first = asyncio.create_task(life.lifecycle.advance(task.id, task.runs))
    await started.wait()
    async with database.transaction() as writing:
        await tasks.want_cancel(writing, task.session_id, "@ann removed the label")
    later = asyncio.create_task(life.run(task.id))
    await asyncio.sleep(0)
    await life.watch.once()
    assert await first is False
    ended = await later
    assert (ended.status, life.ended, most) == (TaskState.CANCELLED, 1, 1)


async def test_a_stop_ends_the_task_once_however_slow_the_ending_is(sqlite: Database) -> None:
    """The wish that started the conclusion does not cut it off."""
    life = Life(sqlite)
    task = await working(sqlite)
    looks = 0

    async def slow(work: Work) -> None:
        nonlocal looks
        for _ in range(3):
            await life.watch.once()
            await asyncio.sleep(0)
            looks += 1
        await life.conclude(work)

    life.phases["conclude"] = slow
    async with sqlite.transaction() as writing:
        await tasks.want_cancel(writing, task.session_id, "@ann closed the issue")
    ended = await life.run(task.id)
    assert (ended.status, life.ended, looks) == (TaskState.CANCELLED, 1, 3)


async def test_a_stop_after_the_pull_request_is_open_comes_too_late(sqlite: Database) -> None:
    """There is one end, and it is the one that people see on the pull request."""
    life = Life(sqlite)

    async def deliver(work: Work) -> None:
        if work.facts.get("proposed") is None:
            await work.note(proposed=7)
            async with sqlite.transaction() as writing:
                await tasks.want_cancel(writing, work.session.id, "@ann closed the issue")
            await life.watch.once()
            await asyncio.sleep(0)
            raise AssertionError("was to be cut off")
        async with work.writing() as writing:
            await tasks.finish(writing, work.id, TaskState.COMPLETED)

    life.phases["deliver"] = deliver
    task = await records.a_task(sqlite, status=TaskState.TESTING, phase=Phase.DELIVER, started_at=clock.now())
    assert (await life.run(task.id)).status is TaskState.COMPLETED


async def test_an_outcome_and_the_way_to_it_are_stored_together(sqlite: Database) -> None:
    """No crash in between can leave a task that works on with its ending already chosen."""
    task = await working(sqlite)
    work = await Work.load(sqlite, task.id, task.runs)
    await work.fail(Reason.BLOCKED, "x" * 10_000)
    await work.fail(Reason.ERROR, "later")
    assert work.task.phase == Phase.CONCLUDE
    assert work.facts["outcome"]["reason"] == Reason.BLOCKED
    assert len(work.facts["outcome"]["why"]) == 2_000
