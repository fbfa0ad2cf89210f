"""Let one process at a time do what many would do at the same moments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from storage.database import Database


@asynccontextmanager
async def only(database: Database, key: int) -> AsyncIterator[bool]:
    """Yield whether the turn of that key is ours until the block ends; an embedded database has one worker.

    On PostgreSQL it is an advisory lock of a connection of its own, without a transaction, so that the block
    may wait for the network. It is gone with the connection: nobody has to clear up after a dead process.
    """
    if database.is_sqlite:
        yield True
        return
    async with database.engine.connect() as opened:
        connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
        try:
            taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
            yield bool(taken)
        finally:
            # Closed instead of unlocked: an unlock that fails would leave the lock to the pool's next user.
            await connection.invalidate()
