"""What each Request becomes, and that every task that may go on is handed to the engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from bot.engine import dispatch
from bot.engine.dispatch import Dispatcher
from bot.talk.attendant import Attendant
from storage import clock, sessions, tasks
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import RequestKind, TaskState
from tests.records import a_request, a_session, a_task, read_task


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
    assert await _all(database) == ([], [], ["nothing to stop"])
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
