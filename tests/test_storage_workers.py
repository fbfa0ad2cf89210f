"""A worker that gives no sign of life is given up, once, by the database's clock."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from storage import clock, workers
from storage.database import Database
from storage.records import Worker


async def _enter(database: Database, *ids: str) -> None:
    for one in ids:
        async with database.transaction() as session:
            await workers.enter(session, one)


async def _silent(database: Database, worker_id: str, seconds: float) -> None:
    async with database.transaction() as session:
        moment = clock.now() - timedelta(seconds=seconds)
        await session.execute(update(Worker).where(Worker.id == worker_id).values(beat=moment))


async def test_only_the_silent_are_given_up(database: Database) -> None:
    """A worker whose last beat is older than the limit is dead; one that beat again is not."""
    await _enter(database, "a", "b", "c")
    for one in "ab":
        await _silent(database, one, 60)
    async with database.transaction() as session:
        assert await workers.beat(session, "b")
    async with database.transaction() as session:
        assert await workers.give_up_silent(session, 30) == ["a"]
        assert await workers.give_up_silent(session, 30) == []
        assert await workers.dead(session) == ["a"]


async def test_the_dead_do_not_come_back(database: Database) -> None:
    """A beat of a worker that others gave up is refused, as is one of a worker nobody knows."""
    await _enter(database, "a")
    async with database.transaction() as session:
        await workers.leave(session, "a")
    async with database.transaction() as session:
        assert not await workers.beat(session, "a")
        assert not await workers.beat(session, "nobody")
    with pytest.raises(IntegrityError):
        await _enter(database, "a")


async def test_the_long_dead_are_forgotten(database: Database) -> None:
    """Only those named, dead and long silent are forgotten."""
    await _enter(database, "old", "recent", "alive")
    for one in ("old", "alive"):
        await _silent(database, one, 7200)
    async with database.transaction() as session:
        await workers.leave(session, "old")
        await workers.leave(session, "recent")
        await workers.forget(session, ["old", "recent", "alive"], 3600)
        assert await workers.dead(session) == ["recent"]
        assert await workers.beat(session, "alive")
