"""Each kind of failure has its end, waiting costs no time, and no ending goes on for ever."""

import asyncio
import errno
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from bot.claude import failures
from bot.errors import Blocked, Refused, WorldFault
from bot.task import lifecycle as lifecycles
from bot.task.work import Phase, Work
from storage import clock, sessions, tasks
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


def _refused() -> Refused:
    return Refused("ann", 12, key="run", needs="write", has="read")


@pytest.mark.parametrize(
    ("problem", "reason", "words"),
    [
        (Blocked("install bubblewrap"), Reason.BLOCKED, "install bubblewrap"),
        (_refused(), Reason.REFUSED, "write role"),
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
    [KeyError("x"), _refused(), Blocked("locked"), failures.Rejected("no")],
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


def _counting(calls: list[str]) -> Do:
    """Return a phase that counts, and ends the task at its third step."""

    async def phase(work: Work) -> None:
        calls.append(work.task.phase)
        if len(calls) == 3:
            await work.conclude(TaskState.FAILED, Reason.NO_CHANGES, "over")

    return phase


async def _pause(database: Database, task_id: str, by: str = "ann") -> None:
    async with database.transaction() as writing:
        await tasks.want_pause(writing, task_id, by)


async def _resume(database: Database, task_id: str) -> None:
    async with database.transaction() as writing:
        await tasks.resume(writing, task_id, "ann")


@pytest.mark.parametrize(("phase", "shown"), [(Phase.PROVE, 1), (Phase.DELIVER, 0), (Phase.CONCLUDE, 0)])
async def test_no_edit_is_spent_right_before_the_end(sqlite: Database, phase: str, shown: int) -> None:
    """The end itself would have to wait for its turn after it."""

    async def converse(work: Work) -> None:
        await work.go_to(phase)

    life = Life(sqlite, converse=converse)
    task = await working(sqlite)
    assert await life.lifecycle.advance(task.id, task.runs)
    assert life.forge.shown == shown


async def test_a_person_pauses_a_task_and_lets_it_go_on(database: Database) -> None:
    """It ends its step, gives up its slot, costs no time while it rests, and goes on where it was."""
    calls: list[str] = []
    life = Life(database, converse=_counting(calls))
    first = await working(database)
    assert await life.lifecycle.advance(first.id, first.runs)
    await _pause(database, first.id)
    rests = await life.run(first.id)
    assert (rests.status, rests.paused_by, rests.phase) == (TaskState.PAUSED, PausedBy.PERSON, Phase.CONVERSE)
    assert (rests.runs, rests.enqueued_at, rests.progress) == (first.runs + 1, None, "paused by @ann")
    assert (len(calls), life.woken) == (1, 1)
    async with database.transaction() as writing:
        back = {"away_since": rests.facts["away_since"] - 5 * 3600}
        await tasks.set_facts(writing, first.id, **back)
        await tasks.change(writing, first.id, started_at=clock.now() - timedelta(hours=5))
    await _resume(database, first.id)
    ended = await life.run(first.id)
    assert (ended.reason, len(calls)) == (Reason.NO_CHANGES, 3)
    assert ended.facts["waited_seconds"] >= 5 * 3600


async def test_a_resumed_task_is_seen_to_run(sqlite: Database) -> None:
    """As soon as it goes on, not at its next word."""
    seen: list[tuple[TaskState, PausedBy | None, str]] = []

    async def converse(work: Work) -> None:
        seen.append((work.task.status, work.task.paused_by, work.task.progress))
        await work.fail(Reason.NO_CHANGES, "over")

    task = await working(sqlite)
    life = Life(sqlite, converse=converse)
    await _pause(sqlite, task.id)
    await life.run(task.id)
    await _resume(sqlite, task.id)
    await life.run(task.id)
    assert seen == [(TaskState.RUNNING, None, "going on")]


async def test_a_pause_that_is_taken_back_in_time_is_none(sqlite: Database) -> None:
    """Nobody rests for a moment that is over."""
    calls: list[str] = []
    task = await working(sqlite)
    await _pause(sqlite, task.id)
    await _resume(sqlite, task.id)
    ended = await Life(sqlite, converse=_counting(calls)).run(task.id)
    assert (ended.status, len(calls), ended.runs) == (TaskState.FAILED, 3, task.runs)


async def test_a_pause_does_not_cut_a_step_off(sqlite: Database) -> None:
    """A model call that is paid for is not thrown away."""
    reached, passed, done = asyncio.Event(), asyncio.Event(), []

    async def converse(work: Work) -> None:
        reached.set()
        await passed.wait()
        done.append(work.id)

    life, task = Life(sqlite, converse=converse), await working(sqlite)
    advancing = asyncio.create_task(life.lifecycle.advance(task.id, task.runs))
    await reached.wait()
    await _pause(sqlite, task.id)
    await life.watch.once()
    passed.set()
    assert await advancing
    assert done == [task.id]
    assert not await life.lifecycle.advance(task.id, task.runs)
    assert (await records.read_task(sqlite, task.id)).paused_by is PausedBy.PERSON


async def test_a_paused_task_that_is_stopped_ends(database: Database) -> None:
    """Its next run does nothing but that: stopping wins over resting."""
    calls: list[str] = []
    life, task = Life(database, converse=_counting(calls)), await working(database)
    await _pause(database, task.id)
    await life.run(task.id)
    async with database.transaction() as writing:
        await tasks.want_cancel(writing, task.session_id, "@bob asked for it")
        (due,) = await tasks.to_enqueue(writing)
    assert due.id == task.id
    ended = await life.run(task.id)
    assert (ended.status, ended.error_message, calls) == (TaskState.CANCELLED, "@bob asked for it", [])


@pytest.mark.parametrize(
    ("phase", "facts", "rests"),
    [
        (Phase.ADMIT, {}, False),
        (Phase.PREPARE, {}, True),
        (Phase.PROVE, {}, True),
        (Phase.DELIVER, {}, True),
        (Phase.DELIVER, {"proposed": 57}, False),
        (Phase.CONCLUDE, {"outcome": {"status": "CANCELLED", "reason": None, "why": "stop"}}, False),
    ],
)
async def test_where_a_task_can_rest(
    sqlite: Database, phase: str, facts: dict[str, object], rests: bool
) -> None:
    """Not before it is let in, and not when its end is settled: that is a matter of moments."""
    calls: list[str] = []
    status = TaskState.PENDING if phase in (Phase.ADMIT, Phase.PREPARE) else TaskState.RUNNING
    task = await records.a_task(sqlite, status=status, phase=phase, facts=facts)
    await _pause(sqlite, task.id)
    life = Life(sqlite, **{phase: _counting(calls)})
    run = (await records.read_task(sqlite, task.id)).runs
    assert await life.lifecycle.advance(task.id, run) is not rests
    paused = await records.read_task(sqlite, task.id)
    assert (calls, paused.paused_by) == (([], PausedBy.PERSON) if rests else ([phase], None))


async def test_what_happened_to_the_repository_ends_a_task_as_blocked(sqlite: Database) -> None:
    """Nobody asked for it to be stopped: it failed, and says of what; also in the midst of a step."""
    for number, in_step in enumerate((False, True), start=1):
        reached = asyncio.Event()

        async def converse(work: Work, reached: asyncio.Event = reached) -> None:
            reached.set()
            await asyncio.Future()

        owner = await records.a_session(sqlite, number)
        task = await records.a_task(sqlite, owner, TaskState.RUNNING, phase=Phase.CONVERSE)
        life = Life(sqlite, converse=converse)
        running = asyncio.create_task(life.run(task.id)) if in_step else None
        if running is not None:
            await reached.wait()
        async with sqlite.transaction() as writing:
            await tasks.want_cancel(writing, owner.id, "the App was uninstalled", as_=Reason.BLOCKED)
        await life.watch.once()
        ended = await (running or life.run(task.id))
        assert (ended.status, ended.reason) == (TaskState.FAILED, Reason.BLOCKED)
        assert ended.error_message == "the App was uninstalled"


async def test_who_may_not_leaves_no_session_behind(sqlite: Database) -> None:
    """Nothing was begun, so a label by someone else begins anew; a session with a branch goes on."""
    for number, branch in enumerate((None, "journeyman/issue-1"), start=1):
        owner = await records.a_session(sqlite, number)
        task = await records.a_task(sqlite, owner)
        async with sqlite.transaction() as writing:
            await sessions.change(writing, owner.id, branch=branch)
        ended = await Life(sqlite, admit=_raising(_refused())).run(task.id)
        assert (ended.status, ended.reason) == (TaskState.FAILED, Reason.REFUSED)
        assert ended.facts["refusal"] == _refused().facts
        async with sqlite.reading() as reading:
            goes_on = (await sessions.get(reading, owner.id)).ended_at is None
        assert goes_on is (branch is not None)


async def test_any_other_end_leaves_the_session_open(sqlite: Database) -> None:
    """People may go on with it: retry, guidance, another review."""
    task = await working(sqlite)
    await Life(sqlite, converse=_raising(Blocked("no"))).run(task.id)
    async with sqlite.reading() as reading:
        assert (await sessions.get(reading, task.session_id)).ended_at is None
