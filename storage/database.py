"""Open the database and hand out transactions: one way in for SQLite and PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from storage.metadata import Model

BUSY_TIMEOUT_MS = 30_000
WAL_TRIES = 100
WAL_PAUSE_SECONDS = 0.1


async def use_wal(engine: AsyncEngine) -> None:
    """Put an SQLite file into WAL mode, which it keeps; of two that do so at once SQLite turns one away."""
    for tries_left in range(WAL_TRIES, 0, -1):
        try:
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                await raw.driver_connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
        except sqlite3.OperationalError:
            if tries_left == 1:
                raise
            await asyncio.sleep(WAL_PAUSE_SECONDS)
        else:
            return


class Database:
    """The engine and its two kinds of transaction; closed by `close`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        reader = engine.execution_options(journeyman_reading=True)
        self._writing = async_sessionmaker(engine, expire_on_commit=False)
        self._reading = async_sessionmaker(reader, expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether one process owns the data."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commit what the block did, or roll all of it back; never hold it across a network await."""
        async with self._writing() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Read without taking SQLite's write lock."""
        async with self._reading() as session, session.begin():
            yield session

    async def aclose(self) -> None:
        """Return every connection."""
        await self.engine.dispose()


def insert(session: AsyncSession, table: type[Model]) -> sqlite.Insert | postgresql.Insert:
    """Return the dialect's own INSERT, which knows ON CONFLICT."""
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return make(table)


def default_url(data_dir: Path) -> str:
    """Return the embedded database below the data directory."""
    return f"sqlite:///{data_dir / 'journeyman.sqlite'}"


def connect(url: str) -> Database:
    """Make the engine for `sqlite:///…` or `postgresql://…`; the first transaction opens it."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(parsed.set(drivername="sqlite+aiosqlite"), pool_size=8, max_overflow=8)
        _tune_sqlite(engine)
    else:
        engine = create_async_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5},
        )
    return Database(engine)


def _tune_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        del record
        connection.isolation_level = None  # we say BEGIN ourselves, below
        cursor = connection.cursor()
        # FULL: a 202 promises that the delivery survives a power cut; WAL with NORMAL may lose the last
        # commits (https://www.sqlite.org/pragma.html#pragma_synchronous).
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A read that later writes gets SQLITE_BUSY at once, whatever the time-out:
        # writers take the lock at the start.
        reading = connection.get_execution_options().get("journeyman_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
