"""The conversation has one history."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from storage import interactions, snapshots
from storage.database import Database
from storage.words import InteractionType
from tests.records import a_session, a_task

SAID = InteractionType.CLAUDE_RESPONSE


async def test_entries_come_back_in_order(database: Database) -> None:
    """Entries are numbered from one in the order they were said, whole batches together."""
    task = await a_task(database)
    async with database.transaction() as session:
        await interactions.append(session, task.id, [(SAID, {"n": 1}), (InteractionType.TOOL_CALL, {"n": 2})])
        await interactions.append(session, task.id, [(SAID, {"n": 3})])
    async with database.reading() as session:
        rows = await interactions.of_task(session, task.id)
        assert [(row.seq, row.content["n"]) for row in rows] == [(1, 1), (2, 2), (3, 3)]
        assert [row.seq for row in await interactions.of_task(session, task.id, after=2)] == [3]


async def test_two_writers_cannot_fork_the_history(database: Database) -> None:
    """Two that append at once either take turns or one is refused; no place is taken twice, none is lost."""
    task = await a_task(database)

    async def append(who: int) -> int | None:
        try:
            async with database.transaction() as session:
                return (await interactions.append(session, task.id, [(SAID, {"who": who})]))[0].seq
        except IntegrityError:
            return None

    taken = await asyncio.gather(*(append(who) for who in range(6)))
    async with database.reading() as session:
        rows = await interactions.of_task(session, task.id)
    winners = {seq: who for who, seq in enumerate(taken) if seq is not None}
    assert {row.seq: row.content["who"] for row in rows} == winners
    assert sorted(winners) == list(range(1, len(winners) + 1))


async def test_the_slower_of_two_workers_is_refused(database: Database) -> None:
    """A worker that read the end of the history before another wrote there gets an IntegrityError."""
    if database.is_sqlite:
        pytest.skip("SQLite lets one writer in at a time: nobody is slower")
    task = await a_task(database)
    async with database.transaction() as fast:
        await interactions.append(fast, task.id, [(SAID, {"who": "fast"})])

        async def slow() -> None:
            async with database.transaction() as session:
                await interactions.append(session, task.id, [(SAID, {"who": "slow"})])

        losing = asyncio.create_task(slow())
        done, _ = await asyncio.wait([losing], timeout=0.3)
        assert not done, "the second writer waits for the first to decide"
    with pytest.raises(IntegrityError):
        await losing


async def test_any_text_of_a_tool_is_kept(database: Database) -> None:
    """NUL, half characters and other planes inside an entry come back as they were."""
    task = await a_task(database)
    content = {"output": "a\x00b \ud800 \U0001f600 ü", "deep": [{"\x00": None}]}
    async with database.transaction() as session:
        await interactions.append(session, task.id, [(InteractionType.TOOL_RESULT, content)])
    async with database.reading() as session:
        (row,) = await interactions.of_task(session, task.id)
    assert row.content == content


async def test_the_newest_snapshot_is_the_one_that_is_kept(database: Database) -> None:
    """Saving a snapshot lets the earlier one go; another task's stays."""
    task, other = await a_task(database), await a_task(database, await a_session(database, 2))
    async with database.transaction() as session:
        await snapshots.save(session, other.id, 1, "f" * 40, b"theirs")
        await snapshots.save(session, task.id, 1, "a" * 40, b"one")
        await snapshots.save(session, task.id, 4, "b" * 40, b"\x00two")
    async with database.reading() as session:
        newest = await snapshots.latest(session, task.id)
        theirs = await snapshots.latest(session, other.id)
    assert newest is not None
    assert theirs is not None
    assert (newest.seq, newest.tree, newest.pack, theirs.pack) == (4, "b" * 40, b"\x00two", b"theirs")
