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


async def test_a_stop_may_have_a_reason(database: Database) -> None:
    """What happened to the repository ends a task FAILED: the wish keeps as what."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        await tasks.want_cancel(session, task.session_id, "the App was uninstalled", as_=Reason.BLOCKED)
        await tasks.want_cancel(session, task.session_id, "@ann stopped it")
    wanted = await read_task(database, task.id)
    assert (wanted.cancel_wanted, wanted.cancel_as) == ("the App was uninstalled", Reason.BLOCKED)


async def test_one_task_of_a_session_may_be_stopped(database: Database) -> None:
    """The other goes on; one of another session is never meant."""
    owner = await a_session(database)
    working, waiting = await a_task(database, owner, TaskState.RUNNING), await a_task(database, owner)
    other = await a_task(database, await a_session(database, 2))
    async with database.transaction() as session:
        assert await tasks.want_cancel(session, owner.id, "stop", task_id=other.id) == []
        assert await tasks.want_cancel(session, owner.id, "stop", task_id=waiting.id) == [waiting.id]
    told = [(await read_task(database, task.id)).cancel_wanted for task in (working, waiting, other)]
    assert told == [None, "stop", None]
    async with database.transaction() as session:
        assert await tasks.want_cancel(session, owner.id, "all") == [working.id]


@pytest.mark.parametrize("by", list(PausedBy))
async def test_stopping_a_paused_task(database: Database, by: PausedBy) -> None:
    """One that gave up its slot gets a run that only stops it; the simulated human's is at work as it is."""
    task = await a_task(database, status=TaskState.RUNNING, enqueued_at=clock.now())
    async with database.transaction() as session:
        await tasks.move(session, task.id, TaskState.PAUSED, paused_by=by)
        await tasks.want_cancel(session, task.session_id, "stop")
    wanted = await read_task(database, task.id)
    more = by is not PausedBy.SIMULATED_HUMAN
    assert (wanted.runs, wanted.enqueued_at is None) == (task.runs + more, more)


async def _to_enqueue(database: Database) -> list[str]:
    async with database.reading() as session:
        return [task.id for task in await tasks.to_enqueue(session)]


async def test_pausing_a_running_task_leaves_its_run(database: Database) -> None:
    """Its worker sees the wish after the step; the first who asked is named, and the task is not ended."""
    task = await a_task(database, status=TaskState.RUNNING, phase="converse", enqueued_at=clock.now())
    async with database.transaction() as session:
        await tasks.want_pause(session, task.id, "ann")
        await tasks.want_pause(session, task.id, "bob")
    wanted = await read_task(database, task.id)
    assert (wanted.pause_wanted, wanted.status) == ("ann", TaskState.RUNNING)
    assert (wanted.runs, wanted.enqueued_at) == (task.runs, task.enqueued_at)


async def test_pausing_a_task_in_the_queue_does_not_wait_for_a_slot(database: Database) -> None:
    """It gets one new run, which only puts it to rest; one that is still let in is paused after that."""
    waiting = await a_task(database, phase="prepare", enqueued_at=clock.now())
    admitted = await a_task(database, await a_session(database, 2), enqueued_at=clock.now())
    async with database.transaction() as session:
        for task in (waiting, admitted):
            await tasks.want_pause(session, task.id, "ann")
            await tasks.want_pause(session, task.id, "bob")
    assert await _to_enqueue(database) == [waiting.id]
    assert (await read_task(database, waiting.id)).runs == waiting.runs + 1
    assert (await read_task(database, admitted.id)).runs == admitted.runs


async def test_a_task_that_a_person_paused_waits_for_a_person(database: Database) -> None:
    """No free slot begins it; being resumed does, and being stopped does as well."""
    for number, go_on in enumerate((tasks.resume, tasks.want_cancel), start=1):
        task = await a_task(database, await a_session(database, number), TaskState.RUNNING, phase="converse")
        async with database.transaction() as session:
            await tasks.want_pause(session, task.id, "ann")
            await tasks.move(session, task.id, TaskState.PAUSED, paused_by=PausedBy.PERSON)
            await tasks.yield_slot(session, task.id, None)
        assert await _to_enqueue(database) == []
        async with database.transaction() as session:
            whom = task.id if go_on is tasks.resume else task.session_id
            await go_on(session, whom, "bob")
        assert await _to_enqueue(database) == [task.id]
        assert (await read_task(database, task.id)).status is TaskState.PAUSED, "the worker moves it"
        async with database.transaction() as session:
            await tasks.finish(session, task.id, TaskState.CANCELLED)


async def test_an_ended_task_is_neither_paused_nor_stopped(database: Database) -> None:
    """A wish that comes too late leaves no trace in the row."""
    task = await a_task(database, status=TaskState.RUNNING)
    async with database.transaction() as session:
        await tasks.finish(session, task.id, TaskState.COMPLETED)
        await tasks.want_pause(session, task.id, "ann")
        assert await tasks.want_cancel(session, task.session_id, "stop") == []
    late = await read_task(database, task.id)
    assert (late.pause_wanted, late.cancel_wanted, late.status) == (None, None, TaskState.COMPLETED)


