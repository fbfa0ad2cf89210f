"""Keep the ledger of money: reserved before a model call, settled after it."""

import hashlib
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.records import Charge


async def one_at_a_time(session: AsyncSession, repository: str) -> None:
    """Let nobody else look at that repository's money until this transaction ends; call it before any sum.

    On SQLite a transaction that may write is the only one of its kind anyway.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    digest = hashlib.blake2b(f"charges of {repository}".encode(), digest_size=8).digest()
    key = int.from_bytes(digest, signed=True)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


async def reserve(
    session: AsyncSession, *, task_id: str, repository: str, purpose: str, model: str, usd: Decimal
) -> int:
    """Set the worst case of a call aside, and return the charge's id."""
    moment = clock.now()
    row = Charge(
        task_id=task_id,
        repository=repository,
        day=moment.date().isoformat(),
        purpose=purpose,
        model=model,
        reserved_usd=usd,
        created_at=moment,
    )
    session.add(row)
    await session.flush()
    return row.id


async def settle(
    session: AsyncSession, charge_id: int, usd: Decimal, usage: dict[str, Any] | None = None
) -> None:
    """Replace the reservation by what the call cost."""
    await session.execute(update(Charge).where(Charge.id == charge_id).values(settled_usd=usd, usage=usage))


async def spent_by_task(session: AsyncSession, task_id: str) -> Decimal:
    """Return a task's cost in USD; a call whose end we never saw counts with its reservation."""
    return await _sum(session, Charge.task_id == task_id)


async def spent_today(session: AsyncSession, repository: str) -> Decimal:
    """Return what a repository's tasks cost on this UTC day, in USD."""
    return await _sum(session, Charge.repository == repository, Charge.day == clock.now().date().isoformat())


async def _sum(session: AsyncSession, *conditions: Any) -> Decimal:
    query = select(func.sum(func.coalesce(Charge.settled_usd, Charge.reserved_usd))).where(*conditions)
    return Decimal(str(await session.scalar(query) or 0)).quantize(Decimal("0.000001"))
