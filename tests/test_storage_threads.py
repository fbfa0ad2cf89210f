"""What is remembered beside the work: how much we said, how far a sweep got, what an API call was told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from storage import answered, clock, sweeps, threads
from storage.database import Database

DAY = timedelta(days=1)


async def test_our_comments_are_counted_until_a_person_speaks(database: Database) -> None:
    """Each thread of each repository has its own count, which a word sets back."""
    async with database.transaction() as session:
        assert await threads.posts(session, 7, 1) == 0
        assert [await threads.posted(session, 7, 1) for _ in range(3)] == [1, 2, 3]
        assert await threads.posted(session, 7, 2) == 1
        assert await threads.posted(session, 8, 1) == 1
    async with database.transaction() as session:
        await threads.heard(session, 7, 1)
    async with database.reading() as session:
        counts = [await threads.posts(session, *place) for place in ((7, 1), (7, 2), (8, 1))]
    assert counts == [0, 1, 1]
    async with database.transaction() as session:
        assert await threads.posted(session, 7, 1) == 1


async def test_a_word_in_a_thread_where_we_said_nothing_is_no_error(database: Database) -> None:
    """Most of what people say is said where we never were, and leaves nothing behind."""
    async with database.transaction() as session:
        await threads.heard(session, 7, 1)
        assert await threads.posts(session, 7, 1) == 0


async def test_each_silence_has_its_number(database: Database) -> None:
    """A word ends one if we had said something since the last; the number never comes again."""
    numbers = []
    for posts in (0, 2, 0, 1):
        async with database.transaction() as session:
            for _ in range(posts):
                await threads.posted(session, 7, 1)
            numbers.append(await threads.silence(session, 7, 1))
        async with database.transaction() as session:
            await threads.heard(session, 7, 1)
    async with database.reading() as session:
        assert [*numbers, await threads.silence(session, 7, 1)] == [0, 0, 1, 1, 2]
        assert await threads.silence(session, 7, 2) == 0


async def test_of_many_who_would_announce_a_silence_one_may(database: Database) -> None:
    """Until it gives that back, its time is up, or a person speaks; elsewhere others may."""

    async def take(seconds: float = 60, number: int = 1) -> bool:
        async with database.transaction() as session:
            return await threads.take_word(session, 7, number, clock.now() + timedelta(seconds=seconds))

    async with database.transaction() as session:
        for number in (1, 2):
            await threads.posted(session, 7, number)
    assert sorted(await asyncio.gather(*(take() for _ in range(6)))) == [False] * 5 + [True]
    assert await take(number=2)
    async with database.transaction() as session:
        await threads.give_word_back(session, 7, 1)
    assert await take(seconds=-1)
    assert await take()
    async with database.transaction() as session:
        await threads.heard(session, 7, 1)
    assert await take()


async def test_comments_posted_at_once_are_all_counted(database: Database) -> None:
    """Also the first of a thread, which two may believe to be theirs."""

    async def post() -> int:
        async with database.transaction() as session:
            return await threads.posted(session, 7, 1)

    assert sorted(await asyncio.gather(*(post() for _ in range(8)))) == list(range(1, 9))


async def test_the_numbers_of_github_fit(database: Database) -> None:
    """Its ids have outgrown 32 bits."""
    async with database.transaction() as session:
        assert await threads.posted(session, 2**53, 2**40) == 1
        await sweeps.reached(session, 2**53, clock.now())
        assert await sweeps.since(session, 2**53) is not None


async def test_a_sweep_goes_on_where_the_last_one_got(database: Database) -> None:
    """Per repository; None says that nobody has looked yet."""
    first, later = datetime(2026, 11, 22, 10, tzinfo=UTC), datetime(2026, 11, 22, 11, 0, 1, tzinfo=UTC)
    async with database.transaction() as session:
        assert await sweeps.since(session, 7) is None
        await sweeps.reached(session, 7, first)
    async with database.transaction() as session:
        await sweeps.reached(session, 7, later)
        await sweeps.reached(session, 8, first)
    async with database.reading() as session:
        assert await sweeps.since(session, 7) == later
        assert await sweeps.since(session, 8) == first


async def test_an_answer_is_remembered_as_it_was(database: Database) -> None:
    """Status, body and what it answered; another key has none."""
    body = {"id": "x", "deep": [{"ü": None}], "cost": "1.50"}
    async with database.transaction() as session:
        await answered.remember(session, "key", "f" * 64, 201, body)
    async with database.reading() as session:
        found = await answered.find(session, "key")
        assert found is not None
        assert (found.fingerprint, found.status, found.body) == ("f" * 64, 201, body)
        assert await answered.find(session, "other") is None


async def test_of_two_answers_to_one_key_the_first_holds(database: Database) -> None:
    """The slower call is refused with all that it did, so that it can give the other's answer."""

    async def answer(number: int) -> int | None:
        try:
            async with database.transaction() as session:
                await threads.posted(session, 7, number)
                await answered.remember(session, "key", "f" * 64, 200 + number, {})
        except IntegrityError:
            return None
        return number

    won = [one for one in await asyncio.gather(*(answer(number) for number in range(5))) if one is not None]
    assert len(won) == 1
    async with database.reading() as session:
        found = await answered.find(session, "key")
        assert found is not None
        assert found.status == 200 + won[0]
        posts = [await threads.posts(session, 7, number) for number in range(5)]
    assert posts == [int(number == won[0]) for number in range(5)]


async def test_old_answers_are_forgotten(database: Database) -> None:
    """Then the key may be used again."""
    async with database.transaction() as session:
        await answered.remember(session, "old", "f" * 64, 200, {})
        found = await answered.find(session, "old")
        assert found is not None
        found.created_at = clock.now() - 2 * DAY
        await answered.remember(session, "new", "f" * 64, 200, {})
    async with database.transaction() as session:
        assert await answered.prune(session, clock.now() - DAY) == 1
        assert await answered.prune(session, clock.now() - DAY) == 0
    async with database.transaction() as session:
        assert await answered.find(session, "new") is not None
        await answered.remember(session, "old", "0" * 64, 201, {})
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await answered.remember(session, "new", "0" * 64, 201, {})
