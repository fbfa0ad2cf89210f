"""Keep each worker's sign of life, so that the work of a dead one is found."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.columns import UtcTime
from storage.records import Worker

ALIVE = "alive"
DEAD = "dead"


async def enter(session: AsyncSession, worker_id: str) -> None:
    """Write down a worker that begins; its id is its own for ever (IntegrityError otherwise)."""
    session.add(Worker(id=worker_id, beat=await _now(session), state=ALIVE))
    await session.flush()


async def beat(session: AsyncSession, worker_id: str) -> bool:
    """Renew a worker's sign of life; False when others have given it up, and its work may be theirs."""
    statement = (
        update(Worker)
        .where(Worker.id == worker_id, Worker.state == ALIVE)
        .values(beat=await _now(session))
        .returning(Worker.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def give_up_silent(session: AsyncSession, ttl_seconds: float) -> list[str]:
    """Mark those dead whose last sign of life is older than that, and return them."""
    before = await _now(session) - timedelta(seconds=ttl_seconds)
    statement = (
        update(Worker)
        .where(Worker.state == ALIVE, Worker.beat < before)
        .values(state=DEAD)
        .returning(Worker.id)
    )
    return list((await session.execute(statement)).scalars())


async def leave(session: AsyncSession, worker_id: str) -> None:
    """Mark a worker dead that ends as it should, so that others go on with its work at once."""
    await session.execute(update(Worker).where(Worker.id == worker_id).values(state=DEAD))


async def dead(session: AsyncSession) -> list[str]:
    """Return every worker that is dead and not yet forgotten."""
    return list(await session.scalars(select(Worker.id).where(Worker.state == DEAD)))


async def forget(session: AsyncSession, worker_ids: list[str], ttl_seconds: float) -> None:
    """Forget those of the given that died longer ago than that."""
    before = await _now(session) - timedelta(seconds=ttl_seconds)
    await session.execute(
        delete(Worker).where(Worker.id.in_(worker_ids), Worker.state == DEAD, Worker.beat < before)
    )


async def _now(session: AsyncSession) -> datetime:
    """Return the database's time: hosts' clocks differ by more than a beat."""
    moment: datetime | None = await session.scalar(select(func.now(type_=UtcTime)))
    assert moment is not None  # noqa: S101  # a SELECT of one value has one row
    return moment
