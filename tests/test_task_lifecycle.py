"""Each kind of failure has its end, waiting costs no time, and no ending goes on for ever."""

import asyncio
import errno
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from bot.claude import failures
from bot.errors import Blocked, WorldFault
from bot.task import lifecycle as lifecycles
from bot.task.lifecycle import Refused
from bot.task.work import Phase, Work
from storage import clock, tasks
from storage.database import Database
from storage.words import PausedBy, Reason, TaskState
from tests import records
from tests.task_life import Do, Life, working


def _raising(*problems: Exception) -> Do:
    left = list(problems)

    async def phase(work: Work) -> None:
        if left:
            raise left.pop(0)
        await work.conclude(TaskState.FAILED, Reason.NO_CHANGES, "over")

    return phase


@pytest.mark.parametrize(
    ("problem", "reason", "words"),
    [
        (Blocked("install bubblewrap"), Reason.BLOCKED, "install bubblewrap"),
        (Refused("write", "read"), Reason.REFUSED, "write role"),
        (failures.Rejected("your request is wrong"), Reason.ERROR, "your request is wrong"),
        (failures.PromptTooLong("too long"), Reason.ERROR, "too long"),
        (failures.Billing("no credit"), Reason.BLOCKED, "no credit"),
    ],
)
async def test_a_foreseen_failure_ends_the_task_with_its_reason_and_words(
    sqlite: Database, problem: Exception, reason: Reason, words: str
) -> None:
    """Asking again would change nothing, so the task ends at once."""
    life = Life(sqlite, converse=_raising(problem, AssertionError("asked again")))
    task = await life.run((await working(sqlite)).id)
    assert (task.status, task.reason) == (TaskState.FAILED, reason)
    assert words in (task.error_message or "")
    assert life.forge.epilogues == 1


async def test_time_over_ends_the_task(sqlite: Database) -> None:
    """The clock starts when the task runs."""
    task = await working(sqlite)
    async with sqlite.transaction() as writing:
        await tasks.change(writing, task.id, started_at=clock.now() - timedelta(hours=2))
    ended = await Life(sqlite, converse=_raising()).run(task.id)
    assert (ended.status, ended.reason) == (TaskState.FAILED, Reason.TIMEOUT)


async def test_a_crash_is_tried_again_twice_and_then_ends_the_task_loudly(sqlite: Database) -> None:
    """Bad luck costs nothing; a bug ends as `error`."""
    bug = [KeyError("x"), KeyError("x")]
    lucky = await Life(sqlite, converse=_raising(*bug)).run((await working(sqlite)).id)
    assert lucky.reason is Reason.NO_CHANGES
    other = await records.a_session(sqlite, 2)
    task = await records.a_task(sqlite, other, TaskState.RUNNING, phase=Phase.CONVERSE)
    ended = await Life(sqlite, converse=_raising(*bug, KeyError("x"))).run(task.id)
    assert (ended.status, ended.reason) == (TaskState.FAILED, Reason.ERROR)
    assert "KeyError" in (ended.error_message or "")


@pytest.mark.parametrize(
    "problem",
    [KeyError("x"), Refused("write", "read"), Blocked("locked"), failures.Rejected("no")],
    ids=lambda one: type(one).__name__,
)
async def test_an_ending_that_fails_is_an_ending_all_the_same(sqlite: Database, problem: Exception) -> None:
    """However the conclusion fails, it does not go on for ever, and the first reason given stays."""
    life = Life(sqlite, converse=_raising(Blocked("first")), conclude=_raising(*[problem] * 50))
    task = await life.run((await working(sqlite)).id)
    assert (task.status, task.reason, task.error_message) == (TaskState.FAILED, Reason.BLOCKED, "first")


