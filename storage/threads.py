"""Count what we wrote in a thread since a person last said something there."""

from datetime import datetime

from sqlalchemy import Update, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, database
from storage.records import Thread


async def posted(session: AsyncSession, repository_id: int, number: int) -> int:
    """Count one more comment of ours, and return how many there are since a person's last word."""
    first = database.insert(session, Thread).values(
        repository_id=repository_id, number=number, posts=1, updated_at=clock.now()
    )
    again = first.on_conflict_do_update(
        index_elements=[Thread.repository_id, Thread.number],
        set_={"posts": Thread.posts + 1, "updated_at": clock.now()},
    )
    return int((await session.execute(again.returning(Thread.posts))).scalar_one())


async def heard(session: AsyncSession, repository_id: int, number: int) -> None:
    """Note that a person said something: the count begins anew, and we may speak again.

    With it a silence ends in which we said something; `silence` returns the next one's number.
    """
    ended = Thread.silences + case((Thread.posts > 0, 1), else_=0)
    await session.execute(
        _one(repository_id, number).values(
            posts=0, silences=ended, word_taken_until=None, updated_at=clock.now()
        )
    )


async def hold(session: AsyncSession, repository_id: int, number: int) -> None:
    """Keep the thread for this transaction: another one that wants it waits for the commit."""
    row = database.insert(session, Thread).values(
        repository_id=repository_id, number=number, updated_at=clock.now()
    )
    kept = row.on_conflict_do_update(
        index_elements=[Thread.repository_id, Thread.number], set_={"updated_at": clock.now()}
    )
    await session.execute(kept)


async def posts(session: AsyncSession, repository_id: int, number: int) -> int:
    """Return how many comments of ours there are since a person's last word."""
    query = select(Thread.posts).where(Thread.repository_id == repository_id, Thread.number == number)
    return int(await session.scalar(query) or 0)


async def silence(session: AsyncSession, repository_id: int, number: int) -> int:
    """Return the number of the present stretch without a person's word; none has it again."""
    query = select(Thread.silences).where(Thread.repository_id == repository_id, Thread.number == number)
    return int(await session.scalar(query) or 0)


async def take_word(session: AsyncSession, repository_id: int, number: int, until: datetime) -> bool:
    """Take it upon us, until then, to announce that we go quiet; False when someone else has."""
    free = or_(Thread.word_taken_until.is_(None), Thread.word_taken_until <= clock.now())
    taking = _one(repository_id, number).where(free).values(word_taken_until=until)
    return (await session.execute(taking.returning(Thread.number))).scalar_one_or_none() is not None


async def give_word_back(session: AsyncSession, repository_id: int, number: int) -> None:
    """Leave the announcement to whoever comes next: it could not be made."""
    await session.execute(_one(repository_id, number).values(word_taken_until=None))


def _one(repository_id: int, number: int) -> Update:
    return update(Thread).where(Thread.repository_id == repository_id, Thread.number == number)