async def test_a_follow_up_waits_behind_the_task_at_work(database: Database) -> None:
    """It is let in, and stopped, at once; a slot it gets when the one before it has ended."""
    owner = await a_session(database)
    working = await a_task(database, owner, TaskState.RUNNING, enqueued_at=clock.now())
    waiting = await a_task(database, owner)
    other = await a_task(database, await a_session(database, 2), phase="prepare")
    assert await _to_enqueue(database) == [waiting.id, other.id], "to be let in"
    async with database.transaction() as session:
        await tasks.change(session, waiting.id, phase="prepare")
    for state in LIVE:
        async with database.transaction() as session:
            await tasks.move(session, working.id, state, paused_by=PausedBy.PERSON)
        assert await _to_enqueue(database) == [other.id], state
    async with database.transaction() as session:
        await tasks.want_cancel(session, owner.id, "stop", task_id=waiting.id)
    assert await _to_enqueue(database) == [waiting.id, other.id]
    async with database.transaction() as session:
        await tasks.change(session, waiting.id, cancel_wanted=None)
        await tasks.finish(session, working.id, TaskState.COMPLETED)
    assert await _to_enqueue(database) == [waiting.id, other.id]


async def test_who_waits_knows_its_place_in_the_line(database: Database) -> None:
    """Counted are those that wait for a slot since longer; who is being let in stands in no line."""
    made = [await a_task(database, await a_session(database, n), phase="prepare") for n in (1, 2, 3)]
    new = await a_task(database, await a_session(database, 4))
    async with database.reading() as session:
        assert [await tasks.ahead(session, task) for task in [*made, new]] == [1, 2, 3, None]
    async with database.transaction() as session:
        await tasks.move(session, made[0].id, TaskState.RUNNING)
    async with database.reading() as session:
        assert [await tasks.ahead(session, task) for task in made[1:]] == [1, 2]


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


async def test_a_thread_leads_to_its_session(database: Database) -> None:
    """From the issue as from the pull request: to the open session, else to the newest."""
    first = await a_session(database, 5)
    async with database.transaction() as session:
        await sessions.change(session, first.id, pull_request=9)
        await sessions.end(session, first.id)
    second = await a_session(database, 5)

    async def found(number: int) -> str | None:
        async with database.reading() as session:
            owner = await sessions.of_thread(session, 7, number)
            assert await sessions.of_thread(session, 8, number) is None
        return owner.id if owner is not None else None

    assert [await found(number) for number in (5, 9, 1)] == [second.id, first.id, None]
    async with database.transaction() as session:
        await sessions.end(session, second.id)
        await sessions.reopen(session, first.id)
    assert await found(5) == first.id
    async with database.transaction() as session:
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await sessions.reopen(session, second.id)
    async with database.transaction() as session:
        await sessions.end(session, first.id)
    assert await found(5) == second.id


async def test_a_head_leads_to_its_session(database: Database) -> None:
    """The one whose push made that commit, in that repository."""
    owner = await a_session(database, 5)
    await a_task(database, owner, TaskState.RUNNING, head_sha="a" * 40)
    async with database.reading() as session:
        found = await sessions.of_head(session, 7, "a" * 40)
        assert found is not None
        assert found.id == owner.id
        assert await sessions.of_head(session, 8, "a" * 40) is None
        assert await sessions.of_head(session, 7, "b" * 40) is None


async def test_the_sessions_that_are_alive(database: Database) -> None:
    """Open, or ended with a task still at work; of an issue, of repositories, of all an installation has."""
    here, there = await a_session(database, 1), await a_session(database, 1, repository_id=8)
    other = await a_session(database, 1, repository_id=9, installation_id=4)
    ended, ending, over = [await a_session(database, number) for number in (2, 3, 4)]
    working = await a_task(database, ending, TaskState.RUNNING)
    done = await a_task(database, over, TaskState.RUNNING)
    async with database.transaction() as session:
        await tasks.finish(session, done.id, TaskState.COMPLETED)
        for one in (ended, ending, over):
            await sessions.end(session, one.id)

    async def found() -> list[set[str]]:
        async with database.reading() as session:
            lists = [
                await sessions.alive_in(session, [7, 9]),
                await sessions.alive_in(session, [], installation_id=3),
                *[await sessions.of_issue(session, 7, number) for number in (1, 2, 3, 4)],
            ]
            assert await sessions.alive_in(session, []) == []
        return [{one.id for one in each} for each in lists]

    here_and_ending = {here.id, ending.id}
    assert await found() == [
        here_and_ending | {other.id}, here_and_ending | {there.id}, {here.id}, set(), {ending.id}, set(),
    ]  # fmt: skip
    async with database.transaction() as session:
        await tasks.finish(session, working.id, TaskState.CANCELLED)
    assert (await found())[4] == set()


async def test_sessions_go_along_with_their_repository(database: Database) -> None:
    """All of them, also the ended ones: a pull request of old may still be talked about."""
    first, other = await a_session(database, 1), await a_session(database, 1, repository_id=8)
    ended = await a_session(database, 2)
    async with database.transaction() as session:
        await sessions.end(session, ended.id)
        await sessions.move(session, 7, "acme/store", 5)
    async with database.reading() as session:
        moved = [await sessions.get(session, one.id) for one in (first, ended, other)]
    assert [(one.repository, one.installation_id) for one in moved] == [
        ("acme/store", 5), ("acme/store", 5), ("acme/shop", 3),
    ]  # fmt: skip


async def test_sessions_without_an_issue_are_not_limited(database: Database) -> None:
    """A project may have many sessions at once: only issues have the rule of one."""
    first = await a_session(database, issue_number=None, project_path="/srv/shop")  # type: ignore[arg-type]
    second = await a_session(database, issue_number=None, project_path="/srv/shop")  # type: ignore[arg-type]
    assert first.id != second.id
