"""One way in for SQLite and PostgreSQL: durable, and never "database is locked"."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import StatementError

from storage import baselines, clock, schema
from storage import database as databases
from storage.database import Database
from storage.records import Baseline
from tests.records import a_task


async def test_sqlite_keeps_what_it_confirmed(tmp_path: Path) -> None:
    """Every connection uses WAL, waits for the disk at each commit, and holds to its foreign keys."""
    database = databases.connect(databases.default_url(tmp_path))
    try:
        await schema.upgrade(database)
        for opening in (database.transaction, database.reading):
            async with opening() as session:
                found = {
                    name: await session.scalar(text(f"PRAGMA {name}"))
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                }
            # https://www.sqlite.org/pragma.html: synchronous 2 is FULL
            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 30_000,
            }
    finally:
        await database.aclose()


async def test_a_reader_is_not_blocked_by_a_writer(database: Database) -> None:
    """A transaction that has written and not committed lets others read what was before."""
    async with database.transaction() as writing:
        await baselines.save(writing, "key", {})
        async with asyncio.timeout(5), database.reading() as reading:
            assert await baselines.find(reading, "key") is None
    async with database.reading() as reading:
        assert await baselines.find(reading, "key") == {}


async def test_writers_of_two_processes_take_turns(database_url: str) -> None:
    """Two engines that read and then write, as two processes do, never see `database is locked`."""
    first, second = databases.connect(database_url), databases.connect(database_url)
    try:
        await schema.upgrade(first)

        async def write(database: Database, key: str) -> None:
            async with database.transaction() as session:
                assert await baselines.find(session, key) is None  # the read before the write is the trap
                await baselines.save(session, key, {})

        await asyncio.gather(
            *(
                write(one, f"{name}{number}")
                for number in range(12)
                for name, one in (("a", first), ("b", second))
            )
        )
        async with first.reading() as session:
            assert len(list(await session.scalars(select(Baseline.key)))) == 24
    finally:
        await first.aclose()
        await second.aclose()


async def test_an_error_undoes_the_whole_transaction(database: Database) -> None:
    """A block that raises leaves nothing of what it did."""

    async def fail() -> None:
        async with database.transaction() as session:
            await baselines.save(session, "key", {})
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await fail()
    async with database.reading() as session:
        assert await baselines.find(session, "key") is None


async def test_times_come_back_aware_in_utc(database: Database) -> None:
    """A moment given in any zone is read back as the same moment, in UTC."""
    there = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    async with database.transaction() as session:
        session.add(Baseline(key="key", suite={}, created_at=there))
    async with database.reading() as session:
        kept = (await session.get_one(Baseline, "key")).created_at
    assert (kept, kept.tzinfo) == (there, UTC)


async def test_a_naive_time_is_refused(database: Database) -> None:
    """A time without a zone would mean another moment on another host."""
    with pytest.raises(StatementError, match="naive time"):
        async with database.transaction() as session:
            session.add(Baseline(key="key", suite={}, created_at=datetime(2026, 1, 1)))  # noqa: DTZ001


async def test_a_word_that_is_none_of_ours_is_refused(database: Database) -> None:
    """A state that nobody defined can't be stored, nor pass for one when read back."""
    task = await a_task(database)
    with pytest.raises(StatementError, match="not a valid TaskState"):
        async with database.transaction() as session:
            (await session.get_one(type(task), task.id)).status = "BORED"  # type: ignore[assignment]
    async with database.transaction() as session:
        await session.execute(text("UPDATE tasks SET status = 'BORED'"))
    with pytest.raises(ValueError, match="not a valid TaskState"):
        async with database.reading() as session:
            await session.get_one(type(task), task.id)


def test_ids_are_readable_and_do_not_repeat() -> None:
    """An id has twelve letters and digits that nobody mistakes for one another when reading aloud."""
    ids = {clock.new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert {len(one) for one in ids} == {12}
    assert not set("".join(ids)) & set("l1o0")
