"""Work is cut off when someone wants it stopped, or its time is over, and by nothing else."""

import asyncio
import contextlib

import pytest

from bot.task.interruption import Interrupted, Interruptions, TimeIsUp
from storage import tasks
from storage.database import Database
from tests import records


async def _for_ever(seen: list[str] | None = None) -> None:
    try:
        await asyncio.Future()
    finally:
        if seen is not None:
            seen.append("ended")


async def _want_stop(database: Database, session_id: str) -> None:
    async with database.transaction() as writing:
        await tasks.want_cancel(writing, session_id, "@ann closed the issue")


async def test_a_wish_to_stop_cuts_the_work_off(database: Database) -> None:
    """The work has ended when the guard says who wanted it."""
    task = await records.a_task(database)
    watch, seen = Interruptions(database), list[str]()
    guarded = asyncio.create_task(watch.guard(task.id, 60, lambda: _for_ever(seen)))
    await asyncio.sleep(0)
    await _want_stop(database, task.session_id)
    await watch.once()
    with pytest.raises(Interrupted, match="@ann closed the issue"):
        await guarded
    assert seen == ["ended"]


async def test_what_stops_the_task_is_not_stopped_by_the_same_wish(database: Database) -> None:
    """The end of a cancelled task, a push and a comment, is not cut off every half second."""
    task = await records.a_task(database)
    await _want_stop(database, task.session_id)
    watch, go = Interruptions(database), asyncio.Event()

    async def ending() -> None:
        await go.wait()

    guarded = asyncio.create_task(watch.guard(task.id, 60, ending, stoppable=False))
    await asyncio.sleep(0)
    await watch.once()
    go.set()
    await guarded


async def test_time_is_up() -> None:
    """The work is ended, not left behind."""
    seen: list[str] = []
    with pytest.raises(TimeIsUp):
        await _watch().guard("t", 0.01, lambda: _for_ever(seen))
    assert seen == ["ended"]


async def test_a_time_out_of_the_work_itself_is_its_own() -> None:
    """A TimeoutError from within is no end of the task's time."""

    async def slow() -> None:
        raise TimeoutError("a socket")

    with pytest.raises(TimeoutError, match="a socket"):
        await _watch().guard("t", 60, slow)


async def test_cancelling_the_guard_ends_the_work() -> None:
    """When the process stops, nothing goes on behind its back."""
    seen: list[str] = []
    guarded = asyncio.create_task(_watch().guard("t", 60, lambda: _for_ever(seen)))
    await asyncio.sleep(0.01)
    guarded.cancel()
    with pytest.raises(asyncio.CancelledError):
        await guarded
    assert seen == ["ended"]


async def test_a_process_that_stops_is_not_taken_for_a_person_who_stops(database: Database) -> None:
    """With both at once it is the process that ends: the task goes on elsewhere, where the wish is seen."""
    task = await records.a_task(database)
    watch = Interruptions(database)
    guarded = asyncio.create_task(watch.guard(task.id, 60, _for_ever))
    await asyncio.sleep(0)
    await _want_stop(database, task.session_id)
    await watch.once()
    guarded.cancel()
    with pytest.raises(asyncio.CancelledError):
        await guarded


async def test_a_wish_that_came_too_late_is_not_kept_for_later(database: Database) -> None:
    """A later cancellation of the same task's work is not blamed on it."""
    task = await records.a_task(database)
    watch, go = Interruptions(database), asyncio.Event()

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Future()
        go.set()

    guarded = asyncio.create_task(watch.guard(task.id, 60, stubborn))
    await asyncio.sleep(0)
    await _want_stop(database, task.session_id)
    await watch.once()
    await guarded
    assert go.is_set()
    later = asyncio.create_task(watch.guard(task.id, 60, _for_ever, stoppable=False))
    await asyncio.sleep(0.01)
    later.cancel()
    with pytest.raises(asyncio.CancelledError):
        await later


async def test_the_watch_outlives_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failed look does not end the looking: otherwise no task could be stopped any more."""
    looks = 0
    enough = asyncio.Event()

    class Away:
        def reading(self) -> None:
            nonlocal looks
            looks += 1
            if looks > 1:
                enough.set()
            raise OSError("no database")

    monkeypatch.setattr("bot.task.interruption.LOOK_SECONDS", 0.001)
    watch = Interruptions(Away())  # type: ignore[arg-type]
    guarded = asyncio.create_task(watch.guard("t", 60, _for_ever))
    looking = asyncio.create_task(watch.run())
    async with asyncio.timeout(5):
        await enough.wait()
    for one in (looking, guarded):
        one.cancel()
    await asyncio.wait([looking, guarded])


def _watch() -> Interruptions:
    return Interruptions(None)  # type: ignore[arg-type]
