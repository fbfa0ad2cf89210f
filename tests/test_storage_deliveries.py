"""A delivery is stored once, and a Request asked once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from storage import clock, deliveries, requests
from storage.database import Database
from storage.deliveries import Arrival
from storage.models import Delivery, Request
from storage.words import DeliveryState, RequestKind

ASK = requests.Ask(cause="one", kind=RequestKind.RUN, repository="acme/shop", repository_id=7, issue_number=1)


def _arrival(delivery_id: str, payload: bytes = b"{}", action: str | None = None) -> Arrival:
    return Arrival(delivery_id, "issues", action, payload)


async def test_one_delivery_per_id_even_when_two_race(database: Database) -> None:
    """Of many that store the same id at once, one is told that it is new, and its bytes stay."""

    async def store(number: int) -> set[str]:
        async with database.transaction() as session:
            return await deliveries.record(session, [_arrival("same", f"{number}".encode())])

    new = await asyncio.gather(*(store(number) for number in range(8)))
    (winner,) = [number for number, ids in enumerate(new) if ids == {"same"}]
    async with database.reading() as session:
        kept = await deliveries.find(session, "same")
        assert kept is not None
        assert kept.payload == f"{winner}".encode()
        assert await session.scalar(select(func.count()).select_from(Delivery)) == 1


async def test_a_batch_may_hold_the_same_delivery_twice(database: Database) -> None:
    """A redelivery that lands in the batch of its original is no error."""
    async with database.transaction() as session:
        assert await deliveries.record(session, [_arrival("a"), _arrival("a"), _arrival("b")]) == {"a", "b"}
        assert await deliveries.record(session, [_arrival("b"), _arrival("c")]) == {"c"}


async def test_bytes_come_back_as_they_were(database: Database) -> None:
    """A payload is kept byte for byte, and an action with NUL or half a character is made storable."""
    payload = bytes(range(256))
    async with database.transaction() as session:
        await deliveries.record(session, [_arrival("odd", payload, "a\x00b\ud800")])
    async with database.reading() as session:
        kept = await deliveries.find(session, "odd")
    assert kept is not None
    assert (kept.payload, kept.action) == (payload, "a�b?")


async def test_a_cause_asks_once(database: Database) -> None:
    """The same cause asked by many at once is one Request."""

    async def ask() -> None:
        async with database.transaction() as session:
            await requests.add(session, [ASK])

    await asyncio.gather(*(ask() for _ in range(6)))
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Request)) == 1


async def test_old_deliveries_go_and_parked_ones_stay(database: Database) -> None:
    """Pruning takes what is old and settled; Requests outlive it, and parked ones wait for people."""
    async with database.transaction() as session:
        await deliveries.record(session, [_arrival(each) for each in ("old", "parked", "new")])
        await deliveries.mark(session, "parked", DeliveryState.PARKED, "ValueError: x")
        await requests.add(session, [replace(ASK, delivery_id="old")])
        for each in ("old", "parked"):
            row = await session.get_one(Delivery, each)
            row.received_at = clock.now() - timedelta(days=100)
    async with database.transaction() as session:
        await deliveries.prune(session, clock.now() - timedelta(days=90))
    async with database.reading() as session:
        assert set(await session.scalars(select(Delivery.id))) == {"parked", "new"}
        assert await deliveries.parked(session) == ["parked"]
        request = await requests.of_cause(session, ASK.cause)
        assert request is not None
        assert request.delivery_id is None
        assert await requests.due(session) == [(request.id, request.installation_id)]