async def test_an_ending_that_hangs_is_given_up(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, three times over, the task ends without it."""

    async def hang(work: Work) -> None:
        await asyncio.Future()

    monkeypatch.setattr(lifecycles, "CLOSING_SECONDS", 0.01)
    task = await Life(sqlite, converse=_raising(Blocked("first")), conclude=hang).run(
        (await working(sqlite)).id
    )
    assert task.reason is Reason.BLOCKED


async def test_crashes_on_the_way_leave_the_conclusion_its_own_tries(sqlite: Database) -> None:
    """A task that crashed three times still says its last word when that crashes once."""
    life = Life(sqlite)
    once = [KeyError("y")]

    async def conclude(work: Work) -> None:
        if once:
            raise once.pop()
        await life.conclude(work)

    life.phases |= {"converse": _raising(*[KeyError("x")] * 3), "conclude": conclude}
    task = await life.run((await working(sqlite)).id)
    assert task.reason is Reason.ERROR
    assert life.ended == 1
    assert "could not be kept" in task.facts["kept"]


async def test_a_database_that_is_away_is_the_callers_to_wait_for(sqlite: Database) -> None:
    """It is no crash of the task, and nothing is counted."""
    task = await working(sqlite)
    life = Life(sqlite, converse=_raising(OperationalError("SELECT 1", {}, OSError("gone"))))
    with pytest.raises(OperationalError):
        await life.lifecycle.advance(task.id, task.runs)
    assert (await life.run(task.id)).reason is Reason.NO_CHANGES


@pytest.mark.parametrize("problem", [WorldFault("GitHub is away"), OSError(errno.ENOSPC, "No space left")])
async def test_the_world_is_waited_for_off_the_tasks_clock(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    """The task goes on afterwards, and what it waited is not held against it."""
    monkeypatch.setattr(failures, "backoff", lambda *_: 0.05)
    life = Life(sqlite, converse=_raising(problem, problem))
    ended = await life.run((await working(sqlite)).id)
    assert ended.reason is Reason.NO_CHANGES
    assert 0.1 <= ended.facts["waited_seconds"] < 5
    assert ended.facts["world"] is None


async def test_a_long_wait_costs_the_slot_and_not_the_clock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five minutes the run ends; the next one takes up the task, the time in between not counted."""
    monkeypatch.setattr(failures, "backoff", lambda *_: 400.0)
    life = Life(database, converse=_raising(failures.Overloaded("529")))
    first = await working(database)
    parked = await life.run(first.id)
    assert (parked.status, parked.paused_by) == (TaskState.PAUSED, PausedBy.MODEL_OUTAGE)
    assert parked.runs == first.runs + 1
    assert parked.enqueued_at is None
    assert parked.resume_at is not None
    assert life.woken == 1
    await _put_back(database, first.id, hours=3)
    ended = await life.run(first.id)
    assert ended.reason is Reason.NO_CHANGES
    assert ended.facts["waited_seconds"] >= 3 * 3600


async def _put_back(database: Database, task_id: str, hours: int) -> None:
    """Let the wait have begun that much earlier."""
    task = await records.read_task(database, task_id)
    back = hours * 3600
    world = {**task.facts["world"], "since": task.facts["world"]["since"] - back}
    async with database.transaction() as writing:
        await tasks.set_facts(writing, task_id, world=world, away_since=task.facts["away_since"] - back)
        await tasks.change(writing, task_id, started_at=clock.now() - timedelta(hours=hours))


async def test_after_a_day_of_waiting_the_task_ends(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone has to look, and people are told."""
    monkeypatch.setattr(failures, "backoff", lambda *_: 400.0)
    life = Life(sqlite, converse=_raising(*[failures.Overloaded("529")] * 2))
    task = await working(sqlite)
    await life.run(task.id)
    await _put_back(sqlite, task.id, hours=25)
    ended = await life.run(task.id)
    assert (ended.status, ended.reason) == (TaskState.FAILED, Reason.BLOCKED)


@pytest.mark.parametrize("problem", [WorldFault("away"), KeyError("a bug in a template")])
async def test_what_cannot_be_shown_stops_nothing(sqlite: Database, problem: Exception) -> None:
    """Neither the outside nor our own words hold up the work or its end; the epilogue is said once."""
    life = Life(sqlite, converse=_raising())
    life.forge.problem = problem
    task = await life.run((await working(sqlite)).id)
    assert task.reason is Reason.NO_CHANGES
    assert life.forge.epilogues == 1
    assert not await life.lifecycle.advance(task.id, task.runs)
    assert life.forge.epilogues == 1
