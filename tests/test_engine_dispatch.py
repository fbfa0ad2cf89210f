"""What each Request becomes, and that every task that may go on is handed to the engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from bot.engine import dispatch
from bot.engine.dispatch import Deed, Dispatcher, Outcome
from bot.errors import Blocked, WorldFault
from bot.github import faults
from bot.talk.attendant import Attendant
from storage import clock, requests, sessions, tasks
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import RequestKind, TaskState
from tests.records import a_request, a_session, a_task, read_request, read_task


class RecordingQueue:
    """Remembers what it was handed, and lets a test act at that moment."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.queued: list[tuple[str, str]] = []
        self.at_hand_over: Callable[[str], Awaitable[None]] | None = None

    async def begin(self, task_id: str, run: int) -> None:
        """Remember a run that starts at once."""
        self.begun.append(f"{task_id}.{run}")
        if self.at_hand_over is not None:
            await self.at_hand_over(task_id)

    async def enqueue(self, task_id: str, run: int, repository: str) -> None:
        """Remember a run that waits for a slot of its repository."""
        self.queued.append((f"{task_id}.{run}", repository))


async def _ask(
    database: Database, cause: str, kind: RequestKind = RequestKind.RUN, event: str = "", issue: int = 42
) -> None:
    await a_request(database, cause, kind, issue_number=issue, text={"title": "Totals", "event": event})


async def _all(database: Database) -> tuple[list[Session], list[Task], list[str | None]]:
    async with database.reading() as session:
        return (
            list(await session.scalars(select(Session).order_by(Session.created_at))),
            list(await session.scalars(select(Task).order_by(Task.created_at))),
            list(await session.scalars(select(Request.outcome).order_by(Request.id))),
        )


def _attendant(database: Database) -> Attendant:
    """Return the real one; nobody asks GitHub about a label, so there is none."""
    nobody: Any = None
    return Attendant(
        database=database, github=nobody, permissions=nobody, configured=nobody, voice=nobody, app_id="1",
        cap_usd=Decimal("5.00"),
    )  # fmt: skip


def _dispatcher(database: Database) -> tuple[Dispatcher, RecordingQueue]:
    queue = RecordingQueue()
    return Dispatcher(database, queue, _attendant(database)), queue


async def test_a_label_becomes_a_session_with_a_task(database: Database) -> None:
    """The task remembers who asked for what, waits for admission, and its run begins at once."""
    dispatcher, queue = _dispatcher(database)
    await _ask(database, "one")
    await dispatcher.once()
    (owner,), (task,), outcomes = await _all(database)
    assert (owner.repository, owner.repository_id, owner.issue_number) == ("acme/shop", 7, 42)
    assert (task.session_id, task.status, task.phase) == (owner.id, TaskState.PENDING, tasks.ADMIT)
    assert (task.description, task.requester, task.budget_usd) == ("Totals", "maria", Decimal(5))
    assert task.enqueued_at is not None
    assert outcomes == [f"task {task.id}"]
    assert (queue.begun, queue.queued) == ([f"{task.id}.0"], [])


async def test_a_second_label_is_absorbed(database: Database) -> None:
    """A label on an issue that is being worked on starts nothing, in whichever state the task is."""
    dispatcher, queue = _dispatcher(database)
    for number, status in enumerate([None, TaskState.RUNNING, TaskState.PAUSED, TaskState.TESTING]):
        if status is not None:
            (_, (task, *_), _) = await _all(database)
            async with database.transaction() as session:
                await tasks.move(session, task.id, status)
        await _ask(database, f"label {number}")
        await dispatcher.once()
    owners, made, outcomes = await _all(database)
    assert (len(owners), len(made), len(queue.begun)) == (1, 1, 1)
    assert outcomes == [f"task {made[0].id}"] + [f"absorbed by task {made[0].id}"] * 3


async def test_a_label_after_the_end_opens_a_new_session(database: Database) -> None:
    """Once the task has ended the label starts over: new session, new task, the old ones as they were."""
    dispatcher, queue = _dispatcher(database)
    await _ask(database, "one")
    await dispatcher.once()
    _, (first,), _ = await _all(database)
    async with database.transaction() as session:
        await tasks.finish(session, first.id, TaskState.COMPLETED)
    await _ask(database, "two")
    await dispatcher.once()
    owners, made, _ = await _all(database)
    assert [owner.ended_at is None for owner in owners] == [False, True]
    assert [task.status for task in made] == [TaskState.COMPLETED, TaskState.PENDING]
    assert [task.session_id for task in made] == [owner.id for owner in owners]
    assert len(queue.begun) == 2


