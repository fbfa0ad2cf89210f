"""What is too old is forgotten; what people still look at stays."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from bot.engine.retention import Retention
from storage import answered, clock, deliveries, interactions, requests, snapshots, tasks
from storage.database import Database
from storage.models import Delivery, Event, Interaction, Request, Snapshot, Task
from storage.records import Answered
from storage.words import InteractionType, TaskState
from tests.records import a_request, a_session, a_task, read_request


class CountedRuns:
    """So many finished runs, which are deleted three at a time."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.asked_before: set[datetime] = set()

    async def forget(self, before: datetime) -> int:
        """Delete some."""
        self.asked_before.add(before)
        some = min(self.left, 3)
        self.left -= some
        return some


async def _finished(database: Database, issue: int, days_ago: int | None) -> Task:
    """Make a task with one interaction and one snapshot that ended so many days ago, or runs still."""
    task = await a_task(database, await a_session(database, issue), TaskState.RUNNING)
    async with database.transaction() as session:
        await interactions.append(session, task.id, [(InteractionType.CLAUDE_RESPONSE, {})])
        await snapshots.save(session, task.id, 1, "a" * 40, b"pack")
        if days_ago is not None:
            await tasks.finish(session, task.id, TaskState.COMPLETED)
            await tasks.change(session, task.id, finished_at=clock.now() - timedelta(days=days_ago))
    return task


async def test_only_the_old_is_forgotten(database: Database) -> None:
    """Payloads by when they came; talk, events and snapshots by when their task ended; tasks stay."""
    old, recent, running = [
        await _finished(database, issue, days) for issue, days in ((1, 91), (2, 89), (3, None))
    ]
    async with database.transaction() as session:
        arrivals = [deliveries.Arrival(each, "issues", "labeled", b"{}") for each in ("old", "recent")]
        await deliveries.record(session, arrivals)
        (await session.get_one(Delivery, "old")).received_at = clock.now() - timedelta(days=91)
    runs, moment = CountedRuns(7), clock.now()
    await Retention(database, runs, 90, now=lambda: moment).once()
    async with database.reading() as session:
        kept = {recent.id, running.id}
        assert set(await session.scalars(select(Interaction.task_id))) == kept
        assert set(await session.scalars(select(Snapshot.task_id))) == kept
        assert set(await session.scalars(select(Event.task_id))) == kept
        assert set(await session.scalars(select(Task.id))) == {old.id, *kept}
        assert set(await session.scalars(select(Delivery.id))) == {"recent"}
    assert (runs.left, runs.asked_before) == (0, {moment - timedelta(days=90)})


async def test_what_an_api_call_was_told_is_kept_for_a_day(database: Database) -> None:
    """Much shorter than the rest: its key is then anybody's again."""
    async with database.transaction() as session:
        for key, hours in (("old", 25), ("new", 23)):
            await answered.remember(session, key, "f" * 64, 200, {})
            (await session.get_one(Answered, key)).created_at = clock.now() - timedelta(hours=hours)
    await Retention(database, CountedRuns(0), 90).once()
    async with database.reading() as session:
        assert list(await session.scalars(select(Answered.key))) == ["new"]


async def test_more_than_one_batch_is_forgotten(database: Database) -> None:
    """A sweep goes on until nothing old is left, however much that is."""
    old = clock.now() - timedelta(days=100)
    async with database.transaction() as session:
        session.add_all(
            Delivery(id=str(number), event="push", payload=b"", state="IGNORED", received_at=old)
            for number in range(1100)
        )
    await Retention(database, CountedRuns(0), 90).once()
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Delivery)) == 0


async def test_what_people_wrote_is_forgotten_with_the_rest(database: Database) -> None:
    """Requests keep no copy of a comment for longer, and stay so that none is heard twice."""
    text = {"event": "issue_comment.created", "body": "secret"}
    for cause, days in (("old", 91), ("recent", 89)):
        made = await a_request(database, cause, text=text)
        async with database.transaction() as session:
            await requests.dispatched(session, made, "done")
            row = await session.get_one(Request, made)
            row.created_at = clock.now() - timedelta(days=days)
    await Retention(database, CountedRuns(0), 90).once()
    assert (await read_request(database, "old")).text == {"event": "issue_comment.created"}
    assert (await read_request(database, "recent")).text == text
