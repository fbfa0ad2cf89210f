"""Hold the migrations to the models, and `migrate` to its promises."""

import asyncio
from typing import Any

import pytest
from alembic import autogenerate
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from storage import database as databases
from storage import schema
from storage.database import Database
from storage.metadata import Model


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(autogenerate.compare_metadata(context, Model.metadata))


async def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    """A database made by the migrations differs from the models in nothing, partial indexes included."""
    async with database.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
        partial = await connection.run_sync(_partial_indexes)
    assert partial == {
        "ix_events_unsent",
        "ix_requests_unanswered",
        "ix_requests_waiting",
        "uq_sessions_open",
        "uq_tasks_live",
        "uq_tasks_pending",
    }


def _partial_indexes(connection: Connection) -> set[str]:
    look = inspect(connection)
    found = [index for table in look.get_table_names() for index in look.get_indexes(table)]
    return {
        str(index["name"])
        for index in found
        if any(key.endswith("_where") for key in index.get("dialect_options", {}))
    }


async def test_migrating_twice_is_harmless(database: Database) -> None:
    """A second upgrade keeps the schema and the rows, and `verify` is content."""
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO baselines VALUES ('a', '{}', '2026-01-01 00:00:00+00:00')"))
    await schema.upgrade(database)
    await schema.verify(database)
    async with database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM baselines")) == 1


async def test_two_servers_may_migrate_at_once(database_url: str) -> None:
    """Two processes that migrate an empty database at the same moment both succeed."""
    first, second = databases.connect(database_url), databases.connect(database_url)
    try:
        await asyncio.gather(schema.upgrade(first), schema.upgrade(second))
        await schema.verify(first)
    finally:
        await first.aclose()
        await second.aclose()


async def test_a_newer_schema_is_refused(database: Database) -> None:
    """A database that a newer version migrated is neither served nor migrated, and the refusal says why."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refusing in (schema.verify, schema.upgrade):
        with pytest.raises(schema.SchemaMismatch, match=r"9999.*newer Journeyman"):
            await refusing(database)


async def test_an_empty_database_is_not_served(database_url: str) -> None:
    """`verify` refuses a database without tables, and names the command that makes them."""
    opened = databases.connect(database_url)
    try:
        with pytest.raises(schema.SchemaMismatch, match=r"schema none.*python -m bot migrate"):
            await schema.verify(opened)
    finally:
        await opened.aclose()


async def test_a_migration_that_fails_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration cut off half-way is rolled back whole, and the next one starts from nothing."""
    opened = databases.connect(database_url)
    whole = schema.command.upgrade

    def half(*arguments: Any) -> None:
        whole(*arguments)
        raise OSError("the disk is gone")

    try:
        with monkeypatch.context() as patch:
            patch.setattr(schema.command, "upgrade", half)
            with pytest.raises(OSError, match="the disk is gone"):
                await schema.upgrade(opened)
        async with opened.engine.connect() as connection:
            assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
        await schema.upgrade(opened)
        await schema.verify(opened)
    finally:
        await opened.aclose()