async def test_taking_the_label_away_stops_a_running_task(database: Database) -> None:
    """The wish is written to the task's row, with who wished it, and the session is over."""
    dispatcher, queue = _dispatcher(database)
    owner = await a_session(database, 42)
    task = await a_task(database, owner, TaskState.RUNNING, phase="converse", enqueued_at=clock.now())
    await _ask(database, "one", RequestKind.STOP, "issues.unlabeled")
    await dispatcher.once()
    (ended,), (stopped,), outcomes = await _all(database)
    assert stopped.cancel_wanted == "@maria removed the label"
    assert (stopped.status, stopped.runs) == (TaskState.RUNNING, task.runs)
    assert ended.ended_at is not None
    assert outcomes == ["stopping 1 task(s)"]
    assert queue.begun == []


async def test_stopping_a_waiting_task_does_not_wait_for_a_slot(database: Database) -> None:
    """A task in the queue that must stop gets a new run, outside of the queue."""
    dispatcher, queue = _dispatcher(database)
    owner = await a_session(database, 42)
    task = await a_task(database, owner, phase="prepare")
    await dispatcher.once()
    assert queue.queued == [(f"{task.id}.0", "7")]
    await _ask(database, "one", RequestKind.STOP)
    await dispatcher.once()
    assert queue.begun == [f"{task.id}.1"]


async def test_label_unlabel_label_is_two_sessions(database: Database) -> None:
    """The label again, while the first task is still ending, opens a session of its own."""
    dispatcher, _ = _dispatcher(database)
    for number, kind in enumerate([RequestKind.RUN, RequestKind.STOP, RequestKind.RUN]):
        await _ask(database, str(number), kind)
    await dispatcher.once()
    owners, made, _ = await _all(database)
    assert [owner.ended_at is None for owner in owners] == [False, True]
    assert [task.cancel_wanted is None for task in made] == [False, True]
    assert [task.session_id for task in made] == [owner.id for owner in owners]


async def test_closing_the_issue_ends_its_session(database: Database) -> None:
    """A closed issue stops its task and ends its session, even when all its work is done."""
    dispatcher, _ = _dispatcher(database)
    owner = await a_session(database, 42)
    task = await a_task(database, owner, TaskState.RUNNING, phase="converse")
    other = await a_session(database, 43)
    await _ask(database, "one", RequestKind.STOP, "issues.closed")
    await _ask(database, "two", RequestKind.STOP, "issues.closed", issue=43)
    await dispatcher.once()
    assert (await read_task(database, task.id)).cancel_wanted == "@maria closed the issue"
    async with database.reading() as session:
        assert await sessions.find_open(session, 7, 42) is None
        assert await sessions.find_open(session, 7, 43) is None
        assert (await sessions.get(session, other.id)).ended_at is not None


async def test_stopping_nothing_is_harmless(database: Database) -> None:
    """A stop for an issue that nobody works on says so and makes no session."""
    dispatcher, queue = _dispatcher(database)
    await _ask(database, "one", RequestKind.STOP)
    await dispatcher.once()
    assert await _all(database) == ([], [], ["stopping 0 task(s)"])
    assert queue.begun == []


async def test_a_replayed_request_is_the_same_request(database: Database) -> None:
    """The same cause told again makes no second task."""
    dispatcher, queue = _dispatcher(database)
    for _ in range(3):
        await _ask(database, "one")
        await dispatcher.once()
    owners, made, _ = await _all(database)
    assert (len(owners), len(made), len(queue.begun)) == (1, 1, 1)


async def test_a_crash_at_the_hand_over_repeats_the_same_run(database: Database) -> None:
    """A process that died after the queue took the run and before it was noted hands over the same id."""
    dispatcher, queue = _dispatcher(database)
    await _ask(database, "one")

    async def crash(task_id: str) -> None:
        del task_id
        raise RuntimeError("the process dies here")

    queue.at_hand_over = crash
    await dispatcher.once()
    _, (task,), _ = await _all(database)
    assert task.enqueued_at is None
    queue.at_hand_over = None
    await _dispatcher(database)[0].once()  # by another process, it would be the same
    await dispatcher.once()
    assert set(queue.begun) == {f"{task.id}.0"}
    assert (await read_task(database, task.id)).enqueued_at is not None


