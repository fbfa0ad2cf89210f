"""Bring the database to the schema that this code expects, or say why it can't serve."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage import database as databases
from storage.database import Database

# Any constant does, as long as every Journeyman uses the same: it keeps two `migrate` from running at once.
POSTGRESQL_LOCK = 0x6A6F7572


class SchemaMismatch(Exception):
    """The database is not at the schema of this version; the text says which way and what to run."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": POSTGRESQL_LOCK})
    _refuse_newer(connection)
    command.upgrade(_config(connection), "head")


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection) -> None:
    script, current = ScriptDirectory.from_config(_config()), _current(connection)
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaMismatch(
            f"the database is at schema {current}, which this version does not know: "
            "it was migrated by a newer Journeyman; start that version, or restore a backup"
        )


async def upgrade(database: Database) -> None:
    """Run the migrations that are missing, in one transaction; raises SchemaMismatch for a newer database."""
    if database.is_sqlite:
        await databases.use_wal(database.engine)
    async with database.engine.begin() as connection:
        await connection.run_sync(_upgrade)


async def verify(database: Database) -> None:
    """Raise SchemaMismatch unless the database is at this version's schema."""
    async with database.engine.begin() as connection:
        await connection.run_sync(_refuse_newer)
        current = await connection.run_sync(_current)
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if current != head:
        raise SchemaMismatch(
            f"the database is at schema {current or 'none'}, not {head}: run `python -m bot migrate`"
        )
