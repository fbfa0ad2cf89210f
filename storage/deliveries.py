"""Remember each webhook once, before it is answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, database
from storage.models import Delivery
from storage.words import DeliveryState


class Arrival(NamedTuple):
    """A verified webhook on its way into the table, and what became of it."""

    id: str
    event: str
    action: str | None
    payload: bytes
    state: DeliveryState = DeliveryState.IGNORED
    error: str | None = None


async def record(session: AsyncSession, arrivals: Sequence[Arrival]) -> set[str]:
    """Store the arrivals that are new, and return their ids; the others were stored before."""
    moment = clock.now()
    rows = [{**arrival._asdict(), "received_at": moment} for arrival in arrivals]
    # The primary key closes the race of a delivery and its redelivery reaching two processes at once.
    statement = database.insert(session, Delivery).on_conflict_do_nothing().returning(Delivery.id)
    connection = await session.connection()
    return set((await connection.execute(statement, rows)).scalars()) if rows else set()


async def mark(
    session: AsyncSession, delivery_id: str, state: DeliveryState, error: str | None = None
) -> None:
    """Say what became of a delivery."""
    await session.execute(update(Delivery).where(Delivery.id == delivery_id).values(state=state, error=error))


async def find(session: AsyncSession, delivery_id: str) -> Delivery | None:
    """Return the delivery as it was received, or None."""
    return await session.get(Delivery, delivery_id)


async def parked(session: AsyncSession) -> list[str]:
    """Return the ids of the deliveries whose handler raised, oldest first."""
    query = select(Delivery.id).where(Delivery.state == DeliveryState.PARKED).order_by(Delivery.received_at)
    return list(await session.scalars(query))


async def prune(session: AsyncSession, before: datetime, most: int = 500) -> int:
    """Forget that many deliveries received before that moment, and return how many went.

    Parked ones are kept until someone looks.
    """
    old = (
        select(Delivery.id)
        .where(Delivery.received_at < before, Delivery.state != DeliveryState.PARKED)
        .limit(most)
    )
    statement = delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)
    return len((await session.execute(statement)).all())