async def test_one_task_that_cannot_be_handed_over_does_not_hold_up_the_others(database: Database) -> None:
    """The queue's refusal of one task leaves that one due and the next one handed over."""
    dispatcher, queue = _dispatcher(database)
    await _ask(database, "one", issue=1)
    await _ask(database, "two", issue=2)
    refused: list[str] = []

    async def refuse_the_first(task_id: str) -> None:
        if not refused:
            refused.append(task_id)
            raise RuntimeError("no")

    queue.at_hand_over = refuse_the_first
    await dispatcher.once()
    assert len(queue.begun) == 2
    await dispatcher.once()
    assert queue.begun[2:] == [f"{refused[0]}.0"]


async def test_a_run_that_is_over_before_it_is_noted_loses_nothing(database: Database) -> None:
    """A run so quick that the task wants its next one already is not mistaken for that next one."""
    dispatcher, queue = _dispatcher(database)
    await _ask(database, "one")

    async def be_quick(task_id: str) -> None:
        async with database.transaction() as session:
            await tasks.yield_slot(session, task_id, None, phase="prepare")

    queue.at_hand_over = be_quick
    await dispatcher.once()
    await dispatcher.once()
    _, (task,), _ = await _all(database)
    assert queue.queued == [(f"{task.id}.1", "7")]


