"""Count what we wrote in a thread since a person last said something there."""

from sqlalchemy import select, update
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
    """Note that a person said something: the count begins anew, and we may speak again."""
    await session.execute(
        update(Thread)
        .where(Thread.repository_id == repository_id, Thread.number == number)
        .values(posts=0, updated_at=clock.now())
    )


async def posts(session: AsyncSession, repository_id: int, number: int) -> int:
    """Return how many comments of ours there are since a person's last word."""
    query = select(Thread.posts).where(Thread.repository_id == repository_id, Thread.number == number)
    return int(await session.scalar(query) or 0)