async def test_two_dispatchers_make_one_task_of_two_labels(database: Database) -> None:
    """Two workers that dispatch at the same moment share the Requests, and one issue gets one task."""
    first, second = _dispatcher(database), _dispatcher(database)
    for number in range(10):
        await _ask(database, f"label {number}", issue=number // 2)
    async with asyncio.timeout(20):  # what one lost to the other is seen again by a later scan
        while None in (await _all(database))[2]:
            await asyncio.gather(first[0].once(), second[0].once())
    owners, made, _ = await _all(database)
    assert sorted(owner.issue_number or 0 for owner in owners) == list(range(5))
    assert len(made) == 5
    assert set(first[1].begun + second[1].begun) == {f"{task.id}.0" for task in made}


@contextlib.asynccontextmanager
async def _running(dispatcher: Dispatcher) -> AsyncIterator[None]:
    """Let the loop run meanwhile, and end it as its process would."""
    running = asyncio.create_task(dispatcher.run())
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        attending = list(dispatcher._attending.values())
        running.cancel()
        await asyncio.wait([running, *attending])


async def test_the_loop_survives_a_database_that_is_away(database: Database) -> None:
    """While the database refuses, the loop goes on scanning; afterwards it dispatches what waited."""
    scans = asyncio.Event()
    queue = RecordingQueue()
    dispatcher = Dispatcher(database, queue, _attendant(database), scanned=scans.set)
    await _ask(database, "one")
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE requests RENAME TO gone"))
    with capture_logs() as logs:
        async with _running(dispatcher):
            await scans.wait()
            async with database.transaction() as session:
                await session.execute(text("ALTER TABLE gone RENAME TO requests"))
            while not queue.begun:
                scans.clear()
                dispatcher.wake()
                await scans.wait()
    assert len(queue.begun) == 1
    assert "dispatch.failed" in [line["event"] for line in logs]


async def test_waking_is_heard_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Request that comes while the loop waits is dispatched without waiting for the next scan."""
    monkeypatch.setattr(dispatch, "SCAN_SECONDS", 3600.0)
    begun = asyncio.Event()
    scans = asyncio.Event()
    queue = RecordingQueue()

    async def begin(task_id: str) -> None:
        del task_id
        begun.set()

    queue.at_hand_over = begin
    dispatcher = Dispatcher(database, queue, _attendant(database), scanned=scans.set)
    async with _running(dispatcher):
        await scans.wait()
        await _ask(database, "one")
        dispatcher.wake()
        await begun.wait()
    assert len(queue.begun) == 1


class Clerk:
    """Understands a Request as a test says: by its cause, what happens when it is considered, and told."""

    def __init__(self) -> None:
        self.considered: list[str] = []
        self.told: list[str] = []
        self.considering: dict[str, Callable[[], Awaitable[None]]] = {}
        self.deeds: dict[str, Deed] = {}
        self.telling: dict[str, Callable[[], Awaitable[None]]] = {}

    async def consider(self, request: Request) -> Deed:
        """Think about it."""
        self.considered.append(request.cause)
        if request.cause in self.considering:
            await self.considering[request.cause]()
        return self.deeds.get(request.cause, _done)

    async def tell(self, request: Request) -> None:
        """Say it."""
        if request.cause in self.telling:
            await self.telling[request.cause]()
        self.told.append(request.cause)


async def _done(session: AsyncSession) -> Outcome:
    del session
    return Outcome("done")


async def _worth_telling(session: AsyncSession) -> Outcome:
    """Open a session without an issue, of which there may be many, so that doing it twice would show."""
    await sessions.open_for(session, repository="acme/shop", repository_id=7)
    return Outcome("done", {"say": "hello"})


def _failing(*problems: Exception) -> Callable[[], Awaitable[None]]:
    left = list(problems)

    async def fail() -> None:
        if left:
            raise left.pop(0)

    return fail


class Held:
    """A moment that lasts until the test lets it pass; `reached` says that someone is in it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.passed = asyncio.Event()

    async def __call__(self) -> None:
        """Wait there."""
        self.reached.set()
        await self.passed.wait()


async def _claimed_until(database: Database, cause: str, moment: datetime) -> None:
    async with database.transaction() as session:
        await requests.postpone(session, (await read_request(database, cause)).id, moment)


async def _let_pass(database: Database, cause: str) -> None:
    """Let the moment until which nobody takes a Request up be over."""
    await _claimed_until(database, cause, clock.now() - timedelta(seconds=1))


async def _moment(database: Database, cause: str, column: str) -> None:
    """Wait until that moment of a Request's life is over."""
    while getattr(await read_request(database, cause), column) is None:  # noqa: ASYNC110  # a row calls nobody
        await asyncio.sleep(0.01)


def _seconds_off(request: Request) -> float:
    """Return in how many seconds a Request may be taken up again."""
    assert request.claimed_until is not None
    return (request.claimed_until - clock.now()).total_seconds()


async def test_a_thread_keeps_its_order_while_another_goes_on(database: Database) -> None:
    """What comes later in a thread waits for what came before it, however long that takes; no other does."""
    clerk, held, queue = Clerk(), Held(), RecordingQueue()
    for cause, issue in (("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 2)):
        await _ask(database, cause, issue=issue)
    clerk.considering["a"] = held
    async with _running(Dispatcher(database, queue, clerk)):
        await held.reached.wait()
        await _moment(database, "e", "dispatched_at")
        assert "b" not in clerk.considered
        held.passed.set()
        await _moment(database, "b", "dispatched_at")
    assert [cause for cause in clerk.considered if cause in "ab"] == ["a", "b"]
    assert [cause for cause in clerk.considered if cause in "cde"] == ["c", "d", "e"]


async def test_the_next_in_a_thread_does_not_wait_until_its_person_was_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling may take its time (GitHub's content limits); the deed is done at once, not at a later scan."""
    monkeypatch.setattr(dispatch, "SCAN_SECONDS", 3600.0)
    clerk, held = Clerk(), Held()
    await _ask(database, "a")
    await _ask(database, "b")
    clerk.deeds["a"], clerk.telling["a"] = _worth_telling, held
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        await held.reached.wait()
        await _moment(database, "b", "dispatched_at")
        assert (await read_request(database, "a")).answered_at is None
        held.passed.set()
        await _moment(database, "a", "answered_at")
    assert clerk.told == ["a"]


async def test_so_many_are_considered_at_once_and_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of comments neither opens a connection each nor is lost."""
    monkeypatch.setattr(dispatch, "MOST_AT_ONCE", 3)
    clerk, held = Clerk(), Held()
    at_once, most = 0, 0

    async def count() -> None:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        if at_once == 3:
            held.reached.set()
        await held.passed.wait()
        at_once -= 1

    for number in range(10):
        await _ask(database, str(number), issue=number)
        clerk.considering[str(number)] = count
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        await held.reached.wait()
        held.passed.set()
        for number in range(10):
            await _moment(database, str(number), "dispatched_at")
    assert (most, sorted(clerk.considered)) == (3, [str(number) for number in range(10)])


@pytest.mark.parametrize(("asked", "least", "most"), [(120.0, 100, 120), (None, 0, 2)])
async def test_what_the_world_did_not_allow_is_tried_again_later(
    database: Database, asked: float | None, least: float, most: float
) -> None:
    """Not before the moment that was asked for, or a first short pause; its thread waits for it."""
    clerk = Clerk()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await _ask(database, "a")
    await _ask(database, "b")
    clerk.considering["a"] = _failing(WorldFault("GitHub is away", asked))
    with capture_logs() as logs:
        await dispatcher.once()
    waiting = await read_request(database, "a")
    assert (waiting.dispatched_at, waiting.attempts) == (None, 1)
    assert least <= _seconds_off(waiting) <= most
    assert clerk.considered == ["a"]
    assert [line["why"] for line in logs if line["event"] == "request.not_done"] == ["GitHub is away"]
    await _let_pass(database, "a")
    await dispatcher.once()
    assert clerk.considered == ["a", "a", "b"]
    assert (await _all(database))[2] == ["done", "done"]


async def test_the_pauses_grow_but_not_for_ever(database: Database) -> None:
    """A GitHub that stays away is asked ever less often, five minutes apart at most."""
    clerk, pauses = Clerk(), []
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await _ask(database, "a")
    clerk.considering["a"] = _failing(*[WorldFault("GitHub is away")] * 12)
    with capture_logs():
        for _ in range(12):
            await dispatcher.once()
            pauses.append(_seconds_off(await read_request(database, "a")))
            await _let_pass(database, "a")
    assert pauses[:5] == sorted(pauses[:5])
    assert pauses[4] > 10
    assert 290 < pauses[-1] <= 300
    await dispatcher.once()
    assert (await _all(database))[2] == ["done"]


async def test_what_the_world_does_not_allow_for_a_day_is_given_up(database: Database) -> None:
    """Its thread goes on after it, and its outcome names why."""
    clerk = Clerk()
    await _ask(database, "a")
    await _ask(database, "b")
    async with database.transaction() as session:
        row = await session.get_one(Request, (await read_request(database, "a")).id)
        row.created_at = clock.now() - timedelta(hours=25)
    clerk.considering["a"] = _failing(WorldFault("GitHub is away"))
    with capture_logs():
        await Dispatcher(database, RecordingQueue(), clerk).once()
    assert (await _all(database))[2] == ["failed: GitHub is away", "done"]


async def test_what_nobody_can_do_ends_at_once(database: Database) -> None:
    """Asking again would change nothing where the App may not: the thread is not held up."""
    clerk = Clerk()
    await _ask(database, "a")
    await _ask(database, "b")
    clerk.considering["a"] = _failing(Blocked("the App is not installed any more"))
    with capture_logs():
        await Dispatcher(database, RecordingQueue(), clerk).once()
    assert (await _all(database))[2] == ["failed: the App is not installed any more", "done"]
    assert clerk.considered == ["a", "b"]


async def test_a_request_that_crashes_five_times_ends_loudly(database: Database) -> None:
    """A bug may be bad luck four times; then the thread goes on, and the log has each of them."""
    clerk = Clerk()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await _ask(database, "a")
    await _ask(database, "b")
    clerk.considering["a"] = _failing(*[KeyError("bug")] * 50)
    with capture_logs() as logs:
        for _ in range(5):
            assert (await _all(database))[2] == [None, None]
            await dispatcher.once()
            if (await read_request(database, "a")).dispatched_at is None:
                await _let_pass(database, "a")
    assert (await _all(database))[2] == ["failed: 'bug'", "done"]
    crashes = [line for line in logs if line["event"] == "request.crashed"]
    assert [(line["log_level"], line["attempt"]) for line in crashes] == [("error", n) for n in range(1, 6)]


async def test_an_answer_that_could_not_be_told_is_told_later(database: Database) -> None:
    """The deed is not done again; the person hears once GitHub takes it, and then no more."""
    clerk = Clerk()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await _ask(database, "a")
    clerk.deeds["a"] = _worth_telling
    clerk.telling["a"] = _failing(WorldFault("GitHub is away", 120.0))
    with capture_logs():
        await dispatcher.once()
        await dispatcher.once()
    untold = await read_request(database, "a")
    assert (untold.outcome, untold.answer, untold.answered_at) == ("done", {"say": "hello"}, None)
    assert 100 < _seconds_off(untold) <= 120
    await _let_pass(database, "a")
    for _ in range(3):
        await dispatcher.once()
    assert (clerk.considered, clerk.told) == (["a"], ["a"])
    assert (await read_request(database, "a")).answered_at is not None
    assert len((await _all(database))[0]) == 1


async def test_nobody_is_told_where_nobody_can_be(database: Database) -> None:
    """A locked thread, a deleted issue: the answer is given up at once, what was done stays done."""
    clerk = Clerk()
    await _ask(database, "a")
    clerk.deeds["a"], clerk.telling["a"] = _worth_telling, _failing(Blocked("the thread is locked"))
    with capture_logs():
        await Dispatcher(database, RecordingQueue(), clerk).once()
    request = await read_request(database, "a")
    assert (request.outcome, request.answered_at is not None) == ("done", True)
    assert clerk.told == []


async def test_what_a_dead_worker_had_taken_comes_back(database: Database) -> None:
    """Whoever dies over a Request keeps it from the others for a minute, and no longer."""
    clerk, held = Clerk(), Held()
    await _ask(database, "a")
    clerk.considering["a"] = held
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        await held.reached.wait()
    other = Clerk()
    second = Dispatcher(database, RecordingQueue(), other)
    await second.once()
    assert other.considered == []
    assert 0 < _seconds_off(await read_request(database, "a")) <= dispatch.CLAIM.total_seconds()
    await _let_pass(database, "a")
    await second.once()
    assert other.considered == ["a"]
    assert (await _all(database))[2] == ["done"]


async def test_an_answer_that_a_dead_worker_owed_is_told(database: Database) -> None:
    """It died between the deed and the word: another one says it, and does not do it again."""
    clerk, held = Clerk(), Held()
    await _ask(database, "a")
    clerk.deeds["a"], clerk.telling["a"] = _worth_telling, held
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        await held.reached.wait()
    await _let_pass(database, "a")
    other = Clerk()
    await Dispatcher(database, RecordingQueue(), other).once()
    assert (other.considered, other.told) == ([], ["a"])
    assert len((await _all(database))[0]) == 1


async def test_what_another_worker_did_meanwhile_is_not_done_twice(database: Database) -> None:
    """A worker that thought for longer than its claim finds it done, and rolls its own deed back."""
    slow, quick, held = Clerk(), Clerk(), Held()
    await _ask(database, "a")
    slow.deeds["a"] = quick.deeds["a"] = _worth_telling
    slow.considering["a"] = held
    dispatcher = Dispatcher(database, RecordingQueue(), slow)
    async with _running(dispatcher):
        await held.reached.wait()
        attending = list(dispatcher._attending.values())
        await _let_pass(database, "a")
        await Dispatcher(database, RecordingQueue(), quick).once()
        before = await read_request(database, "a")
        with capture_logs() as logs:
            held.passed.set()
            await asyncio.wait(attending)
    assert [line["event"] for line in logs] == ["request.not_done"]
    assert (slow.told, quick.told) == ([], ["a"])
    assert len((await _all(database))[0]) == 1
    after = await read_request(database, "a")
    assert (after.dispatched_at, after.answered_at) == (before.dispatched_at, before.answered_at)


async def test_a_collision_is_looked_at_again_in_a_moment(database: Database) -> None:
    """Of two who do the same to one issue a constraint refuses one, who then sees what is there."""
    clerk = Clerk()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await a_session(database, 42)
    await _ask(database, "a")

    async def collide(session: AsyncSession) -> Outcome:
        if len(clerk.considered) == 1:
            await sessions.open_for(session, repository="acme/shop", repository_id=7, issue_number=42)
        return Outcome("absorbed")

    clerk.deeds["a"] = collide
    with capture_logs():
        await dispatcher.once()
    refused = await read_request(database, "a")
    assert refused.dispatched_at is None
    assert _seconds_off(refused) <= dispatch.COLLISION.total_seconds()
    async with asyncio.timeout(10):
        while (await read_request(database, "a")).dispatched_at is None:
            await dispatcher.once()
    assert (await _all(database))[2] == ["absorbed"]
    assert (await read_request(database, "a")).attempts == 2


async def test_what_takes_longer_than_a_claim_stays_ours(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is renewed while a Request is considered and while its person is told; nobody else has it."""
    monkeypatch.setattr(dispatch, "SCAN_SECONDS", 0.02)
    monkeypatch.setattr(dispatch, "RENEW_SECONDS", 0.02)
    clerk, considering, telling = Clerk(), Held(), Held()
    await _ask(database, "a")
    clerk.considering["a"], clerk.deeds["a"], clerk.telling["a"] = considering, _worth_telling, telling
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        for held in (considering, telling):
            await held.reached.wait()
            await _claimed_until(database, "a", clock.now() + timedelta(seconds=5))
            while _seconds_off(await read_request(database, "a")) < 50:  # noqa: ASYNC110  # a row calls nobody
                await asyncio.sleep(0.01)
            assert _seconds_off(await read_request(database, "a")) <= dispatch.CLAIM.total_seconds()
            held.passed.set()
        await _moment(database, "a", "answered_at")
    assert (clerk.considered, clerk.told) == (["a"], ["a"])


async def test_a_claim_that_was_given_back_is_not_renewed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal on its way at the moment of a postponement, or after it, leaves it as it was asked for."""
    clerk, held, renewing = Clerk(), Held(), asyncio.Event()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    renew = requests.renew

    async def slowly(session: AsyncSession, ids: list[int], until: datetime) -> None:
        renewing.set()
        await asyncio.sleep(0.2)  # time enough for a postponement that did not wait
        await renew(session, ids, until)

    async def fail() -> None:
        await held()
        raise WorldFault("GitHub is away", 120.0)

    monkeypatch.setattr(requests, "renew", slowly)
    await _ask(database, "a")
    clerk.considering["a"] = fail
    with capture_logs():
        working = asyncio.create_task(dispatcher.once())
        await held.reached.wait()
        renewal = asyncio.create_task(dispatcher._renew())
        await renewing.wait()
        held.passed.set()
        await asyncio.gather(working, renewal)
        await dispatcher._renew()
    assert 100 < _seconds_off(await read_request(database, "a")) <= 120


async def _collide(session: AsyncSession) -> Outcome:
    """Open a second session on the issue of `a_session(database, 42)`."""
    await sessions.open_for(session, repository="acme/shop", repository_id=7, issue_number=42)
    return Outcome("never")


async def test_collisions_that_go_on_are_looked_at_less_and_less_often(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round costs GitHub calls: the pauses double, up to the longest."""
    first, longest = dispatch.COLLISION * 40, dispatch.LONGEST_COLLISION * 40  # however slow this machine is
    monkeypatch.setattr(dispatch, "COLLISION", first)
    monkeypatch.setattr(dispatch, "LONGEST_COLLISION", longest)
    clerk, pauses = Clerk(), []
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await a_session(database, 42)
    await _ask(database, "a")
    clerk.deeds["a"] = _collide
    with capture_logs():
        for attempt in range(1, 11):
            await dispatcher.once()
            request = await read_request(database, "a")
            assert request.attempts == attempt
            pauses.append(_seconds_off(request))
            await _let_pass(database, "a")
    expected = [min(longest, first * 2**attempt).total_seconds() for attempt in range(10)]
    assert all(most - 5 <= pause <= most for pause, most in zip(pauses, expected, strict=True))


async def test_one_installations_flood_does_not_stop_another(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many of one installation are in hand at once and no more; another's are done meanwhile."""
    monkeypatch.setattr(dispatch, "MOST_AT_ONCE", 4)
    monkeypatch.setattr(dispatch, "MOST_OF_ONE", 2)
    clerk, held, in_hand = Clerk(), Held(), []

    async def stall() -> None:
        in_hand.append(1)
        await held()

    for number in range(8):
        await a_request(database, f"flood {number}", issue_number=number, installation_id=1)
        clerk.considering[f"flood {number}"] = stall
    for number in range(8, 11):
        await a_request(database, f"calm {number}", issue_number=number, installation_id=2)
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        for number in range(8, 11):
            await _moment(database, f"calm {number}", "dispatched_at")
        assert len(in_hand) == 2
        held.passed.set()
        for number in range(8):
            await _moment(database, f"flood {number}", "dispatched_at")
    assert len(in_hand) == 8


async def test_answers_that_are_owed_have_their_share_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One installation's people who wait to be told do not keep another's waiting."""
    monkeypatch.setattr(dispatch, "MOST_AT_ONCE", 4)
    monkeypatch.setattr(dispatch, "MOST_OF_ONE", 2)
    clerk, held = Clerk(), Held()
    for number in range(8):
        cause = f"{number}"
        made = await a_request(database, cause, issue_number=number, installation_id=1 + number // 7)
        async with database.transaction() as session:
            await requests.dispatched(session, made, "done", {"say": "hello"})
        if number < 7:
            clerk.telling[cause] = held
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        await _moment(database, "7", "answered_at")
        assert clerk.told == ["7"]
        held.passed.set()
        await _moment(database, "6", "answered_at")


async def test_a_stop_finds_room_where_others_wait_for_github(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs nobody: neither its thread nor its installation's flood keeps it waiting."""
    monkeypatch.setattr(dispatch, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(dispatch, "MOST_OF_ONE", 2)
    clerk, held = Clerk(), Held()
    for number in range(3):
        await _ask(database, f"word {number}", RequestKind.COMMENT, issue=number)
        clerk.considering[f"word {number}"] = held
    async with _running(Dispatcher(database, RecordingQueue(), clerk)):
        await held.reached.wait()
        await _ask(database, "off", RequestKind.STOP, issue=0)
        await _moment(database, "off", "dispatched_at")
        assert (await _all(database))[2] == [None, None, None, "done"]
        held.passed.set()
        for number in range(3):
            await _moment(database, f"word {number}", "dispatched_at")


@pytest.mark.parametrize("fault", dispatch.MENDABLE)
async def test_what_a_person_will_mend_loses_nothing(database: Database, fault: type[faults.Refused]) -> None:
    """A wrong key after a deployment: what was said is kept, rarely asked about, done once all is well."""
    clerk, pauses = Clerk(), []
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await _ask(database, "a")
    clerk.deeds["a"] = _worth_telling
    clerk.considering["a"] = _failing(*[fault("GitHub knows no such key")] * 6)
    clerk.telling["a"] = _failing(fault("GitHub knows no such key"))
    with capture_logs():
        for _ in range(7):
            await dispatcher.once()
            pauses.append(_seconds_off(await read_request(database, "a")))
            await _let_pass(database, "a")
    assert [round(pause / 60) for pause in pauses] == [1, 2, 4, 8, 15, 15, 15]
    await dispatcher.once()
    assert (await _all(database))[2] == ["done"]
    assert clerk.told == ["a"]
    async with database.transaction() as session:
        row = await session.get_one(Request, await a_request(database, "b"))
        row.created_at = clock.now() - timedelta(hours=25)
    clerk.considering["b"] = _failing(fault("GitHub knows no such key"))
    with capture_logs():
        await dispatcher.once()
    assert (await _all(database))[2] == ["done", "failed: GitHub knows no such key"]


async def test_what_collides_with_itself_ends_loudly(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was faster is done some minutes later: what still collides is a bug, not kept for a day."""
    monkeypatch.setattr(dispatch, "MOST_COLLISIONS", 3)
    monkeypatch.setattr(dispatch, "COLLISION", dispatch.LONGEST_COLLISION)  # however slow this machine is
    clerk = Clerk()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await a_session(database, 42)
    await _ask(database, "a")
    clerk.deeds["a"] = _collide
    with capture_logs() as logs:
        for _ in range(3):
            assert (await _all(database))[2] == [None]
            await dispatcher.once()
            await _let_pass(database, "a")
    assert str((await _all(database))[2][0]).startswith("failed: ")
    crashes = [line["collisions"] for line in logs if line["event"] == "request.crashed"]
    assert crashes == [3]


async def test_waiting_for_the_world_is_no_crash(database: Database) -> None:
    """However often GitHub was away before, a first bug does not give a Request up."""
    clerk = Clerk()
    dispatcher = Dispatcher(database, RecordingQueue(), clerk)
    await _ask(database, "a")
    clerk.considering["a"] = _failing(*[WorldFault("GitHub is away")] * 6, KeyError("bug"))
    with capture_logs() as logs:
        for _ in range(8):
            await dispatcher.once()
            if (await read_request(database, "a")).dispatched_at is None:
                await _let_pass(database, "a")
    assert "request.crashed" in [line["event"] for line in logs]
    assert (await _all(database))[2] == ["done"]
